//! Which tensor of a file is which of a network.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;

use super::{NameMap, Rule, Surplus, Theirs};
use crate::model::build::text;
use crate::model::error::ModelError;
use crate::model::network::{Network, Parameter};

/// Last parts of the names of tensors that `PyTorch` keeps as buffers.
const BUFFERS: [&str; 4] = ["running_mean", "running_var", "weight_u", "weight_v"];
/// Names of one kind that an error lists.
const LISTED: usize = 8;

/// Every tensor of the network with its tensor of the file.
pub(super) fn pair<'a>(
    network: &'a Network,
    path: &Path,
    Theirs { tensors, ordered }: Theirs,
    names: &NameMap,
    surplus: Surplus,
) -> Result<Vec<(&'a Parameter, Tensor)>, ModelError> {
    let mut faults = Vec::new();
    if *names == NameMap::Rule(Rule::Order) && !ordered {
        let fault = "safetensors and ONNX files keep no order of layers: give names, or `exact`";
        return Err(misfit(network, path, vec![fault.to_owned()]));
    }
    let pairs = if *names == NameMap::Rule(Rule::Order) {
        in_order(network, tensors, surplus, &mut faults)
    } else {
        by_name(network, tensors, names, surplus, &mut faults)
    };
    let misshaped = pairs
        .iter()
        .filter(|(ours, tensor)| ours.value.dims() != tensor.dims());
    let misshaped = misshaped.map(|(ours, tensor)| {
        let (expected, found) = (text(ours.value.dims()), text(tensor.dims()));
        format!("`{}` is {expected}, the file has {found}", ours.name)
    });
    list(
        &mut faults,
        "of another shape",
        &misshaped.collect::<Vec<_>>(),
    );
    if faults.is_empty() {
        Ok(pairs)
    } else {
        Err(misfit(network, path, faults))
    }
}

fn by_name<'a>(
    network: &'a Network,
    theirs: Vec<(String, Tensor)>,
    names: &NameMap,
    surplus: Surplus,
    faults: &mut Vec<String>,
) -> Vec<(&'a Parameter, Tensor)> {
    let mut found: BTreeMap<String, Tensor> = BTreeMap::new();
    let mut twice = Vec::new();
    for (name, tensor) in theirs {
        let ours = names.inward(&name);
        if found.insert(ours.clone(), tensor).is_some() {
            twice.push(format!("`{ours}`"));
        }
    }
    let mut pairs = Vec::new();
    let mut missing = Vec::new();
    for parameter in network.parameters().iter().chain(network.buffers()) {
        match found.remove(&parameter.name) {
            Some(tensor) => pairs.push((parameter, tensor)),
            None => missing.push(format!("`{}`", parameter.name)),
        }
    }
    list(faults, "given twice", &twice);
    list(faults, "missing in the file", &missing);
    if surplus == Surplus::Refuse {
        let left = found.into_keys().map(|name| format!("`{name}`"));
        list(faults, "not in the network", &left.collect::<Vec<_>>());
    }
    pairs
}

fn in_order<'a>(
    network: &'a Network,
    theirs: Vec<(String, Tensor)>,
    surplus: Surplus,
    faults: &mut Vec<String>,
) -> Vec<(&'a Parameter, Tensor)> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let (buffers, parameters): (Vec<_>, Vec<_>) = theirs
        .into_iter()
        .partition(|(name, _)| BUFFERS.contains(&last(name).as_str()));
    let sides = [
        ("parameters", network.parameters(), parameters),
        ("buffers", network.buffers(), buffers),
    ];
    let mut pairs = Vec::new();
    for (what, ours, theirs) in sides {
        let fits = match surplus {
            Surplus::Refuse => ours.len() == theirs.len(),
            Surplus::Ignore => ours.len() <= theirs.len(),
        };
        if !fits {
            faults.push(format!(
                "the network has {} {what}, the file {}",
                ours.len(),
                theirs.len()
            ));
        }
        pairs.extend(
            ours.iter()
                .zip(theirs.into_iter().map(|(_, tensor)| tensor)),
        );
    }
    pairs
}

/// Adds "what: a, b, c and 4 more" unless there is nothing.
fn list(faults: &mut Vec<String>, what: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let more = match names.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = &names[..names.len().min(LISTED)];
    faults.push(format!("{what}: {}{more}", shown.join(", ")));
}

pub(super) fn misfit(network: &Network, path: &Path, faults: Vec<String>) -> ModelError {
    ModelError::Weights {
        path: path.to_owned(),
        network: network.name().to_owned(),
        faults,
    }
}
