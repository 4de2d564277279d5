//! What happens during a run, as typed events. The scheduler sends them; reporters only consume them.

use std::path::PathBuf;

use serde::Serialize;

use crate::hash::Digest;
use crate::stage::{Axes, Progress, Status};

/// One thing that happened. In JSON: `{"event":"started","stage":…,"axes":{…},…}`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A node is part of the run. Sent for every node, in plan order, before anything else.
    Planned {
        /// the stage
        stage: String,
        /// its point in the matrix
        axes: Axes,
    },
    /// A node's result was taken from the store.
    Cached {
        /// the stage
        stage: String,
        /// its point in the matrix
        axes: Axes,
        /// its key
        key: Digest,
        /// how the recorded work ended: `"outcome":"ok"` or `"outcome":"diverged","epoch":…`
        #[serde(flatten)]
        status: Status,
        /// the other device class that the record comes from, if it does
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<String>,
        /// whether it was put together from parts of other nodes' work (a shorter training run)
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        assembled: bool,
    },
    /// A node begins to run.
    Started {
        /// the stage
        stage: String,
        /// its point in the matrix
        axes: Axes,
        /// why it runs
        reason: String,
    },
    /// A running node says how far it is.
    Progress {
        /// the stage
        stage: String,
        /// its point in the matrix
        axes: Axes,
        /// how far
        progress: Progress,
    },
    /// A node ran to its end.
    Finished {
        /// the stage
        stage: String,
        /// its point in the matrix
        axes: Axes,
        /// its key
        key: Digest,
        /// how the work ended: `"outcome":"ok"` or `"outcome":"diverged","epoch":…`
        #[serde(flatten)]
        status: Status,
        /// wall time
        seconds: f64,
        /// where its main output was published (a report's folder)
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<PathBuf>,
    },
    /// A published file was missing or different and has been written.
    Published {
        /// the stage
        stage: String,
        /// its point in the matrix
        axes: Axes,
        /// where to
        path: PathBuf,
        /// where the file that had been edited by hand was put
        #[serde(skip_serializing_if = "Option::is_none")]
        trashed: Option<PathBuf>,
    },
    /// A node did not finish.
    Failed {
        /// the stage
        stage: String,
        /// its point in the matrix
        axes: Axes,
        /// why
        cause: String,
        /// the whole log
        #[serde(skip_serializing_if = "Option::is_none")]
        log: Option<PathBuf>,
        /// the log's last lines
        tail: Vec<String>,
        /// the command that runs this node alone
        rerun: String,
    },
    /// Something worth a line: a damaged object, a record of another device class.
    Note {
        /// what
        message: String,
    },
    /// The run is over.
    Done {
        /// nodes that ran
        ran: usize,
        /// nodes taken from the store
        cached: usize,
        /// nodes that failed, and nodes that could not run for it
        failed: usize,
        /// nodes that a run which was interrupted, or refused by `--locked`, did not come to
        #[serde(skip_serializing_if = "is_zero")]
        left: usize,
        /// wall time
        seconds: f64,
    },
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
