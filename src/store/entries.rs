//! Everything that the store holds, listed: records and parts by their files, objects by theirs.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::folder::Manifest;
use super::{Record, Store};
use crate::hash::Digest;
use crate::stage::{Artifact, Format};

/// The file of a record, or of a part.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Digest,
    pub(super) is_part: bool,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) version: Version,
}

/// What tells one file of a name from the next of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    inode: u64,
    /// seconds since 1970 and nanoseconds: when it got its name
    changed: (i64, i64),
}

impl Version {
    fn of(meta: &Metadata) -> Self {
        Self {
            inode: meta.ino(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// When the file got its name, in seconds since 1970.
    pub(super) fn seconds(self) -> u64 {
        u64::try_from(self.changed.0).unwrap_or_default()
    }
}

impl Entry {
    /// Whether the file is still the one that was listed.
    pub(super) fn is_current(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|meta| Version::of(&meta) == self.version)
    }
}

/// The key that the file of a record or part is named by, and whether it is a part's; `None` of any other file.
pub(super) fn named(path: &Path) -> Option<(Digest, bool)> {
    let file = path.file_name()?.to_str()?;
    let (rest, is_part) = match file.strip_suffix(".part.json") {
        Some(rest) => (rest, true),
        None => (file.strip_suffix(".json")?, false),
    };
    Some((key_of(path, rest)?, is_part))
}

impl Store {
    /// The files of all records and parts, in order of their keys. What is no record by its name is not listed.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let named = self.files("records").filter_map(|path| {
            let (key, is_part) = named(&path)?;
            let meta = fs::symlink_metadata(&path).ok()?;
            Some(Entry {
                key,
                is_part,
                bytes: meta.len(),
                version: Version::of(&meta),
                path,
            })
        });
        named.collect()
    }

    /// What a record or part names, by name; `None` when it cannot be used.
    pub(super) fn named_by(&self, entry: &Entry) -> Option<BTreeMap<String, Artifact>> {
        let (key, artifacts) = if entry.is_part {
            let part = self.part(&entry.key).ok()??;
            (part.key, part.objects)
        } else {
            let (record, _): (Record, _) = self.read_record(&entry.path).ok()?;
            (record.key, record.outputs)
        };
        (key == entry.key).then_some(artifacts)
    }

    /// The objects that an artifact consists of: itself, and of a folder its files. Nothing is verified; a manifest
    /// that cannot be read has no files.
    pub(super) fn objects_of(&self, artifact: &Artifact) -> Vec<Digest> {
        let mut objects = vec![artifact.digest];
        if artifact.format == Format::Folder {
            let manifest = fs::read(self.object_path(&artifact.digest)).ok();
            let manifest = manifest.and_then(|bytes| Manifest::from_bytes(&bytes));
            let files = manifest.into_iter().flat_map(|manifest| manifest.files);
            objects.extend(files.map(|(_, file)| file.digest));
        }
        objects
    }

    /// All objects by digest with their sizes, and the files among them whose name is no digest.
    pub(super) fn objects(&self) -> (BTreeMap<Digest, u64>, Vec<PathBuf>) {
        let (mut objects, mut strangers) = (BTreeMap::new(), Vec::new());
        for path in self.files("objects") {
            let digest = path
                .file_name()
                .and_then(|name| key_of(&path, name.to_str()?));
            match (digest, fs::symlink_metadata(&path)) {
                (Some(digest), Ok(meta)) => {
                    objects.insert(digest, meta.len());
                }
                (None, Ok(_)) => strangers.push(path),
                // Gone meanwhile.
                (_, Err(_)) => (),
            }
        }
        (objects, strangers)
    }

    /// Where the record and the part of a key lie, or would lie.
    pub(super) fn entry_paths(&self, key: &Digest) -> [PathBuf; 2] {
        [self.record_path(key), self.part_path(key)]
    }

    /// The files below a folder of the store, sorted.
    pub(super) fn files(&self, folder: &str) -> impl Iterator<Item = PathBuf> {
        WalkDir::new(self.root.join(folder))
            .sort_by_file_name()
            .into_iter()
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_file())
            .map(walkdir::DirEntry::into_path)
    }
}

/// The digest that a file in a sharded folder is called by.
fn key_of(path: &Path, rest: &str) -> Option<Digest> {
    let shard = path.parent()?.file_name()?.to_str()?;
    format!("{shard}{rest}").parse().ok()
}
