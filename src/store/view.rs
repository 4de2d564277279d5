//! Reading artifacts: a file is read where it lies, a folder is laid out read-only as a *view*.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::folder::{FileEntry, Found, Links, Manifest, list};
use super::write::{copy, is_executable, is_sealed, make_folder, remove_tree, rename, seal};
use super::{Notice, Store, StoreError, guard};
use crate::hash::Digest;
use crate::stage::{Artifact, Format};

impl Store {
    /// Where an artifact can be read: a read-only file, or a read-only folder for [`Format::Folder`].
    /// Its bytes are verified, once a process and again whenever they were touched.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Corrupt`]: the artifact has to be made again (the next
    /// [`Store::lookup`] of its key is a miss); [`StoreError::Io`] when it cannot be read.
    pub fn path(&self, artifact: &Artifact) -> Result<PathBuf, StoreError> {
        if let Some(path) = self.held(artifact)? {
            return Ok(path);
        }
        self.verify(&artifact.digest)?;
        if artifact.format != Format::Folder {
            return Ok(self.object_path(&artifact.digest));
        }
        let manifest = self.manifest(artifact)?;
        let files: Vec<_> = manifest.files.values().collect();
        files
            .par_iter()
            .try_for_each(|file| self.verify(&file.digest))?;
        let name = artifact.digest.to_string();
        let usual = self.root.join("views").join(&name);
        if self.is_intact(&usual, &manifest) {
            return Ok(usual);
        }
        if usual.is_dir() {
            (self.notice)(&Notice::DamagedView { path: usual });
        }
        let view = self.views()?.join(name);
        self.lay_out(&manifest, &view)?;
        Ok(view)
    }

    /// The folder for views: in the store, or a private one where the store cannot be written.
    fn views(&self) -> Result<PathBuf, StoreError> {
        if self.private_views.get().is_none()
            && let Ok(views) = self.folder("views")
            && self.session().is_ok()
        {
            return Ok(views);
        }
        if let Some(private) = self.private_views.get() {
            return Ok(private.path().to_path_buf());
        }
        let made = tempfile::tempdir().map_err(|e| StoreError::io(std::env::temp_dir(), e))?;
        Ok(self.private_views.get_or_init(|| made).path().to_path_buf())
    }

    /// Makes a view anew, in private, and moves it to its place.
    fn lay_out(&self, manifest: &Manifest, view: &Path) -> Result<(), StoreError> {
        let _one_at_a_time = guard(&self.laying_out);
        if self.is_intact(view, manifest) {
            return Ok(());
        }
        let staged = match self.private_views.get() {
            Some(private) => private.path().join("staged"),
            None => self.session()?.fresh("view"),
        };
        make_folder(&staged)?;
        for folder in &manifest.empty_folders {
            make_folder(&staged.join(folder))?;
        }
        for (relative, file) in &manifest.files {
            let place = staged.join(relative);
            if let Some(parent) = place.parent() {
                make_folder(parent)?;
            }
            self.lay_out_file(file, &place)?;
        }
        protect(&staged)?;
        remove_tree(view).map_err(|e| StoreError::io(view, e))?;
        if let Err(error) = rename(&staged, view) {
            // Another process was faster.
            remove_tree(&staged).map_err(|e| StoreError::io(&staged, e))?;
            if !self.is_intact(view, manifest) {
                return Err(error);
            }
        }
        set_mode(view, 0o555)
    }

    /// A hard link to the object where it can be one, else a sealed copy.
    fn lay_out_file(&self, file: &FileEntry, place: &Path) -> Result<(), StoreError> {
        let object = self.object_path(&file.digest);
        if !file.executable && fs::hard_link(&object, place).is_ok() {
            return Ok(());
        }
        copy(&object, place).map_err(|e| StoreError::io(place, e))?;
        seal(place, file.executable)
    }

    /// Whether a view holds what the manifest says: links to the objects, or copies with their bytes.
    fn is_intact(&self, view: &Path, manifest: &Manifest) -> bool {
        if !view.is_dir() {
            return false;
        }
        let Ok(listing) = list(view, Links::Refuse) else {
            return false;
        };
        let is_object = |found: &Found, digest: &Digest| {
            fs::metadata(self.object_path(digest)).is_ok_and(|object| {
                (object.dev(), object.ino()) == (found.meta.dev(), found.meta.ino())
            }) || Digest::of_file(&found.path).is_ok_and(|bytes| bytes == *digest)
        };
        let is_as_laid_out = |path: &String, file: &FileEntry| {
            listing.files.get(path).is_some_and(|found| {
                is_sealed(&found.meta)
                    && is_executable(&found.meta) == file.executable
                    && is_object(found, &file.digest)
            })
        };
        listing.files.len() == manifest.files.len()
            && listing.empty_folders == manifest.empty_folders
            && manifest
                .files
                .iter()
                .all(|(path, file)| is_as_laid_out(path, file))
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), StoreError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|e| StoreError::io(path, e))
}

/// Makes the folders below `root` read-only. `root` itself must stay writable until it is renamed.
fn protect(root: &Path) -> Result<(), StoreError> {
    for entry in walkdir::WalkDir::new(root).min_depth(1) {
        let entry = entry.map_err(|e| StoreError::io(root, e.into()))?;
        if entry.file_type().is_dir() {
            set_mode(entry.path(), 0o555)?;
        }
    }
    Ok(())
}
