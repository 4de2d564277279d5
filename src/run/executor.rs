//! Executors: what runs one node. The local one is the first.
//!
//! A [`Job`] holds everything about a node; with a store, nothing else is needed to run it, so another
//! executor (a cluster's) can take its place.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::fresh::Fresh;
use super::resolve::{Keyed, shown_digest};
use crate::data::export::export_folder;
use crate::data::pack::Pack;
use crate::device::Compute;
use crate::hash::Digest;
use crate::stage::{
    Format, Input, Memo, NodeName, Outcome, Progress, StageConfig, StageCtx, StageError,
};
use crate::store::{KeyLock, LockState, NewRecord, Record, Store, StoreError};

/// What the last line of a failed attempt's log begins with.
const FAILED: &str = "retake: failed: ";

/// How often a lock that another process holds is asked for.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// Lines of a log that a failure shows.
const TAIL: usize = 20;

/// A node, ready to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// its place in the plan
    pub id: usize,
    /// its name
    pub node: NodeName,
    /// the pipeline's name
    pub pipeline: String,
    /// what to do
    pub config: Arc<StageConfig>,
    /// the seed of the stage
    pub seed: u64,
    /// key, recipe and inputs
    pub keyed: Keyed,
    /// inputs that are to be shown as folders of images
    pub as_folder: Vec<String>,
    /// where to compute
    pub compute: Compute,
    /// the command that reproduces the pipeline
    pub command: String,
    /// whether to work without what is stored (`--force`)
    pub fresh: bool,
}

/// What came of a job.
#[derive(Debug, Clone)]
pub struct Done {
    /// the record, committed
    pub record: Record,
    /// whether any work was done for it
    pub worked: bool,
    /// wall time
    pub seconds: f64,
}

/// Why a job gave nothing.
#[derive(Debug)]
pub struct Failure {
    /// what went wrong
    pub error: StageError,
    /// the whole log
    pub log: PathBuf,
    /// its last lines
    pub tail: Vec<String>,
}

/// Runs nodes.
pub trait Executor: Sync {
    /// Runs one node to its committed record.
    fn execute(
        &self,
        job: &Job,
        progress: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> Result<Done, Box<Failure>>;
}

/// Runs nodes in this process.
pub struct Local<'a> {
    /// where results go
    pub store: &'a Store,
}

impl Executor for Local<'_> {
    fn execute(
        &self,
        job: &Job,
        progress: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> Result<Done, Box<Failure>> {
        let log = Log::new(self.store.log_path(&job.keyed.key));
        let result = self.attempt(job, progress, cancel, &log);
        result.map_err(|error| Box::new(log.failure(error)))
    }
}

impl Local<'_> {
    fn attempt(
        &self,
        job: &Job,
        progress: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
        log: &Log,
    ) -> Result<Done, StageError> {
        let begun = Instant::now();
        // One computation of a trajectory at a time, in this process and in others.
        let _lock = self.lock(&job.keyed.trajectory, cancel, log)?;
        if let Some(record) = self.store.record(&job.keyed.key).filter(|_| !job.fresh) {
            return Ok(Done {
                record,
                worked: false,
                seconds: begun.elapsed().as_secs_f64(),
            });
        }
        let attempt = self.store.attempt().map_err(failed)?;
        let fresh = Fresh::new(self.store);
        let memo: &dyn Memo = if job.fresh { &fresh } else { self.store };
        let ctx = StageCtx {
            node: job.node.clone(),
            pipeline: job.pipeline.clone(),
            seed: job.seed,
            compute: &job.compute,
            inputs: self.with_paths(job, attempt.path())?,
            key: job.keyed.key,
            trajectory: job.keyed.trajectory,
            out: attempt.path().join("out"),
            memo,
            shown: job.keyed.shown.clone(),
            command: job.command.clone(),
            pipeline_digest: shown_digest(&job.keyed.shown),
            progress,
            log: &|line| log.line(line),
            cancel,
        };
        std::fs::create_dir_all(&ctx.out).map_err(|e| StageError::io(&ctx.out, e))?;
        let (outcome, worked) = guarded(|| match job.config.recall(&ctx, memo)? {
            Some(outcome) => Ok((outcome, false)),
            None => Ok((job.config.run(&ctx)?, true)),
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        let record = self.commit(job, outcome, seconds, worked)?;
        Ok(Done {
            record,
            worked,
            seconds,
        })
    }

    /// Waits for the lock of `key`, for as long as the user does.
    fn lock(&self, key: &Digest, cancel: &AtomicBool, log: &Log) -> Result<KeyLock, StageError> {
        let mut said = false;
        loop {
            match self.store.try_lock(key).map_err(failed)? {
                LockState::Held(lock) => return Ok(lock),
                LockState::Busy(_) if cancel.load(Ordering::Relaxed) => {
                    return Err(StageError::Cancelled);
                }
                LockState::Busy(owner) if !said => {
                    log.line(&format!("waiting for {owner}, which is working on this"));
                    said = true;
                }
                LockState::Busy(_) => std::thread::sleep(LOCK_POLL),
            }
        }
    }

    /// Inputs with the paths of their bytes; data shown `as: folder` is laid out below `scratch`.
    fn with_paths(
        &self,
        job: &Job,
        scratch: &std::path::Path,
    ) -> Result<BTreeMap<String, Input>, StageError> {
        let mut inputs = job.keyed.inputs.clone();
        for (name, input) in &mut inputs {
            for (position, node) in input.nodes.iter_mut().enumerate() {
                for (output, artifact) in &node.outputs {
                    if node.paths.contains_key(output) {
                        continue;
                    }
                    let mut path = self.store.path(artifact).map_err(unreadable)?;
                    if job.as_folder.contains(name) && artifact.format == Format::Data {
                        let folder = scratch
                            .join("folders")
                            .join(name)
                            .join(position.to_string());
                        export(&path, &folder)?;
                        path = folder;
                    }
                    node.paths.insert(output.clone(), path);
                }
            }
        }
        Ok(inputs)
    }

    fn commit(
        &self,
        job: &Job,
        outcome: Outcome,
        seconds: f64,
        worked: bool,
    ) -> Result<Record, StageError> {
        let formats: BTreeMap<String, Format> = job
            .config
            .outputs()
            .into_iter()
            .map(|spec| (spec.name, spec.format))
            .collect();
        let mut outputs = BTreeMap::new();
        for (name, product) in outcome.outputs {
            let declared = formats.get(&name).copied().ok_or_else(|| {
                StageError::Failed(format!("internal error: undeclared output `{name}`"))
            })?;
            outputs.insert(name, (product, declared));
        }
        let mut timings = outcome.timings;
        if worked {
            timings.insert("seconds".to_owned(), json!(seconds));
        }
        let record = NewRecord {
            key: job.keyed.key,
            kind: job.config.kind().to_owned(),
            kind_version: job.config.version(),
            recipe: job.keyed.recipe.value().clone(),
            status: outcome.status,
            outputs,
            scalars: outcome.scalars,
            timings,
        };
        self.store.commit(record).map_err(failed)
    }
}

fn export(pack: &std::path::Path, folder: &std::path::Path) -> Result<(), StageError> {
    let pack = Pack::open(pack).map_err(failed)?;
    export_folder(&pack, folder).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> StageError {
    StageError::Failed(error.to_string())
}

/// An input that cannot be read: lost bytes can be made again, anything else fails the stage.
fn unreadable(error: StoreError) -> StageError {
    match error {
        StoreError::Missing { .. } | StoreError::Corrupt { .. } => {
            StageError::Damaged(error.to_string())
        }
        other => failed(other),
    }
}

/// Runs `work`; a panic in it (a bug of ours or of a library) fails the stage, not the run.
fn guarded<T>(work: impl FnOnce() -> Result<T, StageError>) -> Result<T, StageError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(StageError::Failed(format!(
            "internal error: {}",
            panic_text(panic.as_ref())
        )))
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Why the last attempt at `key` failed, as its log says.
pub fn last_failure(store: &Store, key: &Digest) -> Option<String> {
    let log = std::fs::read_to_string(store.log_path(key)).ok()?;
    log.lines().last()?.strip_prefix(FAILED).map(str::to_owned)
}

/// The log of one attempt: a file, made with its first line, and the last lines in memory.
struct Log {
    path: PathBuf,
    inner: Mutex<(Option<BufWriter<File>>, VecDeque<String>)>,
}

impl Log {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            inner: Mutex::default(),
        }
    }

    /// Adds a line. A log that cannot be written must not fail the work, so errors are dropped.
    fn line(&self, line: &str) {
        let mut inner = self
            .inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (file, tail) = &mut *inner;
        if file.is_none() {
            if let Some(parent) = self.path.parent() {
                let _ = std::fs::create_dir_all(parent);
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

    fn failure(&self, error: StageError) -> Failure {
        let mut inner = self
            .inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let tail = inner.1.drain(..).collect();
        drop(inner);
        self.line(&format!("{FAILED}{error}"));
        Failure {
            error,
            log: self.path.clone(),
            tail,
        }
    }
}
