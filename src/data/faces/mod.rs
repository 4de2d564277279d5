//! `faces`: cartoon faces drawn by code, labelled after the Cartoon Set of the reports: one hair colour,
//! one eye colour, one shade of face, glasses or none. 6 · 4 · 3 · 2 = 144 combinations, all as likely.
//!
//! Everything else about a face (hair style, proportions, mouth, brows, clothes, pose, ground) is drawn at
//! random and carries no label. Image `i` is a function of (seed, i) and the size alone: it is the same in
//! a set of 100 and of 100,000 images.

mod distance;
mod draw;
mod face;
mod hair;

use std::path::Path;

pub use draw::draw;
pub use face::{Attributes, Face, Look, Style, face};

use super::error::DataError;
use super::label::{LabelKind, PackSchema};
use super::pack::PackWriter;
use super::work::{Watch, in_order};

/// What a hair colour, an eye colour, a shade of face and glasses are called, in the order of class
/// indices: group after group.
pub const GROUPS: [(&str, &[&str]); 4] = [
    ("hair", &["black", "brown", "blonde", "red", "gray", "blue"]),
    ("eyes", &["brown", "blue", "green", "violet"]),
    ("face", &["light", "medium", "dark"]),
    ("glasses", &["none", "worn"]),
];

/// What to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faces {
    /// number of images
    pub images: usize,
    /// height and width in pixels
    pub size: usize,
}

/// The 15 class names, "hair-black" to "glasses-worn", in groups of 6, 4, 3 and 2 ([`GROUPS`]); of each
/// group exactly one is on.
pub fn classes() -> Vec<String> {
    let named = |(group, values): &(&str, &[&str])| -> Vec<String> {
        values
            .iter()
            .map(|value| format!("{group}-{value}"))
            .collect()
    };
    GROUPS.iter().flat_map(named).collect()
}

/// Draws the set into a pack at `out`: RGB, multi-hot labels of [`classes`].
pub fn write(faces: &Faces, seed: u64, out: &Path, watch: Watch<'_>) -> Result<(), DataError> {
    let schema = PackSchema {
        channels: 3,
        labels: LabelKind::Multi,
        classes: classes(),
    };
    let mut writer = PackWriter::create(out, schema)?;
    in_order(
        faces.images,
        watch,
        |index| {
            let face = face(seed, index as u64);
            Ok((draw(&face, faces.size), face.attributes.label()))
        },
        |index, (image, label)| writer.push(&image.view(), &label, &format!("{index:06}")),
    )?;
    writer.finish()
}
