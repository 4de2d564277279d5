//! Which objects the records need.

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;
use walkdir::WalkDir;

use super::records::parts;
use super::{Store, StoreError};
use crate::hash::Digest;
use crate::stage::{Artifact, Format};

/// What both kinds of record have in common.
#[derive(Deserialize)]
struct Outputs {
    #[serde(alias = "objects")]
    outputs: std::collections::BTreeMap<String, Artifact>,
}

impl Store {
    /// Whether any record, or the manifest of a folder that one names, names `digest`.
    ///
    /// Reads every record; those that hold neither the digest nor a folder are not parsed.
    pub(super) fn is_referenced(&self, digest: &Digest) -> Result<bool, StoreError> {
        let name = digest.to_string();
        let mut seen = BTreeSet::new();
        for entry in WalkDir::new(self.root.join("records")) {
            let entry = entry.map_err(|e| StoreError::io(&self.root, e.into()))?;
            if !entry.file_type().is_file() {
                continue;
            }
            // Unreadable or gone meanwhile: then it is no valid reference either.
            let Ok(text) = fs::read_to_string(entry.path()) else {
                continue;
            };
            if text.contains(&name) {
                return Ok(true);
            }
            let folders = parts(&text)
                .filter(|(json, _)| json.contains("\"folder\""))
                .and_then(|(json, _)| serde_json::from_str::<Outputs>(json).ok());
            for artifact in folders
                .into_iter()
                .flat_map(|record| record.outputs.into_values())
            {
                if artifact.format == Format::Folder && seen.insert(artifact.digest) {
                    let manifest = fs::read_to_string(self.object_path(&artifact.digest));
                    if manifest.is_ok_and(|manifest| manifest.contains(&name)) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }
}
