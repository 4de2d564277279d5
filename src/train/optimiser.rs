//! Optimisers with their own saved state.
//!
//! [`Adam`] is PyTorch's definition (Kingma & Ba 2015, algorithm 1, with bias correction), in one pass over
//! each parameter. Every element is computed on its own, so the result does not depend on threads.

use std::cell::RefCell;

use candle_core::{CpuStorage, DType, InplaceOp1, InplaceOp2, Layout, Result, Tensor};
use rayon::prelude::*;

use super::gradients::Gradients;
use crate::model::Parameter;

/// Elements that one task updates.
const ELEMENTS_A_TASK: usize = 1 << 14;

/// Which optimiser, with its constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OptimiserSpec {
    /// see [`Adam`]
    Adam {
        /// decay rates of the two moments, each in [0, 1)
        betas: (f64, f64),
        /// added to the denominator
        eps: f64,
    },
}

/// An optimiser of one network's parameters.
#[derive(Debug)]
pub enum Optimiser {
    /// see [`Adam`]
    Adam(Adam),
}

impl Optimiser {
    /// An optimiser of `parameters` that has made no step.
    pub fn new(spec: OptimiserSpec, parameters: &[Parameter]) -> Result<Self> {
        match spec {
            OptimiserSpec::Adam { betas, eps } => Adam::new(betas, eps, parameters).map(Self::Adam),
        }
    }

    /// Updates the parameters in place; `gradients` in their order. A parameter without gradient stays.
    pub fn step(&mut self, gradients: &Gradients, lr: f64) -> Result<()> {
        match self {
            Self::Adam(adam) => adam.step(gradients, lr),
        }
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        match self {
            Self::Adam(adam) => adam.steps,
        }
    }

    /// Sets the number of steps made, when a run is resumed.
    pub fn set_steps(&mut self, steps: u64) {
        match self {
            Self::Adam(adam) => adam.steps = steps,
        }
    }

    /// The tensors that a resumed run needs besides the parameters, named after them (`first.layers.0.weight`).
    pub fn state(&self) -> Vec<(String, &Tensor)> {
        match self {
            Self::Adam(adam) => adam.state(),
        }
    }
}

/// Adam: with g the gradient and t the step,
/// m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g², θ ← θ - lr/(1-β₁ᵗ) · m / (√v/√(1-β₂ᵗ) + ε).
#[derive(Debug)]
pub struct Adam {
    betas: (f64, f64),
    eps: f64,
    steps: u64,
    slots: Vec<Slot>,
}

/// A parameter with its moments.
#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    first: Tensor,
    second: Tensor,
}

impl Adam {
    fn new(betas: (f64, f64), eps: f64, parameters: &[Parameter]) -> Result<Self> {
        let slot = |parameter: &Parameter| {
            let zeros = || parameter.value.tensor().zeros_like();
            Ok(Slot {
                name: parameter.name.clone(),
                parameter: parameter.value.tensor().clone(),
                first: zeros()?,
                second: zeros()?,
            })
        };
        Ok(Self {
            betas,
            eps,
            steps: 0,
            slots: parameters.iter().map(slot).collect::<Result<_>>()?,
        })
    }

    fn state(&self) -> Vec<(String, &Tensor)> {
        let slots = self.slots.iter();
        let moments =
            slots.flat_map(|slot| [("first", slot, &slot.first), ("second", slot, &slot.second)]);
        moments
            .map(|(moment, slot, var)| (format!("{moment}.{}", slot.name), var))
            .collect()
    }

    fn step(&mut self, gradients: &Gradients, lr: f64) -> Result<()> {
        self.steps += 1;
        let steps = self.steps as f64;
        // libm: the platform's pow may differ in the last bit between systems.
        let correction = |beta: f64| 1.0 - libm::pow(beta, steps);
        let update = Update {
            betas: self.betas,
            rate: lr / correction(self.betas.0),
            root: correction(self.betas.1).sqrt(),
            eps: self.eps,
        };
        for (slot, gradient) in self.slots.iter().zip(gradients.iter()) {
            if let Some(gradient) = gradient {
                update.apply(slot, gradient)?;
            }
        }
        Ok(())
    }
}

/// The constants of one Adam step.
#[derive(Clone, Copy)]
struct Update {
    betas: (f64, f64),
    /// lr / (1-β₁ᵗ)
    rate: f64,
    /// √(1-β₂ᵗ)
    root: f64,
    eps: f64,
}

impl Update {
    fn apply(self, slot: &Slot, gradient: &Tensor) -> Result<()> {
        let on_cpu = slot.parameter.device().is_cpu() && slot.parameter.dtype() == DType::F32;
        if !on_cpu || gradient.dtype() != DType::F32 {
            return self.apply_composite(slot, gradient);
        }
        let gradient = gradient.contiguous()?;
        // Each tensor has a lock of its own, so the three in-place operations nest.
        edit_with(&slot.parameter, &gradient, |parameter, gradient| {
            edit(&slot.first, |first| {
                edit(&slot.second, |second| {
                    self.apply_slices(parameter, first, second, gradient);
                    Ok(())
                })
            })
        })
    }

    fn apply_slices(
        self,
        parameter: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
        gradient: &[f32],
    ) {
        let (beta1, beta2) = (self.betas.0 as f32, self.betas.1 as f32);
        let (grow1, grow2) = ((1.0 - self.betas.0) as f32, (1.0 - self.betas.1) as f32);
        let (rate, inverse_root, eps) =
            (self.rate as f32, (1.0 / self.root) as f32, self.eps as f32);
        parameter
            .par_chunks_mut(ELEMENTS_A_TASK)
            .zip(first.par_chunks_mut(ELEMENTS_A_TASK))
            .zip(second.par_chunks_mut(ELEMENTS_A_TASK))
            .zip(gradient.par_chunks(ELEMENTS_A_TASK))
            .for_each(|(((parameter, first), second), gradient)| {
                let moments = first.iter_mut().zip(second.iter_mut());
                for ((p, (m, v)), &g) in parameter.iter_mut().zip(moments).zip(gradient) {
                    *m = beta1 * *m + grow1 * g;
                    *v = beta2 * *v + grow2 * g * g;
                    *p -= rate * *m / (v.sqrt() * inverse_root + eps);
                }
            });
    }

    /// The same in candle's operations, for other devices and types.
    fn apply_composite(self, slot: &Slot, gradient: &Tensor) -> Result<()> {
        let gradient = gradient.to_dtype(slot.parameter.dtype())?;
        let first = ((&slot.first * self.betas.0)? + (&gradient * (1.0 - self.betas.0))?)?;
        let second = ((&slot.second * self.betas.1)? + (gradient.sqr()? * (1.0 - self.betas.1))?)?;
        let denominator = ((second.sqrt()? / self.root)? + self.eps)?;
        let change = ((&first * self.rate)? / denominator)?;
        slot.parameter
            .slice_set(&(&slot.parameter - change)?, 0, 0)?;
        slot.first.slice_set(&first, 0, 0)?;
        slot.second.slice_set(&second, 0, 0)
    }
}

/// Lets `change` edit the elements of a contiguous `f32` tensor on the CPU.
fn edit(tensor: &Tensor, change: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<()> {
    tensor.inplace_op1(&Edit(RefCell::new(Some(change))))
}

/// The same beside another tensor, which is only read.
fn edit_with(
    tensor: &Tensor,
    read: &Tensor,
    change: impl FnOnce(&mut [f32], &[f32]) -> Result<()>,
) -> Result<()> {
    tensor.inplace_op2(read, &Edit(RefCell::new(Some(change))))
}

/// A closure as candle's in-place operation, which candle calls exactly once.
struct Edit<F>(RefCell<Option<F>>);

impl<F> Edit<F> {
    fn take(&self) -> Result<F> {
        self.0
            .borrow_mut()
            .take()
            .ok_or_else(|| candle_core::Error::msg("an in-place update ran twice"))
    }
}

impl<F: FnOnce(&mut [f32]) -> Result<()>> InplaceOp1 for Edit<F> {
    fn name(&self) -> &'static str {
        "optimiser state"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        self.take()?(elements_mut(storage, layout)?)
    }
}

impl<F: FnOnce(&mut [f32], &[f32]) -> Result<()>> InplaceOp2 for Edit<F> {
    fn name(&self) -> &'static str {
        "optimiser step"
    }

    fn cpu_fwd(
        &self,
        storage: &mut CpuStorage,
        layout: &Layout,
        read: &CpuStorage,
        of: &Layout,
    ) -> Result<()> {
        let (start, end) = range(of)?;
        self.take()?(
            elements_mut(storage, layout)?,
            &read.as_slice::<f32>()?[start..end],
        )
    }
}

fn elements_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let (start, end) = range(layout)?;
    match storage {
        CpuStorage::F32(elements) => Ok(&mut elements[start..end]),
        _ => Err(candle_core::Error::msg("an optimiser's tensors are f32")),
    }
}

fn range(layout: &Layout) -> Result<(usize, usize)> {
    layout
        .contiguous_offsets()
        .ok_or_else(|| candle_core::Error::msg("an optimiser's tensors are contiguous"))
}
