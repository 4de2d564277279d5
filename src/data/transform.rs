//! Preprocessing: deterministic steps that turn one pack into another.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::channels::with_channels;
use super::crop::cut;
use super::error::DataError;
use super::image::{Image, ImageRef};
use super::label::{Label, PackSchema};
use super::pack::{Pack, PackWriter};
use super::resize::{Resize, resized};
use super::select::{Filter, Selection};
use super::size::{Size, size_or_full, size_or_full_schema};
use super::work::{Watch, in_order};

/// One step, applied to every image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Scale to a size: `resize: 64`, or `resize: {size: [48, 64], filter: lanczos}`.
    Resize(
        #[serde(deserialize_with = "size_or_full")]
        #[schemars(schema_with = "size_or_full_schema::<Resize>")]
        Resize,
    ),
    /// Cut a size out of the middle.
    CenterCrop(Size),
    /// Add a border: `pad: 2`, or `pad: {margin: [2, 0], fill: 255}`.
    Pad(
        #[serde(deserialize_with = "size_or_full")]
        #[schemars(schema_with = "size_or_full_schema::<Pad>")]
        Pad,
    ),
    /// Colour channels: 1 (grey) or 3 (RGB).
    Channels(usize),
    /// Choose images by class: `filter: {keep: [cat, dog]}` or `filter: {drop: [fish]}`.
    Filter(Filter),
}

/// Settings of `pad`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// rows added above and below each, columns added left and right each
    pub margin: Size,
    /// grey of the border, 0 to 255
    #[serde(default)]
    pub fill: u8,
}

impl From<Size> for Pad {
    fn from(margin: Size) -> Self {
        Self { margin, fill: 0 }
    }
}

/// Steps made ready for the images of one pack.
#[derive(Debug)]
pub struct Transform<'a> {
    pack: &'a Pack,
    steps: &'a [Step],
    selection: Selection,
}

impl<'a> Transform<'a> {
    /// Errors when a filter does not fit the pack's classes.
    pub fn new(pack: &'a Pack, steps: &'a [Step]) -> Result<Self, DataError> {
        let filters = steps.iter().filter_map(|step| match step {
            Step::Filter(filter) => Some(filter),
            _ => None,
        });
        let selection = Selection::new(filters, pack.schema())?;
        Ok(Self {
            pack,
            steps,
            selection,
        })
    }

    /// Indices of the images that the filters leave, ascending. Errors when there are none.
    pub fn selected(&self) -> Result<Vec<usize>, DataError> {
        let stays = |index: &usize| self.selection.label(&self.pack.label(*index)).is_some();
        let selected: Vec<usize> = (0..self.pack.len()).filter(stays).collect();
        if selected.is_empty() {
            return Err(DataError::Unfit("no image is left".to_owned()));
        }
        Ok(selected)
    }

    /// Packs the images `indices` into `out`, transformed, in that order.
    pub fn write(&self, indices: &[usize], out: &Path, watch: Watch<'_>) -> Result<(), DataError> {
        let before = self.pack.schema();
        let channels = self.steps.iter().rev().find_map(|step| match step {
            Step::Channels(channels) => Some(*channels),
            _ => None,
        });
        let schema = PackSchema {
            channels: channels.unwrap_or(before.channels),
            labels: before.labels,
            classes: self.selection.classes().to_vec(),
        };
        let mut writer = PackWriter::create(out, schema)?;
        in_order(
            indices.len(),
            watch,
            |at| {
                let index = indices[at];
                let image = self.apply(self.pack.image(index));
                image.map_err(|error| DataError::image(self.pack.name(index), error.to_string()))
            },
            |at, image| {
                let index = indices[at];
                let label = self.selection.label(&self.pack.label(index));
                let name = self.pack.name(index);
                writer.push(&image.view(), &label.unwrap_or(Label::None), name)
            },
        )?;
        writer.finish()
    }

    fn apply(&self, image: ImageRef<'_>) -> Result<Image, DataError> {
        let mut image = image.to_owned();
        for step in self.steps {
            image = match step {
                Step::Resize(resize) => resized(&image.view(), resize)?,
                Step::CenterCrop(size) => center_crop(&image.view(), *size)?,
                Step::Pad(pad) => padded(&image.view(), pad),
                Step::Channels(channels) => with_channels(image, *channels),
                Step::Filter(_) => image,
            };
        }
        Ok(image)
    }
}

/// The middle of `image`; the odd pixel, where there is one, is cut at the bottom and the right.
fn center_crop(image: &ImageRef<'_>, size: Size) -> Result<Image, DataError> {
    let Size { height, width } = size;
    if height > image.height || width > image.width {
        let reason = format!(
            "center-crop: {height}×{width} does not fit into {}×{} pixels",
            image.height, image.width
        );
        return Err(DataError::Unfit(reason));
    }
    let (top, left) = ((image.height - height) / 2, (image.width - width) / 2);
    Ok(cut(image, top, left, size))
}

/// `image` with a border.
pub(super) fn padded(image: &ImageRef<'_>, pad: &Pad) -> Image {
    let Size {
        height: above,
        width: beside,
    } = pad.margin;
    let (height, width) = (image.height + 2 * above, image.width + 2 * beside);
    let mut out = Image::filled(height, width, image.channels, pad.fill);
    let (stride, indent) = (width * image.channels, beside * image.channels);
    for y in 0..image.height {
        let row = image.row(y);
        let start = (above + y) * stride + indent;
        out.pixels[start..start + row.len()].copy_from_slice(row);
    }
    out
}
