//! safetensors files, and models that retake has saved.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::SafeTensors;

use crate::model::error::ModelError;
use crate::model::saved::{damaged, is_saved};

/// The tensors, by name; of a model that retake has saved, those of `network`.
pub(super) fn read(
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
