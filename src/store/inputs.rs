//! Digests of files outside the store, in place.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;

use super::folder::{Links, Manifest, list};
use super::stamps::Stamps;
use super::write::{parent, rename};
use super::{Store, StoreError, guard};
use crate::hash::Digest;
use crate::worktree::{Sighting, Stamp};

/// So many indexes of what runs looked at are kept.
const INDEXES: usize = 32;

/// Keeps the indexes in `folder` that were written last.
fn prune_indexes(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some((entry.metadata().ok()?.ctime(), entry.path())))
        .collect();
    found.sort();
    let many = found.len().saturating_sub(INDEXES);
    for (_, path) in found.into_iter().take(many) {
        // Another process may have been faster.
        let _ = fs::remove_file(path);
    }
}

impl Store {
    /// The digest of a user's file or folder, its size in bytes, and whether it is a folder. Files are
    /// read only when their stamp is new; links are followed.
    ///
    /// # Errors
    /// When something cannot be read, is neither file nor folder, or changes while it is read.
    pub fn digest_input(&self, path: &Path) -> Result<(Digest, u64, bool), StoreError> {
        let meta = fs::metadata(path).map_err(|e| StoreError::io(path, e))?;
        if !meta.is_dir() {
            let (digest, bytes) = self.digest_file(path)?;
            return Ok((digest, bytes, false));
        }
        let (digest, bytes) = self.digest_folder(path, &[])?;
        Ok((digest, bytes, true))
    }

    /// The digest of a folder without the files in it that `passed_over` names, and its size in bytes: that of the
    /// artifact which was published there, if it is untouched.
    ///
    /// # Errors
    /// When something cannot be read, is neither file nor folder, or changes while it is read.
    pub fn digest_folder(
        &self,
        path: &Path,
        passed_over: &[&str],
    ) -> Result<(Digest, u64), StoreError> {
        let path = std::path::absolute(path).map_err(|e| StoreError::io(path, e))?;
        let mut listing = list(&path, Links::Follow)?;
        listing
            .files
            .retain(|relative, _| !passed_over.contains(&relative.as_str()));
        let files = listing.files.into_par_iter().map(|(relative, found)| {
            let digest = self.digest_found(&found.path, &found.meta)?;
            Ok((relative, found.entry(digest, found.meta.len())))
        });
        let manifest = Manifest::new(files.collect::<Result<_, _>>()?, listing.empty_folders);
        Ok((Digest::of_bytes(&manifest.to_bytes()), manifest.bytes()))
    }

    /// Writes the remembered digests down, for the next process. Also happens on drop.
    ///
    /// # Errors
    /// When they cannot be written; no harm is done.
    pub fn flush(&self) -> Result<(), StoreError> {
        let path = self.stamps_path();
        let mut stamps = guard(&self.stamps);
        let Some(text) = stamps.as_mut().and_then(|stamps| stamps.merged(&path)) else {
            return Ok(());
        };
        self.folder("index")?;
        self.write_whole(&path, text.as_bytes())
    }

    /// The digest and size of one file.
    pub(super) fn digest_file(&self, path: &Path) -> Result<(Digest, u64), StoreError> {
        let failed = |e| StoreError::io(path, e);
        let meta = fs::metadata(path).map_err(failed)?;
        if !meta.is_file() {
            return Err(StoreError::unsuitable(
                path,
                "neither a file nor a folder; it cannot be an input",
            ));
        }
        let absolute = std::path::absolute(path).map_err(failed)?;
        Ok((self.digest_found(&absolute, &meta)?, meta.len()))
    }

    /// The digest of the file at an absolute path, which has just been looked at.
    fn digest_found(&self, path: &Path, meta: &Metadata) -> Result<Digest, StoreError> {
        let failed = |e| StoreError::io(path, e);
        let stamp = Stamp::of(meta);
        let known = guard(&self.stamps)
            .get_or_insert_with(|| Stamps::read(&self.stamps_path()))
            .get(path, &stamp);
        if let Some(digest) = known {
            return Ok(digest);
        }
        let now = SystemTime::now();
        let file = File::open(path).map_err(failed)?;
        let digest = Digest::of_start(&file, meta.len()).map_err(failed)?;
        if Stamp::of(&file.metadata().map_err(failed)?) != stamp {
            return Err(StoreError::unsuitable(
                path,
                "it changed while it was read; run again when it is complete",
            ));
        }
        if let Some(stamps) = &mut *guard(&self.stamps) {
            stamps.set(path, stamp, digest, now);
        }
        Ok(digest)
    }

    /// The file at `path` as it is now, which a run took for one with this digest; none when it is gone.
    pub fn sighting(&self, path: &Path, digest: Digest) -> Option<Sighting> {
        let path = std::path::absolute(path).ok()?;
        let stamp = Stamp::of(&fs::metadata(&path).ok()?);
        let known = guard(&self.stamps)
            .as_ref()
            .and_then(|stamps| stamps.get(&path, &stamp));
        Some(Sighting {
            path,
            stamp,
            digest,
            settled: known == Some(digest),
        })
    }

    /// An index that a run has left under `name`; none when there is none, or it is damaged.
    pub fn read_index(&self, name: &Digest) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.index_path(name)).ok()?;
        let digest = Digest::of_bytes(bytes.get(32..)?);
        (bytes[..32] == *digest.as_bytes()).then(|| bytes.split_off(32))
    }

    /// Leaves an index under `name`. It is nothing that could not be found out again, so the disk is not waited for.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_index(&self, name: &Digest, index: &[u8]) -> Result<(), StoreError> {
        let bytes = [Digest::of_bytes(index).as_bytes(), index].concat();
        self.folder("index")?;
        let path = self.index_path(name);
        rename(&self.stage(&bytes)?.0, &path)?;
        prune_indexes(parent(&path));
        Ok(())
    }

    fn index_path(&self, name: &Digest) -> PathBuf {
        let folder = self.root.join("index").join("unchanged");
        folder.join(name.to_string())
    }

    pub(super) fn stamps_path(&self) -> PathBuf {
        self.root.join("index").join("files")
    }
}
