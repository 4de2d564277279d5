//! Weights of others: tensors by name, read into a network from `PyTorch`, safetensors and ONNX files, and written for them.
//!
//! Files are read as data, whatever they say: sizes are held against the bytes there are before room is made for them,
//! and nothing in a pickle is run.

mod bytes;
mod names;
mod onnx;
mod pair;
mod pickle;
mod pytorch;
mod safetensors;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ::safetensors::tensor::{Dtype, TensorView};
use candle_core::{DType, Tensor};

use super::error::ModelError;
use super::network::{Network, Parameter};
use super::saved::damaged;
use pair::{misfit, pair};

pub use names::{NameMap, Rule};

/// `PyTorch` counts batches for a momentum that changes with them, which no layer here has.
const COUNTER: &str = "num_batches_tracked";

/// What becomes of tensors of a file that the network does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surplus {
    /// they are an error
    Refuse,
    /// they are left out: a classifier's head, where its features are wanted
    Ignore,
}

/// What a file holds.
struct Theirs {
    /// name → tensor
    tensors: Vec<(String, Tensor)>,
    /// whether they stand in the order in which layers were made, as in `PyTorch`'s own files
    ordered: bool,
}

/// Sets every parameter and buffer of `network` to a tensor of the file at `path`: a `state_dict` saved by `PyTorch`,
/// also before 1.6 (`.pth`, `.pt`; at the top, or under the network's name, `state_dict`, `model_state_dict` or `model`),
/// safetensors, the initialisers of an ONNX file, or a model that retake has saved, of which the network of the same
/// name is taken.
///
/// # Errors
/// [`ModelError::Weights`] with all tensors that are missing, superfluous or of another shape; nothing has been set
/// then. [`ModelError::Io`] and [`ModelError::Damaged`] when the file cannot be read.
pub fn load_into(
    network: &Network,
    path: &Path,
    names: &NameMap,
    surplus: Surplus,
) -> Result<(), ModelError> {
    let bytes = std::fs::read(path).map_err(|source| ModelError::Io {
        path: path.to_owned(),
        source,
    })?;
    load_bytes_into(network, &bytes, path, names, surplus)
}

/// [`load_into`] with the content of the file, `bytes`, at hand.
///
/// # Errors
/// As there.
pub fn load_bytes_into(
    network: &Network,
    bytes: &[u8],
    path: &Path,
    names: &NameMap,
    surplus: Surplus,
) -> Result<(), ModelError> {
    let theirs = read(bytes, path, network.name())?;
    let pairs = pair(network, path, theirs, names, surplus)?;
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
    let unwritable = |error: ::safetensors::SafeTensorError| damaged(path, error);
    let mut views = Vec::with_capacity(tensors.len());
    for (name, (shape, bytes)) in &tensors {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(unwritable)?;
        views.push((name, view));
    }
    // Some readers insist on being told whose conventions the shapes follow.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = ::safetensors::serialize(views, Some(metadata)).map_err(unwritable)?;
    std::fs::write(path, bytes).map_err(|source| ModelError::Io {
        path: path.to_owned(),
        source,
    })
}

/// The tensors of the file for the network `network`, in the file's order.
fn read(bytes: &[u8], path: &Path, network: &str) -> Result<Theirs, ModelError> {
    let faulty = |fault: bytes::Fault| damaged(path, fault);
    let (mut tensors, ordered) = match bytes {
        // A length of eight bytes, then JSON.
        [_, _, _, _, _, _, _, _, b'{', ..] => (safetensors::read(path, bytes, network)?, false),
        [b'P', b'K', ..] => (pytorch::read_archive(bytes, network).map_err(faulty)?, true),
        [0x80, ..] => (pytorch::read_pickles(bytes, network).map_err(faulty)?, true),
        // The first field of an ONNX file, a version.
        [0x08, ..] => (onnx::read(bytes).map_err(faulty)?, false),
        [] => return Err(damaged(path, "it is empty")),
        _ => {
            let reason = "it is neither PyTorch's (.pth, .pt) nor safetensors nor ONNX";
            return Err(damaged(path, reason));
        }
    };
    tensors.retain(|(name, _)| name.rsplit('.').next() != Some(COUNTER));
    Ok(Theirs { tensors, ordered })
}
