//! The trash: where edited files go before retake writes over them.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::folder::{Links, list};
use super::write::{copy as copy_file, make_folder, parent, remove_tree};
use super::{Store, StoreError};

impl Store {
    /// Moves a file or folder to the trash and says where it is now.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn trash(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let place = self.trash_place(path)?;
        move_across(path, &place)?;
        Ok(place)
    }

    /// An unused path in the trash, with the same last part as `path`: `trash/<number>/<name>`.
    pub(super) fn trash_place(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let folder = self.folder("trash")?;
        let entries = fs::read_dir(&folder).map_err(|e| StoreError::io(&folder, e))?;
        let mut number = entries.count() + 1;
        loop {
            let place = folder.join(number.to_string());
            match fs::create_dir(&place) {
                Ok(()) => return Ok(place.join(path.file_name().unwrap_or_default())),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(StoreError::io(place, error)),
            }
        }
    }
}

/// Moves a file or folder, also from one file system to another.
pub(super) fn move_across(from: &Path, to: &Path) -> Result<(), StoreError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy(from, to)?;
            remove_tree(from)
        }
        other => other,
    }
    .map_err(|e| StoreError::io(from, e))
}

fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |e| StoreError::io(from, e);
    let meta = fs::symlink_metadata(from).map_err(failed)?;
    if meta.is_symlink() {
        let target = fs::read_link(from).map_err(failed)?;
        return symlink(target, to).map_err(failed);
    }
    if !meta.is_dir() {
        return copy_file(from, to).map_err(failed);
    }
    make_folder(to)?;
    for (relative, found) in list(from, Links::Follow)?.files {
        let place = to.join(relative);
        make_folder(parent(&place))?;
        copy_file(&found.path, &place).map_err(|e| StoreError::io(&found.path, e))?;
    }
    Ok(())
}
