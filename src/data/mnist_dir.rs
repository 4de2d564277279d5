//! A folder in the canonical layout of MNIST (four raw IDX files), read by candle-datasets.

use std::path::Path;

use candle_core::{DType, Tensor};
use candle_datasets::vision::mnist;

use super::error::DataError;
use super::idx::{self, GreyImages};

/// Images and labels of the training part, or of the test part with `test`.
pub fn read(dir: &Path, test: bool) -> Result<(GreyImages, Vec<u8>), DataError> {
    // candle-datasets flattens images and trusts the sizes in the files: our reader checks them first.
    let check = |part: &str| {
        idx::read_labels(&dir.join(format!("{part}-labels-idx1-ubyte")))?;
        idx::read_images(&dir.join(format!("{part}-images-idx3-ubyte")))
    };
    let (train_shape, test_shape) = (check("train")?, check("t10k")?);
    let bad = |error: candle_core::Error| DataError::file(dir, error.to_string());
    let sets = mnist::load_dir(dir).map_err(bad)?;
    let (images, labels, shape) = if test {
        (sets.test_images, sets.test_labels, test_shape)
    } else {
        (sets.train_images, sets.train_labels, train_shape)
    };
    let images = GreyImages {
        pixels: bytes(&images).map_err(bad)?,
        ..shape
    };
    let labels = labels.to_vec1::<u8>().map_err(bad)?;
    Ok((images, labels))
}

/// Values in [0, 1] back to the bytes that they were made of.
fn bytes(images: &Tensor) -> candle_core::Result<Vec<u8>> {
    let values = images
        .to_dtype(DType::F32)?
        .flatten_all()?
        .to_vec1::<f32>()?;
    Ok(values.iter().map(|v| (v * 255.0 + 0.5) as u8).collect())
}
