//! A memo that knows only what this attempt stored: the way to work again from nothing (`--force`).

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::hash::Digest;
use crate::stage::{Artifact, Memo, NewPart, Part, StageError};

/// Hides whatever `inner` held before.
pub struct Fresh<'a> {
    inner: &'a dyn Memo,
    own: Mutex<HashSet<Digest>>,
}

impl<'a> Fresh<'a> {
    /// A memo over `inner` that begins empty.
    pub fn new(inner: &'a dyn Memo) -> Self {
        Self {
            inner,
            own: Mutex::default(),
        }
    }

    fn own(&self) -> std::sync::MutexGuard<'_, HashSet<Digest>> {
        self.own
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Memo for Fresh<'_> {
    fn get(&self, key: &Digest, optional: &[&str]) -> Option<Part> {
        let own = self.own().contains(key);
        own.then(|| self.inner.get(key, optional)).flatten()
    }

    fn put(&self, key: &Digest, part: NewPart) -> Result<Part, StageError> {
        let part = self.inner.put(key, part)?;
        self.own().insert(*key);
        Ok(part)
    }

    fn path(&self, artifact: &Artifact) -> Result<PathBuf, StageError> {
        self.inner.path(artifact)
    }

    fn forget(&self, key: &Digest, object: &str) -> Result<(), StageError> {
        self.inner.forget(key, object)
    }
}
