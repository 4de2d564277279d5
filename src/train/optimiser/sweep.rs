//! One parallel pass over all parameters, their state and their gradients.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};
use rayon::prelude::*;

use super::{Rule, Slot};
use crate::train::in_place::Lent;

/// Elements that one task updates. What is smaller than this does not occupy a thread on its own.
const ELEMENTS_A_TASK: usize = 1 << 14;

/// The most tensors of state that a rule keeps of a parameter.
const MOST_STATE: usize = 3;

/// A stretch of a parameter and what belongs to it: slices of one length. Of `state`, those that the rule
/// keeps; the others are empty.
pub(super) struct Chunk<'a> {
    pub parameter: &'a mut [f32],
    pub state: [&'a mut [f32]; MOST_STATE],
    pub gradient: &'a [f32],
}

/// Applies `rule` to all `slots`, whose tensors and gradients are `f32` on the CPU, gradients contiguous
/// and of their parameter's shape.
///
/// # Errors
/// A gradient or parameter that shares its elements with another parameter; then nothing has changed.
pub(super) fn sweep(rule: &dyn Rule, slots: &[(&Slot, Tensor)]) -> Result<()> {
    let mut edited = Vec::with_capacity(slots.len());
    for (slot, _) in slots {
        let state: Vec<Lent<'_>> = slot.state.iter().map(Lent::new).collect::<Result<_>>()?;
        edited.push((Lent::new(&slot.parameter)?, state));
    }
    let gradients: Vec<_> = slots
        .iter()
        .map(|(_, gradient)| gradient.storage_and_layout())
        .collect();
    let mut chunks = Vec::new();
    for ((parameter, state), (gradient, layout)) in edited.iter_mut().zip(&gradients) {
        let gradient = elements(gradient, layout)?;
        let mut states: Vec<_> = state
            .iter_mut()
            .map(|state| state.elements().chunks_mut(ELEMENTS_A_TASK))
            .collect();
        let parts = parameter.elements().chunks_mut(ELEMENTS_A_TASK);
        for (parameter, gradient) in parts.zip(gradient.chunks(ELEMENTS_A_TASK)) {
            let mut state = states
                .iter_mut()
                .map(|parts| parts.next().unwrap_or_default());
            chunks.push(Chunk {
                parameter,
                state: std::array::from_fn(|_| state.next().unwrap_or_default()),
                gradient,
            });
        }
    }
    chunks.into_par_iter().for_each(|chunk| rule.update(chunk));
    Ok(())
}

fn elements<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    let elements = match (storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(all)), Some((start, end))) => all.get(start..end),
        _ => candle_core::bail!("internal: a gradient of another kind than was asked for"),
    };
    match elements {
        Some(elements) => Ok(elements),
        None => candle_core::bail!("a gradient shares its elements with a parameter"),
    }
}
