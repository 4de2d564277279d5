//! IDX, the format of the MNIST family (Y. LeCun): big-endian sizes, then bytes; plain or gzipped.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use super::error::DataError;
use super::image::ImageRef;
use super::label::{Label, LabelKind, PackSchema};
use super::pack::PackWriter;

/// The type code of unsigned bytes.
const UNSIGNED_BYTE: u8 = 8;
/// No file of the family comes near: a header that says more is damaged.
const MOST_BYTES: u64 = 1 << 34;

/// Grey images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GreyImages {
    /// rows of each
    pub height: usize,
    /// columns of each
    pub width: usize,
    /// all images, one after the other
    pub pixels: Vec<u8>,
}

/// Reads an IDX file of images (three dimensions).
pub fn read_images(path: &Path) -> Result<GreyImages, DataError> {
    let ([_, height, width], pixels) = read(path)?;
    if height * width == 0 {
        return Err(DataError::file(path, "images without pixels"));
    }
    Ok(GreyImages {
        height,
        width,
        pixels,
    })
}

/// Reads an IDX file of labels (one dimension).
pub fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    let ([_], labels) = read(path)?;
    Ok(labels)
}

/// Writes `images` with `labels` as a pack at `out`, the first `limit` of them if there is a limit.
/// Without names in `classes`, classes are called "0", "1", … up to the largest label.
pub fn write(
    images: &GreyImages,
    labels: Option<&[u8]>,
    classes: Option<&[String]>,
    limit: Option<usize>,
    out: &Path,
) -> Result<(), DataError> {
    let bytes = images.height * images.width;
    let count = images.pixels.len() / bytes;
    if let Some(labels) = labels
        && labels.len() != count
    {
        let reason = format!(
            "{count} images but {} labels: give files of one set",
            labels.len()
        );
        return Err(DataError::Unfit(reason));
    }
    let names = match (labels, classes) {
        (None, None) => Vec::new(),
        (None, Some(_)) => {
            let reason = "`classes` are named but the input `labels` is missing";
            return Err(DataError::Unfit(reason.to_owned()));
        }
        (Some(_), Some(names)) => names.to_vec(),
        (Some(labels), None) => {
            let most = labels
                .iter()
                .max()
                .map_or(0, |label| usize::from(*label) + 1);
            (0..most).map(|class| class.to_string()).collect()
        }
    };
    if let Some((index, label)) = labels
        .into_iter()
        .flatten()
        .enumerate()
        .find(|(_, label)| usize::from(**label) >= names.len())
    {
        let reason = format!(
            "image {index} has label {label}, beyond the {} classes named in `classes`",
            names.len()
        );
        return Err(DataError::Unfit(reason));
    }
    let kind = match labels {
        Some(_) => LabelKind::Class,
        None => LabelKind::None,
    };
    let schema = PackSchema {
        channels: 1,
        labels: kind,
        classes: names,
    };
    let mut writer = PackWriter::create(out, schema)?;
    let limit = limit.unwrap_or(count);
    for (index, pixels) in images.pixels.chunks_exact(bytes).take(limit).enumerate() {
        let image = ImageRef {
            height: images.height,
            width: images.width,
            channels: 1,
            pixels,
        };
        let label = labels.map_or(Label::None, |labels| Label::Class(labels[index].into()));
        writer.push(&image, &label, &format!("{index:06}"))?;
    }
    writer.finish()
}

/// Reads an IDX file of bytes in `D` dimensions.
fn read<const D: usize>(path: &Path) -> Result<([usize; D], Vec<u8>), DataError> {
    let io = |source| DataError::io(path, source);
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let gzipped = std::io::BufRead::fill_buf(&mut file)
        .map_err(io)?
        .starts_with(&[0x1f, 0x8b]);
    if gzipped {
        read_from::<D>(path, GzDecoder::new(file))
    } else {
        read_from::<D>(path, file)
    }
}

fn read_from<const D: usize>(
    path: &Path,
    mut reader: impl Read,
) -> Result<([usize; D], Vec<u8>), DataError> {
    let bad = |reason: String| DataError::file(path, reason);
    let mut word = || {
        let mut word = [0; 4];
        match reader.read_exact(&mut word) {
            Ok(()) => Ok(word),
            Err(error) => Err(bad(format!("not an IDX file: {error}"))),
        }
    };
    let magic = word()?;
    if magic != [0, 0, UNSIGNED_BYTE, D as u8] {
        let what = if D == 1 { "labels" } else { "images" };
        return Err(bad(format!(
            "not an IDX file of {what}: it starts with {magic:02x?} instead of {:02x?}",
            [0, 0, UNSIGNED_BYTE, D as u8]
        )));
    }
    let mut sizes = [0; D];
    let mut total = 1u64;
    for size in &mut sizes {
        let length = u32::from_be_bytes(word()?);
        total = total.saturating_mul(length.into());
        *size = length as usize;
    }
    if total > MOST_BYTES {
        return Err(bad(format!("damaged IDX file: {sizes:?} bytes of content")));
    }
    let mut content = Vec::new();
    // One byte more than announced, to notice a file that goes on.
    reader
        .take(total + 1)
        .read_to_end(&mut content)
        .map_err(|source| DataError::io(path, source))?;
    if content.len() as u64 != total {
        let than = if (content.len() as u64) < total {
            "fewer"
        } else {
            "more"
        };
        return Err(bad(format!(
            "damaged IDX file: {than} bytes than its sizes {sizes:?} need"
        )));
    }
    Ok((sizes, content))
}
