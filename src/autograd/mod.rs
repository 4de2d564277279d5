//! Reverse-mode differentiation of candle tensors, to any order.
//!
//! A [`Value`] is a tensor that remembers how it was computed. Operations (in [`ops`](crate::ops)) compute a
//! tensor with a kernel and [record](Value::record) a closure that turns the gradient of their result
//! into gradients of their arguments. Such a closure is itself written in operations on values, so a gradient
//! can be differentiated like anything else.
//!
//! Two ways back, and no third:
//! - [`backward`] gives plain tensors and *consumes* the graph: every intermediate result is freed as soon as
//!   its last gradient is made. What an optimiser needs.
//! - [`grad`] gives values that are themselves differentiable and leaves the graph in place. What a
//!   gradient penalty needs.
//!
//! Which of the two is under way is told to each closure, and kept nowhere else: a flag of the thread would be
//! seen by whatever else the thread takes up while it waits for a parallel loop.
//!
//! Both walk only what leads to the values asked for: a network whose parameters are passed
//! [detached](Value::detach) costs no weight gradients, and keeps nothing for them. Gradients that meet are
//! added; none starts as a tensor of zeros. Nothing recurses, so a graph may be as deep as memory allows.

mod add;
mod backward;
mod node;
mod value;

pub(crate) use add::add;
pub use backward::{backward, grad};
pub use node::Backward;
pub use value::{Kept, Value};
