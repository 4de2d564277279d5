//! Digests of files, remembered by their stamp: path, size, inode, modification and change times.
//!
//! A file that changed within the last two seconds before it was hashed is not remembered: it could
//! change again without its stamp doing so (git calls such an entry *racily clean*). The table is one
//! text file that carries its own BLAKE3; anything wrong with it, and it is empty.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::hash::Digest;

/// Bumped when the table's format changes.
const HEADER: &str = "retake stamps 1";

/// A file must have been left alone for this long before its stamp is trusted.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What of a file changes whenever its content does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    inode: u64,
    /// nanoseconds since 1970
    modified: i128,
    /// nanoseconds since 1970
    changed: i128,
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        let nanoseconds = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
        Self {
            size: meta.size(),
            inode: meta.ino(),
            modified: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            changed: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the file had been left alone for a while at `now`.
    fn is_settled(&self, now: SystemTime) -> bool {
        let Some(limit) = now.checked_sub(SETTLED_AFTER) else {
            return false;
        };
        let limit = limit.duration_since(UNIX_EPOCH).unwrap_or_default();
        let limit = i128::try_from(limit.as_nanos()).unwrap_or(i128::MAX);
        self.modified < limit && self.changed < limit
    }
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    files: BTreeMap<String, (Digest, Stamp)>,
    changed: bool,
}

impl Stamps {
    /// Reads the table at `path`; an empty one when there is none or anything is wrong with it.
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let files = parse(&text).unwrap_or_default();
        Self {
            files,
            changed: false,
        }
    }

    /// The digest of the file at `path`, if it was hashed when it had this stamp.
    pub(super) fn get(&self, path: &Path, stamp: &Stamp) -> Option<Digest> {
        let (digest, then) = self.files.get(path.to_str()?)?;
        (then == stamp).then_some(*digest)
    }

    /// Remembers that the file at `path` had this digest and stamp when hashing began, at `now`.
    pub(super) fn set(&mut self, path: &Path, stamp: Stamp, digest: Digest, now: SystemTime) {
        // One file a line; a name that breaks lines is hashed every time.
        let Some(path) = path.to_str().filter(|path| !path.contains('\n')) else {
            return;
        };
        if stamp.is_settled(now) {
            self.files.insert(path.to_owned(), (digest, stamp));
            self.changed = true;
        }
    }

    /// The table as text, with what others added to the file at `path` meanwhile and without files
    /// that are gone; `None` when there is nothing new.
    pub(super) fn merged(&mut self, path: &Path) -> Option<String> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        for (path, entry) in Self::read(path).files {
            self.files.entry(path).or_insert(entry);
        }
        self.files.retain(|path, _| Path::new(path).exists());
        let mut lines = String::new();
        for (path, (digest, stamp)) in &self.files {
            let Stamp {
                size,
                inode,
                modified,
                changed,
            } = stamp;
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{digest} {size} {inode} {modified} {changed} {path}");
        }
        let digest = Digest::of_bytes(lines.as_bytes());
        Some(format!("{HEADER} {digest}\n{lines}"))
    }
}

fn parse(text: &str) -> Option<BTreeMap<String, (Digest, Stamp)>> {
    let (header, lines) = text.split_once('\n')?;
    let digest = header.strip_prefix(HEADER)?.trim_start();
    if Digest::of_bytes(lines.as_bytes()).to_string() != digest {
        return None;
    }
    lines.lines().map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, (Digest, Stamp))> {
    let mut fields = line.splitn(6, ' ');
    let digest = fields.next()?.parse().ok()?;
    let stamp = Stamp {
        size: fields.next()?.parse().ok()?,
        inode: fields.next()?.parse().ok()?,
        modified: fields.next()?.parse().ok()?,
        changed: fields.next()?.parse().ok()?,
    };
    Some((fields.next()?.to_owned(), (digest, stamp)))
}
