//! The check of a whole store: every file read, what is damaged moved aside, what is missing named.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};

use super::entries::Entry;
use super::entries::named;
use super::gc::leftovers;
use super::stamps::Stamps;
use super::{Store, StoreError, guard};
use crate::hash::Digest;
use crate::stage::{Artifact, Format};

/// What a check of the whole store found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checked {
    /// objects read
    pub objects: usize,
    /// records of nodes read
    pub records: usize,
    /// records of parts of work read
    pub parts: usize,
    /// small files beside them read
    pub others: usize,
    /// files that are not what they should be
    pub damaged: Vec<Damage>,
    /// records that name bytes which are not there: they count as not computed, and are made again
    pub dangling: Vec<Dangling>,
    /// folders of processes that are gone; the next run removes them
    pub leftovers: Vec<PathBuf>,
}

/// A file that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Damage {
    /// which
    pub path: PathBuf,
    /// what is wrong with it
    pub cause: String,
    /// where it is now; `None` where the store cannot be written
    pub moved_to: Option<PathBuf>,
}

/// A record that names something that is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Dangling {
    /// the record's key
    pub key: Digest,
    /// whether it is of a part of work
    pub part: bool,
    /// the output
    pub output: String,
    /// why it cannot be used
    pub cause: String,
}

/// Whether the bytes of a file can be understood.
type IsSound = fn(&[u8]) -> bool;

impl Checked {
    /// Whether everything is as it should be.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.dangling.is_empty()
    }
}

impl Store {
    /// Reads every file of the store and compares it with its digest or its form; tells `progress` how many of how
    /// many are done. Damaged files move to the quarantine, records too: what they held is made again.
    pub fn check_all(&self, progress: &(dyn Fn(usize, usize) + Sync)) -> Checked {
        let (objects, strangers) = self.objects();
        let entries = self.entries();
        let others = self.small_files();
        let total = objects.len() + entries.len() + others.len();
        let done = AtomicUsize::new(0);
        let step = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);

        let damaged: Mutex<Vec<Damage>> = Mutex::default();
        let bad = |damage: Damage| guard(&damaged).push(damage);
        for path in strangers.into_iter().chain(self.strange_records()) {
            bad(self.set_aside(&path, "its name is not one that the store gives"));
        }
        objects.par_iter().for_each(|(digest, _)| {
            if let Err(error) = self.verify(digest)
                && let Some(damage) = self.damage(digest, error)
            {
                bad(damage);
            }
            step();
        });
        let dangling: Vec<Dangling> = entries
            .par_iter()
            .flat_map_iter(|entry| {
                let found = match self.named_by(entry) {
                    Some(named) => self.dangling(entry, named),
                    None if entry.is_current() => {
                        bad(self.set_aside(&entry.path, "it was truncated or altered"));
                        Vec::new()
                    }
                    // Replaced or deleted meanwhile.
                    None => Vec::new(),
                };
                step();
                found
            })
            .collect();
        others.par_iter().for_each(|(path, is_sound)| {
            let bytes = fs::read(path);
            if bytes.is_ok_and(|bytes| !is_sound(&bytes)) {
                bad(self.set_aside(path, "it cannot be understood"));
            }
            step();
        });

        let mut damaged = damaged
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        damaged.sort();
        let parts = entries.iter().filter(|entry| entry.is_part).count();
        let left = leftovers(self).into_iter();
        Checked {
            objects: objects.len(),
            records: entries.len() - parts,
            parts,
            others: others.len(),
            damaged,
            dangling,
            leftovers: left.map(|(path, _)| path).collect(),
        }
    }

    /// What an error in reading an object says of it; none where it has gone meanwhile.
    fn damage(&self, digest: &Digest, error: StoreError) -> Option<Damage> {
        let path = self.object_path(digest);
        match error {
            StoreError::Missing { .. } => None,
            StoreError::Corrupt { moved_to, .. } => Some(Damage {
                path,
                cause: "its bytes are not what its name says".to_owned(),
                moved_to,
            }),
            _ if !path.exists() => None,
            other => Some(Damage {
                path,
                cause: other.to_string(),
                moved_to: None,
            }),
        }
    }

    /// The artifacts of a record that cannot be used.
    fn dangling(
        &self,
        entry: &Entry,
        named: impl IntoIterator<Item = (String, Artifact)>,
    ) -> Vec<Dangling> {
        let wrong = named.into_iter().filter_map(|(output, artifact)| {
            let error = self.check_artifact(&artifact).err()?;
            Some(Dangling {
                key: entry.key,
                part: entry.is_part,
                output,
                cause: self.missing(&artifact).unwrap_or_else(|| error.to_string()),
            })
        });
        let wrong: Vec<Dangling> = wrong.collect();
        // One that has gone or was replaced meanwhile names what it likes.
        if entry.is_current() {
            wrong
        } else {
            Vec::new()
        }
    }

    /// Which bytes of an artifact are not there.
    fn missing(&self, artifact: &Artifact) -> Option<String> {
        let is_there = |digest: &Digest| self.object_path(digest).exists();
        if !is_there(&artifact.digest) {
            return Some(format!("object {} is not there", artifact.digest));
        }
        let manifest = self.manifest(artifact).ok()?;
        let (path, file) = manifest
            .files
            .iter()
            .filter(|_| artifact.format == Format::Folder)
            .find(|(_, file)| !is_there(&file.digest))?;
        Some(format!("object {} of {path} is not there", file.digest))
    }

    /// Files among the records that are neither record nor part by their names.
    fn strange_records(&self) -> Vec<PathBuf> {
        let files = self.files("records");
        files.filter(|path| named(path).is_none()).collect()
    }

    /// Small files that something depends on, with what tells whether they can be understood.
    fn small_files(&self) -> Vec<(PathBuf, IsSound)> {
        let is_map: IsSound = |bytes| serde_json::from_slice::<Map<String, Value>>(bytes).is_ok();
        let is_list: IsSound = |bytes| {
            str::from_utf8(bytes)
                .is_ok_and(|text| text.lines().all(|line| line.parse::<Digest>().is_ok()))
        };
        let are_lines: IsSound = |bytes| {
            str::from_utf8(bytes).is_ok_and(|text| {
                !text.is_empty()
                    && text
                        .lines()
                        .all(|line| serde_json::from_str::<Value>(line).is_ok())
            })
        };
        let folders = [
            ("seen", is_map),
            ("published", is_map),
            ("parts", is_list),
            ("roots", are_lines),
        ];
        let mut files: Vec<(PathBuf, IsSound)> = Vec::new();
        for (folder, is_sound) in folders {
            files.extend(self.files(folder).map(|path| (path, is_sound)));
        }
        let stamps = self.stamps_path();
        if stamps.is_file() {
            files.push((stamps, Stamps::is_sound));
        }
        files
    }

    /// Moves a damaged file to the quarantine.
    fn set_aside(&self, path: &Path, cause: &str) -> Damage {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let name: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        let moved_to = self.folder("quarantine").ok().and_then(|folder| {
            let place = folder.join(name.join("-"));
            fs::rename(path, &place).is_ok().then_some(place)
        });
        Damage {
            path: path.to_path_buf(),
            cause: cause.to_owned(),
            moved_to,
        }
    }
}
