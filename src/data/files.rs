//! Image files that a reader lists: decoded on all cores, packed in the order listed.

use std::path::{Component, Path};

use image::ImageReader;

use super::channels::with_channels;
use super::error::DataError;
use super::image::Image;
use super::label::{Label, PackSchema};
use super::pack::PackWriter;
use super::resize::{Resize, resized};
use super::work::{Watch, in_order};

/// How listed files become images.
#[derive(Debug, Clone)]
pub struct Reading {
    /// colour channels, 1 or 3; alpha is dropped
    pub channels: usize,
    /// the first so many only
    pub limit: Option<usize>,
    /// scaled at once, so that photographs need not be packed in full
    pub resize: Option<Resize>,
}

/// An error unless `dir` is a folder.
pub(super) fn require_folder(dir: &Path) -> Result<(), DataError> {
    if dir.is_dir() {
        return Ok(());
    }
    Err(DataError::file(
        dir,
        "not a folder: give the folder that holds the images",
    ))
}

impl Reading {
    /// All files, with `channels` colour channels, in their own size.
    pub const fn new(channels: usize) -> Self {
        Self {
            channels,
            limit: None,
            resize: None,
        }
    }
}

/// One image to be read.
#[derive(Debug)]
pub(super) struct Entry {
    /// path in the folder, `/` between parts
    pub file: String,
    /// name in the pack
    pub name: String,
    pub label: Label,
}

/// Packs the files `entries` of `dir` into `out`, in that order.
pub(super) fn pack_files(
    dir: &Path,
    schema: PackSchema,
    mut entries: Vec<Entry>,
    reading: &Reading,
    out: &Path,
    watch: Watch<'_>,
) -> Result<(), DataError> {
    entries.truncate(reading.limit.unwrap_or(usize::MAX));
    let channels = schema.channels;
    let mut writer = PackWriter::create(out, schema)?;
    in_order(
        entries.len(),
        watch,
        |index| {
            let image = decode(&dir.join(&entries[index].file))?;
            let image = with_channels(image, channels);
            match &reading.resize {
                Some(resize) => resized(&image.view(), resize),
                None => Ok(image),
            }
        },
        |index, image| {
            let Entry { name, label, .. } = &entries[index];
            writer.push(&image.view(), label, name)
        },
    )?;
    writer.finish()
}

/// Whether `file`, as some table names it, lies inside the folder that the table speaks of.
pub(super) fn is_inside(file: &str) -> bool {
    let inside = |part| matches!(part, Component::Normal(_));
    !file.is_empty() && Path::new(file).components().all(inside)
}

/// Reads an image file as grey or RGB of 8 bits; alpha is dropped.
pub fn decode(path: &Path) -> Result<Image, DataError> {
    let decoded = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|source| DataError::io(path, source))?
        .decode()
        .map_err(|error| DataError::file(path, error.to_string()))?;
    let (height, width) = (decoded.height() as usize, decoded.width() as usize);
    let (channels, pixels) = if decoded.color().has_color() {
        (3, decoded.into_rgb8().into_raw())
    } else {
        (1, decoded.into_luma8().into_raw())
    };
    Ok(Image {
        height,
        width,
        channels,
        pixels,
    })
}
