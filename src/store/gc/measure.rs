//! What lies in a store beside its results, and how much room it takes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::super::Store;
use crate::hash::Digest;

/// A file or folder in the store that is no result.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// when it was last changed, in seconds since 1970
    pub(super) changed: u64,
}

impl Beside {
    fn of(path: PathBuf) -> Option<Self> {
        let meta = fs::symlink_metadata(&path).ok()?;
        Some(Self {
            bytes: size(&path),
            changed: u64::try_from(meta.ctime()).unwrap_or_default(),
            path,
        })
    }

    /// The digest that it is called by, whatever its extension.
    pub(super) fn digest(&self) -> Option<Digest> {
        let stem = self.path.file_stem()?.to_str()?;
        stem.parse().ok()
    }
}

/// What lies in the folder `name` of the store.
pub(super) fn beside(store: &Store, name: &str) -> Vec<Beside> {
    let entries = fs::read_dir(store.root.join(name))
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<Beside> = entries
        .filter_map(|entry| Beside::of(entry.path()))
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The folders of processes that have ended.
pub(in super::super) fn leftovers(store: &Store) -> Vec<(PathBuf, u64)> {
    let mut found = beside(store, "tmp");
    found.retain(|entry| {
        let lock = entry.path.with_extension("lock");
        entry.path != lock && store.is_orphaned(&lock)
    });
    let found = found.into_iter();
    found.map(|entry| (entry.path, entry.bytes)).collect()
}

/// Bytes of the whole store.
pub(super) fn measure(store: &Store) -> u64 {
    let folders = fs::read_dir(&store.root).into_iter().flatten().flatten();
    let sizes = folders.map(|entry| {
        if entry.file_name() == "objects" {
            store.objects().0.values().sum()
        } else {
            size(&entry.path())
        }
    });
    sizes.sum()
}

/// Bytes of the files below `path`; those that have another name as well (objects in a view) count nothing.
pub(super) fn size(path: &Path) -> u64 {
    let files = WalkDir::new(path).into_iter().flatten();
    let sizes = files.filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        (meta.is_file() && meta.nlink() == 1).then_some(meta.len())
    });
    sizes.sum()
}
