//! Digests of files, remembered by their stamp: path, size, inode, modification and change times.
//!
//! A file that changed within the last two seconds before it was hashed is not remembered: it could
//! change again without its stamp doing so (git calls such an entry *racily clean*). The table is one
//! text file that carries its own BLAKE3; anything wrong with it, and it is empty.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::hash::Digest;
use crate::worktree::Stamp;

/// Bumped when the table's format changes.
const HEADER: &str = "retake stamps 1";

/// The table.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    files: HashMap<String, (Digest, Stamp)>,
    changed: bool,
}

/// A table of more files than this drops those that are gone whenever it is written.
const PRUNED_FROM: usize = 100_000;

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

    /// Whether these are the bytes of a table.
    pub(super) fn is_sound(bytes: &[u8]) -> bool {
        str::from_utf8(bytes).is_ok_and(|text| parse(text).is_some())
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

    /// The table as text, with what others added to the file at `path` meanwhile; `None` when there is nothing new.
    pub(super) fn merged(&mut self, path: &Path) -> Option<String> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        for (path, entry) in Self::read(path).files {
            self.files.entry(path).or_insert(entry);
        }
        if self.files.len() > PRUNED_FROM {
            self.files.retain(|path, _| Path::new(path).exists());
        }
        let mut sorted: Vec<_> = self.files.iter().collect();
        sorted.sort_unstable_by_key(|(path, _)| *path);
        let mut lines = String::new();
        for (path, (digest, stamp)) in sorted {
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

fn parse(text: &str) -> Option<HashMap<String, (Digest, Stamp)>> {
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
