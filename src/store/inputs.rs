//! Digests of files outside the store, in place.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;

use super::folder::{Links, Manifest, list};
use super::stamps::{Stamp, Stamps};
use super::{Store, StoreError, guard};
use crate::hash::Digest;

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
        let mut listing = list(path, Links::Follow)?;
        listing
            .files
            .retain(|relative, _| !passed_over.contains(&relative.as_str()));
        let files = listing.files.into_par_iter().map(|(relative, found)| {
            let (digest, bytes) = self.digest_file(&found.path)?;
            Ok((relative, found.entry(digest, bytes)))
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
        let absolute = std::path::absolute(path).map_err(failed)?;
        let meta = fs::metadata(path).map_err(failed)?;
        if !meta.is_file() {
            return Err(StoreError::unsuitable(
                path,
                "neither a file nor a folder; it cannot be an input",
            ));
        }
        let stamp = Stamp::of(&meta);
        let known = guard(&self.stamps)
            .get_or_insert_with(|| Stamps::read(&self.stamps_path()))
            .get(&absolute, &stamp);
        if let Some(digest) = known {
            return Ok((digest, meta.len()));
        }
        let now = SystemTime::now();
        let digest = Digest::of_file(path).map_err(failed)?;
        if Stamp::of(&fs::metadata(path).map_err(failed)?) != stamp {
            return Err(StoreError::unsuitable(
                path,
                "it changed while it was read; run again when it is complete",
            ));
        }
        if let Some(stamps) = &mut *guard(&self.stamps) {
            stamps.set(&absolute, stamp, digest, now);
        }
        Ok((digest, meta.len()))
    }

    fn stamps_path(&self) -> PathBuf {
        self.root.join("index").join("files")
    }
}
