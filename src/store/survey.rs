//! Looking over the whole store: its check, and the device classes it holds results of.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use walkdir::WalkDir;

use super::{Store, StoreError};
use crate::hash::Digest;

/// What a check of the whole store found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checked {
    /// objects read
    pub objects: usize,
    /// records read
    pub records: usize,
    /// what is wrong, a line each
    pub damaged: Vec<String>,
}

impl Store {
    /// Reads every object and record and compares them with their digests. Corrupt objects move to the
    /// quarantine, as they do when a run comes upon them.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    pub fn check_all(&self) -> Result<Checked, StoreError> {
        let mut checked = Checked::default();
        for path in self.files("objects") {
            let name: String = path
                .iter()
                .rev()
                .take(2)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .map(|part| part.to_string_lossy())
                .collect();
            checked.objects += 1;
            match name.parse::<Digest>() {
                Ok(digest) => {
                    if let Err(error) = self.verify(&digest) {
                        checked.damaged.push(error.to_string());
                    }
                }
                Err(_) => checked
                    .damaged
                    .push(format!("{} is no object", path.display())),
            }
        }
        for path in self.files("records") {
            checked.records += 1;
            if let Err(reason) = self.read_record::<Value>(&path) {
                checked
                    .damaged
                    .push(format!("{}: {reason}", path.display()));
            }
        }
        Ok(checked)
    }

    /// The device classes that records were computed on, sorted.
    pub fn device_classes(&self) -> Vec<String> {
        let records = self
            .files("records")
            .filter_map(|path| self.read_record::<Value>(&path).ok());
        let class = |record: Value| Some(record.get("recipe")?.get("device")?.as_str()?.to_owned());
        let classes: BTreeSet<String> = records.filter_map(class).collect();
        classes.into_iter().collect()
    }

    /// The files below a folder of the store, sorted.
    fn files(&self, folder: &str) -> impl Iterator<Item = PathBuf> {
        WalkDir::new(self.root.join(folder))
            .sort_by_file_name()
            .into_iter()
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_file())
            .map(walkdir::DirEntry::into_path)
    }
}
