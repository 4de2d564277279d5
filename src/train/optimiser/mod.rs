//! Optimisers with their own saved state, as `PyTorch` defines them.
//!
//! An optimiser is a [`Rule`] for one element, applied to every element of every parameter: fused into
//! one pass on the CPU ([`sweep`]), and in candle's operations for other devices and types. No element
//! depends on another, so the result does not depend on threads.

mod adam;
mod rmsprop;
mod sgd;
mod sweep;

use candle_core::{DType, Result, Tensor};

pub use adam::{Adam, WeightDecay};
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

use super::gradients::Gradients;
use super::in_place::assign;
use sweep::{Chunk, sweep};

/// Which optimiser, with its constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OptimiserSpec {
    /// Adam and, with decoupled weight decay, `AdamW`
    Adam(Adam),
    /// `RMSprop`
    RmsProp(RmsProp),
    /// stochastic gradient descent
    Sgd(Sgd),
}

impl OptimiserSpec {
    /// What is kept of a parameter from step to step: tensors of its shape, zero at first.
    fn state(&self) -> Vec<&'static str> {
        match self {
            Self::Adam(_) => Adam::STATE.to_vec(),
            Self::RmsProp(rmsprop) => rmsprop.state(),
            Self::Sgd(sgd) => sgd.state(),
        }
    }

    /// The rule of step `step` (from 1).
    fn rule(&self, step: u64, lr: f64) -> Box<dyn Rule> {
        match *self {
            Self::Adam(adam) => Box::new(adam.at(step, lr)),
            Self::RmsProp(rmsprop) => Box::new(rmsprop.at(lr)),
            Self::Sgd(sgd) => Box::new(sgd.at(step, lr)),
        }
    }
}

/// One step of an optimiser, twice: both ways compute the same up to rounding. State is in the order of
/// [`OptimiserSpec::state`].
trait Rule: Sync {
    /// Updates a stretch of a parameter and its state in one pass.
    fn update(&self, chunk: Chunk<'_>);

    /// The parameter and its state after the step.
    fn composite(
        &self,
        parameter: &Tensor,
        state: &[Tensor],
        gradient: &Tensor,
    ) -> Result<(Tensor, Vec<Tensor>)>;
}

/// An optimiser of one network's parameters.
#[derive(Debug)]
pub struct Optimiser {
    spec: OptimiserSpec,
    names: Vec<&'static str>,
    steps: u64,
    slots: Vec<Slot>,
}

/// A parameter with its state.
#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    state: Vec<Tensor>,
}

impl Optimiser {
    /// An optimiser that has made no step. The `parameters`, named, are contiguous; steps change them in place.
    pub fn new<'a>(
        spec: OptimiserSpec,
        parameters: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    ) -> Result<Self> {
        let names = spec.state();
        let slot = |(name, parameter): (&str, &Tensor)| {
            let state = names.iter().map(|_| parameter.zeros_like());
            Ok(Slot {
                name: name.to_owned(),
                parameter: parameter.clone(),
                state: state.collect::<Result<_>>()?,
            })
        };
        Ok(Self {
            spec,
            slots: parameters.into_iter().map(slot).collect::<Result<_>>()?,
            names,
            steps: 0,
        })
    }

    /// Updates the parameters in place; `gradients` in their order. A parameter without gradient stays as it
    /// is, and so does its state; the count of steps is the optimiser's, not the parameter's.
    pub fn step(&mut self, gradients: &Gradients, lr: f64) -> Result<()> {
        let step = self.steps + 1;
        let rule = self.spec.rule(step, lr);
        let mut fused = Vec::with_capacity(self.slots.len());
        for (slot, gradient) in self.slots.iter().zip(gradients.iter()) {
            match gradient {
                None => {}
                Some(gradient) if gradient.dims() != slot.parameter.dims() => candle_core::bail!(
                    "`{}` is {:?}, its gradient {:?}",
                    slot.name,
                    slot.parameter.dims(),
                    gradient.dims()
                ),
                Some(gradient) if has_kernel(&slot.parameter) && has_kernel(gradient) => {
                    fused.push((slot, gradient.contiguous()?));
                }
                Some(gradient) => slot.update(&*rule, gradient)?,
            }
        }
        sweep(&*rule, &fused)?;
        self.steps = step;
        Ok(())
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Sets the number of steps made, when a run is resumed.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// The tensors that a resumed run needs besides the parameters, named after them
    /// (`first.layers.0.weight`). To restore them, their values are overwritten.
    pub fn state(&self) -> Vec<(String, &Tensor)> {
        let slots = self.slots.iter();
        let tensors = slots.flat_map(|slot| {
            let kept = self.names.iter().zip(&slot.state);
            kept.map(|(name, tensor)| (format!("{name}.{}", slot.name), tensor))
        });
        tensors.collect()
    }
}

impl Slot {
    /// Makes a step in candle's operations.
    fn update(&self, rule: &dyn Rule, gradient: &Tensor) -> Result<()> {
        let gradient = gradient.to_dtype(self.parameter.dtype())?;
        let (parameter, state) = rule.composite(&self.parameter, &self.state, &gradient)?;
        assign(&self.parameter, &parameter)?;
        self.state
            .iter()
            .zip(&state)
            .try_for_each(|(tensor, values)| assign(tensor, values))
    }
}

/// Whether the fused pass applies to `tensor`.
fn has_kernel(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32
}

/// `value`, unless it is zero, which means that a term is absent.
fn unless_zero(value: f64) -> Option<f64> {
    (value != 0.0).then_some(value)
}

/// The gradient with that of an L2 penalty, `decay`/2 · |θ|².
#[inline]
fn penalised(gradient: f32, parameter: f32, decay: Option<f32>) -> f32 {
    decay.map_or(gradient, |decay| gradient + decay * parameter)
}
