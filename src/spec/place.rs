//! Faults noted as paths, before anyone looks up positions.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use miette::NamedSource;

use super::error::{Fault, Faults};
use super::locate::Positions;
use crate::stage::PathItem;

/// A text that faults can point into.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// its name for people
    pub name: String,
    /// where it lies; none for the command line
    pub path: Option<PathBuf>,
    /// its content
    pub text: Arc<str>,
}

/// Which half of a `key: value` is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// the key
    Key,
    /// the value
    Value,
}

/// A place in a file, by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// index among the sources
    pub file: usize,
    /// from the document's root
    pub path: Vec<PathItem>,
    /// the key or the value
    pub part: Part,
    /// the piece of that text that matters
    pub piece: Option<String>,
}

impl Place {
    /// The whole of a file.
    pub fn root(file: usize) -> Self {
        Self {
            file,
            path: Vec::new(),
            part: Part::Value,
            piece: None,
        }
    }

    /// The value under `name`.
    #[must_use]
    pub fn key(&self, name: &str) -> Self {
        self.join(&[PathItem::Key(name.to_owned())])
    }

    /// The value at `index`.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.join(&[PathItem::Index(index)])
    }

    /// The value at `path` below.
    #[must_use]
    pub fn join(&self, path: &[PathItem]) -> Self {
        let mut place = self.clone();
        place.path.extend_from_slice(path);
        place
    }

    /// The key itself instead of its value.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        self.part = Part::Key;
        self
    }

    /// The first `piece` within the text there, if it can be found.
    #[must_use]
    pub fn piece(mut self, piece: impl Into<String>) -> Self {
        self.piece = Some(piece.into());
        self
    }
}

/// A fault and its place.
#[derive(Debug, Clone)]
struct Finding {
    place: Place,
    message: String,
    help: Option<String>,
}

/// Faults as they are found; one that many nodes share is noted once.
#[derive(Debug, Default)]
pub struct Findings {
    items: Vec<Finding>,
    seen: HashSet<String>,
    located: Vec<(usize, Fault)>,
}

impl Findings {
    /// Notes a fault.
    pub fn add(&mut self, place: Place, message: impl Into<String>) {
        self.note(place, message.into(), None);
    }

    /// Notes a fault and what to do about it.
    pub fn add_help(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.note(place, message.into(), Some(help.into()));
    }

    /// Notes a fault with help where there is some.
    pub fn note(&mut self, place: Place, message: String, help: Option<String>) {
        if self.seen.insert(format!("{place:?} {message}")) {
            self.items.push(Finding {
                place,
                message,
                help,
            });
        }
    }

    /// Notes a fault in `file` whose position is known already.
    pub fn add_located(&mut self, file: usize, fault: Fault) {
        self.located.push((file, fault));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.located.is_empty()
    }

    /// Looks up where they all are; sorted by file and position.
    pub fn locate(self, sources: &[SourceFile]) -> Faults {
        let mut positions: Vec<Option<Positions<'_>>> = sources.iter().map(|_| None).collect();
        let mut faults = self.located;
        for finding in self.items {
            let Place {
                file,
                path,
                part,
                piece,
            } = finding.place;
            let source = &sources[file];
            let found = positions[file].get_or_insert_with(|| Positions::of(&source.text));
            let mut span = match source.path {
                Some(_) => found.find(&path, part),
                None => 0..source.text.len(),
            };
            let within = |piece: String| {
                let start = source.text[span.clone()].find(&piece)?;
                Some(span.start + start..span.start + start + piece.len())
            };
            if let Some(narrow) = piece.and_then(within) {
                span = narrow;
            }
            faults.push((
                file,
                Fault {
                    message: finding.message,
                    help: finding.help,
                    source_code: named(source),
                    span: Some(span.into()),
                    also: None,
                },
            ));
        }
        Faults::sorted(faults)
    }
}

/// The source as miette shows it.
pub fn named(source: &SourceFile) -> NamedSource<Arc<str>> {
    NamedSource::new(&source.name, Arc::clone(&source.text))
}
