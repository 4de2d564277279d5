//! The way back through the graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Result, Tensor, bail};

use super::add::add;
use super::node::{Backward, Node, Way};
use super::value::Value;

/// The gradients of the scalar `loss` with respect to each of the variables `of`; `None` where it does
/// not depend on one.
///
/// Consumes the graph behind `loss`: intermediate results are freed on the way. A second pass through
/// any part of it that led to a variable is an error.
pub fn backward(loss: Value, of: &[&Value]) -> Result<Vec<Option<Tensor>>> {
    let (seed, root) = start(&loss)?;
    drop(loss);
    let gradients = walk(root, seed, of, Way::Consume)?;
    Ok(gradients
        .into_iter()
        .map(|gradient| gradient.map(Value::into_tensor))
        .collect())
}

/// The gradients of the scalar `output` with respect to each of the values `of`, as values that can be
/// differentiated again; `None` where it does not depend on one. The graph stays.
pub fn grad(output: &Value, of: &[&Value]) -> Result<Vec<Option<Value>>> {
    let (seed, root) = start(output)?;
    walk(root, seed, of, Way::Differentiable)
}

/// [`grad`] of Σ `output` · `weights` with the weights as if they were constants. What it gives can be
/// differentiated for the weights as well.
pub(super) fn weighted_grad(
    output: &Value,
    weights: &Value,
    of: &[&Value],
) -> Result<Vec<Option<Value>>> {
    let root = output.node().cloned();
    walk(root, weights.clone(), of, Way::Differentiable)
}

/// The gradient of a scalar with respect to itself, and its node.
fn start(scalar: &Value) -> Result<(Value, Option<Arc<Node>>)> {
    if scalar.rank() != 0 {
        bail!(
            "only a scalar has a gradient, this has shape {:?}: sum it first",
            scalar.shape()
        );
    }
    let seed = Value::constant(scalar.tensor().ones_like()?);
    Ok((seed, scalar.node().cloned()))
}

/// A node that leads to what is asked for, with its gradient as far as it is known.
struct Pending {
    node: Arc<Node>,
    gradient: Option<Value>,
}

fn walk(
    root: Option<Arc<Node>>,
    seed: Value,
    of: &[&Value],
    way: Way,
) -> Result<Vec<Option<Value>>> {
    let targets: Vec<Option<u64>> = of
        .iter()
        .map(|value| value.node().map(|node| node.number))
        .collect();
    let Some(root) = root else {
        return Ok(vec![None; of.len()]);
    };
    let mut pending = leading_to(&root, &targets)?;
    if let Some(place) = pending.get_mut(&root.number) {
        place.gradient = Some(seed);
    }
    drop(root);
    let mut found: Vec<Option<Value>> = vec![None; of.len()];
    // Numbers grow from arguments to results: the last node has its whole gradient.
    while let Some((number, Pending { node, gradient })) = pending.pop_last() {
        let Some(gradient) = gradient else {
            continue;
        };
        for (found, _) in found
            .iter_mut()
            .zip(&targets)
            .filter(|(_, t)| **t == Some(number))
        {
            *found = Some(gradient.clone());
        }
        let step = match way {
            Way::Consume => node.consume(),
            Way::Differentiable => node.step(),
        };
        let Some(step) = step else {
            continue;
        };
        let leads = |argument: &Option<Arc<Node>>| {
            argument
                .as_ref()
                .is_some_and(|node| pending.contains_key(&node.number))
        };
        let wanted: Vec<bool> = step.arguments.iter().map(leads).collect();
        if !wanted.contains(&true) {
            continue;
        }
        let gradients = (step.backward)(&Backward {
            gradient: &gradient,
            wanted: &wanted,
            output: step.output.clone().map(|tensor| match way {
                Way::Consume => Value::constant(tensor),
                Way::Differentiable => Value::of_node(tensor, &node),
            }),
            way,
        })?;
        drop(gradient);
        for ((argument, gradient), wanted) in step.arguments.iter().zip(gradients).zip(wanted) {
            let (Some(argument), Some(gradient), true) = (argument, gradient, wanted) else {
                continue;
            };
            if gradient.shape() != &argument.shape {
                bail!(
                    "internal: a gradient of shape {:?} for a value of shape {:?}",
                    gradient.shape(),
                    argument.shape
                );
            }
            if let Some(place) = pending.get_mut(&argument.number) {
                place.gradient = Some(match place.gradient.take() {
                    None => gradient,
                    Some(sum) => add(&sum, &gradient)?,
                });
            }
        }
    }
    Ok(found)
}

/// The nodes from which `root` was computed that are, or were computed from, one of the `targets`.
fn leading_to(root: &Arc<Node>, targets: &[Option<u64>]) -> Result<BTreeMap<u64, Pending>> {
    let mut reached: BTreeMap<u64, (Arc<Node>, Vec<u64>)> = BTreeMap::new();
    let mut open = vec![Arc::clone(root)];
    while let Some(node) = open.pop() {
        if reached.contains_key(&node.number) {
            continue;
        }
        let arguments = node.arguments()?;
        let numbers = arguments.iter().map(|argument| argument.number).collect();
        open.extend(arguments);
        reached.insert(node.number, (node, numbers));
    }
    let mut leading = BTreeMap::new();
    for (number, (node, arguments)) in reached {
        let asked = targets.contains(&Some(number));
        if asked || arguments.iter().any(|number| leading.contains_key(number)) {
            let gradient = None;
            leading.insert(number, Pending { node, gradient });
        }
    }
    Ok(leading)
}
