//! Logs of attempts: what a stage's work said, kept in a file, and why it failed.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::hash::Digest;
use crate::stage::StageError;
use crate::store::Store;

/// What the last line of a failed attempt's log begins with.
const FAILED: &str = "retake: failed: ";

/// Lines of a log that a failure shows.
const TAIL: usize = 20;

/// The file, once there is a line for it, and the last lines.
type Inner = (Option<BufWriter<File>>, VecDeque<String>);

/// Why the last attempt at `key` failed, as its log says.
pub fn last_failure(store: &Store, key: &Digest) -> Option<String> {
    let log = fs::read_to_string(store.log_path(key)).ok()?;
    log.lines().last()?.strip_prefix(FAILED).map(str::to_owned)
}

/// The log of one attempt: a file, made with its first line, and the last lines in memory.
pub(super) struct Log {
    /// where
    pub(super) path: PathBuf,
    inner: Mutex<Inner>,
}

impl Log {
    /// The log at `path`.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            inner: Mutex::default(),
        }
    }

    /// Adds a line. A log that cannot be written must not fail the work, so errors are dropped.
    pub(super) fn line(&self, line: &str) {
        let mut inner = self.inner();
        let (file, tail) = &mut *inner;
        if file.is_none() {
            if let Some(parent) = self.path.parent() {
                let _ = fs::create_dir_all(parent);
            }
            *file = File::create(&self.path).ok().map(BufWriter::new);
        }
        if let Some(file) = file {
            let _ = writeln!(file, "{line}").and_then(|()| file.flush());
        }
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line.to_owned());
    }

    /// Removes the log of an earlier attempt, whose last line may tell of a failure, if this one said nothing.
    pub(super) fn succeeded(&self) {
        let inner = self.inner();
        if inner.0.is_none() {
            // Mostly there is none.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Notes why the attempt gave nothing; gives the lines before.
    pub(super) fn failed(&self, error: &StageError) -> Vec<String> {
        let tail = std::mem::take(&mut self.inner().1);
        // An attempt that the user stopped has not failed, nor has one that lacks an input's bytes.
        if !matches!(error, StageError::Cancelled | StageError::Damaged(_)) {
            // One line, so that it is the last one whatever the message.
            let error = error.to_string().replace('\n', " ");
            self.line(&format!("{FAILED}{error}"));
        }
        tail.into()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
