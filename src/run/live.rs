//! What a run tells of itself while it goes on: a small file with the nodes it works on, beside the store's records, for
//! `retake watch` to read.
//!
//! It is no result. Nothing else reads it, no digest holds it, one that cannot be written is no fault, and it goes when
//! the run ends. What a killed run leaves is known by its process being gone, and is swept. One thread writes it, once a
//! second at most: a thousand short commands cost no more than one long one.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::executor::{Done, Executor, Failure, Job, News};
use crate::hash::Digest;
use crate::stage::Progress;
use crate::store::{Owner, Store};

/// The file is written this often at most.
const EVERY: Duration = Duration::from_secs(1);
/// The file is written this often at least, so that other machines see that the run is alive.
const BEAT: Duration = Duration::from_secs(20);
/// Of a process on another machine, or one that cannot be looked at: how old its file may be.
const FRESH: Duration = Duration::from_mins(1);
/// More figures of an epoch than this are thinned.
const STEPS: usize = 512;
const RUN: &str = "run-";

/// Where a run says what it does.
pub fn folder(store: &Store) -> PathBuf {
    store.root().join("live")
}

/// Whether the process that wrote a file still runs; of one that cannot be looked at, whether its file is of the last
/// minute.
fn is_alive(writer: &Owner, file: &Path) -> bool {
    writer.lives().unwrap_or_else(|| {
        let written = fs::metadata(file).and_then(|meta| meta.modified());
        written.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < FRESH))
    })
}

/// A run and what it is at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveRun {
    /// who
    pub writer: Owner,
    /// the pipeline's file
    pub pipeline: PathBuf,
    /// the nodes at work, by key
    pub nodes: BTreeMap<Digest, LiveNode>,
}

/// A node at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveNode {
    /// `stage[axis=value,…]`
    pub node: String,
    /// when the work began, in seconds since 1970
    pub began: u64,
    /// how far it is
    pub progress: Progress,
    /// what is left at the pace so far, in seconds
    pub seconds_left: Option<f64>,
    /// figures by step since the last whole epoch, thinned when there are many
    pub steps: Vec<(u64, Vec<(String, f64)>)>,
}

/// What the runs that use a store say of themselves.
#[derive(Debug, Clone, Default)]
pub struct Lives {
    /// the runs
    pub runs: Vec<LiveRun>,
    /// the nodes at work, by key
    pub nodes: BTreeMap<Digest, LiveNode>,
}

impl Lives {
    /// Reads what the runs that are alive say. Files that cannot be read are none.
    pub fn read(store: &Store) -> Self {
        let mut lives = Self::default();
        for path in files(&folder(store)) {
            if let Some(run) = alive(&path) {
                lives.nodes.extend(run.nodes.clone());
                lives.runs.push(run);
            }
        }
        lives
    }
}

/// The files of runs in `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_runs = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(RUN))
            && path.extension().is_some_and(|e| e == "json")
    });
    of_runs.collect()
}

/// What a file says, if its writer is alive.
fn alive(path: &Path) -> Option<LiveRun> {
    let said: LiveRun = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    is_alive(&said.writer, path).then_some(said)
}

/// An executor that tells of its work as well.
pub struct Told<'a> {
    executor: &'a dyn Executor,
    board: Arc<Board>,
    clerk: Option<JoinHandle<()>>,
}

impl<'a> Told<'a> {
    /// Tells of what `executor` does for `pipeline`; first sweeps what runs that are gone have left.
    pub fn new(executor: &'a dyn Executor, store: &Store, pipeline: &Path) -> Self {
        // Where it cannot be made, nothing is told.
        let folder = store.live().unwrap_or_else(|_| folder(store));
        for path in files(&folder) {
            if alive(&path).is_none() {
                let _ = fs::remove_file(path);
            }
        }
        let writer = Owner::this_process();
        let board = Arc::new(Board {
            path: folder.join(format!("{RUN}{}.json", writer.pid)),
            state: Mutex::new(State {
                run: LiveRun {
                    writer,
                    pipeline: std::path::absolute(pipeline)
                        .unwrap_or_else(|_| pipeline.to_path_buf()),
                    nodes: BTreeMap::new(),
                },
                changed: true,
                closed: false,
            }),
            closing: Condvar::new(),
        });
        let shared = Arc::clone(&board);
        let clerk = thread::Builder::new().spawn(move || shared.keep()).ok();
        Self {
            executor,
            board,
            clerk,
        }
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        guard(&self.board.state).closed = true;
        self.board.closing.notify_all();
        // A thread that panicked has nothing more to write.
        let _ = self.clerk.take().map(JoinHandle::join);
    }
}

impl Executor for Told<'_> {
    fn execute(
        &self,
        job: &Job,
        tell: &(dyn Fn(News) + Sync),
        cancel: &AtomicBool,
    ) -> Result<Done, Box<Failure>> {
        let telling: Mutex<Option<Telling>> = Mutex::default();
        let tell = |news: News| {
            match &news {
                News::Begins => *guard(&telling) = Some(Telling::new(&self.board, job)),
                News::Progress(progress) => {
                    if let Some(telling) = &mut *guard(&telling) {
                        telling.progress(progress);
                    }
                }
                News::Waits(_) | News::Retries(_) | News::Worked => {}
            }
            tell(news);
        };
        self.executor.execute(job, &tell, cancel)
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the run says, and the file it says it in.
struct Board {
    path: PathBuf,
    state: Mutex<State>,
    closing: Condvar,
}

struct State {
    run: LiveRun,
    /// whether the file says something else
    changed: bool,
    closed: bool,
}

impl Board {
    /// Keeps the file until the run ends, and then removes it. Whether it can be written is of no matter to the work.
    fn keep(&self) {
        let mut written: Option<Instant> = None;
        let mut state = guard(&self.state);
        while !state.closed {
            let due = written.is_none_or(|written| written.elapsed() >= BEAT);
            if std::mem::take(&mut state.changed) || due {
                let bytes = serde_json::to_vec(&state.run);
                drop(state);
                let _ = bytes
                    .map_err(io::Error::from)
                    .and_then(|bytes| replace(&self.path, &bytes));
                written = Some(Instant::now());
                state = guard(&self.state);
            }
            if !state.closed {
                let waited = self.closing.wait_timeout(state, EVERY);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        drop(state);
        let _ = fs::remove_file(&self.path);
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<Digest, LiveNode>)) {
        let mut state = guard(&self.state);
        change(&mut state.run.nodes);
        state.changed = true;
    }
}

/// One node while it is worked on.
struct Telling<'a> {
    board: &'a Board,
    key: Digest,
    /// where the work stood when it first said so, and when that was
    first: Option<(u64, Instant)>,
    /// every so many steps are kept
    stride: u64,
    seen: u64,
}

impl<'a> Telling<'a> {
    fn new(board: &'a Board, job: &Job) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let said = LiveNode {
            node: job.node.to_string(),
            began: since.map_or(0, |time| time.as_secs()),
            progress: Progress::default(),
            seconds_left: None,
            steps: Vec::new(),
        };
        let key = job.keyed.key;
        board.change(|nodes| _ = nodes.insert(key, said));
        Self {
            board,
            key,
            first: None,
            stride: 1,
            seen: 0,
        }
    }

    fn progress(&mut self, progress: &Progress) {
        let now = Instant::now();
        let (from, since) = *self.first.get_or_insert((progress.done, now));
        let made = progress.done.saturating_sub(from);
        let seconds_left = (made > 0).then(|| {
            let left = progress.total.saturating_sub(progress.done);
            now.duration_since(since).as_secs_f64() * left as f64 / made as f64
        });
        let mut progress = progress.clone();
        progress.figures.retain(|(_, value)| value.is_finite());
        let (board, key) = (self.board, self.key);
        board.change(|nodes| {
            let Some(said) = nodes.get_mut(&key) else {
                return;
            };
            said.seconds_left = seconds_left;
            // An epoch's figures are in the store before the next begins.
            if progress.epoch != said.progress.epoch {
                said.steps.clear();
                (self.stride, self.seen) = (1, 0);
            }
            if !progress.figures.is_empty() {
                self.step(&progress, &mut said.steps);
            }
            said.progress = progress;
        });
    }

    /// Adds a step, and thins them when there are many.
    fn step(&mut self, progress: &Progress, steps: &mut Vec<(u64, Vec<(String, f64)>)>) {
        if self.seen.is_multiple_of(self.stride) {
            steps.push((progress.done, progress.figures.clone()));
        }
        self.seen += 1;
        if steps.len() > STEPS {
            let mut index = 0_usize;
            steps.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
        }
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        let key = self.key;
        self.board.change(|nodes| _ = nodes.remove(&key));
    }
}

/// Writes a file beside `path` and gives it that name, so that a reader finds the old or the new one whole.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
}
