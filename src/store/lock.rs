//! One computation per key, across processes and machines.
//!
//! A key's lock is the file `locks/<key>`: a hard link to the file of its owner's session, which says who that is and
//! bears its heartbeat. To link is to take the lock, whole or not at all; to unlink is to give it back. (Where a file
//! system has no hard links, a file with the same words is made instead.) The lock of an owner that is dead by the
//! rules of [`super::owner`] is taken away by renaming it.
//!
//! Two things can go wrong, both harmless since what is computed twice gives the same bytes under the same name: an
//! owner that slept for longer than a minute on another machine goes on although its lock was taken over
//! ([`KeyLock::is_held`] tells it), and of three processes that find one lock stale within the same microseconds, two
//! may get it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::owner::Owner;
use super::session::{Looked, Session, identity};
use super::{Store, StoreError, guard};
use crate::hash::Digest;

/// The first and the longest pause between two looks at a lock that another holds.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// The right to compute a key, given back on drop.
pub struct KeyLock {
    session: Arc<Session>,
    key: Digest,
    path: PathBuf,
    /// device and inode of the lock's file
    id: (u64, u64),
}

/// Whether a key could be locked.
#[derive(Debug)]
pub enum LockState {
    /// It is ours.
    Held(KeyLock),
    /// Someone else computes it.
    Busy(Owner),
}

impl std::fmt::Debug for KeyLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeyLock").field(&self.path).finish()
    }
}

impl KeyLock {
    /// Whether the lock is still ours. It is not when this process stood still for so long that another machine took
    /// it for dead and took the work over.
    pub fn is_held(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|meta| identity(&meta) == self.id)
            || is_of(&self.path, Some(self.session.owner()), self.id)
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        if self.session.is_late() {
            let owner = Some(self.session.owner());
            let _ = take_away(&self.path, owner, self.id, &self.session);
        } else {
            let _ = fs::remove_file(&self.path);
        }
        guard(&self.session.held).remove(&self.key);
    }
}

impl Store {
    /// Locks `key`, waiting for whoever holds it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn lock(&self, key: &Digest) -> Result<KeyLock, StoreError> {
        let (mut pause, longest) = PAUSES;
        loop {
            if let LockState::Held(lock) = self.try_lock(key)? {
                return Ok(lock);
            }
            std::thread::sleep(pause);
            pause = longest.min(pause * 2);
        }
    }

    /// Locks `key` if nobody who lives holds it, and says who does otherwise. Does not wait; of an owner on another
    /// machine, only one who asks again and again learns that it is dead.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn try_lock(&self, key: &Digest) -> Result<LockState, StoreError> {
        let path = self.root.join("locks").join(key.to_string());
        let mut session = self.session()?;
        let mut made = false;
        loop {
            if !guard(&session.held).insert(*key) {
                return Ok(LockState::Busy(session.owner().clone()));
            }
            let taken = take(&session, &path);
            let lock = |id| KeyLock {
                session: Arc::clone(&session),
                key: *key,
                path: path.clone(),
                id,
            };
            if let Ok(id) = taken {
                return Ok(LockState::Held(lock(id)));
            }
            let there = Looked::at(&path).map_err(|e| StoreError::io(&path, e));
            if let Ok(Some(there)) = &there
                && there.is_of(Some(session.owner()), session.id())
            {
                // Nobody in this process has it: taken by a call whose answer was lost on the network.
                return Ok(LockState::Held(lock(there.id)));
            }
            guard(&session.held).remove(key);
            match (taken, there?) {
                (Err(error), None) if error.kind() == io::ErrorKind::NotFound && !made => {
                    made = true;
                    self.folder("locks")?;
                    if !session.path().exists() {
                        session = self.renew_session(&session)?;
                    }
                }
                // Given back meanwhile.
                (Err(error), None) if error.kind() == io::ErrorKind::AlreadyExists => {}
                (Err(error), None) => return Err(StoreError::io(path, error)),
                (_, Some(there)) => {
                    if !there.is_dead(&path, &self.root.join("tmp"), &self.watch) {
                        return Ok(LockState::Busy(there.owner.unwrap_or_default()));
                    }
                    let owner = there.owner.as_ref();
                    let gone = take_away(&path, owner, there.id, &session);
                    if !gone.map_err(|e| StoreError::io(&path, e))? {
                        return Ok(LockState::Busy(Owner::default()));
                    }
                }
                (Ok(_), None) => {}
            }
        }
    }
}

/// Takes the lock at `path` if there is none; gives the identity of its file.
fn take(session: &Session, path: &Path) -> io::Result<(u64, u64)> {
    match fs::hard_link(session.path(), path) {
        Ok(()) => Ok(session.id()),
        Err(error) if has_no_links(&error) => {
            let mut file = File::create_new(path)?;
            let written = fs::read(session.path()).and_then(|said| file.write_all(&said));
            if let Err(error) = written {
                let _ = fs::remove_file(path);
                return Err(error);
            }
            Ok(identity(&file.metadata()?))
        }
        Err(error) => Err(error),
    }
}

/// Whether an error of making a hard link says that the file system has none, or no more of this file.
fn has_no_links(error: &io::Error) -> bool {
    let none = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::MLINK];
    none.iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Removes the lock at `path` if it is still the same: renames it away, and back if another has come meanwhile.
/// Whether it is gone.
fn take_away(
    path: &Path,
    owner: Option<&Owner>,
    id: (u64, u64),
    session: &Session,
) -> io::Result<bool> {
    if !is_of(path, owner, id) {
        return Ok(!path.exists());
    }
    let aside = session.fresh("stale");
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(!path.exists()),
        other => other?,
    }
    if !is_of(&aside, owner, id) {
        let _ = fs::hard_link(&aside, path);
    }
    fs::remove_file(&aside)?;
    Ok(true)
}

/// Whether the lock at `path` is that of `owner`, or where that is unknown, the file `id`.
fn is_of(path: &Path, owner: Option<&Owner>, id: (u64, u64)) -> bool {
    matches!(Looked::at(path), Ok(Some(looked)) if looked.is_of(owner, id))
}
