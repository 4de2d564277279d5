//! Private directories for attempts at a stage.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::session::Session;
use super::write::remove_tree;
use super::{Store, StoreError};

/// An empty directory for one attempt at a stage, of nobody else's, removed on drop. It lies in the
/// store, so that what is made in it can be moved to its place rather than copied.
pub struct Attempt {
    path: PathBuf,
    /// Keeps the session's lock, and so the directory from being swept.
    _session: Arc<Session>,
}

impl Attempt {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // What cannot be removed now goes with the session.
        let _ = remove_tree(&self.path);
    }
}

impl Store {
    /// A private directory for one attempt.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn attempt(&self) -> Result<Attempt, StoreError> {
        let session = self.session()?;
        let path = session.fresh("attempt");
        fs::create_dir(&path).map_err(|e| StoreError::io(&path, e))?;
        Ok(Attempt {
            path,
            _session: session,
        })
    }
}
