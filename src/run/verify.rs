//! Doing a node's work again, beside the store, and comparing what comes out with its record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::executor::{Executor, Failure, Job, Local, News};
use super::resolve::{Keyed, Session, Settled, fill_in_paths};
use super::text;
use super::unlike::first_difference;
use crate::data::export::export_folder;
use crate::data::pack::Pack;
use crate::hash::Digest;
use crate::plan::Source;
use crate::stage::{Artifact, Format, StageError};
use crate::store::{Attempt, Record, Store, StoreError};

/// What came of doing a node's work again.
#[derive(Debug)]
pub enum Verdict {
    /// the same bytes and numbers; how long it took
    Same {
        /// wall time
        seconds: f64,
    },
    /// other bytes or numbers
    Different {
        /// wall time
        seconds: f64,
        /// one entry a thing that differs, the first output first
        differences: Vec<Difference>,
    },
    /// the work failed
    Failed {
        /// why
        cause: String,
        /// the last lines of its log
        tail: Vec<String>,
    },
    /// it cannot be done here
    Skipped {
        /// why
        reason: String,
    },
    /// the user stopped it
    Cancelled,
}

/// One thing that is not as in the record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// `output model`, `metric fid`, `outcome`
    pub what: String,
    /// as recorded: a digest, a number
    pub stored: Option<String>,
    /// as it came out now
    pub made: Option<String>,
    /// the first place that differs, of an output
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

/// Does the work of node `id` again from nothing and compares it with its record. The store is read, and its records
/// stay as they are; the work goes on in a private store that is removed afterwards.
///
/// # Errors
/// When bytes that it needs cannot be read, or there is no room to work in.
pub fn verify(
    session: &Session<'_>,
    id: usize,
    settled: &Settled,
    cancel: &AtomicBool,
    tell: &(dyn Fn(News) + Sync),
) -> Result<Verdict, StoreError> {
    let node = &session.plan.nodes[id];
    if settled.record.key != settled.keyed.key {
        let class = settled.record.recipe.get("device");
        let class = class.and_then(|class| class.as_str()).unwrap_or_default();
        let reason = format!("it was computed on {class}, which is not the device of this machine");
        return Ok(Verdict::Skipped { reason });
    }
    let compute = match session.devices.get(node.device) {
        Ok(compute) => compute,
        Err(error) => {
            return Ok(Verdict::Skipped {
                reason: error.to_string(),
            });
        }
    };
    let scratch = Scratch::new(session.store)?;
    let private = Store::open(&scratch.path().join("store"))?;
    let mut keyed = settled.keyed.clone();
    fill_in_paths(session.store, &mut keyed.inputs)?;
    show_folders(node, &mut keyed, scratch.path())?;
    let job = Job {
        id,
        node: node.name.clone(),
        pipeline: session.plan.name.clone(),
        project: session.plan.root.clone(),
        limits: node.limits,
        config: node.config.clone(),
        seed: node.seed,
        keyed,
        as_folder: Vec::new(),
        compute,
        command: text::command(session.plan),
        fresh: true,
    };
    let done = match (Local { store: &private }).execute(&job, tell, cancel) {
        Ok(done) => done,
        Err(failure) => return Ok(not_done(node.config.kind(), *failure)),
    };
    let differences = compare(session.store, &settled.record, &private, &done.record);
    Ok(if differences.is_empty() {
        Verdict::Same {
            seconds: done.seconds,
        }
    } else {
        Verdict::Different {
            seconds: done.seconds,
            differences,
        }
    })
}

fn not_done(kind: &str, failure: Failure) -> Verdict {
    match failure.error {
        StageError::Cancelled => Verdict::Cancelled,
        error if kind == "download" => Verdict::Skipped {
            reason: format!("it cannot be downloaded again: {error}"),
        },
        error => Verdict::Failed {
            cause: error.to_string(),
            tail: failure.tail,
        },
    }
}

/// A folder for the work: in the store, where room is; elsewhere when the store cannot be written.
enum Scratch {
    Attempt(Attempt),
    Elsewhere(tempfile::TempDir),
}

impl Scratch {
    fn new(store: &Store) -> Result<Self, StoreError> {
        match store.attempt() {
            Ok(attempt) => Ok(Self::Attempt(attempt)),
            Err(error) => match tempfile::tempdir() {
                Ok(folder) => Ok(Self::Elsewhere(folder)),
                Err(_) => Err(error),
            },
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Attempt(attempt) => attempt.path(),
            Self::Elsewhere(folder) => folder.path(),
        }
    }
}

/// Lays data out as folders of images where the node asks for that.
fn show_folders(
    node: &crate::plan::Node,
    keyed: &mut Keyed,
    scratch: &Path,
) -> Result<(), StoreError> {
    for (name, source) in &node.inputs {
        let wanted = matches!(
            source,
            Source::Nodes {
                as_folder: true,
                ..
            }
        );
        let Some(input) = keyed.inputs.get_mut(name).filter(|_| wanted) else {
            continue;
        };
        for (position, node) in input.nodes.iter_mut().enumerate() {
            for (output, artifact) in &node.outputs {
                let Some(path) = node.paths.get_mut(output) else {
                    continue;
                };
                if artifact.format == Format::Data {
                    let folder = scratch
                        .join("folders")
                        .join(name)
                        .join(position.to_string());
                    let shown = Pack::open(path).and_then(|pack| export_folder(&pack, &folder));
                    shown.map_err(|error| StoreError::Unsuitable {
                        path: path.clone(),
                        problem: error.to_string(),
                    })?;
                    *path = folder;
                }
            }
        }
    }
    Ok(())
}

/// What of `made` is not as in `stored`.
fn compare(store: &Store, stored: &Record, private: &Store, made: &Record) -> Vec<Difference> {
    let mut differences = Vec::new();
    for name in names(&stored.outputs, &made.outputs) {
        let (before, after) = (stored.outputs.get(name), made.outputs.get(name));
        let digest = |artifact: &Artifact| artifact.digest;
        if before.map(digest) != after.map(digest) {
            differences.push(Difference {
                what: format!("output {name}"),
                stored: before.map(|artifact| artifact.digest.to_string()),
                made: after.map(|artifact| artifact.digest.to_string()),
                first: first(store, before, private, after),
            });
        }
    }
    if stored.status != made.status {
        differences.push(Difference {
            what: "outcome".to_owned(),
            stored: Some(text::status(&stored.status)),
            made: Some(text::status(&made.status)),
            first: None,
        });
    }
    for name in names(&stored.scalars, &made.scalars) {
        let (before, after) = (stored.scalars.get(name), made.scalars.get(name));
        let bits = |value: &f64| value.to_bits();
        if before.map(bits) != after.map(bits) {
            differences.push(Difference {
                what: format!("metric {name}"),
                stored: before.map(|value| format!("{value:?}")),
                made: after.map(|value| format!("{value:?}")),
                first: None,
            });
        }
    }
    differences
}

/// The keys of both maps, each once, in order.
fn names<'a, T>(a: &'a BTreeMap<String, T>, b: &'a BTreeMap<String, T>) -> Vec<&'a str> {
    let mut names: Vec<&str> = a.keys().chain(b.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Where two artifacts begin to differ.
fn first(
    store: &Store,
    before: Option<&Artifact>,
    private: &Store,
    after: Option<&Artifact>,
) -> Option<String> {
    let (before, after) = (before?, after?);
    let at = |store: &Store, artifact: &Artifact| -> Result<PathBuf, String> {
        store.path(artifact).map_err(|error| error.to_string())
    };
    match (at(store, before), at(private, after)) {
        (Ok(stored), Ok(made)) => first_difference(&stored, &made),
        (Err(error), _) | (_, Err(error)) => Some(error),
    }
}

/// A verdict as one JSON object.
#[derive(Debug, Serialize)]
pub struct VerdictJson<'a> {
    stage: &'a str,
    axes: &'a crate::stage::Axes,
    key: Digest,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    differences: &'a [Difference],
}

impl Verdict {
    /// The form of `--json`.
    pub fn json<'a>(&'a self, session: &'a Session<'_>, id: usize, key: Digest) -> VerdictJson<'a> {
        let name = &session.plan.nodes[id].name;
        let (result, seconds, reason, differences) = match self {
            Self::Same { seconds } => ("same", Some(*seconds), None, &[][..]),
            Self::Different {
                seconds,
                differences,
            } => ("different", Some(*seconds), None, differences.as_slice()),
            Self::Failed { cause, .. } => ("failed", None, Some(cause.as_str()), &[][..]),
            Self::Skipped { reason } => ("skipped", None, Some(reason.as_str()), &[][..]),
            Self::Cancelled => ("cancelled", None, None, &[][..]),
        };
        VerdictJson {
            stage: &name.stage,
            axes: &name.axes,
            key,
            result,
            seconds,
            reason,
            differences,
        }
    }
}
