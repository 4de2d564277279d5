//! A tensor and how it was computed.

use std::fmt;
use std::sync::Arc;

use candle_core::{DType, Device, Result, Shape, Tensor};

use super::node::{Backward, Node, Step};

/// A tensor that remembers how it was computed, if anything in that computation is a variable.
///
/// Its methods are differentiable operations (in [`ops`](crate::ops)). What is computed from its plain
/// [`tensor`](Value::tensor) instead is a constant.
#[derive(Clone)]
pub struct Value {
    tensor: Tensor,
    node: Option<Arc<Node>>,
}

impl Value {
    /// A tensor that is not differentiated.
    pub fn constant(tensor: Tensor) -> Self {
        Self { tensor, node: None }
    }

    /// A tensor to take gradients of: a parameter, or a point at which a slope is asked for.
    ///
    /// The tensor may be changed in place between one backward pass and the next forward pass.
    pub fn variable(tensor: Tensor) -> Self {
        let node = Some(Arc::new(Node::variable(tensor.shape().clone())));
        Self { tensor, node }
    }

    /// The result `tensor` of an operation on `arguments`, with its way back: `backward` gets the gradient of
    /// the result and gives one gradient for each argument, `None` for those that are not
    /// [wanted](Backward::wants).
    ///
    /// What `backward` captures must be constants or `arguments`: those it needs, as [`Kept`] values, and no others,
    /// so that nothing is kept in vain. It is written in operations on values, that its result may be
    /// differentiated again.
    pub fn record(
        tensor: Tensor,
        arguments: &[&Self],
        backward: impl Fn(&Backward<'_>) -> Result<Vec<Option<Self>>> + Send + Sync + 'static,
    ) -> Self {
        Self::record_step(tensor, arguments, false, backward)
    }

    /// [`Value::record`] for an operation whose way back needs its [output](Backward::output).
    pub fn record_with_output(
        tensor: Tensor,
        arguments: &[&Self],
        backward: impl Fn(&Backward<'_>) -> Result<Vec<Option<Self>>> + Send + Sync + 'static,
    ) -> Self {
        Self::record_step(tensor, arguments, true, backward)
    }

    fn record_step(
        tensor: Tensor,
        arguments: &[&Self],
        keep_output: bool,
        backward: impl Fn(&Backward<'_>) -> Result<Vec<Option<Self>>> + Send + Sync + 'static,
    ) -> Self {
        if arguments.iter().all(|argument| argument.node.is_none()) {
            return Self::constant(tensor);
        }
        let step = Step {
            arguments: arguments.iter().map(|value| value.node.clone()).collect(),
            output: keep_output.then(|| tensor.clone()),
            backward: Box::new(backward),
        };
        let node = Some(Arc::new(Node::computed(tensor.shape().clone(), step)));
        Self { tensor, node }
    }

    /// The result of a step that is already recorded as `node`.
    pub(super) fn of_node(tensor: Tensor, node: &Arc<Node>) -> Self {
        let node = Some(Arc::clone(node));
        Self { tensor, node }
    }

    pub(super) fn node(&self) -> Option<&Arc<Node>> {
        self.node.as_ref()
    }

    /// The same tensor as a constant. Shares its storage.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self::constant(self.tensor.clone())
    }

    /// The same value with a node of its own.
    pub(super) fn alias(&self) -> Self {
        Self::record(self.tensor.clone(), &[self], |back| {
            Ok(vec![Some(back.gradient().clone())])
        })
    }

    /// Whether a gradient of it could be asked for.
    pub fn is_tracked(&self) -> bool {
        self.node.is_some()
    }

    /// This value, for a way back to capture.
    pub fn kept(&self) -> Kept {
        Kept(self.clone())
    }

    /// This value for a way back to capture, if only the gradient of `argument` needs it.
    pub fn kept_for(&self, argument: &Self) -> Option<Kept> {
        argument.is_tracked().then(|| self.kept())
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        self.tensor.shape()
    }

    /// Its shape as a slice.
    pub fn dims(&self) -> &[usize] {
        self.tensor.dims()
    }

    /// Its number of dimensions.
    pub fn rank(&self) -> usize {
        self.tensor.rank()
    }

    /// Its number of elements.
    pub fn elem_count(&self) -> usize {
        self.tensor.elem_count()
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.tensor.dtype()
    }

    /// Where it lives.
    pub fn device(&self) -> &Device {
        self.tensor.device()
    }

    /// The plain tensor.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The plain tensor; forgets how it was computed.
    pub fn into_tensor(self) -> Tensor {
        self.tensor
    }
}

/// A value that a way back has captured; [`Backward::kept`] lets it out.
#[derive(Debug, Clone)]
pub struct Kept(Value);

impl Kept {
    pub(super) fn value(&self) -> &Value {
        &self.0
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Self::constant(tensor)
    }
}

impl From<&Tensor> for Value {
    fn from(tensor: &Tensor) -> Self {
        Self::constant(tensor.clone())
    }
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Self {
        value.clone()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_tracked() {
            "Tracked"
        } else {
            "Constant"
        };
        f.debug_tuple(kind).field(&self.tensor).finish()
    }
}
