//! What the store keeps beside records: logs, and the keys that nodes had when last seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::{Store, StoreError};
use crate::hash::Digest;

impl Store {
    /// Where the log of a key's last attempt is, if there was one.
    pub fn log_path(&self, key: &Digest) -> PathBuf {
        self.root.join("logs").join(format!("{key}.log"))
    }

    /// The keys that the nodes of a pipeline had when they were last computed or found, by node name.
    /// Empty when nothing is known.
    pub fn last_keys(&self, pipeline: &str, profile: Option<&str>) -> BTreeMap<String, Digest> {
        let text = fs::read(self.last_keys_path(pipeline, profile)).unwrap_or_default();
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
        let path = self.last_keys_path(pipeline, profile);
        self.folder("seen")?;
        let json = serde_json::to_vec(&now).map_err(|e| StoreError::io(&path, e.into()))?;
        self.write_whole(&path, &json)
    }

    /// Where [`Store::last_keys`] are.
    pub fn last_keys_path(&self, pipeline: &str, profile: Option<&str>) -> PathBuf {
        let name = Digest::of_value(&serde_json::json!([pipeline, profile]));
        self.root.join("seen").join(format!("{name}.json"))
    }
}
