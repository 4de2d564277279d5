//! Weights of others: tensors by name, read into a network from `PyTorch` and safetensors files, and written for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use candle_core::pickle::{PthTensors, TensorInfo, read_pth_tensor_info};
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build::text;
use super::error::ModelError;
use super::network::{Network, Parameter};
use super::saved::{damaged, is_saved};

/// How tensors of a file and of a network belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected `exact`, `order` or a mapping from names in the file to names in the network"
)]
pub enum NameMap {
    /// by a rule
    Rule(Rule),
    /// By name in the file → name in the network, each a tensor's (`0.weight: layers.0.weight`) or a layer's
    /// (`0: layers.0`); a name that is not listed stands for itself.
    Names(BTreeMap<String, String>),
}

/// A rule without names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// equal names
    Exact,
    /// The first with the first and so on: parameters and, by themselves, running statistics. For `PyTorch` files,
    /// which keep the order in which layers were made.
    Order,
}

impl Default for NameMap {
    fn default() -> Self {
        Self::Rule(Rule::Exact)
    }
}

/// `PyTorch` counts batches for a momentum that changes with them, which no layer here has.
const COUNTER: &str = "num_batches_tracked";
/// Last parts of the names of tensors that `PyTorch` keeps as buffers.
const BUFFERS: [&str; 4] = ["running_mean", "running_var", "weight_u", "weight_v"];
/// Where `PyTorch` files keep a network's tensors besides at the top.
const KEYS: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// Names of one kind that an error lists.
const LISTED: usize = 8;

/// Sets every parameter and buffer of `network` to a tensor of the file at `path`: a `state_dict` saved by `PyTorch`
/// 1.6 or later (`.pth`, `.pt`; at the top, or under the network's name, `state_dict`, `model_state_dict` or `model`),
/// safetensors, or a model that retake has saved, of which the network of the same name is taken.
///
/// # Errors
/// [`ModelError::Weights`] with all tensors that are missing, superfluous or of another shape; nothing has been set
/// then. [`ModelError::Io`] and [`ModelError::Damaged`] when the file cannot be read.
pub fn load_into(network: &Network, path: &Path, names: &NameMap) -> Result<(), ModelError> {
    let theirs = read(path, network.name())?;
    let pairs = pair(network, path, theirs, names)?;
    for (parameter, tensor) in pairs {
        let to = parameter.value.tensor();
        let count = to.elem_count();
        let from = tensor.to_dtype(DType::F32)?.to_device(to.device())?;
        let from = from.contiguous()?.reshape(count)?;
        to.reshape(count)?.slice_set(&from, 0, 0)?;
    }
    Ok(())
}

/// Writes the tensors of `network` as safetensors, under the names that `names` gives them in the file.
///
/// # Errors
/// [`ModelError::Weights`] when two tensors would have one name; [`ModelError::Io`] when the file cannot be written.
pub fn export(network: &Network, path: &Path, names: &NameMap) -> Result<(), ModelError> {
    let mut tensors = BTreeMap::new();
    for Parameter { name, value } in network.parameters().iter().chain(network.buffers()) {
        let values = value.tensor().flatten_all()?.to_vec1::<f32>()?;
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let theirs = names.outward(name);
        let fault = format!("two tensors would have the name `{theirs}`");
        if tensors
            .insert(theirs, (value.dims().to_vec(), bytes))
            .is_some()
        {
            return Err(misfit(network, path, vec![fault]));
        }
    }
    let unwritable = |error: safetensors::SafeTensorError| damaged(path, error);
    let mut views = Vec::with_capacity(tensors.len());
    for (name, (shape, bytes)) in &tensors {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(unwritable)?;
        views.push((name, view));
    }
    // Some readers insist on being told whose conventions the shapes follow.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(unwritable)?;
    std::fs::write(path, bytes).map_err(|source| ModelError::Io {
        path: path.to_owned(),
        source,
    })
}

impl NameMap {
    /// The network's name for a tensor of the file.
    fn inward(&self, theirs: &str) -> String {
        let Self::Names(names) = self else {
            return theirs.to_owned();
        };
        let pairs = names.iter().map(|(from, to)| (from.as_str(), to.as_str()));
        rename(theirs, pairs)
    }

    /// The file's name for a tensor of the network.
    fn outward(&self, ours: &str) -> String {
        let Self::Names(names) = self else {
            return ours.to_owned();
        };
        let pairs = names.iter().map(|(to, from)| (from.as_str(), to.as_str()));
        rename(ours, pairs)
    }
}

/// `name` with the longest of the names it is or lies below replaced.
fn rename<'a>(name: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let within = |from: &str| {
        let rest = name.strip_prefix(from)?;
        (rest.is_empty() || rest.starts_with('.')).then_some(rest)
    };
    let longest = pairs
        .filter_map(|(from, to)| Some((from.len(), to, within(from)?)))
        .max_by_key(|(length, ..)| *length);
    longest.map_or_else(|| name.to_owned(), |(_, to, rest)| format!("{to}{rest}"))
}

/// What a file holds.
struct Theirs {
    /// name → tensor
    tensors: Vec<(String, Tensor)>,
    /// whether they stand in the order in which layers were made, as in `PyTorch`'s own files
    ordered: bool,
}

/// Every tensor of the network with its tensor of the file.
fn pair<'a>(
    network: &'a Network,
    path: &Path,
    Theirs { tensors, ordered }: Theirs,
    names: &NameMap,
) -> Result<Vec<(&'a Parameter, Tensor)>, ModelError> {
    let mut faults = Vec::new();
    if *names == NameMap::Rule(Rule::Order) && !ordered {
        let fault = "safetensors files keep no order of layers: give names, or `exact`";
        return Err(misfit(network, path, vec![fault.to_owned()]));
    }
    let pairs = if *names == NameMap::Rule(Rule::Order) {
        in_order(network, tensors, &mut faults)
    } else {
        by_name(network, tensors, names, &mut faults)
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
    let left = found.into_keys().map(|name| format!("`{name}`"));
    list(faults, "not in the network", &left.collect::<Vec<_>>());
    pairs
}

fn in_order<'a>(
    network: &'a Network,
    theirs: Vec<(String, Tensor)>,
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
        if ours.len() != theirs.len() {
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

fn misfit(network: &Network, path: &Path, faults: Vec<String>) -> ModelError {
    ModelError::Weights {
        path: path.to_owned(),
        network: network.name().to_owned(),
        faults,
    }
}

/// The tensors of the file for the network `network`, in the file's order.
fn read(path: &Path, network: &str) -> Result<Theirs, ModelError> {
    let bytes = std::fs::read(path).map_err(|source| ModelError::Io {
        path: path.to_owned(),
        source,
    })?;
    let ordered = bytes.starts_with(b"PK");
    let mut tensors = match bytes.as_slice() {
        _ if ordered => read_pytorch(path, network)?,
        [0x80, ..] => {
            return Err(damaged(
                path,
                "it was saved by PyTorch before 1.6: load it and save it again",
            ));
        }
        bytes => read_safetensors(path, bytes, network)?,
    };
    tensors.retain(|(name, _)| name.rsplit('.').next() != Some(COUNTER));
    Ok(Theirs { tensors, ordered })
}

fn read_pytorch(path: &Path, network: &str) -> Result<Vec<(String, Tensor)>, ModelError> {
    let unreadable = |error: candle_core::Error| damaged(path, error);
    let keys = [None, Some(network)].into_iter().chain(KEYS.map(Some));
    for key in keys {
        // A key that is not there is an error, and so is any other flaw: the first look has none.
        let mut infos = match (read_pth_tensor_info(path, false, key), key) {
            (Ok(infos), _) => infos,
            (Err(error), None) => return Err(unreadable(error)),
            (Err(_), Some(_)) => continue,
        };
        if infos.is_empty() {
            continue;
        }
        // Storages are numbered in the order in which they were saved; the list is not in that order.
        let number = |info: &TensorInfo| info.path.rsplit('/').next()?.parse::<u64>().ok();
        infos.sort_by_key(number);
        let tensors = PthTensors::new(path, key).map_err(unreadable)?;
        let mut read = Vec::with_capacity(infos.len());
        for info in infos {
            if info.layout.start_offset() > 0 {
                let reason = format!(
                    "`{}` is a view into a larger tensor: clone it before saving",
                    info.name
                );
                return Err(damaged(path, reason));
            }
            let tensor = tensors.get(&info.name).map_err(unreadable)?;
            read.extend(tensor.map(|tensor| (info.name, tensor)));
        }
        return Ok(read);
    }
    Err(damaged(
        path,
        format!(
            "no tensors at its top, nor under `{network}`, `{}`",
            KEYS.join("`, `")
        ),
    ))
}

fn read_safetensors(
    path: &Path,
    bytes: &[u8],
    network: &str,
) -> Result<Vec<(String, Tensor)>, ModelError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(path, error))?;
    let names: BTreeSet<&str> = file.names().into_iter().collect();
    let own = format!("{network}.");
    let saved = is_saved(bytes);
    let mut tensors = Vec::new();
    for name in names {
        // A model of ours holds several networks.
        let Some(short) = (if saved {
            name.strip_prefix(&own)
        } else {
            Some(name)
        }) else {
            continue;
        };
        let unreadable =
            |error: &dyn std::fmt::Display| damaged(path, format!("`{name}`: {error}"));
        let view = file.tensor(name).map_err(|error| unreadable(&error))?;
        let dtype = DType::try_from(view.dtype()).map_err(|error| unreadable(&error))?;
        let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu);
        tensors.push((short.to_owned(), tensor?));
    }
    Ok(tensors)
}
