//! The graph that values form.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{Result, Shape, Tensor};

use super::backward::weighted_grad;
use super::value::{Kept, Value};

/// Numbers nodes in the order they are made, in which arguments come before results.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A place in the graph: a variable, or the result of a step.
pub(super) struct Node {
    /// greater than those of all nodes that it was computed from
    pub number: u64,
    /// of its tensor, and so of its gradient
    pub shape: Shape,
    state: Mutex<State>,
}

enum State {
    Variable,
    Computed(Arc<Step>),
    /// A backward pass has been here and freed what it needed.
    Consumed,
}

/// From the gradient of an operation's result to those of its arguments, in their order.
pub(super) type WayBack = dyn Fn(&Backward<'_>) -> Result<Vec<Option<Value>>> + Send + Sync;

/// What a node keeps for the way back.
pub(super) struct Step {
    /// the nodes of the operation's arguments; `None` for constants
    pub arguments: Vec<Option<Arc<Node>>>,
    /// the operation's result, if the way back needs it
    pub output: Option<Tensor>,
    pub backward: Box<WayBack>,
}

impl Node {
    pub(super) fn variable(shape: Shape) -> Self {
        Self::new(shape, State::Variable)
    }

    pub(super) fn computed(shape: Shape, step: Step) -> Self {
        Self::new(shape, State::Computed(Arc::new(step)))
    }

    fn new(shape: Shape, state: State) -> Self {
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            shape,
            state: Mutex::new(state),
        }
    }

    /// The nodes it was computed from. Fails if a backward pass has consumed them.
    pub(super) fn arguments(&self) -> Result<Vec<Arc<Self>>> {
        match &*self.state() {
            State::Variable => Ok(Vec::new()),
            State::Computed(step) => Ok(step.arguments.iter().flatten().cloned().collect()),
            State::Consumed => Err(candle_core::Error::msg(
                "this part of the graph was consumed by an earlier backward pass; take the first gradient with `grad`",
            )),
        }
    }

    /// Its step, which stays; `None` of a variable.
    pub(super) fn step(&self) -> Option<Arc<Step>> {
        match &*self.state() {
            State::Computed(step) => Some(Arc::clone(step)),
            State::Variable | State::Consumed => None,
        }
    }

    /// Takes its step away; `None` of a variable.
    pub(super) fn consume(&self) -> Option<Arc<Step>> {
        let mut state = self.state();
        if matches!(*state, State::Variable) {
            return None;
        }
        match std::mem::replace(&mut *state, State::Consumed) {
            State::Computed(step) => Some(step),
            State::Variable | State::Consumed => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    /// Frees a chain of nodes one by one: left to itself, each would free the next from within its own drop,
    /// and a long chain would overflow the stack.
    fn drop(&mut self) {
        let mut orphans = Vec::new();
        let release = |node: &Self, orphans: &mut Vec<Arc<Self>>| {
            if let Some(mut step) = node.consume().and_then(Arc::into_inner) {
                // The arguments are held on to before what the closure captured of them goes.
                orphans.extend(std::mem::take(&mut step.arguments).into_iter().flatten());
            }
        };
        release(self, &mut orphans);
        while let Some(orphan) = orphans.pop() {
            if let Some(node) = Arc::into_inner(orphan) {
                release(&node, &mut orphans);
            }
        }
    }
}

/// What a way back is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Plain gradients; the graph is used up.
    Consume,
    /// Gradients that are differentiated again; the graph stays.
    Differentiable,
}

/// What a step's way back is given.
pub struct Backward<'a> {
    pub(super) way: Way,
    pub(super) gradient: &'a Value,
    pub(super) wanted: &'a [bool],
    pub(super) output: Option<Value>,
}

impl Backward<'_> {
    /// The gradient of the operation's result, of the result's shape. Not necessarily contiguous.
    pub fn gradient(&self) -> &Value {
        self.gradient
    }

    /// Whether the gradients are going to be differentiated, so that they must be made by differentiable operations.
    pub fn is_differentiable(&self) -> bool {
        self.way == Way::Differentiable
    }

    /// A captured value: a constant, unless the gradients are going to be differentiated.
    pub fn kept(&self, kept: &Kept) -> Value {
        match self.way {
            Way::Consume => kept.value().detach(),
            Way::Differentiable => kept.value().clone(),
        }
    }

    /// Whether a gradient is asked for the argument of this number.
    pub fn wants(&self, argument: usize) -> bool {
        self.wanted[argument]
    }

    /// `Some(gradient)` if one is asked for the argument of this number, without computing it otherwise.
    pub fn when_wanted(
        &self,
        argument: usize,
        gradient: impl FnOnce() -> Result<Value>,
    ) -> Result<Option<Value>> {
        self.wants(argument).then(gradient).transpose()
    }

    /// The same for a gradient that needs a value which was [kept for it](Value::kept_for).
    pub fn with_kept(
        &self,
        argument: usize,
        kept: Option<&Kept>,
        gradient: impl FnOnce(&Value) -> Result<Value>,
    ) -> Result<Option<Value>> {
        kept.filter(|_| self.wants(argument))
            .map(|kept| gradient(&self.kept(kept)))
            .transpose()
    }

    /// The wanted gradients of `function`, which computes the operation's result from `arguments` by differentiable
    /// operations. How an operation whose own way back is a kernel is differentiated more than once.
    pub(crate) fn through<const N: usize>(
        &self,
        arguments: [&Value; N],
        function: impl FnOnce([&Value; N]) -> Result<Value>,
    ) -> Result<Vec<Option<Value>>> {
        // Nodes of their own: an argument may have been given twice, or computed from another.
        let aliases = arguments.map(Value::alias);
        let aliases = aliases.each_ref();
        let result = function(aliases)?;
        let wanted = aliases.iter().zip(self.wanted);
        let asked: Vec<&Value> = wanted
            .filter(|(_, w)| **w)
            .map(|(alias, _)| *alias)
            .collect();
        let mut found = weighted_grad(&result, self.gradient, &asked)?.into_iter();
        let in_place = |wanted: &bool| wanted.then(|| found.next().flatten()).flatten();
        Ok(self.wanted.iter().map(in_place).collect())
    }

    /// The operation's result.
    ///
    /// # Errors
    /// If the operation was recorded without it, which is a mistake in its code.
    pub fn output(&self) -> Result<&Value> {
        self.output
            .as_ref()
            .ok_or_else(|| candle_core::Error::msg("internal: the step kept no output"))
    }
}
