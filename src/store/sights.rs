//! What files of the store looked like, for noticing that none of them has changed.
//!
//! Looking at a file costs a microsecond, reading and parsing a record twenty. A run that found everything cached
//! remembers how the records and objects of its nodes looked; as long as they look the same, so is what they hold:
//! files of the store are sealed, and whoever writes to one, or puts another in its place, changes how it looks.

use std::path::Path;

use bytemuck::{Pod, Zeroable};
use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};

use super::write::SEALED_AT;
use super::{Record, Store, StoreError, guard};
use crate::hash::{Digest, push_hex};
use crate::stage::Format;
use crate::worktree::nanoseconds;

/// A file of the store as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
struct Sight {
    /// the key of a record, the digest of an object
    name: [u8; 32],
    size: u64,
    inode: u64,
    modified: i64,
    changed: i64,
}

/// Records and objects as they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sights {
    records: Vec<Sight>,
    objects: Vec<Sight>,
}

impl Sights {
    /// Adds a record that this process has found or made, and the objects that it names. Whether they are still what
    /// this process knows them to be.
    ///
    /// # Errors
    /// When a folder's manifest cannot be read.
    pub fn add(&mut self, store: &Store, record: &Record) -> Result<bool, StoreError> {
        let inode = guard(&store.records_seen).get(&record.key).copied();
        let Some(seen) = look(&store.record_path(&record.key), &record.key) else {
            return Ok(false);
        };
        if Some(seen.inode) != inode || !seen.is_sealed() {
            return Ok(false);
        }
        self.records.push(seen);
        for artifact in record.outputs.values() {
            let mut digests = vec![artifact.digest];
            if artifact.format == Format::Folder {
                let manifest = store.manifest(artifact)?;
                digests.extend(manifest.files.values().map(|file| file.digest));
            }
            for digest in digests {
                match look(&store.object_path(&digest), &digest) {
                    Some(seen) if seen.is_sealed() => self.objects.push(seen),
                    _ => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// Sorts, so that files of one folder are looked at together, each once.
    pub fn sort(&mut self) {
        for sights in [&mut self.records, &mut self.objects] {
            sights.sort_unstable();
            sights.dedup();
        }
    }

    /// Whether all files look as they did. Reads none of them.
    pub fn hold(&self, store: &Store) -> bool {
        all_hold(&store.root.join("records"), ".json", &self.records)
            && all_hold(&store.root.join("objects"), "", &self.objects)
    }

    /// As bytes: the number of records in eight bytes, then records and objects of 64 bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = (self.records.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(bytemuck::cast_slice(&self.records));
        bytes.extend_from_slice(bytemuck::cast_slice(&self.objects));
        bytes
    }

    /// Reads what [`Sights::to_bytes`] gave; `None` for anything that it cannot have given.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk::<8>()?;
        let all: Vec<Sight> =
            (rest.len() % size_of::<Sight>() == 0).then(|| bytemuck::pod_collect_to_vec(rest))?;
        let (records, objects) = all.split_at_checked(u64::from_le_bytes(*count) as usize)?;
        Some(Self {
            records: records.to_vec(),
            objects: objects.to_vec(),
        })
    }
}

impl Sight {
    fn is_sealed(&self) -> bool {
        self.modified == nanoseconds(SEALED_AT.cast_signed(), 0)
    }
}

/// How the file at `path` looks; none where there is no file.
fn look(path: &Path, name: &Digest) -> Option<Sight> {
    look_at(rustix::fs::CWD, path, *name.as_bytes())
}

fn look_at(
    folder: impl std::os::fd::AsFd,
    path: impl rustix::path::Arg,
    name: [u8; 32],
) -> Option<Sight> {
    let stat = statat(folder, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let is_file = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    is_file.then_some(Sight {
        name,
        size: stat.st_size.cast_unsigned(),
        inode: stat.st_ino,
        modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
        changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
    })
}

/// Whether sorted files below `folder`, sharded by their first byte, look as they did.
fn all_hold(folder: &Path, extension: &str, sights: &[Sight]) -> bool {
    let mut name = String::with_capacity(64 + extension.len());
    sights.chunk_by(|a, b| a.name[0] == b.name[0]).all(|shard| {
        let path = folder.join(format!("{:02x}", shard[0].name[0]));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(open) = openat(rustix::fs::CWD, path, flags, Mode::empty()) else {
            return false;
        };
        shard.iter().all(|sight| {
            name.clear();
            push_hex(&mut name, &sight.name[1..]);
            name += extension;
            look_at(&open, name.as_str(), sight.name).as_ref() == Some(sight)
        })
    })
}
