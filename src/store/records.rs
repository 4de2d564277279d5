//! Records: what is known under a key. One small file each, named after the objects that it names, and sealed like them.
//!
//! A record file is a line with the BLAKE3 of the next one, which is JSON; after it, in the same way, the *side table*:
//! whatever depends on clock or machine.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::group::Move;
use super::{Notice, Store, StoreError, guard, shard};
use crate::hash::Digest;
use crate::stage::{Artifact, Format, Product, Status};

/// What a node's work came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// the node's key
    pub key: Digest,
    /// its kind
    pub kind: String,
    /// the kind's version
    pub kind_version: u32,
    /// everything that entered the key ([`crate::plan::key::Recipe`])
    pub recipe: Value,
    /// how it ended
    pub status: Status,
    /// output name → artifact
    pub outputs: BTreeMap<String, Artifact>,
    /// scalar metrics
    #[serde(with = "exact")]
    pub scalars: BTreeMap<String, f64>,
}

/// A record to be: its outputs are not in the store yet.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// the node's key
    pub key: Digest,
    /// its kind
    pub kind: String,
    /// the kind's version
    pub kind_version: u32,
    /// everything that entered the key
    pub recipe: Value,
    /// how it ended
    pub status: Status,
    /// output name → (product, declared format)
    pub outputs: BTreeMap<String, (Product, Format)>,
    /// scalar metrics
    pub scalars: BTreeMap<String, f64>,
    /// whatever depends on clock or machine; goes to the side table
    pub timings: Map<String, Value>,
}

/// The answer to "has this been computed?".
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// yes, and everything it names is there
    Hit(Box<Record>),
    /// no
    Miss(MissReason),
}

/// Why a key counts as not computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MissReason {
    /// It never was, or its record was deleted.
    NoRecord,
    /// Its record cannot be used: truncated, altered, unreadable.
    BadRecord(String),
    /// An output's bytes are not in the store.
    ObjectMissing {
        /// the output
        output: String,
        /// the object
        digest: Digest,
    },
    /// An output's bytes were not what their name says; they were moved to the quarantine.
    ObjectCorrupt {
        /// the output
        output: String,
        /// the object
        digest: Digest,
    },
    /// An output's bytes cannot be read.
    ObjectUnreadable {
        /// the output
        output: String,
        /// what the system said
        cause: String,
    },
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecord => write!(f, "never computed"),
            Self::BadRecord(cause) => write!(f, "its record cannot be used: {cause}"),
            Self::ObjectMissing { output, digest } => write!(
                f,
                "output `{output}` is missing from the store (object {})",
                digest.short()
            ),
            Self::ObjectCorrupt { output, digest } => write!(
                f,
                "output `{output}` was corrupt in the store (object {})",
                digest.short()
            ),
            Self::ObjectUnreadable { output, cause } => {
                write!(f, "output `{output}` cannot be read: {cause}")
            }
        }
    }
}

impl Store {
    /// The record under `key`, or why there is none to be used.
    pub fn lookup(&self, key: &Digest) -> Lookup {
        let path = self.record_path(key);
        let (record, inode): (Record, u64) = match self.read_record(&path) {
            Ok(read) => read,
            Err(reason) => return Lookup::Miss(reason),
        };
        if record.key != *key {
            return Lookup::Miss(self.bad_record(path, "it is the record of another key"));
        }
        guard(&self.records_seen).insert(*key, inode);
        for (output, artifact) in &record.outputs {
            if let Err(error) = self.check_artifact(artifact) {
                return Lookup::Miss(miss(output, error));
            }
        }
        Lookup::Hit(Box::new(record))
    }

    /// The record under `key`; `None` when it, or an object it names, is missing or corrupt.
    pub fn record(&self, key: &Digest) -> Option<Record> {
        match self.lookup(key) {
            Lookup::Hit(record) => Some(*record),
            Lookup::Miss(_) => None,
        }
    }

    /// Stores a finished node: its objects, then its record.
    ///
    /// # Errors
    /// When an output cannot be taken or written; then there is no record, or the one there was before.
    pub fn commit(&self, new: NewRecord) -> Result<Record, StoreError> {
        // Nothing is cleared up between the look whether bytes are there and the record that names them.
        let _gate = self.share_briefly();
        let mut outputs = BTreeMap::new();
        let mut moves = Vec::new();
        for (name, (product, format)) in &new.outputs {
            outputs.insert(name.clone(), self.ready(product, *format, &mut moves)?);
        }
        let record = Record {
            key: new.key,
            kind: new.kind,
            kind_version: new.kind_version,
            recipe: new.recipe,
            status: new.status,
            outputs,
            scalars: new.scalars,
        };
        let (named, inode) =
            self.ready_record(self.record_path(&new.key), &record, &new.timings)?;
        moves.push(named);
        self.name(moves)?;
        guard(&self.records_seen).insert(new.key, inode);
        Ok(record)
    }

    /// The side table of a record: whatever depends on clock or machine. Empty when there is none.
    pub fn timings(&self, key: &Digest) -> Map<String, Value> {
        let text = fs::read_to_string(self.record_path(key)).unwrap_or_default();
        let parts = parts(&text);
        parts
            .and_then(|(_, timings)| serde_json::from_str(timings?).ok())
            .unwrap_or_default()
    }

    pub(super) fn record_path(&self, key: &Digest) -> PathBuf {
        let name = format!("{}.json", shard(key));
        self.root.join("records").join(name)
    }

    /// Makes a record of any shape ready to be named; gives its inode too.
    pub(super) fn ready_record(
        &self,
        to: PathBuf,
        record: &impl Serialize,
        timings: &Map<String, Value>,
    ) -> Result<(Move, u64), StoreError> {
        let text = encode(record, timings).map_err(|e| StoreError::io(&to, e.into()))?;
        self.folder("records")?;
        let (from, inode) = self.stage(text.as_bytes())?;
        Ok((Move { from, to }, inode))
    }

    /// Reads a record of any shape and gives its inode; one that is there but cannot be used is said.
    pub(super) fn read_record<T: DeserializeOwned>(
        &self,
        path: &Path,
    ) -> Result<(T, u64), MissReason> {
        let read = || -> io::Result<_> {
            let mut file = File::open(path)?;
            let meta = file.metadata()?;
            let mut text = String::with_capacity(meta.len() as usize);
            file.read_to_string(&mut text)?;
            Ok((text, meta.ino()))
        };
        let (text, inode) = match read() {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(MissReason::NoRecord);
            }
            Err(error) => return Err(self.bad_record(path.to_path_buf(), &error.to_string())),
        };
        let Some((json, _)) = parts(&text) else {
            return Err(self.bad_record(path.to_path_buf(), "it was truncated or altered"));
        };
        let record = serde_json::from_str(json);
        let record = record.map_err(|e| self.bad_record(path.to_path_buf(), &e.to_string()))?;
        Ok((record, inode))
    }

    fn bad_record(&self, path: PathBuf, cause: &str) -> MissReason {
        let cause = cause.to_owned();
        (self.notice)(&Notice::BadRecord {
            path,
            cause: cause.clone(),
        });
        MissReason::BadRecord(cause)
    }
}

impl Record {
    /// The text of the file that holds the record and its side table.
    ///
    /// # Errors
    /// When a scalar or setting cannot be written as JSON.
    pub fn encode(&self, timings: &Map<String, Value>) -> Result<String, serde_json::Error> {
        encode(self, timings)
    }

    /// The record in the text of a file, and its side table; `None` for any other text.
    pub fn decode(text: &str) -> Option<(Self, Map<String, Value>)> {
        let (json, timings) = parts(text)?;
        let timings = timings.and_then(|timings| serde_json::from_str(timings).ok());
        Some((
            serde_json::from_str(json).ok()?,
            timings.unwrap_or_default(),
        ))
    }
}

fn encode(
    record: &impl Serialize,
    timings: &Map<String, Value>,
) -> Result<String, serde_json::Error> {
    let mut text = with_digest(&serde_json::to_string(record)?);
    if !timings.is_empty() {
        text += &with_digest(&serde_json::to_string(timings)?);
    }
    Ok(text)
}

/// A line with the digest of `json`, and `json`.
fn with_digest(json: &str) -> String {
    format!("{}\n{json}\n", Digest::of_bytes(json.as_bytes()))
}

/// The JSON of a record file and of its side table; `None` when the record is not what its digest says. A damaged side
/// table is none.
pub(super) fn parts(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some((json, rest)) = checked(text) {
        return Some((json, checked(rest).map(|(timings, _)| timings)));
    }
    // Before 0.2 the JSON ran over many lines.
    let (digest, json) = text.strip_suffix('\n')?.split_once('\n')?;
    (Digest::of_bytes(json.as_bytes()) == digest.parse().ok()?).then_some((json, None))
}

/// The line after a digest, if it is the one that the digest is of, and the text after it.
fn checked(text: &str) -> Option<(&str, &str)> {
    let (digest, rest) = text.split_once('\n')?;
    let (json, rest) = rest.split_once('\n')?;
    let digest: Digest = digest.parse().ok()?;
    (Digest::of_bytes(json.as_bytes()) == digest).then_some((json, rest))
}

/// What an output's error means for its node.
fn miss(output: &str, error: StoreError) -> MissReason {
    let output = output.to_owned();
    match error {
        StoreError::Missing { digest } => MissReason::ObjectMissing { output, digest },
        StoreError::Corrupt { digest, .. } => MissReason::ObjectCorrupt { output, digest },
        other => MissReason::ObjectUnreadable {
            output,
            cause: other.to_string(),
        },
    }
}

/// Numbers as text: JSON has no NaN, and not every reader of it rounds correctly.
mod exact {
    use std::collections::BTreeMap;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        scalars: &BTreeMap<String, f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            scalars
                .iter()
                .map(|(name, value)| (name, format!("{value:?}"))),
        )
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, f64>, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer)?
            .into_iter()
            .map(|(name, text)| Ok((name, text.parse().map_err(D::Error::custom)?)))
            .collect()
    }
}
