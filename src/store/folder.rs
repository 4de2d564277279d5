//! Folders as values: a manifest of sorted relative paths, executable bits, sizes and digests.
//!
//! The digest of a folder is the digest of its manifest, whether it is an output or a user's input.
//! Folders count where they are empty; modification times, owners and other mode bits never do. In
//! outputs a symbolic link is an error (what it points to may be gone tomorrow); in inputs links are
//! followed, and one that leads nowhere or round is an error. So are sockets, pipes and devices, files that may not be
//! read, and names that are not UTF-8.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::write::is_executable;
use super::{Store, StoreError};
use crate::hash::Digest;
use crate::stage::{Artifact, Format};

/// Bumped when the shape of a manifest changes; the digest of every folder then changes.
const MANIFEST_FORMAT: u32 = 1;

/// What a folder holds. Its compact JSON is the object that a folder artifact names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    folder: u32,
    /// relative path, `/` between its parts → file
    pub files: BTreeMap<String, FileEntry>,
    /// relative paths of the folders that hold nothing
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub empty_folders: BTreeSet<String>,
}

/// One file of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// its content
    pub digest: Digest,
    /// its size
    pub bytes: u64,
    /// whether its owner may execute it
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

impl Manifest {
    /// A manifest of these files and empty folders.
    pub(super) fn new(files: BTreeMap<String, FileEntry>, empty_folders: BTreeSet<String>) -> Self {
        Self {
            folder: MANIFEST_FORMAT,
            files,
            empty_folders,
        }
    }

    /// Its bytes as an object.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and digests always serialise")
    }

    /// Reads a manifest; `None` for anything else, or for paths that lead out of the folder.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(bytes).ok()?;
        let paths = || manifest.files.keys().chain(&manifest.empty_folders);
        (manifest.folder == MANIFEST_FORMAT && paths().all(|path| is_inside(path)))
            .then_some(manifest)
    }

    /// The sum of the files' sizes.
    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}

/// Whether a relative path stays within the folder it is relative to.
pub(super) fn is_inside(path: &str) -> bool {
    let normal = |part| matches!(part, Component::Normal(_));
    !path.is_empty() && Path::new(path).components().all(normal)
}

/// What to do about symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// read what they point to
    Follow,
    /// an error
    Refuse,
}

/// What a walk through a folder found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// relative path → file
    pub(super) files: BTreeMap<String, Found>,
    /// relative paths of the folders that hold nothing
    pub(super) empty_folders: BTreeSet<String>,
}

/// A file that a walk found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
}

impl Found {
    /// Its entry in a manifest, given its digest.
    pub(super) fn entry(&self, digest: Digest, bytes: u64) -> FileEntry {
        FileEntry {
            digest,
            bytes,
            executable: is_executable(&self.meta),
        }
    }
}

/// Everything below `root`.
pub(super) fn list(root: &Path, links: Links) -> Result<Listing, StoreError> {
    let mut listing = Listing::default();
    let walk = WalkDir::new(root)
        .min_depth(1)
        .follow_links(links == Links::Follow);
    for entry in walk {
        let entry = entry.map_err(|error| walk_error(root, error))?;
        let path = entry.path();
        let relative = relative(root, path)?;
        if let Some((parent, _)) = relative.rsplit_once('/') {
            listing.empty_folders.remove(parent);
        }
        let meta = entry.metadata().map_err(|error| walk_error(root, error))?;
        let kind = meta.file_type();
        if kind.is_dir() {
            listing.empty_folders.insert(relative);
        } else if kind.is_file() {
            let path = entry.into_path();
            listing.files.insert(relative, Found { path, meta });
        } else {
            return Err(unsuitable(path, &meta));
        }
    }
    Ok(listing)
}

/// The error for something that is neither file nor folder.
pub(super) fn unsuitable(path: &Path, meta: &Metadata) -> StoreError {
    let problem = if meta.file_type().is_symlink() {
        "a symbolic link cannot be part of an output; write a copy of what it points to"
    } else {
        "neither a file nor a folder (a socket, pipe or device); it cannot be stored"
    };
    StoreError::unsuitable(path, problem)
}

fn relative(root: &Path, path: &Path) -> Result<String, StoreError> {
    let below = path.strip_prefix(root).unwrap_or(path);
    below
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| StoreError::unsuitable(path, "the name is not valid UTF-8; rename the file"))
}

fn walk_error(root: &Path, error: walkdir::Error) -> StoreError {
    let path = error.path().unwrap_or(root).to_path_buf();
    if error.loop_ancestor().is_some() {
        return StoreError::unsuitable(
            path,
            "a symbolic link that leads back to a folder above it",
        );
    }
    if path.is_symlink() && !path.exists() {
        return StoreError::unsuitable(
            path,
            "a symbolic link that leads nowhere; remove it or restore what it pointed to",
        );
    }
    StoreError::io(path, error.into())
}

impl Store {
    /// The manifest of a folder artifact.
    ///
    /// # Errors
    /// When the artifact is no folder, or its object is missing or corrupt.
    pub fn manifest(&self, artifact: &Artifact) -> Result<Manifest, StoreError> {
        let bytes = self.read(&artifact.digest)?;
        Manifest::from_bytes(&bytes)
            .filter(|_| artifact.format == Format::Folder)
            .ok_or_else(|| {
                StoreError::unsuitable(self.object_path(&artifact.digest), "not a folder")
            })
    }
}
