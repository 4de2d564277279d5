//! What can go wrong in a store, and what it notices by itself.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::hash::Digest;
use crate::stage::{StageError, advice};

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read or written (a full disk, missing permission, a failing device, …).
    #[error("{path}: {source}{}", advice(source))]
    Io {
        /// which file
        path: PathBuf,
        /// what the system said
        source: io::Error,
    },
    /// The store is only to be read.
    #[error(
        "the store {root} cannot be written ({source}), and this is not in it yet; work in another with `--store DIR`"
    )]
    ReadOnly {
        /// which store
        root: PathBuf,
        /// what the system said
        source: io::Error,
    },
    /// An artifact's bytes are not in the store.
    #[error("object {} is not in the store; rerun the stage that makes it", digest.short())]
    Missing {
        /// which object
        digest: Digest,
    },
    /// An artifact's bytes are not what their name says.
    #[error("object {} was corrupt{}; rerun the stage that makes it", digest.short(), moved(moved_to.as_deref()))]
    Corrupt {
        /// which object
        digest: Digest,
        /// where the bad bytes are now; `None` where the store cannot be written
        moved_to: Option<PathBuf>,
    },
    /// Something that cannot become, or be written as, an artifact.
    #[error("{path}: {problem}")]
    Unsuitable {
        /// which file
        path: PathBuf,
        /// what about it, and what to do
        problem: String,
    },
    /// A lock file that cannot be read.
    #[error("{path}:{line}: {problem}")]
    LockFile {
        /// which file
        path: PathBuf,
        /// where, from 1
        line: usize,
        /// what is wrong, and what to do
        problem: String,
    },
}

impl StoreError {
    /// An I/O error at `path`.
    pub(super) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }

    /// The same, said of the store at `root` as a whole where all of it may only be read.
    pub(super) fn of_unwritable(self, root: &Path) -> Self {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match self {
            Self::Io { source, .. }
                if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem) =>
            {
                let root = root.to_path_buf();
                Self::ReadOnly { root, source }
            }
            other => other,
        }
    }

    /// Something unsuitable at `path`.
    pub(super) fn unsuitable(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Unsuitable {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

impl From<StoreError> for StageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { path, source } => Self::Io { path, source },
            // They no longer count as there, and can be made again.
            StoreError::Missing { .. } | StoreError::Corrupt { .. } => {
                Self::Damaged(error.to_string())
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Something the store found and dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An object's bytes were not what its name says; it now counts as missing.
    CorruptObject {
        /// which object
        digest: Digest,
        /// where the bad bytes are now; `None` where the store cannot be written
        moved_to: Option<PathBuf>,
    },
    /// A record could not be used; it counts as missing.
    BadRecord {
        /// which file
        path: PathBuf,
        /// what is wrong with it
        cause: String,
    },
    /// A folder laid out for reading had been changed; it was laid out anew.
    DamagedView {
        /// which folder
        path: PathBuf,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CorruptObject { digest, moved_to } => write!(
                f,
                "object {} is corrupt and will be made again{}",
                digest.short(),
                moved(moved_to.as_deref())
            ),
            Self::BadRecord { path, cause } => {
                write!(f, "record {} is not used: {cause}", path.display())
            }
            Self::DamagedView { path } => {
                write!(f, "{} had been changed; laid out anew", path.display())
            }
        }
    }
}

/// ` (moved to …)`, where it was.
fn moved(to: Option<&Path>) -> String {
    to.map_or_else(String::new, |path| {
        format!(" (moved to {})", path.display())
    })
}
