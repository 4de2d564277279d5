//! Executors: what runs one node. The local one is the first.
//!
//! A [`Job`] holds everything about a node; with a store, nothing else is needed to run it, so another
//! executor (a cluster's) can take its place.

use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::fresh::Fresh;
use super::log::Log;
use super::noted::Noted;
use super::owned::{are_unchanged, is_lost, theirs};
use super::resolve::{Keyed, shown_digest};
use super::retry::{Retry, limited, repeat};
use crate::data::export::export_folder;
use crate::data::pack::Pack;
use crate::device::Compute;
use crate::hash::Digest;
use crate::spec::limits::Limits;
use crate::stage::{
    Format, Input, Memo, NodeName, Outcome, Progress, StageConfig, StageCtx, StageError,
};
use crate::store::{Attempt, KeyLock, LockState, NewRecord, Owner, Record, Store, StoreError};

/// How often a lock that another process holds is asked for.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// A node, ready to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// its place in the plan
    pub id: usize,
    /// its name
    pub node: NodeName,
    /// the pipeline's name
    pub pipeline: String,
    /// the project's folder, absolute
    pub project: PathBuf,
    /// how long and how often it may try
    pub limits: Limits,
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

/// What an executor tells of a job on the way.
#[derive(Debug, Clone)]
pub enum News {
    /// someone else is at the same work; who
    Waits(Owner),
    /// an attempt failed, and another follows
    Retries(Retry),
    /// the work begins; a job whose result is there already, or is put together from what is, never says so
    Begins,
    /// how far the work is
    Progress(Progress),
    /// the work is done and occupies nothing any more; its result is being written
    Worked,
}

/// Runs nodes.
pub trait Executor: Sync {
    /// Runs one node to its committed record.
    fn execute(
        &self,
        job: &Job,
        tell: &(dyn Fn(News) + Sync),
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
        tell: &(dyn Fn(News) + Sync),
        cancel: &AtomicBool,
    ) -> Result<Done, Box<Failure>> {
        let log = Log::new(self.store.log_path(&job.keyed.key));
        let result = self.run(job, tell, cancel, &log);
        if result.as_ref().is_ok_and(|done| done.worked) {
            log.succeeded();
        }
        result.map_err(|error| {
            let tail = log.failed(&error);
            Box::new(Failure {
                error,
                log: log.path,
                tail,
            })
        })
    }
}

/// What an attempt made; to be committed.
struct Made {
    outcome: Outcome,
    /// whether any work was done for it
    worked: bool,
    seconds: f64,
    /// the parts that it used or made
    parts: BTreeSet<Digest>,
    /// where it was made
    _attempt: Attempt,
}

impl Local<'_> {
    fn run(
        &self,
        job: &Job,
        tell: &(dyn Fn(News) + Sync),
        cancel: &AtomicBool,
        log: &Log,
    ) -> Result<Done, StageError> {
        let waited = Instant::now();
        // One computation of a trajectory at a time, in this process and in others. The log belongs to
        // whoever holds the lock: nothing is written to it before.
        let lock = self.lock(&job.keyed.trajectory, tell, cancel)?;
        match self.run_locked(job, tell, cancel, log, &lock) {
            Err(error) if is_lost(&error, &lock) => {
                drop(lock);
                let lock = self.lock(&job.keyed.trajectory, tell, cancel)?;
                self.run_locked(job, tell, cancel, log, &lock)
            }
            Ok(done) if !done.worked => Ok(Done {
                seconds: waited.elapsed().as_secs_f64(),
                ..done
            }),
            other => other,
        }
    }

    fn run_locked(
        &self,
        job: &Job,
        tell: &(dyn Fn(News) + Sync),
        cancel: &AtomicBool,
        log: &Log,
        lock: &KeyLock,
    ) -> Result<Done, StageError> {
        if let Some(record) = self.store.record(&job.keyed.key).filter(|_| !job.fresh) {
            return Ok(Done {
                record,
                worked: false,
                seconds: 0.0,
            });
        }
        let begins = Cell::new(true);
        let told = |retry: &Retry| {
            log.line(&format!("retake: {}", retry.cause));
            log.line(&format!("retake: attempt {} of {}", retry.next, retry.of));
            tell(News::Retries(retry.clone()));
        };
        let made = repeat(job.limits.retries, cancel, told, || {
            self.attempt(job, tell, cancel, log, &begins)
        })?;
        are_unchanged(self.store, job)?;
        self.are_untouched(job)?;
        let (worked, seconds) = (made.worked, made.seconds);
        let parts = made.parts.clone();
        tell(News::Worked);
        let record = match theirs(self.store, lock, &job.keyed.key) {
            Some(record) => record,
            None => self.commit(job, made)?,
        };
        // Only gc asks for them; the result is there.
        let _ = self.store.remember_parts(&record.key, &parts);
        Ok(Done {
            record,
            worked,
            seconds,
        })
    }

    /// Works once, in a directory of its own. `begins` says whether the work's beginning is still to be told.
    fn attempt(
        &self,
        job: &Job,
        tell: &(dyn Fn(News) + Sync),
        cancel: &AtomicBool,
        log: &Log,
        begins: &Cell<bool>,
    ) -> Result<Made, StageError> {
        let begun = Instant::now();
        let attempt = self.store.attempt().map_err(unusable)?;
        are_unchanged(self.store, job)?;
        let fresh = Fresh::new(self.store);
        let memo: &dyn Memo = if job.fresh { &fresh } else { self.store };
        let noted = Noted::new(memo);
        let memo: &dyn Memo = &noted;
        let inputs = self.with_paths(job, attempt.path())?;
        let mut out = attempt.path().to_path_buf();
        if !job.as_folder.is_empty() {
            // Beside the folders that it reads.
            out.push("out");
            std::fs::create_dir(&out).map_err(|e| StageError::io(&out, e))?;
        }
        let (outcome, worked) = limited(job.limits.timeout, cancel, |cancel| {
            let ctx = StageCtx {
                node: job.node.clone(),
                pipeline: job.pipeline.clone(),
                seed: job.seed,
                compute: &job.compute,
                inputs,
                key: job.keyed.key,
                trajectory: job.keyed.trajectory,
                out,
                project: Some(job.project.clone()),
                memo,
                shown: job.keyed.shown.clone(),
                command: job.command.clone(),
                pipeline_digest: shown_digest(&job.keyed.shown),
                progress: &|progress| tell(News::Progress(progress)),
                log: &|line| log.line(line),
                cancel,
            };
            guarded(|| {
                if let Some(outcome) = job.config.recall(&ctx, memo)? {
                    return Ok((outcome, false));
                }
                if begins.replace(false) {
                    tell(News::Begins);
                }
                Ok((job.config.run(&ctx)?, true))
            })
        })?;
        Ok(Made {
            outcome,
            worked,
            seconds: begun.elapsed().as_secs_f64(),
            parts: noted.keys(),
            _attempt: attempt,
        })
    }

    /// What the work has read of the store must be what it was: a command that is not held to its bounds may have
    /// written to it meanwhile.
    fn are_untouched(&self, job: &Job) -> Result<(), StageError> {
        let nodes = job.keyed.inputs.values().flat_map(|input| &input.nodes);
        let stored = nodes.filter(|node| !node.node.stage.is_empty() && node.paths.is_empty());
        for artifact in stored.flat_map(|node| node.outputs.values()) {
            self.store.is_untouched(artifact).map_err(unreadable)?;
        }
        Ok(())
    }

    /// Waits for the lock of `key`, for as long as the user does.
    fn lock(
        &self,
        key: &Digest,
        tell: &(dyn Fn(News) + Sync),
        cancel: &AtomicBool,
    ) -> Result<KeyLock, StageError> {
        let mut said = false;
        loop {
            match self.store.try_lock(key).map_err(failed)? {
                LockState::Held(lock) => return Ok(lock),
                LockState::Busy(_) if cancel.load(Ordering::Relaxed) => {
                    return Err(StageError::Cancelled);
                }
                LockState::Busy(owner) if !said => {
                    tell(News::Waits(owner));
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

    fn commit(&self, job: &Job, made: Made) -> Result<Record, StageError> {
        let Made {
            outcome,
            worked,
            seconds,
            parts: _,
            _attempt,
        } = made;
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
        self.store.commit(record).map_err(unreadable)
    }
}

fn export(pack: &std::path::Path, folder: &std::path::Path) -> Result<(), StageError> {
    let pack = Pack::open(pack).map_err(failed)?;
    export_folder(&pack, folder).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> StageError {
    StageError::Failed(error.to_string())
}

/// A store that cannot be written to may be the next time.
fn unusable(error: StoreError) -> StageError {
    match error {
        StoreError::Io { path, source } => StageError::Io { path, source },
        other => failed(other),
    }
}

/// Bytes of the store that cannot be read: lost ones can be made again, anything else fails the stage.
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
