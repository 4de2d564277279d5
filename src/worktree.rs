//! The project's files as planning sees them, with a note of what was looked at.
//!
//! A plan is a function of the texts that it was made from. Whoever remembers a plan, or what came of it, must know
//! when one of them changes: everything that planning reads goes through a [`WorkTree`].

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::hash::Digest;

/// A file must have been left alone for this long before its stamp is trusted.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What of a file changes whenever its content does: size, inode, times of modification and change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// in bytes
    pub size: u64,
    /// its number in the file system
    pub inode: u64,
    /// when its content was last written, in nanoseconds since 1970
    pub modified: i64,
    /// when anything of it last changed, in nanoseconds since 1970
    pub changed: i64,
}

impl Stamp {
    /// The stamp of a file with this metadata.
    pub fn of(meta: &Metadata) -> Self {
        Self {
            size: meta.size(),
            inode: meta.ino(),
            modified: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            changed: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the file had been left alone for a while at `now`. One that had not could change again without its
    /// stamp doing so (git calls such an entry *racily clean*).
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let limit = now
            .checked_sub(SETTLED_AFTER)
            .and_then(|limit| limit.duration_since(UNIX_EPOCH).ok())
            .and_then(|limit| i64::try_from(limit.as_nanos()).ok());
        limit.is_some_and(|limit| self.modified < limit && self.changed < limit)
    }
}

/// Seconds and nanoseconds since 1970 as one number, good until 2262.
pub fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// A file that was read, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// where it is, absolute
    pub path: PathBuf,
    /// what it looked like
    pub stamp: Stamp,
    /// what it held
    pub digest: Digest,
    /// whether the stamp alone says that it holds the same
    pub settled: bool,
}

impl Sighting {
    /// Whether the file is as it was, by its stamp or else by its content.
    pub fn holds(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|meta| Stamp::of(&meta) == self.stamp)
            && (self.settled || Digest::of_file(&self.path).is_ok_and(|now| now == self.digest))
    }
}

/// A project's files.
#[derive(Debug)]
pub struct WorkTree {
    root: PathBuf,
    read: Mutex<BTreeMap<PathBuf, Sighting>>,
}

impl WorkTree {
    /// The project in the folder `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            read: Mutex::default(),
        }
    }

    /// The project root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The text of a file, its path absolute or relative to the root.
    ///
    /// # Errors
    /// When it cannot be read, is no text or no file: nobody waits at a pipe.
    pub fn read(&self, path: &Path) -> io::Result<String> {
        let path = self.root.join(path);
        let now = SystemTime::now();
        let meta = fs::metadata(&path)?;
        if !meta.is_file() {
            let problem = "neither a file nor a link to one";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let stamp = Stamp::of(&meta);
        let text = fs::read_to_string(&path)?;
        let untouched = Stamp::of(&fs::metadata(&path)?) == stamp;
        let sighting = Sighting {
            path: std::path::absolute(&path)?,
            stamp,
            digest: Digest::of_bytes(text.as_bytes()),
            settled: untouched && stamp.is_settled(now),
        };
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path, sighting);
        Ok(text)
    }

    /// Everything that was read so far.
    pub fn sightings(&self) -> Vec<Sighting> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.values().cloned().collect()
    }
}
