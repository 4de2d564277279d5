//! Executors: what runs one node. The local one is the first.
//!
//! A [`Job`] holds everything about a node; with a store, nothing else is needed to run it, so another
//! executor (a cluster's) can take its place.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::fresh::Fresh;
use super::log::Log;
use super::resolve::{Keyed, shown_digest};
use crate::data::export::export_folder;
use crate::data::pack::Pack;
use crate::device::Compute;
use crate::hash::Digest;
use crate::stage::{
    Format, Input, Memo, NodeName, Outcome, Progress, StageConfig, StageCtx, StageError,
};
use crate::store::{KeyLock, LockState, NewRecord, Owner, Record, Store, StoreError};

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
    /// the work begins; a job whose result is there already, or is put together from what is, never says so
    Begins,
    /// how far the work is
    Progress(Progress),
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
        let result = self.attempt(job, tell, cancel, &log);
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

impl Local<'_> {
    fn attempt(
        &self,
        job: &Job,
        tell: &(dyn Fn(News) + Sync),
        cancel: &AtomicBool,
        log: &Log,
    ) -> Result<Done, StageError> {
        let begun = Instant::now();
        // One computation of a trajectory at a time, in this process and in others. The log belongs to
        // whoever holds the lock: nothing is written to it before.
        let _lock = self.lock(&job.keyed.trajectory, tell, cancel)?;
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
            progress: &|progress| tell(News::Progress(progress)),
            log: &|line| log.line(line),
            cancel,
        };
        std::fs::create_dir_all(&ctx.out).map_err(|e| StageError::io(&ctx.out, e))?;
        let (outcome, worked) = guarded(|| {
            if let Some(outcome) = job.config.recall(&ctx, memo)? {
                return Ok((outcome, false));
            }
            tell(News::Begins);
            Ok((job.config.run(&ctx)?, true))
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
