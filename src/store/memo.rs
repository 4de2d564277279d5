//! Parts of work (a checkpoint, one metric of one checkpoint) as records of their own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{MissReason, Store, StoreError, guard, shard};
use crate::hash::Digest;
use crate::stage::{Artifact, Memo, NewPart, Part, StageError};

/// A part's record.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PartRecord {
    pub(super) key: Digest,
    values: Map<String, Value>,
    pub(super) objects: BTreeMap<String, Artifact>,
}

impl Memo for Store {
    fn get(&self, key: &Digest, optional: &[&str]) -> Option<Part> {
        self.rely_on(key);
        let record = self
            .part(key)
            .ok()
            .flatten()
            .filter(|part| part.key == *key)?;
        let mut objects = BTreeMap::new();
        for (name, artifact) in record.objects {
            match self.check_artifact(&artifact) {
                Ok(()) => {
                    objects.insert(name, artifact);
                }
                Err(_) if optional.contains(&name.as_str()) => (),
                Err(_) => return None,
            }
        }
        Some(Part {
            values: record.values,
            objects,
        })
    }

    fn put(&self, key: &Digest, part: NewPart) -> Result<Part, StageError> {
        self.rely_on(key);
        let _gate = self.share_briefly();
        let mut objects = BTreeMap::new();
        let mut moves = Vec::new();
        for (name, (product, format)) in &part.objects {
            objects.insert(name.clone(), self.ready(product, *format, &mut moves)?);
        }
        let record = PartRecord {
            key: *key,
            values: part.values,
            objects,
        };
        moves.push(
            self.ready_record(self.part_path(key), &record, &Map::new())?
                .0,
        );
        self.name(moves)?;
        Ok(Part {
            values: record.values,
            objects: record.objects,
        })
    }

    fn path(&self, artifact: &Artifact) -> Result<PathBuf, StageError> {
        Ok(Self::path(self, artifact)?)
    }

    fn forget(&self, key: &Digest, object: &str) -> Result<(), StageError> {
        let Some(mut record) = self.part(key)? else {
            return Ok(());
        };
        let Some(artifact) = record.objects.remove(object) else {
            return Ok(());
        };
        // The record first: at no time does it name what is gone.
        self.write_part(key, &record)?;
        self.remove_unreferenced(&artifact.digest)?;
        Ok(())
    }
}

impl Store {
    pub(super) fn part_path(&self, key: &Digest) -> PathBuf {
        let name = format!("{}.part.json", shard(key));
        self.root.join("records").join(name)
    }

    /// A part's record as it is, its objects unchecked.
    pub(super) fn part(&self, key: &Digest) -> Result<Option<PartRecord>, StoreError> {
        match self.read_record(&self.part_path(key)) {
            Ok((record, _)) => Ok(Some(record)),
            Err(MissReason::NoRecord | MissReason::BadRecord(_)) => Ok(None),
            Err(other) => Err(StoreError::unsuitable(
                self.part_path(key),
                other.to_string(),
            )),
        }
    }

    /// Replaces a part's record.
    pub(super) fn write_part(&self, key: &Digest, part: &PartRecord) -> Result<(), StoreError> {
        let (named, _) = self.ready_record(self.part_path(key), part, &Map::new())?;
        self.name(vec![named])
    }

    /// Deletes an object unless some record needs it. Should another process come to need it at this
    /// very moment, its record will name a missing object: a miss.
    fn remove_unreferenced(&self, digest: &Digest) -> Result<(), StoreError> {
        if self.is_referenced(digest)? {
            return Ok(());
        }
        guard(&self.verified).remove(digest);
        let path = self.object_path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(path, error))
            }
            _ => Ok(()),
        }
    }
}
