//! What the store keeps beside records: timings, logs, and the keys that nodes had when last seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{Store, StoreError, shard};
use crate::hash::Digest;

impl Store {
    /// The side table of a record: whatever depends on clock or machine. Empty when there is none.
    pub fn timings(&self, key: &Digest) -> Map<String, Value> {
        let text = fs::read(self.timings_path(key)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Replaces the side table of a record.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_timings(
        &self,
        key: &Digest,
        timings: &Map<String, Value>,
    ) -> Result<(), StoreError> {
        let path = self.timings_path(key);
        self.folder("timings")?;
        let json = serde_json::to_vec(timings).map_err(|e| StoreError::io(&path, e.into()))?;
        self.write_whole(&path, &json)
    }

    /// Where the log of a key's last attempt is, if there was one.
    pub fn log_path(&self, key: &Digest) -> PathBuf {
        self.root.join("logs").join(format!("{key}.log"))
    }

    /// The keys that the nodes of a pipeline had when they were last computed or found, by node name.
    /// Empty when nothing is known.
    pub fn last_keys(&self, pipeline: &str, profile: Option<&str>) -> BTreeMap<String, Digest> {
        let text = fs::read(self.seen_path(pipeline, profile)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Remembers the keys of some nodes of a pipeline; those of others stay as they are.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn remember_keys(
        &self,
        pipeline: &str,
        profile: Option<&str>,
        keys: &BTreeMap<String, Digest>,
    ) -> Result<(), StoreError> {
        let before = self.last_keys(pipeline, profile);
        let mut now = before.clone();
        now.extend(keys.iter().map(|(node, key)| (node.clone(), *key)));
        if now == before {
            return Ok(());
        }
        let path = self.seen_path(pipeline, profile);
        self.folder("seen")?;
        let json = serde_json::to_vec(&now).map_err(|e| StoreError::io(&path, e.into()))?;
        self.write_whole(&path, &json)
    }

    fn timings_path(&self, key: &Digest) -> PathBuf {
        let name = format!("{}.json", shard(key));
        self.root.join("timings").join(name)
    }

    fn seen_path(&self, pipeline: &str, profile: Option<&str>) -> PathBuf {
        let name = Digest::of_value(&serde_json::json!([pipeline, profile]));
        self.root.join("seen").join(format!("{name}.json"))
    }
}
