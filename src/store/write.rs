//! Making files that are whole or absent: seal, sync, rename.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Store, StoreError};

/// The modification time (seconds since 1970) that objects are sealed with. Whoever writes to a sealed
/// file changes it, so that a look-up sees by one `stat` that the bytes must be hashed again.
const SEALED_AT: u64 = 1;

/// Makes a finished file read-only and gives it the sealed modification time.
pub(super) fn seal(path: &Path, executable: bool) -> Result<(), StoreError> {
    let failed = |e| StoreError::io(path, e);
    let file = File::open(path).map_err(failed)?;
    let mode = if executable { 0o555 } else { 0o444 };
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(failed)?;
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(SEALED_AT))
        .map_err(failed)
}

/// Whether a file is as [`seal`] left it.
pub(super) fn is_sealed(meta: &Metadata) -> bool {
    meta.is_file() && meta.mtime() == SEALED_AT.cast_signed() && meta.mtime_nsec() == 0
}

/// Whether a file's owner may execute it: the one mode bit that counts, as in git.
pub(super) fn is_executable(meta: &Metadata) -> bool {
    meta.mode() & 0o100 != 0
}

/// Waits until the file or folder at `path` is on disk.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    let file = File::open(path).map_err(|e| StoreError::io(path, e))?;
    file.sync_all().map_err(|e| StoreError::io(path, e))
}

/// Waits until everything on the file system that holds `path` is on disk: cheaper than many [`sync`]s.
pub(super) fn sync_file_system(path: &Path) -> Result<(), StoreError> {
    let file = File::open(path).map_err(|e| StoreError::io(path, e))?;
    rustix::fs::syncfs(&file).map_err(|e| StoreError::io(path, e.into()))
}

/// Moves a finished file to its final name, making the folder above it.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(|e| StoreError::io(parent, e))?;
            }
            fs::rename(from, to)
        }
        other => other,
    }
    .map_err(|e| StoreError::io(to, e))
}

/// Makes the file `to` (one outside the store) by way of a synced temporary file beside it, which `fill`
/// is given the path of.
pub(super) fn replace(
    to: &Path,
    executable: bool,
    fill: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), StoreError> {
    let failed = |e| StoreError::io(to, e);
    let file = tempfile::NamedTempFile::new_in(parent(to)).map_err(failed)?;
    fill(file.path()).map_err(failed)?;
    let mode = if executable { 0o755 } else { 0o644 };
    let file_itself = file.as_file();
    file_itself
        .set_permissions(Permissions::from_mode(mode))
        .and_then(|()| file_itself.sync_all())
        .map_err(failed)?;
    file.persist(to).map_err(|e| failed(e.error)).map(drop)
}

/// Makes a folder and those above it.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|e| StoreError::io(path, e))
}

/// The folder that holds `path`.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

/// Removes a file or tree, also one that holds read-only folders. Its absence is fine.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    let remove = || match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    let result = match remove() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            for entry in walkdir::WalkDir::new(path).into_iter().flatten() {
                if entry.file_type().is_dir() {
                    fs::set_permissions(entry.path(), Permissions::from_mode(0o700))?;
                }
            }
            remove()
        }
        other => other,
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Store {
    /// Writes a small file of the store's own: temporary file, sync, rename, sync of the folder.
    pub(super) fn write_whole(&self, to: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let staged: PathBuf = self.session()?.fresh("file");
        let write = || -> io::Result<()> {
            let mut file = File::create_new(&staged)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|e| {
            let _ = fs::remove_file(&staged);
            StoreError::io(to, e)
        })?;
        rename(&staged, to)?;
        sync(parent(to))
    }
}
