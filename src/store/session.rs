//! A process's private folder in the store, and the sweeping of those whose process died.
//!
//! `tmp/<name>.lock` is locked (`flock`) for as long as its process lives, and the system lets go of it
//! however that ends. So whoever gets the lock of another session knows it to be an orphan.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreError;
use super::write::remove_tree;

/// What the name of every session's lock ends with.
const LOCK: &str = ".lock";

/// A private folder, removed on drop.
pub(super) struct Session {
    folder: PathBuf,
    /// Held for as long as the session lives; its file goes with it.
    _lock: tempfile::NamedTempFile,
    counter: AtomicU64,
}

impl Session {
    /// Makes a session in `tmp`, after sweeping the orphaned ones.
    pub(super) fn create(tmp: &Path) -> Result<Self, StoreError> {
        sweep(tmp)?;
        loop {
            let lock = tempfile::Builder::new()
                .prefix(&format!("{}-", std::process::id()))
                .suffix(LOCK)
                .tempfile_in(tmp)
                .map_err(|e| StoreError::io(tmp, e))?;
            lock.as_file()
                .lock()
                .map_err(|e| StoreError::io(lock.path(), e))?;
            // A sweeper may have taken it for an orphan between its creation and its locking.
            if is_at(lock.as_file(), lock.path()) {
                let folder = lock.path().with_extension("");
                fs::create_dir(&folder).map_err(|e| StoreError::io(&folder, e))?;
                return Ok(Self {
                    folder,
                    _lock: lock,
                    counter: AtomicU64::new(0),
                });
            }
        }
    }

    /// A path in the session's folder that was never given out before.
    pub(super) fn fresh(&self, what: &str) -> PathBuf {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{what}-{number}"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What cannot be removed now is swept by a later process.
        let _ = remove_tree(&self.folder);
    }
}

/// Whether `file` is still what `path` names.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Removes the sessions whose process has ended.
fn sweep(tmp: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(tmp).map_err(|e| StoreError::io(tmp, e))? {
        let path = entry.map_err(|e| StoreError::io(tmp, e))?.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        // What another user's process left may be out of reach; that is no reason not to work.
        let Ok(file) = File::open(&path) else {
            continue;
        };
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => {
                let _ = remove_tree(&path.with_extension(""));
                let _ = fs::remove_file(&path);
            }
            Ok(()) | Err(TryLockError::WouldBlock | TryLockError::Error(_)) => (),
        }
    }
    Ok(())
}
