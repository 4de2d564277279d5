//! The one pass over a network's layers: shapes, parameters and the computation itself.
//!
//! [`infer`](super::infer()) keeps the table that the pass leaves, [`Network`](super::Network) the
//! parameters and the computation; neither can disagree with the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::dims::{Dim, Dims};
use super::error::{ModelError, ShapeError};
use super::fold::{ChannelMap, Folded, Numbers};
use super::infer::LayerRow;
use super::init::Role;
use super::inputs::Run;
use super::layers::LayerSpec;
use super::spec::NetworkSpec;
use crate::autograd::Value;
use crate::ops::Activation;

/// A layer's computation, its sizes and parameters resolved.
pub(super) trait Forward: Send + Sync {
    /// `x` is (N, …) with the shape the layer was built for; so is the result.
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError>;

    /// What it does, if that is an activation and nothing else.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// Takes over the activation of the layer that follows, if it can compute both at once.
    fn absorb(&mut self, _: Activation) -> bool {
        false
    }

    /// What it does in evaluation, if that is a function of each channel by itself.
    fn channel_map(&self, _: &Numbers<'_>) -> Result<Option<ChannelMap>, ModelError> {
        Ok(None)
    }

    /// This and then `next` as one layer for evaluation.
    fn folded_with(&self, _next: &ChannelMap, _: &Numbers<'_>) -> Folded {
        Ok(None)
    }

    /// The same with all layers in it folded.
    fn folded(&self, _: &Numbers<'_>) -> Folded {
        Ok(None)
    }
}

/// A layer's configuration: what it declares and how it computes.
pub(super) trait Layer {
    /// Checks `input` (a shape without the batch dimension), declares the parameters, and gives the output shape
    /// and the computation.
    fn build(&self, input: &[usize], builder: &mut Builder<'_>) -> Result<Built, ShapeError>;
}

/// What building a layer gives.
pub(super) struct Built {
    pub shape: Vec<usize>,
    pub forward: Box<dyn Forward>,
}

impl Built {
    pub fn new(shape: Vec<usize>, forward: impl Forward + 'static) -> Self {
        Self {
            shape,
            forward: Box::new(forward),
        }
    }
}

/// A tensor that a network owns.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub name: String,
    pub shape: Vec<usize>,
    pub role: Role,
}

/// The place of a parameter in its network's list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot(pub usize);

/// The place of a buffer in its network's list.
#[derive(Debug, Clone, Copy)]
pub(super) struct BufferSlot(pub usize);

/// Tensors beyond this many numbers are a slip in the file, not a wish.
const MOST_ELEMENTS: usize = 1 << 31;

/// A network, walked through.
pub(super) struct Walked {
    pub inputs: BTreeMap<String, Vec<usize>>,
    pub output: Vec<usize>,
    pub heads: BTreeMap<String, Vec<usize>>,
    pub taps: BTreeMap<String, Vec<usize>>,
    pub rows: Vec<LayerRow>,
    pub parameters: Vec<Declared>,
    pub buffers: Vec<Declared>,
    pub layers: Sequence,
}

/// Walks `spec` with `dims` in place of its symbols.
pub(super) fn walk(spec: &NetworkSpec, dims: &Dims) -> Result<Walked, ShapeError> {
    let mut builder = Builder {
        dims,
        inputs: BTreeMap::new(),
        used: BTreeSet::from([spec.start.clone()]),
        path: String::new(),
        named: None,
        tensors: BTreeMap::new(),
        layer: "input",
        rows: Vec::new(),
        parameters: Vec::new(),
        buffers: Vec::new(),
        heads: BTreeMap::new(),
        taps: BTreeMap::new(),
    };
    for (name, shape) in &spec.inputs {
        builder.path = format!("inputs.{name}");
        let shape = shape
            .iter()
            .map(|dim| builder.size(dim))
            .collect::<Result<Vec<_>, _>>()?;
        builder.check_elements(&shape)?;
        builder.inputs.insert(name.clone(), shape);
    }
    let start = builder.input(&spec.start)?;
    let (layers, output) = builder.sequence("layers", &spec.layers, start)?;
    if let Some(name) = spec
        .inputs
        .keys()
        .find(|name| !builder.used.contains(*name))
    {
        return Err(ShapeError {
            path: format!("inputs.{name}"),
            message: format!("no layer takes the input `{name}` (a `concat` layer would)"),
        });
    }
    let Builder {
        inputs,
        rows,
        parameters,
        buffers,
        heads,
        taps,
        ..
    } = builder;
    Ok(Walked {
        inputs,
        output,
        heads,
        taps,
        rows,
        parameters,
        buffers,
        layers,
    })
}

/// What a layer builds itself with: sizes, inputs, and the list of parameters so far.
pub(super) struct Builder<'a> {
    dims: &'a Dims,
    inputs: BTreeMap<String, Vec<usize>>,
    used: BTreeSet<String>,
    /// of the layer being built
    path: String,
    /// the nearest layer with a name that holds or is this one
    named: Option<Name>,
    /// tensor → the layer that declared it
    tensors: BTreeMap<String, String>,
    layer: &'static str,
    rows: Vec<LayerRow>,
    parameters: Vec<Declared>,
    buffers: Vec<Declared>,
    heads: BTreeMap<String, Vec<usize>>,
    taps: BTreeMap<String, Vec<usize>>,
}

/// What the layers at a place and below are called.
struct Name {
    text: String,
    /// bytes of the place's path
    place: usize,
}

impl Builder<'_> {
    /// The place of the layer being built.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// An error at the layer being built.
    pub fn misfit(&self, message: impl std::fmt::Display) -> ShapeError {
        ShapeError {
            path: self.path.clone(),
            message: format!("{} {message}", self.layer),
        }
    }

    /// A size as a number.
    pub fn size(&self, dim: &Dim) -> Result<usize, ShapeError> {
        dim.value(self.dims)
            .map_err(|reason| self.misfit(format_args!("has no such size: {reason}")))
    }

    /// The shape of a declared input, without the batch dimension.
    pub fn input(&mut self, name: &str) -> Result<Vec<usize>, ShapeError> {
        let Some(shape) = self.inputs.get(name) else {
            let names: Vec<_> = self.inputs.keys().map(String::as_str).collect();
            return Err(self.misfit(format_args!(
                "takes the input `{name}`, which is not declared (inputs: {})",
                names.join(", ")
            )));
        };
        self.used.insert(name.to_owned());
        Ok(shape.clone())
    }

    /// Declares a result of the network beside its last layer's: `name`, of `shape`.
    pub fn head(&mut self, name: &str, shape: &[usize]) -> Result<(), ShapeError> {
        if self.heads.contains_key(name) {
            return Err(self.misfit(format_args!("has the name `{name}`, which another has too")));
        }
        self.heads.insert(name.to_owned(), shape.to_vec());
        Ok(())
    }

    /// Declares a place to read from: `name`, where what flows is of `shape`.
    pub fn tap(&mut self, name: &str, shape: &[usize]) -> Result<(), ShapeError> {
        if self.taps.contains_key(name) {
            return Err(self.misfit(format_args!("has the name `{name}`, which another has too")));
        }
        self.taps.insert(name.to_owned(), shape.to_vec());
        Ok(())
    }

    /// What the layer being built is called: after the nearest named layer and its place in it, or else after its place.
    fn name(&self) -> String {
        match &self.named {
            Some(Name { text, place }) => format!("{text}{}", &self.path[*place..]),
            None => self.path.clone(),
        }
    }

    /// Declares a trainable tensor of the layer being built.
    pub fn parameter(
        &mut self,
        name: &str,
        shape: &[usize],
        role: Role,
    ) -> Result<Slot, ShapeError> {
        let declared = self.declare(name, shape, role)?;
        self.parameters.push(declared);
        Ok(Slot(self.parameters.len() - 1))
    }

    /// Declares a tensor that the layer keeps but no optimiser changes.
    pub fn buffer(
        &mut self,
        name: &str,
        shape: &[usize],
        role: Role,
    ) -> Result<BufferSlot, ShapeError> {
        let declared = self.declare(name, shape, role)?;
        self.buffers.push(declared);
        Ok(BufferSlot(self.buffers.len() - 1))
    }

    fn declare(&mut self, name: &str, shape: &[usize], role: Role) -> Result<Declared, ShapeError> {
        self.check_elements(shape)?;
        let name = format!("{}.{name}", self.name());
        if let Some(other) = self.tensors.get(&name) {
            return Err(self.misfit(format_args!(
                "has a tensor `{name}`, and so has the layer at {other}"
            )));
        }
        self.tensors.insert(name.clone(), self.path.clone());
        Ok(Declared {
            name,
            shape: shape.to_vec(),
            role,
        })
    }

    fn check_elements(&self, shape: &[usize]) -> Result<(), ShapeError> {
        let count = shape
            .iter()
            .try_fold(1usize, |product, size| product.checked_mul(*size));
        match count {
            Some(count) if count <= MOST_ELEMENTS => Ok(()),
            _ => Err(self.misfit(format_args!(
                "would need a tensor of {}, which is too large",
                text(shape)
            ))),
        }
    }

    /// Builds the list of layers that stands at `list`, one after the other.
    pub fn sequence(
        &mut self,
        list: &str,
        layers: &[LayerSpec],
        input: Vec<usize>,
    ) -> Result<(Sequence, Vec<usize>), ShapeError> {
        let mut shape = input;
        let mut steps: Vec<(String, Arc<dyn Forward>)> = Vec::with_capacity(layers.len());
        for (index, layer) in layers.iter().enumerate() {
            let path = format!("{list}.{index}");
            let built = self.one(&path, layer, &shape)?;
            shape = built.shape;
            let absorbed = match (steps.last_mut(), built.forward.activation()) {
                (Some((_, before)), Some(activation)) => absorb(before, activation),
                _ => false,
            };
            if !absorbed {
                steps.push((path, Arc::from(built.forward)));
            }
        }
        Ok((Sequence(steps), shape))
    }

    /// Builds the list of layers that the layer being built holds as its `field`.
    pub fn nested(
        &mut self,
        field: &str,
        layers: &[LayerSpec],
        input: Vec<usize>,
    ) -> Result<(Sequence, Vec<usize>), ShapeError> {
        let (path, layer) = (self.path.clone(), self.layer);
        let built = self.sequence(&format!("{path}.{layer}.{field}"), layers, input)?;
        (self.path, self.layer) = (path, layer);
        Ok(built)
    }

    /// Builds the list of layers that stands at the layer being built itself.
    pub fn block(&mut self, layers: &[LayerSpec], input: &[usize]) -> Result<Built, ShapeError> {
        let path = self.path.clone();
        let (sequence, shape) = self.sequence(&path, layers, input.to_vec())?;
        Ok(Built::new(shape, sequence))
    }

    /// Builds the layer at the place of the one being built, which has a name of its own.
    pub fn named(
        &mut self,
        name: &str,
        layer: &LayerSpec,
        input: &[usize],
    ) -> Result<Built, ShapeError> {
        let text = match &self.named {
            Some(outer) => format!("{}.{name}", outer.text),
            None => name.to_owned(),
        };
        let mut path = self.path.clone();
        // The list of a block that has a name stands below a key.
        if matches!(layer, LayerSpec::Block(_)) {
            path += ".block";
        }
        let place = path.len();
        let outer = self.named.replace(Name { text, place });
        let built = self.one(&path, layer, input);
        self.named = outer;
        built
    }

    fn one(&mut self, path: &str, layer: &LayerSpec, input: &[usize]) -> Result<Built, ShapeError> {
        path.clone_into(&mut self.path);
        self.layer = layer.name();
        let rows = self.rows.len();
        let before = (count(&self.parameters), count(&self.buffers));
        let built = layer.build(input, self)?;
        self.check_elements(&built.shape)?;
        if matches!(layer, LayerSpec::Block(_) | LayerSpec::Named(_)) {
            return Ok(built);
        }
        // What the rows of nested layers already count is not the container's own.
        let nested = &self.rows[rows..];
        let nested_trainable: usize = nested.iter().map(|row| row.trainable).sum();
        let nested_buffers: usize = nested.iter().map(|row| row.buffers).sum();
        self.rows.push(LayerRow {
            path: path.to_owned(),
            name: self.named.is_some().then(|| self.name()),
            layer: layer.name(),
            output_shape: built.shape.clone(),
            trainable: count(&self.parameters) - before.0 - nested_trainable,
            buffers: count(&self.buffers) - before.1 - nested_buffers,
        });
        Ok(built)
    }
}

fn count(tensors: &[Declared]) -> usize {
    tensors
        .iter()
        .map(|tensor| tensor.shape.iter().product::<usize>())
        .sum()
}

/// A shape for people: `(64, 32, 32)`.
pub(super) fn text(shape: &[usize]) -> String {
    let sizes: Vec<_> = shape.iter().map(usize::to_string).collect();
    format!("({})", sizes.join(", "))
}

/// Layers one after the other.
pub(super) struct Sequence(Vec<(String, Arc<dyn Forward>)>);

impl Sequence {
    /// The same with its layers folded, two into one where that can be.
    pub fn folded(&self, numbers: &Numbers<'_>) -> Result<Self, ModelError> {
        let mut steps = Vec::with_capacity(self.0.len());
        let mut rest = self.0.iter().peekable();
        while let Some((path, layer)) = rest.next() {
            let next = rest.peek().map(|(_, next)| next.channel_map(numbers));
            let one = match next.transpose()?.flatten() {
                Some(next) => layer.folded_with(&next, numbers)?,
                None => None,
            };
            let layer = if let Some(one) = one {
                rest.next();
                one
            } else {
                let folded = layer.folded(numbers)?;
                folded.unwrap_or_else(|| Arc::clone(layer))
            };
            steps.push((path.clone(), layer));
        }
        Ok(Self(steps))
    }
}

/// [`Forward::absorb`] of a layer that nobody else has yet.
fn absorb(layer: &mut Arc<dyn Forward>, activation: Activation) -> bool {
    Arc::get_mut(layer).is_some_and(|layer| layer.absorb(activation))
}

impl Forward for Sequence {
    fn forward(&self, x: &Value, run: &Run<'_>) -> Result<Value, ModelError> {
        self.0.iter().try_fold(x.clone(), |x, (path, layer)| {
            layer.forward(&x, run).map_err(|error| match error {
                ModelError::Tensor(source) => ModelError::Layer {
                    path: path.clone(),
                    source,
                },
                located => located,
            })
        })
    }

    fn absorb(&mut self, activation: Activation) -> bool {
        self.0
            .last_mut()
            .is_some_and(|(_, last)| absorb(last, activation))
    }

    fn folded(&self, numbers: &Numbers<'_>) -> Folded {
        Ok(Some(Arc::new(Self::folded(self, numbers)?)))
    }
}
