//! Records: what is known under a key. One small file each, written after the objects that it names.
//!
//! A record file is one line with the BLAKE3 of the rest, then JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Notice, Store, StoreError, shard};
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
        let record: Record = match self.read_record(&path) {
            Ok(record) => record,
            Err(reason) => return Lookup::Miss(reason),
        };
        if record.key != *key {
            return Lookup::Miss(self.bad_record(path, "it is the record of another key"));
        }
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

    /// Stores a finished node: its objects, then its record, then its timings.
    ///
    /// # Errors
    /// When an output cannot be taken or written; then there is no record, or the one there was before.
    pub fn commit(&self, new: NewRecord) -> Result<Record, StoreError> {
        let mut outputs = BTreeMap::new();
        for (name, (product, format)) in &new.outputs {
            outputs.insert(name.clone(), self.take(product, *format)?);
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
        self.write_record(&self.record_path(&new.key), &record)?;
        if !new.timings.is_empty() {
            self.set_timings(&new.key, &new.timings)?;
        }
        Ok(record)
    }

    fn record_path(&self, key: &Digest) -> PathBuf {
        let name = format!("{}.json", shard(key));
        self.root.join("records").join(name)
    }

    /// Writes a record of any shape.
    pub(super) fn write_record(
        &self,
        path: &PathBuf,
        record: &impl Serialize,
    ) -> Result<(), StoreError> {
        let json =
            serde_json::to_string_pretty(record).map_err(|e| StoreError::io(path, e.into()))?;
        self.folder("records")?;
        let text = format!("{}\n{json}\n", Digest::of_bytes(json.as_bytes()));
        self.write_whole(path, text.as_bytes())
    }

    /// Reads a record of any shape; one that is there but cannot be used is said.
    pub(super) fn read_record<T: DeserializeOwned>(&self, path: &PathBuf) -> Result<T, MissReason> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(MissReason::NoRecord);
            }
            Err(error) => return Err(self.bad_record(path.clone(), &error.to_string())),
        };
        let sound = text
            .split_once('\n')
            .and_then(|(digest, rest)| Some((digest, rest.strip_suffix('\n')?)))
            .filter(|(digest, json)| Digest::of_bytes(json.as_bytes()).to_string() == *digest);
        let Some((_, json)) = sound else {
            return Err(self.bad_record(path.clone(), "it was truncated or altered"));
        };
        serde_json::from_str(json).map_err(|e| self.bad_record(path.clone(), &e.to_string()))
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
