//! The prelude and the header of a pack.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::data::label::PackSchema;
use crate::data::recipe::Recipe;

/// The first bytes of a pack.
const MAGIC: [u8; 8] = *b"RTKPACK\n";
/// Bumped when the layout changes.
const VERSION: u32 = 1;
/// Sections start at multiples of this, so that a later reader may map them as wide numbers.
pub const ALIGN: u64 = 64;
/// Bytes before the first section.
pub const PRELUDE: usize = 128;
/// Bytes of one image in the table.
pub const ENTRY: usize = 16;

/// The sections, in the order of the prelude's list.
#[derive(Debug, Clone, Copy)]
pub enum Section {
    /// pixels of all images
    Pixels,
    /// where each image lies and its size
    Table,
    /// labels of all images
    Labels,
    /// where each name ends
    NameEnds,
    /// names of all images
    Names,
    /// JSON of [`Header`]
    Header,
}

/// How many sections there are.
pub const SECTIONS: usize = 6;

/// What the header section says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// what images share
    pub schema: PackSchema,
    /// (height, width) when all images have it
    pub size: Option<(u32, u32)>,
    /// online augmentation that a trainer is to apply
    pub recipe: Option<Recipe>,
}

/// The fixed part at the start of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prelude {
    /// number of images
    pub count: u64,
    /// (offset, length) of each section
    pub sections: [(u64, u64); SECTIONS],
}

impl Prelude {
    /// The bytes of the prelude.
    pub fn encode(&self) -> [u8; PRELUDE] {
        let mut bytes = [0; PRELUDE];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.count.to_le_bytes());
        for (slot, (offset, length)) in bytes[24..].chunks_exact_mut(16).zip(self.sections) {
            slot[..8].copy_from_slice(&offset.to_le_bytes());
            slot[8..].copy_from_slice(&length.to_le_bytes());
        }
        bytes
    }

    /// Reads the prelude of a file; says what is wrong with one that is none.
    pub fn decode(file: &[u8]) -> Result<Self, String> {
        let Some(bytes) = file.get(..PRELUDE) else {
            return Err(format!("{} bytes are too few for a data pack", file.len()));
        };
        if bytes[..8] != MAGIC {
            return Err("not a data pack".to_owned());
        }
        let version = u32_at(bytes, 2);
        if version != VERSION {
            return Err(format!(
                "data pack of version {version}, this program reads version {VERSION}"
            ));
        }
        let mut prelude = Self {
            count: u64_at(bytes, 2),
            ..Self::default()
        };
        for (index, section) in prelude.sections.iter_mut().enumerate() {
            *section = (u64_at(bytes, 3 + 2 * index), u64_at(bytes, 4 + 2 * index));
        }
        Ok(prelude)
    }

    /// Where `section` lies in a file of `len` bytes; `None` when it reaches beyond its end.
    pub fn range(&self, section: Section, len: usize) -> Option<Range<usize>> {
        let (offset, length) = self.sections[section as usize];
        let end = usize::try_from(offset.checked_add(length)?).ok()?;
        let start = usize::try_from(offset).ok()?;
        (end <= len).then_some(start..end)
    }
}

/// The `index`-th little-endian u32 of `bytes`.
pub fn u32_at(bytes: &[u8], index: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[4 * index..4 * index + 4]);
    u32::from_le_bytes(value)
}

/// The `index`-th little-endian u64 of `bytes`.
pub fn u64_at(bytes: &[u8], index: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[8 * index..8 * index + 8]);
    u64::from_le_bytes(value)
}
