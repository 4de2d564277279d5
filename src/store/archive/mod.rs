//! Results in one file, to be carried from store to store.
//!
//! ```text
//! retake-archive          {"format":1}
//! objects/ab/cdef…        bytes, named by their BLAKE3
//! parts/ab/cdef….json     records of parts of work, where they were asked for
//! records/ab/cdef….json   records of nodes
//! links/ab/cdef…          which parts belong to a record
//! index                   the BLAKE3, size and name of every file before it
//! ```
//!
//! It is a tar file, sorted and without times and owners: the same results give the same bytes. Timings stay where
//! they were taken. An import reads everything before it lets anything in.

mod import;
mod tar;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::json;

use super::{Record, Store, StoreError, shard};
use crate::hash::Digest;
use crate::stage::{Artifact, Part};

pub use import::Imported;

/// Bumped when the layout changes.
const FORMAT: u32 = 1;
const FIRST: &str = "retake-archive";
const INDEX: &str = "index";

/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// What to take along with records and their outputs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extent {
    /// parts of work: checkpoints one by one, single metrics
    pub parts: bool,
    /// the resume states in them
    pub states: bool,
}

/// What an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Exported {
    /// records of nodes
    pub records: usize,
    /// records of parts of work
    pub parts: usize,
    /// objects
    pub objects: usize,
    /// bytes of the objects
    pub bytes: u64,
}

impl Store {
    /// Writes the records of `keys`, and what they name, to `out`.
    ///
    /// # Errors
    /// When a record or object is missing or corrupt, or `out` cannot be written.
    pub fn export_archive(
        &self,
        keys: &BTreeSet<Digest>,
        extent: Extent,
        out: &mut dyn Write,
    ) -> Result<Exported, StoreError> {
        let mut small = BTreeMap::new();
        let mut objects = BTreeMap::new();
        let mut exported = Exported::default();
        for key in keys {
            let record = self.whole_record(key)?;
            self.collect(record.outputs.values(), &mut objects)?;
            small.insert(place("records", key, ".json"), to_json(&record));
            exported.records += 1;
            if !extent.parts && !extent.states {
                continue;
            }
            let mut links = String::new();
            for key in self.parts_of(key) {
                let Some(mut part) = self.part(&key)? else {
                    continue;
                };
                if !extent.states {
                    part.objects.remove(Part::RESUME);
                }
                // What is optional in a part may have gone.
                part.objects
                    .retain(|_, artifact| self.check_artifact(artifact).is_ok());
                self.collect(part.objects.values(), &mut objects)?;
                small.insert(place("parts", &key, ".json"), to_json(&part));
                links += &format!("{key}\n");
            }
            if !links.is_empty() {
                small.insert(place("links", key, ""), links.into_bytes());
            }
        }
        exported.parts = small
            .keys()
            .filter(|name| name.starts_with("parts/"))
            .count();
        exported.objects = objects.len();
        exported.bytes = objects.values().sum();

        let mut writer = Writer {
            out,
            index: String::new(),
        };
        let failed = |e| StoreError::io("the archive", e);
        let first = json!({"format": FORMAT}).to_string();
        writer.add(FIRST, first.as_bytes()).map_err(failed)?;
        for digest in objects.keys() {
            self.export_object(digest, &mut writer)?;
        }
        for folder in ["parts/", "records/", "links/"] {
            for (name, bytes) in small.range(folder.to_owned()..) {
                if name.starts_with(folder) {
                    writer.add(name, bytes).map_err(failed)?;
                }
            }
        }
        writer.finish().map_err(failed)?;
        Ok(exported)
    }

    /// A record whose objects are all there.
    fn whole_record(&self, key: &Digest) -> Result<Record, StoreError> {
        match self.lookup(key) {
            super::Lookup::Hit(record) => Ok(*record),
            super::Lookup::Miss(reason) => Err(StoreError::unsuitable(
                self.record_path(key),
                reason.to_string(),
            )),
        }
    }

    /// Adds the objects that artifacts consist of, with their sizes.
    fn collect<'a>(
        &self,
        artifacts: impl IntoIterator<Item = &'a Artifact>,
        objects: &mut BTreeMap<Digest, u64>,
    ) -> Result<(), StoreError> {
        for digest in artifacts
            .into_iter()
            .flat_map(|artifact| self.objects_of(artifact))
        {
            let path = self.object_path(&digest);
            let meta = path.metadata().map_err(|e| StoreError::io(&path, e))?;
            objects.insert(digest, meta.len());
        }
        Ok(())
    }

    fn export_object(&self, digest: &Digest, writer: &mut Writer<'_>) -> Result<(), StoreError> {
        self.check(digest)?;
        let path = self.object_path(digest);
        let copy = |writer: &mut Writer<'_>, path: &Path| -> io::Result<Digest> {
            let mut file = File::open(path)?;
            let size = file.metadata()?.len();
            writer.copy(&place("objects", digest, ""), size, &mut file)
        };
        let found = copy(writer, &path).map_err(|e| StoreError::io(&path, e))?;
        if found == *digest {
            Ok(())
        } else {
            Err(self.quarantine(digest))
        }
    }
}

/// Where an archive keeps what is called `key`.
fn place(folder: &str, key: &Digest, extension: &str) -> String {
    format!("{folder}/{}{extension}", shard(key))
}

fn to_json(record: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}

/// Writes files and keeps their index.
struct Writer<'a> {
    out: &'a mut dyn Write,
    index: String,
}

impl Writer<'_> {
    fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.copy(name, bytes.len() as u64, &mut &*bytes).map(drop)
    }

    /// Adds a file of `size` bytes; gives their digest.
    fn copy(&mut self, name: &str, size: u64, from: &mut impl Read) -> io::Result<Digest> {
        tar::write_header(&mut self.out, name, size)?;
        let digest = copy(from, size, &mut self.out)?;
        tar::write_padding(&mut self.out, size)?;
        self.index += &line(name, size, &digest);
        Ok(digest)
    }

    fn finish(mut self) -> io::Result<()> {
        let index = std::mem::take(&mut self.index);
        self.add(INDEX, index.as_bytes())?;
        tar::write_end(&mut self.out)?;
        self.out.flush()
    }
}

/// A file's line in the index.
fn line(name: &str, size: u64, digest: &Digest) -> String {
    format!("{digest} {size} {name}\n")
}

/// Copies exactly `size` bytes; gives their digest.
fn copy(from: &mut impl Read, size: u64, to: &mut impl Write) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    let mut left = size;
    while left > 0 {
        let wanted = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        from.read_exact(&mut buffer[..wanted])?;
        hasher.update(&buffer[..wanted]);
        to.write_all(&buffer[..wanted])?;
        left -= wanted as u64;
    }
    let hex = hasher.finalize().to_hex();
    hex.parse().map_err(io::Error::other)
}
