//! Reading a pack through a memory map.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::format::{ENTRY, Header, Prelude, Section, u32_at, u64_at};
use crate::data::error::DataError;
use crate::data::image::ImageRef;
use crate::data::label::{Label, LabelKind, PackSchema};
use crate::data::recipe::Recipe;

/// An opened pack. Opening maps the file and checks its bounds; pixels are read when asked for.
#[derive(Debug)]
pub struct Pack {
    path: PathBuf,
    map: Mmap,
    header: Header,
    count: usize,
    pixels: Range<usize>,
    table: Range<usize>,
    labels: Range<usize>,
    name_ends: Range<usize>,
    names: Range<usize>,
}

impl Pack {
    /// Opens the pack at `path`. Bytes that are not a whole pack give an error.
    ///
    /// The file must not be changed in place while it is open: packs are written once, and the store
    /// keeps them read-only.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|source| DataError::io(path, source))?;
        #[expect(unsafe_code, reason = "a memory map of a file that nobody writes to")]
        // SAFETY: packs are never modified in place; the map is only read as bytes.
        let map = unsafe { Mmap::map(&file) }.map_err(|source| DataError::io(path, source))?;
        Self::from_map(path, map).map_err(|reason| DataError::file(path, reason))
    }

    fn from_map(path: &Path, map: Mmap) -> Result<Self, String> {
        let prelude = Prelude::decode(&map)?;
        let range = |section: Section| {
            prelude
                .range(section, map.len())
                .ok_or_else(|| format!("truncated data pack: {section:?} reach beyond the end"))
        };
        let header: Header = serde_json::from_slice(&map[range(Section::Header)?])
            .map_err(|error| format!("damaged data pack: header: {error}"))?;
        header
            .schema
            .validate()
            .map_err(|error| format!("damaged data pack: {error}"))?;
        let pack = Self {
            path: path.to_owned(),
            count: usize::try_from(prelude.count)
                .map_err(|_| "damaged data pack: image count".to_owned())?,
            pixels: range(Section::Pixels)?,
            table: range(Section::Table)?,
            labels: range(Section::Labels)?,
            name_ends: range(Section::NameEnds)?,
            names: range(Section::Names)?,
            header,
            map,
        };
        match pack.first_flaw() {
            Some(flaw) => Err(format!("damaged data pack: {flaw}")),
            None => Ok(pack),
        }
    }

    /// What makes an access of some image fail, if anything: checked once, so that no access does.
    fn first_flaw(&self) -> Option<&'static str> {
        let times = |items: &[usize]| {
            items
                .iter()
                .try_fold(self.count, |product, item| product.checked_mul(*item))
        };
        let channels = self.header.schema.channels;
        let classes = self.header.schema.classes.len();
        let sizes_fit = match self.header.size {
            Some((height, width)) => {
                let (height, width) = (height as usize, width as usize);
                height > 0
                    && width > 0
                    && times(&[height, width, channels]) == Some(self.pixels.len())
            }
            None => times(&[ENTRY]) == Some(self.table.len()) && self.table_fits(),
        };
        if !sizes_fit {
            return Some("sizes of images");
        }
        let labels = &self.map[self.labels.clone()];
        let labels_fit = match self.header.schema.labels {
            LabelKind::None => labels.is_empty(),
            LabelKind::Class => {
                times(&[4]) == Some(labels.len())
                    && labels
                        .chunks_exact(4)
                        .all(|class| (u32_at(class, 0) as usize) < classes)
            }
            LabelKind::Multi => times(&[classes]) == Some(labels.len()),
        };
        if !labels_fit {
            return Some("labels");
        }
        (times(&[8]) != Some(self.name_ends.len()) || !self.names_fit()).then_some("names")
    }

    fn table_fits(&self) -> bool {
        self.map[self.table.clone()].chunks_exact(ENTRY).all(|e| {
            let (height, width) = (u32_at(e, 2) as usize, u32_at(e, 3) as usize);
            let end = height
                .checked_mul(width)
                .and_then(|area| area.checked_mul(self.header.schema.channels))
                .filter(|bytes| *bytes > 0)
                .and_then(|bytes| usize::try_from(u64_at(e, 0)).ok()?.checked_add(bytes));
            end.is_some_and(|end| end <= self.pixels.len())
        })
    }

    fn names_fit(&self) -> bool {
        let Ok(names) = std::str::from_utf8(&self.map[self.names.clone()]) else {
            return false;
        };
        let mut start = 0;
        self.map[self.name_ends.clone()].chunks_exact(8).all(|end| {
            let end = u64_at(end, 0) as usize;
            let fits = names.get(start..end).is_some();
            start = end;
            fits
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What all images share.
    pub fn schema(&self) -> &PackSchema {
        &self.header.schema
    }

    /// (height, width) when all images have it; `None` for an empty pack.
    pub fn size(&self) -> Option<(usize, usize)> {
        let (height, width) = self.header.size?;
        Some((height as usize, width as usize))
    }

    /// The common size, or an error that says what to do about images of different sizes.
    pub fn uniform_size(&self) -> Result<(usize, usize), DataError> {
        self.size().ok_or_else(|| {
            let reason = if self.is_empty() {
                "holds no image"
            } else {
                "images differ in size: add a preprocess stage with a `resize` step"
            };
            DataError::file(&self.path, reason)
        })
    }

    /// Height and width of what a trainer is given: the common size, or what the recipe makes of the images.
    pub fn sample_size(&self) -> Result<(usize, usize), DataError> {
        match (self.recipe(), self.size()) {
            (Some(recipe), Some(size)) => recipe.size_after(size),
            (Some(recipe), None) if recipe.fixes_size() && !self.is_empty() => {
                let first = self.image(0);
                recipe.size_after((first.height, first.width))
            }
            _ => self.uniform_size(),
        }
    }

    /// The steps of online augmentation it carries, if any.
    pub fn recipe(&self) -> Option<&Recipe> {
        self.header.recipe.as_ref()
    }

    /// Image `i` (below [`Pack::len`]), without copying.
    pub fn image(&self, i: usize) -> ImageRef<'_> {
        let channels = self.header.schema.channels;
        let (offset, height, width) = if let Some((height, width)) = self.size() {
            (i * height * width * channels, height, width)
        } else {
            let entry = &self.map[self.table.clone()][i * ENTRY..(i + 1) * ENTRY];
            let (height, width) = (u32_at(entry, 2) as usize, u32_at(entry, 3) as usize);
            (u64_at(entry, 0) as usize, height, width)
        };
        ImageRef {
            height,
            width,
            channels,
            pixels: &self.map[self.pixels.clone()][offset..offset + height * width * channels],
        }
    }

    /// The label of image `i` (below [`Pack::len`]).
    pub fn label(&self, i: usize) -> Label {
        let labels = &self.map[self.labels.clone()];
        match self.header.schema.labels {
            LabelKind::None => Label::None,
            LabelKind::Class => Label::Class(u32_at(labels, i)),
            LabelKind::Multi => {
                let classes = self.header.schema.classes.len();
                let row = (0u32..).zip(&labels[i * classes..(i + 1) * classes]);
                Label::Multi(
                    row.filter(|(_, on)| **on != 0)
                        .map(|(class, _)| class)
                        .collect(),
                )
            }
        }
    }

    /// Writes the label of image `i` (below [`Pack::len`]) as a one-hot or multi-hot row of 0 and 1.
    /// `out` has one value a class.
    pub fn label_vector(&self, i: usize, out: &mut [f32]) {
        let labels = &self.map[self.labels.clone()];
        match self.header.schema.labels {
            LabelKind::None => out.fill(0.0),
            LabelKind::Class => {
                out.fill(0.0);
                out[u32_at(labels, i) as usize] = 1.0;
            }
            LabelKind::Multi => {
                let row = &labels[i * out.len()..(i + 1) * out.len()];
                for (value, on) in out.iter_mut().zip(row) {
                    *value = f32::from(u8::from(*on != 0));
                }
            }
        }
    }

    /// The name of image `i` (below [`Pack::len`]).
    pub fn name(&self, i: usize) -> &str {
        let ends = &self.map[self.name_ends.clone()];
        let start = i.checked_sub(1).map_or(0, |before| u64_at(ends, before));
        let name = &self.map[self.names.clone()][start as usize..u64_at(ends, i) as usize];
        // Always UTF-8: checked when the pack was opened.
        std::str::from_utf8(name).unwrap_or_default()
    }
}
