//! What can go wrong with data.

use std::io;
use std::path::{Path, PathBuf};

/// Data that cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The system refused to read or write a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// which file
        path: PathBuf,
        /// what the system said
        source: io::Error,
    },
    /// A file's content is not what it should be.
    #[error("{}: {reason}", path.display())]
    File {
        /// which file
        path: PathBuf,
        /// what is wrong with it, and what to do
        reason: String,
    },
    /// An image or its label does not fit.
    #[error("image `{name}`: {reason}")]
    Image {
        /// the image's name
        name: String,
        /// what is wrong with it, and what to do
        reason: String,
    },
    /// Labels, classes or settings that do not fit the data.
    #[error("{0}")]
    Unfit(String),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl DataError {
    /// An I/O error at `path`.
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Bad content in the file at `path`.
    pub fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// An image that does not fit.
    pub fn image(name: &str, reason: impl Into<String>) -> Self {
        Self::Image {
            name: name.to_owned(),
            reason: reason.into(),
        }
    }
}
