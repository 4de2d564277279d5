//! Dataset cards (`datasets/*.yaml`): what a set is, where to get it, its licence, digests and classes.

use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::hash::Digest;

/// A card. Text is for people.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// short name, that of the card's file
    pub name: String,
    /// name in full
    pub title: String,
    /// what the images show
    pub description: String,
    /// how a dataset stage reads it
    pub format: String,
    /// home page
    pub source: String,
    /// SPDX identifier, where there is one
    pub licence: String,
    /// how to get the files
    pub get: String,
    /// where pipelines look for the files, relative to the project root, as in `data/cartoon`
    #[serde(default)]
    pub folder: Option<String>,
    /// the files
    pub files: Vec<CardFile>,
    /// class names in the order of label numbers
    pub classes: Vec<String>,
}

/// One file of a set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardFile {
    /// file name
    pub name: String,
    /// what is in it
    pub content: String,
    /// size, where every copy has the same
    #[serde(default)]
    pub bytes: Option<u64>,
    /// digest, where it is known
    #[serde(default)]
    pub blake3: Option<Digest>,
}

static CARDS: LazyLock<Vec<Card>> = LazyLock::new(|| {
    [
        include_str!("../../datasets/afhq.yaml"),
        include_str!("../../datasets/anime-faces.yaml"),
        include_str!("../../datasets/cartoon-set.yaml"),
        include_str!("../../datasets/cifar-10.yaml"),
        include_str!("../../datasets/faces.yaml"),
        include_str!("../../datasets/fashion-mnist.yaml"),
        include_str!("../../datasets/folder.yaml"),
        include_str!("../../datasets/i-clevr.yaml"),
        include_str!("../../datasets/shapes.yaml"),
    ]
    .into_iter()
    .map(|text| serde_yaml::from_str(text).expect("the cards are part of the program"))
    .collect()
});

impl Card {
    /// One line for whoever lacks a file of this set.
    pub fn help(&self) -> String {
        format!(
            "it belongs to {} (licence {}): {}; see datasets/{}.yaml",
            self.title, self.licence, self.get, self.name
        )
    }
}

/// All cards, by name.
pub fn all() -> &'static [Card] {
    &CARDS
}

/// The card called `name`.
pub fn named(name: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.name == name)
}

/// The card of the set that a file at `path` belongs to, judging by the folder it should be in, else by its name
/// alone.
pub fn for_path(path: &Path) -> Option<&'static Card> {
    let name = path.file_name()?.to_str()?;
    let named =
        |card: &&Card| card.folder.is_none() && card.files.iter().any(|file| file.name == name);
    let inside = |card: &&Card| {
        card.folder
            .as_ref()
            .is_some_and(|folder| lies_in(path, folder))
    };
    CARDS
        .iter()
        .find(inside)
        .or_else(|| CARDS.iter().find(named))
}

/// Whether `folder` is part of `path`.
fn lies_in(path: &Path, folder: &str) -> bool {
    path.ancestors().any(|part| part.ends_with(folder))
}
