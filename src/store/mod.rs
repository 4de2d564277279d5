//! The store: what has been computed, by content and by key.
//!
//! ```text
//! .retake/objects/ab/cdef…        bytes, named by their BLAKE3; sealed (mode 0444, fixed mtime)
//! .retake/records/ab/cdef….json   key → outputs, scalars, outcome, side table   (`….part.json`: parts of work)
//! .retake/tmp/<session>/          private to one process: attempts, and files on their way in
//! .retake/tmp/<session>.lock       who that process is, and its heartbeat
//! .retake/locks/<key>             the same file, linked by whoever computes that key
//! .retake/views/<digest>/         folder artifacts laid out for reading
//! .retake/live/                   what goes on, for `retake watch`: no results
//! .retake/index/files             digests of input files, by path and stamp
//! .retake/index/unchanged/        what runs looked at that found everything cached
//! .retake/parts/ab/cdef…          key → the parts that its work used; what gc keeps together
//! .retake/roots, uses, gate       projects that use the store; what runs rely on; the gate of gc
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

mod archive;
mod attempt;
mod check;
mod entries;
mod error;
mod folder;
mod gc;
mod group;
mod heart;
mod hold;
mod inputs;
mod lock;
mod lockfile;
mod memo;
mod notes;
mod objects;
mod outside;
mod owner;
mod parts;
mod publish;
mod records;
mod refs;
mod session;
mod sights;
mod stamps;
mod survey;
mod take;
mod trash;
mod view;
mod write;

pub use archive::{Exported, Extent, Imported};
pub use attempt::Attempt;
pub use check::{Checked, Damage, Dangling};
pub use error::{Notice, StoreError};
pub use folder::{FileEntry, Manifest};
pub use gc::{GcClass, GcCount, GcPlan, GcRequest, Pin, Relying};
pub use lock::{KeyLock, LockState};
pub use lockfile::{LockBlock, LockFile};
pub use owner::Owner;
pub use publish::Published;
pub use records::{Lookup, MissReason, NewRecord, Record};
pub use sights::Sights;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::hash::Digest;
use crate::stage::Product;
use owner::Watch;
use session::Session;
use stamps::Stamps;

/// What the store writes first of all, so that git passes it over; and what it is known by.
const IGNORE: &str = "*\n";

/// A store in a folder, usually `.retake` in the project root. Shared between threads by reference and
/// between processes by the file system. Opening and looking up writes nothing.
pub struct Store {
    root: PathBuf,
    session: Mutex<Option<Arc<Session>>>,
    /// What is seen of owners on other machines.
    watch: Arc<Watch>,
    /// Files that wait for their final names.
    queue: Mutex<group::Queue>,
    /// Objects whose bytes this process has hashed.
    verified: Mutex<BTreeSet<Digest>>,
    /// Objects that are corrupt and cannot be moved out of the way: the store is only to be read.
    spoilt: Mutex<BTreeSet<Digest>>,
    /// Inodes of the records that this process has read or written.
    records_seen: Mutex<HashMap<Digest, u64>>,
    stamps: Mutex<Option<Stamps>>,
    /// What a run of this process relies on.
    uses: Mutex<Option<gc::Uses>>,
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
            watch: Arc::new(Watch::new(owner::silence())),
            queue: Mutex::default(),
            verified: Mutex::default(),
            spoilt: Mutex::default(),
            records_seen: Mutex::default(),
            stamps: Mutex::default(),
            uses: Mutex::default(),
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

    /// Takes an owner on another machine for dead when it was silent for so long (a minute, where this is not said).
    /// For tests; before the first write.
    #[must_use]
    pub fn with_silence(mut self, silence: Duration) -> Self {
        self.watch = Arc::new(Watch::new(silence));
        self
    }

    /// Whether its folder looks like one that a store has made, or is not there yet: what clears up or moves things must
    /// not be let loose on any other.
    pub fn is_store(&self) -> bool {
        let ignore = fs::read_to_string(self.root.join(".gitignore"));
        let signed = ignore.is_ok_and(|text| text == IGNORE);
        let empty = fs::read_dir(&self.root).is_ok_and(|mut entries| entries.next().is_none());
        signed || empty || !self.root.exists()
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
                fs::write(&ignore, IGNORE).map_err(|e| StoreError::io(&ignore, e))?;
            }
        }
        Ok(folder)
    }

    /// This process's private folder in the store; the first call sweeps those of dead processes.
    fn session(&self) -> Result<Arc<Session>, StoreError> {
        self.session_but(None)
    }

    /// Another session than `swept`, which a process on another machine took for dead.
    fn renew_session(&self, swept: &Arc<Session>) -> Result<Arc<Session>, StoreError> {
        self.session_but(Some(swept))
    }

    fn session_but(&self, swept: Option<&Arc<Session>>) -> Result<Arc<Session>, StoreError> {
        let mut session = guard(&self.session);
        if let Some(session) = &*session
            && swept.is_none_or(|swept| !Arc::ptr_eq(session, swept))
        {
            return Ok(Arc::clone(session));
        }
        let made = self
            .folder("tmp")
            .and_then(|_| Session::create(&self.root, &self.watch))
            .map_err(|error| error.of_unwritable(&self.root))?;
        let made = Arc::new(made);
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
