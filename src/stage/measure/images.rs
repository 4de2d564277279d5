//! Real images: those of a pack, or of a folder as they are.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::data::DataError;
use crate::data::files::decode;
use crate::data::folder::image_files;
use crate::data::image::Image;
use crate::data::pack::Pack;
use crate::stage::generate::failed;
use crate::stage::{Format, InputNode, StageError};

/// Images in an order.
pub enum Images {
    /// with labels, perhaps
    Pack(Pack),
    /// files by path, without labels
    Files(Vec<PathBuf>),
}

impl Images {
    /// What the input `node` holds.
    pub fn open(node: &InputNode) -> Result<Self, StageError> {
        if node.artifact().format == Format::Folder {
            return Self::folder(node.path());
        }
        Ok(Self::Pack(Pack::open(node.path())?))
    }

    /// All images under `dir`, sorted by path.
    fn folder(dir: &Path) -> Result<Self, StageError> {
        let files = image_files(dir)?;
        if files.is_empty() {
            let reason = "holds no .png, .jpg or .jpeg file";
            return Err(StageError::Data(DataError::file(dir, reason)));
        }
        Ok(Self::Files(
            files.iter().map(|file| dir.join(file)).collect(),
        ))
    }

    /// How many.
    pub fn len(&self) -> u64 {
        match self {
            Self::Pack(pack) => pack.len() as u64,
            Self::Files(files) => files.len() as u64,
        }
    }

    /// How long a label is; 0 without labels.
    pub fn classes(&self) -> usize {
        match self {
            Self::Pack(pack) => pack.schema().classes.len(),
            Self::Files(_) => 0,
        }
    }

    /// Writes the label of image `i` as a one-hot or multi-hot row.
    pub fn label(&self, i: u64, row: &mut [f32]) {
        match self {
            Self::Pack(pack) => pack.label_vector(i as usize, row),
            Self::Files(_) => row.fill(0.0),
        }
    }

    /// The images of `range`, grey or in colour, each in its own size.
    pub fn read(&self, range: Range<u64>) -> Result<Vec<Image>, StageError> {
        match self {
            Self::Pack(pack) => Ok(range.map(|i| pack.image(i as usize).to_owned()).collect()),
            Self::Files(files) => {
                let files = &files[range.start as usize..range.end as usize];
                let images = files.par_iter().map(|file| decode(file));
                images.collect::<Result<_, _>>().map_err(failed)
            }
        }
    }
}
