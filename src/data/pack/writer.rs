//! Writing a pack, image by image.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::format::{ALIGN, Header, PRELUDE, Prelude, Section};
use crate::data::error::DataError;
use crate::data::image::ImageRef;
use crate::data::label::{Label, LabelKind, PackSchema};
use crate::data::recipe::Recipe;

/// Writes a pack. Pixels go to the file at once; what is small per image waits in memory for the end.
#[derive(Debug)]
pub struct PackWriter {
    path: PathBuf,
    file: BufWriter<File>,
    header: Header,
    prelude: Prelude,
    /// (offset into pixels, height, width) of each image
    images: Vec<(u64, u32, u32)>,
    labels: Vec<u8>,
    name_ends: Vec<u8>,
    names: String,
    /// bytes of pixels written
    pixels: u64,
}

impl PackWriter {
    /// Starts a pack at `path`, replacing what is there.
    pub fn create(path: &Path, schema: PackSchema) -> Result<Self, DataError> {
        schema.validate()?;
        let file = File::create(path).map_err(|source| DataError::io(path, source))?;
        let mut writer = Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 20, file),
            header: Header {
                schema,
                size: None,
                recipe: None,
            },
            prelude: Prelude::default(),
            images: Vec::new(),
            labels: Vec::new(),
            name_ends: Vec::new(),
            names: String::new(),
            pixels: 0,
        };
        writer.put(&[0; PRELUDE])?;
        Ok(writer)
    }

    /// Attaches steps of online augmentation for whoever trains on this pack.
    #[must_use]
    pub fn with_recipe(mut self, recipe: Recipe) -> Self {
        self.header.recipe = Some(recipe);
        self
    }

    /// Appends an image. Its channels and label must be of the pack's schema; `name` says where it came
    /// from and need not be unique.
    pub fn push(
        &mut self,
        image: &ImageRef<'_>,
        label: &Label,
        name: &str,
    ) -> Result<(), DataError> {
        let unfit = |reason: String| Err(DataError::image(name, reason));
        let schema = &self.header.schema;
        if image.channels != schema.channels {
            return unfit(format!(
                "{} colour channels among images of {}: add a `channels` step",
                image.channels, schema.channels
            ));
        }
        let (Ok(height), Ok(width)) = (u32::try_from(image.height), u32::try_from(image.width))
        else {
            return unfit("too large".to_owned());
        };
        let bytes = image.height * image.width * image.channels;
        if bytes == 0 || image.pixels.len() != bytes {
            return unfit(format!(
                "{} bytes do not make {height}×{width} pixels of {} channels",
                image.pixels.len(),
                image.channels
            ));
        }
        let classes = schema.classes.len();
        let start = self.labels.len();
        match (schema.labels, label) {
            (LabelKind::None, Label::None) => {}
            (LabelKind::Class, Label::Class(class)) if (*class as usize) < classes => {
                self.labels.extend_from_slice(&class.to_le_bytes());
            }
            (LabelKind::Multi, Label::Multi(on)) if on.iter().all(|c| (*c as usize) < classes) => {
                self.labels.resize(start + classes, 0);
                for class in on {
                    self.labels[start + *class as usize] = 1;
                }
            }
            (kind, label) => {
                return unfit(format!(
                    "label {label:?} does not fit labels of kind {kind:?} over {classes} classes"
                ));
            }
        }
        self.images.push((self.pixels, height, width));
        self.names.push_str(name);
        let end = self.names.len() as u64;
        self.name_ends.extend_from_slice(&end.to_le_bytes());
        self.pixels += bytes as u64;
        self.put(image.pixels)
    }

    /// Completes the file. A pack that was not finished does not open.
    pub fn finish(mut self) -> Result<(), DataError> {
        self.prelude.count = self.images.len() as u64;
        self.prelude.sections[Section::Pixels as usize] = (PRELUDE as u64, self.pixels);
        let mut end = PRELUDE as u64 + self.pixels;

        self.header.size = match self.images.first() {
            Some(&(_, height, width)) => self
                .images
                .iter()
                .all(|&(_, h, w)| (h, w) == (height, width))
                .then_some((height, width)),
            None => None,
        };
        let mut table = Vec::new();
        if self.header.size.is_none() {
            for (offset, height, width) in &self.images {
                table.extend_from_slice(&offset.to_le_bytes());
                table.extend_from_slice(&height.to_le_bytes());
                table.extend_from_slice(&width.to_le_bytes());
            }
        }
        let header = serde_json::to_vec(&self.header)
            .map_err(|error| DataError::io(&self.path, error.into()))?;
        let sections = [
            (Section::Table, table),
            (Section::Labels, std::mem::take(&mut self.labels)),
            (Section::NameEnds, std::mem::take(&mut self.name_ends)),
            (Section::Names, std::mem::take(&mut self.names).into_bytes()),
            (Section::Header, header),
        ];
        for (section, bytes) in sections {
            let gap = end.next_multiple_of(ALIGN) - end;
            self.put(&[0; ALIGN as usize][..gap as usize])?;
            end += gap;
            self.prelude.sections[section as usize] = (end, bytes.len() as u64);
            self.put(&bytes)?;
            end += bytes.len() as u64;
        }

        let prelude = self.prelude.encode();
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&prelude))
            .and_then(|()| self.file.flush())
            .map_err(|source| DataError::io(&self.path, source))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.file
            .write_all(bytes)
            .map_err(|source| DataError::io(&self.path, source))
    }
}
