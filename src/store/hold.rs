//! What can be put together from parts, for this process alone: commands that only read write nothing into the store.

use std::fs;
use std::path::{Path, PathBuf};

use super::write::{copy, make_folder};
use super::{Store, StoreError, guard};
use crate::stage::{Artifact, Format, Product};

impl Store {
    /// [`Store::preview`], after which [`Store::path`] and [`Store::export`] give the artifact to this process: small
    /// documents are written to a private folder when they are read, stored files are linked there.
    pub fn hold(&self, product: &Product, format: Format) -> Option<Artifact> {
        let artifact = self.preview(product, format)?;
        if !matches!(product, Product::Stored(_)) {
            guard(&self.held).insert(artifact.digest, product.clone());
        }
        Some(artifact)
    }

    /// Where a held artifact lies; none where it is not held.
    pub(super) fn held(&self, artifact: &Artifact) -> Result<Option<PathBuf>, StoreError> {
        // Not held on to: what a folder is put together from is asked for by the same door.
        let product = guard(&self.held).get(&artifact.digest).cloned();
        let Some(product) = product else {
            return Ok(None);
        };
        let folder = self.held_files()?;
        let path = folder.join(artifact.digest.to_string());
        if path.exists() {
            return Ok(Some(path));
        }
        let failed = |e| StoreError::io(folder, e);
        let staged = tempfile::tempdir_in(folder).map_err(failed)?;
        let made = staged.path().join("made");
        self.lay(&product, &made)?;
        match fs::rename(&made, &path) {
            // Another thread was faster.
            Err(_) if path.exists() => Ok(Some(path)),
            Err(error) => Err(failed(error)),
            Ok(()) => Ok(Some(path)),
        }
    }

    fn held_files(&self) -> Result<&Path, StoreError> {
        if let Some(files) = self.held_files.get() {
            return Ok(files.path());
        }
        let made = tempfile::tempdir().map_err(|e| StoreError::io(std::env::temp_dir(), e))?;
        Ok(self.held_files.get_or_init(|| made).path())
    }

    fn lay(&self, product: &Product, path: &Path) -> Result<(), StoreError> {
        match product {
            Product::Bytes(bytes) => fs::write(path, bytes).map_err(|e| StoreError::io(path, e)),
            Product::Stored(artifact) => {
                let object = self.path(artifact)?;
                std::os::unix::fs::symlink(object, path).map_err(|e| StoreError::io(path, e))
            }
            Product::Tree(tree) => {
                make_folder(path)?;
                tree.iter().try_for_each(|(name, product)| {
                    let place = path.join(name);
                    if let Some(parent) = place.parent() {
                        make_folder(parent)?;
                    }
                    self.lay(product, &place)
                })
            }
            Product::Made(made) => Err(StoreError::unsuitable(made, "it is not in the store")),
        }
    }
}

/// Copies a held file or folder, what it links to as files.
pub(super) fn copy_held(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |e| StoreError::io(to, e);
    if !from.is_dir() {
        return copy(from, to).map_err(failed);
    }
    make_folder(to)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        copy_held(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
