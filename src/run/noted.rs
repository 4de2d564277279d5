//! A memo that notes which parts were found or made, so that they can be kept for as long as what came of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::hash::Digest;
use crate::stage::{Artifact, Memo, NewPart, Part, StageError};

/// Notes what goes through to `inner`.
pub(super) struct Noted<'a> {
    inner: &'a dyn Memo,
    keys: Mutex<BTreeSet<Digest>>,
}

impl<'a> Noted<'a> {
    /// A memo over `inner`.
    pub(super) fn new(inner: &'a dyn Memo) -> Self {
        Self {
            inner,
            keys: Mutex::default(),
        }
    }

    /// The keys of the parts that were found or made.
    pub(super) fn keys(&self) -> BTreeSet<Digest> {
        self.guard().clone()
    }

    fn guard(&self) -> MutexGuard<'_, BTreeSet<Digest>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memo for Noted<'_> {
    fn get(&self, key: &Digest, optional: &[&str]) -> Option<Part> {
        let part = self.inner.get(key, optional)?;
        self.guard().insert(*key);
        Some(part)
    }

    fn put(&self, key: &Digest, part: NewPart) -> Result<Part, StageError> {
        let part = self.inner.put(key, part)?;
        self.guard().insert(*key);
        Ok(part)
    }

    fn path(&self, artifact: &Artifact) -> Result<PathBuf, StageError> {
        self.inner.path(artifact)
    }

    fn forget(&self, key: &Digest, object: &str) -> Result<(), StageError> {
        self.inner.forget(key, object)
    }
}
