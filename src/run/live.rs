//! What a run tells of itself while it goes on: a small file for the run and one for each node it works on, beside the
//! store's records, for `retake watch` to read.
//!
//! They are no results. Nothing else reads them, no digest holds them, one that cannot be written is no fault, and
//! they go when the node or the run ends. What a killed run leaves is known by its process being gone, and is swept.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::executor::{Done, Executor, Failure, Job, News};
use crate::hash::Digest;
use crate::stage::Progress;
use crate::store::Store;

/// A node's file is written this often at most.
const EVERY: Duration = Duration::from_secs(1);
/// Of a process on another machine, or one that cannot be looked at: how old its file may be.
const FRESH: Duration = Duration::from_mins(1);
/// More figures of an epoch than this are thinned.
const STEPS: usize = 512;
const RUN: &str = "run-";

/// Where a run says what it does.
pub fn folder(store: &Store) -> PathBuf {
    store.root().join("live")
}

/// Which process wrote a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Writer {
    /// its id
    pub pid: u32,
    /// when it began, in the system's ticks: an id comes back, the two together do not
    started: Option<u64>,
    /// which boot of which machine
    boot: String,
}

impl Writer {
    fn this() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            started: started(pid),
            boot: boot(),
        }
    }

    /// Whether it still runs; of one that cannot be looked at, whether its file is of the last minute.
    fn is_alive(&self, file: &Path) -> bool {
        if self.started.is_some() && self.boot == boot() {
            return started(self.pid) == self.started;
        }
        let written = fs::metadata(file).and_then(|meta| meta.modified());
        written.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < FRESH))
    }
}

/// When the process `pid` began, in ticks since the boot, where the system tells.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name that may hold anything; the 22nd is the time.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveRun {
    /// who
    pub writer: Writer,
    /// the pipeline's file
    pub pipeline: PathBuf,
}

/// A node at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveNode {
    /// who
    pub writer: Writer,
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
        for (path, name) in files(&folder(store)) {
            if name.starts_with(RUN) {
                lives.runs.extend(alive::<LiveRun>(&path));
            } else if let (Ok(key), Some(node)) = (name.parse(), alive::<LiveNode>(&path)) {
                lives.nodes.insert(key, node);
            }
        }
        lives
    }
}

/// Files in `folder` with their names less `.json`.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let path = entry.path();
        let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
        Some((path.clone(), name.to_owned()))
    });
    named.collect()
}

/// What has a writer.
trait Written {
    fn writer(&self) -> &Writer;
}

impl Written for LiveRun {
    fn writer(&self) -> &Writer {
        &self.writer
    }
}

impl Written for LiveNode {
    fn writer(&self) -> &Writer {
        &self.writer
    }
}

fn alive<T: Written + for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    let said: T = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    said.writer().is_alive(path).then_some(said)
}

/// An executor that tells of its work as well.
pub struct Told<'a> {
    executor: &'a dyn Executor,
    folder: PathBuf,
    /// The run's own file, removed on drop.
    _run: Paper,
}

impl<'a> Told<'a> {
    /// Tells of what `executor` does for `pipeline`; first sweeps what runs that are gone have left.
    pub fn new(executor: &'a dyn Executor, store: &Store, pipeline: &Path) -> Self {
        // Where it cannot be made, nothing is told.
        let folder = store.live().unwrap_or_else(|_| folder(store));
        sweep(&folder);
        let pid = std::process::id();
        let run = Paper(folder.join(format!("{RUN}{pid}.json")));
        run.write(&LiveRun {
            writer: Writer::this(),
            pipeline: std::path::absolute(pipeline).unwrap_or_else(|_| pipeline.to_path_buf()),
        });
        Self {
            executor,
            folder,
            _run: run,
        }
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
                News::Begins => *guard(&telling) = Some(Telling::new(&self.folder, job)),
                News::Progress(progress) => {
                    if let Some(telling) = &mut *guard(&telling) {
                        telling.progress(progress);
                    }
                }
                News::Waits(_) => {}
            }
            tell(news);
        };
        self.executor.execute(job, &tell, cancel)
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One node's file while it is worked on.
struct Telling {
    paper: Paper,
    said: LiveNode,
    written: Instant,
    /// where the work stood when it first said so, and when that was
    first: Option<(u64, Instant)>,
    /// every so many steps are kept
    stride: u64,
    seen: u64,
}

impl Telling {
    fn new(folder: &Path, job: &Job) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let said = LiveNode {
            writer: Writer::this(),
            node: job.node.to_string(),
            began: since.map_or(0, |time| time.as_secs()),
            progress: Progress::default(),
            seconds_left: None,
            steps: Vec::new(),
        };
        let paper = Paper(folder.join(format!("{}.json", job.keyed.key)));
        paper.write(&said);
        Self {
            paper,
            said,
            written: Instant::now(),
            first: None,
            stride: 1,
            seen: 0,
        }
    }

    fn progress(&mut self, progress: &Progress) {
        let now = Instant::now();
        let (from, since) = *self.first.get_or_insert((progress.done, now));
        let made = progress.done.saturating_sub(from);
        self.said.seconds_left = (made > 0).then(|| {
            let left = progress.total.saturating_sub(progress.done);
            now.duration_since(since).as_secs_f64() * left as f64 / made as f64
        });
        // An epoch's figures are in the store before the next begins.
        if progress.epoch != self.said.progress.epoch {
            self.said.steps.clear();
            (self.stride, self.seen) = (1, 0);
        }
        let mut progress = progress.clone();
        progress.figures.retain(|(_, value)| value.is_finite());
        if !progress.figures.is_empty() {
            if self.seen.is_multiple_of(self.stride) {
                let step = (progress.done, progress.figures.clone());
                self.said.steps.push(step);
            }
            self.seen += 1;
            if self.said.steps.len() > STEPS {
                let mut index = 0_usize;
                self.said.steps.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
        }
        self.said.progress = progress;
        if self.written.elapsed() >= EVERY {
            self.written = now;
            self.paper.write(&self.said);
        }
    }
}

/// A file of one's own, removed on drop.
struct Paper(PathBuf);

impl Paper {
    /// Replaces it as a whole. Whether that can be done is of no matter to the work.
    fn write(&self, said: &impl Serialize) {
        let _ = serde_json::to_vec(said)
            .map_err(io::Error::from)
            .and_then(|bytes| replace(&self.0, &bytes));
    }
}

impl Drop for Paper {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
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

/// Removes what runs that are gone have left.
fn sweep(folder: &Path) {
    for (path, name) in files(folder) {
        let is_alive = if name.starts_with(RUN) {
            alive::<LiveRun>(&path).is_some()
        } else if name.parse::<Digest>().is_ok() {
            alive::<LiveNode>(&path).is_some()
        } else {
            true
        };
        if !is_alive {
            let _ = fs::remove_file(path);
        }
    }
}
