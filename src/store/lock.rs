//! One computation per key, across processes.
//!
//! A key's lock is a file that is locked (`flock`); the system lets go of it when its owner ends,
//! however that happens, so there is no stale lock to recognise. The file says who the owner is.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::session::is_at;
use super::{Store, StoreError};
use crate::hash::Digest;

/// The right to compute a key, given back on drop.
#[derive(Debug)]
pub struct KeyLock {
    /// Closing it gives the lock back.
    _file: File,
    path: PathBuf,
}

/// Whether a key could be locked.
#[derive(Debug)]
pub enum LockState {
    /// It is ours.
    Held(KeyLock),
    /// Someone else computes it.
    Busy(Owner),
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// process id; 0 when unknown
    pub pid: u32,
    /// machine
    pub host: String,
}

impl Owner {
    fn this() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            pid: std::process::id(),
            host: host.trim().to_owned(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, self.host.as_str()) {
            (0, _) => write!(f, "another process"),
            (pid, "") => write!(f, "process {pid}"),
            (pid, host) => write!(f, "process {pid} on {host}"),
        }
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        // Removed while still locked: whoever waits for it sees that it is gone and makes a new one.
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// Locks `key`, waiting for whoever holds it.
    ///
    /// # Errors
    /// When the store cannot be written, or its file system knows no locks.
    pub fn lock(&self, key: &Digest) -> Result<KeyLock, StoreError> {
        let path = self.lock_path(key)?;
        loop {
            let file = open(&path)?;
            file.lock().map_err(|e| StoreError::io(&path, e))?;
            if let Some(lock) = ours(file, &path) {
                return Ok(lock);
            }
        }
    }

    /// Locks `key` if nobody holds it, and says who does otherwise. Does not wait.
    ///
    /// # Errors
    /// When the store cannot be written, or its file system knows no locks.
    pub fn try_lock(&self, key: &Digest) -> Result<LockState, StoreError> {
        let path = self.lock_path(key)?;
        loop {
            let file = open(&path)?;
            match file.try_lock() {
                Ok(()) => {
                    if let Some(lock) = ours(file, &path) {
                        return Ok(LockState::Held(lock));
                    }
                }
                Err(TryLockError::WouldBlock) => {
                    // The owner may be between locking and writing who it is.
                    let text = fs::read(&path).unwrap_or_default();
                    let owner = serde_json::from_slice(&text).unwrap_or_default();
                    return Ok(LockState::Busy(owner));
                }
                Err(TryLockError::Error(e)) => return Err(StoreError::io(path, e)),
            }
        }
    }

    fn lock_path(&self, key: &Digest) -> Result<PathBuf, StoreError> {
        Ok(self.folder("locks")?.join(key.to_string()))
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| StoreError::io(path, e))
}

/// A lock from a locked file, unless its last owner removed it while we waited.
fn ours(mut file: File, path: &Path) -> Option<KeyLock> {
    if !is_at(&file, path) {
        return None;
    }
    let owner = serde_json::to_vec(&Owner::this()).unwrap_or_default();
    // Only for people to read; a full disk must not stand in the way.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(&owner));
    Some(KeyLock {
        _file: file,
        path: path.to_path_buf(),
    })
}
