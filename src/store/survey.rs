//! Looking over the whole store: the device classes it holds results of.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Store;

impl Store {
    /// The device classes that records were computed on, sorted.
    pub fn device_classes(&self) -> Vec<String> {
        let records = self
            .files("records")
            .filter_map(|path| self.read_record::<Value>(&path).ok())
            .map(|(record, _)| record);
        let class = |record: Value| Some(record.get("recipe")?.get("device")?.as_str()?.to_owned());
        let classes: BTreeSet<String> = records.filter_map(class).collect();
        classes.into_iter().collect()
    }
}
