//! Making files that are whole or absent: seal, sync, rename.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::group::Move;
use super::{Store, StoreError};

/// The modification time (seconds since 1970) that objects are sealed with. Whoever writes to a sealed
/// file changes it, so that a look-up sees by one `stat` that the bytes must be hashed again.
pub(super) const SEALED_AT: u64 = 1;

/// Makes a finished file read-only and gives it the sealed modification time.
pub(super) fn seal(path: &Path, executable: bool) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| seal_open(&file, executable))
        .map_err(|e| StoreError::io(path, e))
}

/// The same for an open file.
pub(super) fn seal_open(file: &File, executable: bool) -> io::Result<()> {
    let mode = if executable { 0o555 } else { 0o444 };
    file.set_permissions(Permissions::from_mode(mode))?;
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(SEALED_AT))
}

/// Copies a file's bytes to a new place, so that the two share no file: sharing blocks where the file system can
/// (a *reflink*, which a write to either side undoes), else byte by byte. A hard link would do neither: whoever edits
/// a published file would edit the object.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let source = File::open(from)?;
    let target = File::create(to)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return target.set_permissions(source.metadata()?.permissions());
    }
    drop((source, target));
    fs::copy(from, to).map(drop)
}

/// Whether a file is as [`seal`] left it.
pub(super) fn is_sealed(meta: &Metadata) -> bool {
    let mode = meta.mode() & 0o777;
    meta.is_file()
        && meta.mtime() == SEALED_AT.cast_signed()
        && meta.mtime_nsec() == 0
        && (mode == 0o444 || mode == 0o555)
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
    let mut result = fs::rename(from, to);
    let is = |result: &io::Result<()>, kind| matches!(result, Err(error) if error.kind() == kind);
    if is(&result, io::ErrorKind::NotFound) {
        result = rename_into(from, to);
    }
    if is(&result, io::ErrorKind::PermissionDenied) {
        // A stage may have made the folder that it wrote to read-only.
        let _ = fs::set_permissions(parent(from), Permissions::from_mode(0o700));
        result = rename_into(from, to);
    }
    result.map_err(|e| StoreError::io(to, e))
}

fn rename_into(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(parent(to))?;
    fs::rename(from, to)
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
        self.name(vec![Move {
            from: self.stage(bytes)?.0,
            to: to.to_path_buf(),
        }])
    }
}
