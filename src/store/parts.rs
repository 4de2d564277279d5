//! Which parts a record was put together from: gc keeps them for as long as the record. No result depends on it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::{Store, StoreError, shard};
use crate::hash::Digest;

impl Store {
    /// Remembers the parts that the work behind the record of `key` used and made.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn remember_parts(&self, key: &Digest, parts: &BTreeSet<Digest>) -> Result<(), StoreError> {
        if parts.is_empty() || self.parts_of(key) == *parts {
            return Ok(());
        }
        self.folder("parts")?;
        self.write_whole(&self.parts_path(key), to_lines(parts).as_bytes())
    }

    /// The parts that [`Store::remember_parts`] was told of.
    pub(super) fn parts_of(&self, key: &Digest) -> BTreeSet<Digest> {
        let lines = fs::read_to_string(self.parts_path(key)).unwrap_or_default();
        lines.lines().filter_map(|line| line.parse().ok()).collect()
    }

    pub(super) fn parts_path(&self, key: &Digest) -> PathBuf {
        self.root.join("parts").join(shard(key))
    }
}

/// One digest a line.
pub(super) fn to_lines(digests: &BTreeSet<Digest>) -> String {
    let mut lines = String::new();
    for digest in digests {
        lines += &format!("{digest}\n");
    }
    lines
}
