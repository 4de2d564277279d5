//! The store: what has been computed, by content and by key.
//!
//! ```text
//! .retake/objects/ab/cdef…        bytes, named by their BLAKE3; sealed (mode 0444, fixed mtime)
//! .retake/records/ab/cdef….json   key → outputs, scalars, outcome   (`….part.json`: parts of work)
//! .retake/timings/ab/cdef….json   key → whatever depends on clock or machine; never hashed
//! .retake/tmp/<session>/          private to one process: attempts, and files on their way in
//! .retake/locks/<key>             held by the operating system for whoever computes that key
//! .retake/views/<digest>/         folder artifacts laid out for reading
//! .retake/live/                   what goes on, for `retake watch`: no results
//! .retake/index/files             digests of input files, by path and stamp
//! .retake/published, seen, logs, trash, quarantine
//! ```
//!
//! What must hold after a `kill -9`, a full disk or a power cut at any instant: whatever has a final
//! name is whole. Bytes are written under `tmp`, sealed, synced and renamed; objects come before the
//! record that names them. What nevertheless went bad is found out: a *look-up* ([`Store::lookup`])
//! notices objects that are missing or were touched since they were sealed and hashes the latter
//! again; a *read* ([`Store::path`]) hashes every object once a process. A corrupt object is moved to
//! `quarantine`, said through [`Notice`], and counts as missing.
//!
//! Everything but `objects` and `records` may be deleted and comes back.

mod attempt;
mod error;
mod folder;
mod hold;
mod inputs;
mod lock;
mod lockfile;
mod memo;
mod notes;
mod objects;
mod publish;
mod records;
mod refs;
mod session;
mod stamps;
mod survey;
mod take;
mod trash;
mod view;
mod write;

pub use attempt::Attempt;
pub use error::{Notice, StoreError};
pub use folder::{FileEntry, Manifest};
pub use lock::{KeyLock, LockState, Owner};
pub use lockfile::{LockBlock, LockFile};
pub use publish::Published;
pub use records::{Lookup, MissReason, NewRecord, Record};
pub use survey::Checked;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::hash::Digest;
use crate::stage::Product;
use session::Session;
use stamps::Stamps;

/// A store in a folder, usually `.retake` in the project root. Shared between threads by reference and
/// between processes by the file system. Opening and looking up writes nothing.
pub struct Store {
    root: PathBuf,
    session: Mutex<Option<Arc<Session>>>,
    /// Objects whose bytes this process has hashed.
    verified: Mutex<BTreeSet<Digest>>,
    stamps: Mutex<Option<Stamps>>,
    /// Held while a view is laid out.
    laying_out: Mutex<()>,
    /// Stands in for `views` where the store cannot be written.
    private_views: OnceLock<tempfile::TempDir>,
    /// What parts would be put together to ([`Store::hold`]).
    held: Mutex<BTreeMap<Digest, Product>>,
    /// The same as files.
    held_files: OnceLock<tempfile::TempDir>,
    notice: Box<dyn Fn(&Notice) + Send + Sync>,
}

impl Store {
    /// The store in `dir`, which need not exist yet: it is made on the first write.
    ///
    /// # Errors
    /// When the current directory is unknown and `dir` is relative.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let root = std::path::absolute(dir).map_err(|e| StoreError::io(dir, e))?;
        Ok(Self {
            root,
            session: Mutex::default(),
            verified: Mutex::default(),
            stamps: Mutex::default(),
            laying_out: Mutex::default(),
            private_views: OnceLock::new(),
            held: Mutex::default(),
            held_files: OnceLock::new(),
            notice: Box::new(|_| ()),
        })
    }

    /// Says what the store notices (corruption, mostly) to `notice`, from whichever thread it happens in.
    #[must_use]
    pub fn with_notices(mut self, notice: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.notice = Box::new(notice);
        self
    }

    /// The store's folder, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder for what runs say while they go on, made if need be.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn live(&self) -> Result<PathBuf, StoreError> {
        self.folder("live")
    }

    /// The folder `name` in the store, made if need be.
    fn folder(&self, name: &str) -> Result<PathBuf, StoreError> {
        let folder = self.root.join(name);
        if !folder.is_dir() {
            write::make_folder(&folder)?;
            let ignore = self.root.join(".gitignore");
            if !ignore.exists() {
                fs::write(&ignore, "*\n").map_err(|e| StoreError::io(&ignore, e))?;
            }
        }
        Ok(folder)
    }

    /// This process's private folder in the store; the first call sweeps those of dead processes.
    fn session(&self) -> Result<Arc<Session>, StoreError> {
        let mut session = guard(&self.session);
        if let Some(session) = &*session {
            return Ok(Arc::clone(session));
        }
        let made = Arc::new(Session::create(&self.folder("tmp")?)?);
        *session = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Only digests to be remembered are lost, and they can be computed again.
        let _ = self.flush();
    }
}

/// `ab/cdef…`: where `digest` lies in a folder of many.
fn shard(digest: &Digest) -> String {
    let text = digest.to_string();
    format!("{}/{}", &text[..2], &text[2..])
}

/// What a mutex guards, also after another thread panicked: every update here leaves it sound.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
