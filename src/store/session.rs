//! A process's private folder in the store, its heartbeat, and the sweeping of those whose process died.
//!
//! `tmp/<name>.lock` says who the process is; it is written again every few seconds, locked (`flock`) where the file
//! system can do that, and linked to the keys that the process computes ([`super::lock`]). Whose process is dead by
//! the rules of [`super::owner`] is swept by the next that comes.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::heart::{Heart, Said};
use super::owner::{Fate, Owner, Watch};
use super::write::remove_tree;
use super::{Store, StoreError};
use crate::hash::Digest;

/// What the name of every session's file ends with.
const LOCK: &str = ".lock";

/// A private folder, removed on drop.
pub(super) struct Session {
    folder: PathBuf,
    /// Dropped before the file.
    heart: Heart,
    /// Goes with the session.
    file: tempfile::NamedTempFile,
    /// device and inode of the file
    id: (u64, u64),
    owner: Owner,
    /// keys that this process holds or is about to
    pub(super) held: Mutex<BTreeSet<Digest>>,
    counter: AtomicU64,
}

impl Session {
    /// Makes a session in the store at `root`, after sweeping the orphaned ones.
    pub(super) fn create(root: &Path, watch: &Arc<Watch>) -> Result<Self, StoreError> {
        let tmp = root.join("tmp");
        let failed = |e| StoreError::io(&tmp, e);
        sweep(root, watch).map_err(failed)?;
        let file = loop {
            let file = tempfile::Builder::new()
                .prefix(&format!("{}-", std::process::id()))
                .suffix(LOCK)
                .tempfile_in(&tmp)
                .map_err(failed)?;
            // Seen by other containers of this machine; not all file systems can.
            let _ = file.as_file().try_lock();
            // One that looks for unlocked files may have taken it for an orphan's meanwhile.
            if is_at(file.as_file(), file.path()) {
                break file;
            }
        };
        let failed = |e| StoreError::io(file.path(), e);
        let folder = file.path().with_extension("");
        let owner = Owner::this(&folder.file_name().unwrap_or_default().to_string_lossy());
        let own = file.as_file().try_clone().map_err(failed)?;
        let (root, watch) = (root.to_path_buf(), Arc::clone(watch));
        let heart = Heart::new(own, owner.clone(), watch.silence, move || {
            // Those on other machines are known to be dead only after a while.
            let _ = sweep(&root, &watch);
        });
        let heart = heart.map_err(failed)?;
        let id = identity(&file.as_file().metadata().map_err(failed)?);
        fs::create_dir(&folder).map_err(|e| StoreError::io(&folder, e))?;
        Ok(Self {
            folder,
            heart,
            file,
            id,
            owner,
            held: Mutex::default(),
            counter: AtomicU64::new(0),
        })
    }

    /// A path in the session's folder that was never given out before.
    pub(super) fn fresh(&self, what: &str) -> PathBuf {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{what}-{number}"))
    }

    /// The session's file.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Device and inode of the session's file.
    pub(super) fn id(&self) -> (u64, u64) {
        self.id
    }

    /// Who this process is.
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether others may have taken this process for dead, now or before.
    pub(super) fn is_late(&self) -> bool {
        self.heart.is_late()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What cannot be removed now is swept by a later process.
        let _ = remove_tree(&self.folder);
    }
}

impl Store {
    /// Whether the session whose file is at `path` is of a process that is dead.
    pub(super) fn is_orphaned(&self, path: &Path) -> bool {
        let looked = Looked::at(path).ok().flatten();
        looked.is_some_and(|looked| looked.is_dead(path, &self.root.join("tmp"), &self.watch))
    }
}

/// Whether `file` is still what `path` names.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(file), Ok(named)) => identity(&file) == identity(&named),
        _ => false,
    }
}

/// Device and inode.
pub(super) fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// What a session's file, or a link to it, says; the file is given back for its lock.
pub(super) struct Looked {
    pub(super) file: File,
    pub(super) id: (u64, u64),
    pub(super) bytes: Vec<u8>,
    /// none while it is being written, or when it is damaged
    pub(super) owner: Option<Owner>,
}

impl Looked {
    /// Reads the file at `path`; none where there is none.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let line = bytes
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let said = serde_json::from_slice::<Said>(line).ok();
        Ok(Some(Self {
            id: identity(&file.metadata()?),
            file,
            owner: said.map(|said| said.owner),
            bytes,
        }))
    }

    /// Whether it is of the session `owner`, or where that is unknown, the file `id`. (Not all file systems give a file
    /// the same number under each of its names.)
    pub(super) fn is_of(&self, owner: Option<&Owner>, id: (u64, u64)) -> bool {
        match (&self.owner, owner) {
            (Some(own), Some(owner)) => own == owner,
            _ => self.id == id,
        }
    }

    /// Whether the process that the file is of is dead. `path` names what cannot be read.
    pub(super) fn is_dead(&self, path: &Path, tmp: &Path, watch: &Watch) -> bool {
        let session = self.owner.as_ref().map_or("", |owner| &owner.session);
        let is_name = !session.is_empty() && !session.contains(['/', '\0']) && session != "..";
        // The heartbeat is in the session's file; this one may be a copy of its first.
        let heart = is_name.then(|| Self::at(&tmp.join(format!("{session}{LOCK}"))));
        let heart = heart.and_then(Result::ok).flatten();
        let locked = heart.as_ref().map_or(&self.file, |heart| &heart.file);
        match self.owner.as_ref().map(|owner| owner.fate(Some(locked))) {
            Some(Fate::Lives) => false,
            Some(Fate::Dead) => true,
            Some(Fate::Unknown) | None => {
                let heartbeat = heart.map_or_else(|| self.bytes.clone(), |heart| heart.bytes);
                let known = if is_name {
                    session.to_owned()
                } else {
                    path.to_string_lossy().into_owned()
                };
                watch.is_silent(&known, heartbeat)
            }
        }
    }
}

/// Removes the sessions whose process is dead. Locks that it held stay until someone wants them.
fn sweep(root: &Path, watch: &Watch) -> io::Result<()> {
    let tmp = root.join("tmp");
    for entry in fs::read_dir(&tmp)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        // What another user's process left may be out of reach; that is no reason not to work.
        let Ok(Some(looked)) = Looked::at(&path) else {
            continue;
        };
        if looked.is_dead(&path, &tmp, watch) {
            let _ = remove_tree(&path.with_extension(""));
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}
