//! What subcommands share: the common options, opening a pipeline, exit codes, output.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::device::DeviceRequest;
use crate::plan::{self, Plan};
use crate::run::devices::Devices;
use crate::run::reporter::{Plain, Reporter, Verbosity};
use crate::run::resolve::Session;
use crate::run::screen::Screen;
use crate::run::slots::machine_memory;
use crate::run::unchanged::Question;
use crate::spec::{self, Faults, LoadOptions};
use crate::stage::Slots;
use crate::store::{LockFile, Store, StoreError};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// all well
    Done = 0,
    /// a stage failed
    Failed = 1,
    /// bad pipeline or usage
    Bad = 2,
    /// something is not up to date, and the user asked to be told
    Stale = 3,
    /// a check found a difference
    Different = 5,
    /// the user stopped it
    Interrupted = 130,
}

/// Why a command could not do its work. Printed as it is.
#[derive(Debug)]
pub enum CliError {
    /// bad pipeline or usage
    Bad(String),
    /// something failed on the way
    Failed(String),
    /// the reader of standard output went away
    OutputClosed,
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(text) | Self::Failed(text) => f.write_str(text),
            Self::OutputClosed => Ok(()),
        }
    }
}

impl CliError {
    /// Wrong usage or a bad pipeline.
    pub fn bad(error: impl fmt::Display) -> Self {
        Self::Bad(format!("error: {error}"))
    }

    /// A failure on the way.
    pub fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(format!("error: {error}"))
    }
}

impl From<Faults> for CliError {
    fn from(faults: Faults) -> Self {
        Self::Bad(spec::render(&faults, color_on_stderr()))
    }
}

/// Options of every command that reads a pipeline.
#[derive(Debug, Clone, clap::Args)]
pub struct PipelineArgs {
    /// The pipeline file (YAML)
    pub pipeline: PathBuf,
    /// Set a variable of the pipeline (`--set epochs=8`); wins over profiles
    #[arg(short = 'S', long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    pub sets: Vec<(String, String)>,
    /// Use the values of a profile of the pipeline
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Where to compute: auto, cpu, cuda or cuda:INDEX
    #[arg(long, default_value = "auto", value_parser = str::parse::<DeviceRequest>)]
    pub device: DeviceRequest,
    /// Take cached results of any class of device, not of this one only
    #[arg(long)]
    pub any_device: bool,
    /// Where results are kept [default: `.retake` in the project root]
    #[arg(long, env = "RETAKE_STORE", value_name = "DIR")]
    pub store: Option<PathBuf>,
}

/// Arguments of the commands that tell of nodes.
#[derive(Debug, Clone, clap::Args)]
pub struct NodesArgs {
    #[command(flatten)]
    pub common: PipelineArgs,
    /// Stages or nodes (`gan`, `gan[seed=0]`) [default: all]
    pub stages: Vec<String>,
    /// One JSON object a node on standard output
    #[arg(long)]
    pub json: bool,
}

impl NodesArgs {
    /// Reads the pipeline, opens its store and finds the nodes that were named.
    pub fn open(&self) -> Result<(Opened, Vec<usize>), CliError> {
        let opened = self.common.open()?;
        let targets = opened.targets(&self.stages)?;
        Ok((opened, targets))
    }
}

/// `NAME=VALUE`.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// A pipeline with all that a command needs to work on it.
pub struct Opened {
    /// the nodes
    pub plan: Plan,
    /// the store
    pub store: Store,
    /// the lock file
    pub lock: LockFile,
    /// the devices
    pub devices: Devices,
    any_device: bool,
}

impl PipelineArgs {
    /// Reads the pipeline and plans it.
    pub fn plan(&self) -> Result<Plan, CliError> {
        let options = LoadOptions {
            profile: self.profile.clone(),
            sets: self.sets.clone(),
        };
        Ok(plan::open(&self.pipeline, &options)?)
    }

    /// Where the store is.
    fn store_folder(&self) -> PathBuf {
        let usual = || spec::root::of(&self.pipeline).join(".retake");
        self.store.clone().unwrap_or_else(usual)
    }

    /// What [`PipelineArgs::unchanged`] and, after a run, [`Question::remember`] are about.
    pub fn question(&self, stages: &[String], locked: bool) -> Result<Question, CliError> {
        let devices = Devices::new(self.device);
        let class = devices.get(None).map_err(CliError::bad)?.class;
        Ok(Question {
            pipeline: self.pipeline.clone(),
            root: spec::root::of(&self.pipeline),
            asked: json!({
                "stages": stages,
                "profile": self.profile,
                "sets": self.sets,
                "device": class,
                "any_device": self.any_device,
                "locked": locked,
            }),
        })
    }

    /// How many nodes are cached, if nothing has changed since a run left all of them so; the pipeline is not read.
    pub fn unchanged(&self, question: &Question) -> Result<Option<usize>, CliError> {
        let store = Store::open(&self.store_folder()).map_err(CliError::failed)?;
        Ok(question.answer(&store))
    }

    /// Remembers that results were used, for `gc`; a store that cannot be written is not cleared up either.
    ///
    /// Whether `gc` knows of this pipeline: if not, a run has to tell it.
    pub fn remember_use(&self) -> bool {
        let used = Store::open(&self.store_folder())
            .and_then(|store| store.remember_use(&self.pipeline, self.profile.as_deref()));
        let unknown = |error: &StoreError| matches!(error, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
        !used.is_err_and(|error| unknown(&error))
    }

    /// Reads the pipeline and opens its store.
    pub fn open(&self) -> Result<Opened, CliError> {
        let plan = self.plan()?;
        let store = self.store_folder();
        let lock = LockFile::read(&LockFile::path_for(&plan.file)).map_err(CliError::bad)?;
        let opened = Opened::new(plan, &store, lock, self.device)?;
        Ok(Opened {
            any_device: self.any_device,
            ..opened
        })
    }
}

impl Opened {
    /// `plan` with the store in the folder `store`.
    pub fn new(
        plan: Plan,
        store: &Path,
        lock: LockFile,
        device: DeviceRequest,
    ) -> Result<Self, CliError> {
        let devices = Devices::new(device);
        devices.get(None).map_err(CliError::bad)?;
        let store = Store::open(store).map_err(CliError::failed)?;
        Ok(Self {
            plan,
            store: store.with_notices(|notice| say(&format!("note      {notice}"))),
            lock,
            devices,
            any_device: false,
        })
    }

    /// What the machine has to run on.
    pub fn machine(&self) -> Slots {
        let device = self.devices.get(None);
        Slots {
            cpu: std::thread::available_parallelism().map_or(1, usize::from),
            gpu: usize::from(device.is_ok_and(|compute| compute.device.is_cuda())),
            memory: machine_memory(),
        }
    }

    /// The view that resolving works on.
    pub fn session(&self) -> Session<'_> {
        Session {
            plan: &self.plan,
            store: &self.store,
            lock: &self.lock,
            devices: &self.devices,
            any_device: self.any_device,
        }
    }

    /// The nodes that `selectors` name; all nodes without any.
    pub fn targets(&self, selectors: &[String]) -> Result<Vec<usize>, CliError> {
        if selectors.is_empty() {
            return Ok((0..self.plan.nodes.len()).collect());
        }
        let mut targets = Vec::new();
        for selector in selectors {
            targets.extend(self.plan.find(selector).map_err(CliError::bad)?);
        }
        let mut seen = HashSet::new();
        targets.retain(|id| seen.insert(*id));
        Ok(targets)
    }
}

/// An error for a folder that is no store: nothing in it is to be cleared up or moved.
pub fn refuse_strangers(store: &Store) -> Result<(), CliError> {
    if store.is_store() {
        return Ok(());
    }
    Err(CliError::bad(format!(
        "{} is not a store of retake (a store has a `.gitignore` that says `*`)",
        store.root().display()
    )))
}

/// Set by the first Ctrl-C or SIGTERM, which lets stages stop at a safe point; the second ends the program at once.
pub fn cancel_on_signals() -> Result<Arc<AtomicBool>, CliError> {
    let cancel = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&cancel))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&cancel)))
            .map_err(CliError::failed)?;
    }
    Ok(cancel)
}

/// Tells people of a run on standard error: by bars on a terminal, else by lines.
pub fn reporter(verbosity: Verbosity) -> Box<dyn Reporter> {
    if io::stderr().is_terminal() {
        Box::new(Screen::new(verbosity))
    } else {
        Box::new(Plain::new(io::stderr(), verbosity))
    }
}

/// Prints a line on standard error.
pub fn say(line: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints text on standard output.
pub fn print(text: &str) -> Result<(), CliError> {
    print_bytes(text.as_bytes())
}

/// Prints data on standard output.
pub fn print_bytes(data: &[u8]) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(data)
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::OutputClosed,
            _ => CliError::failed(format!("standard output: {error}")),
        })
}

/// Prints a value as one line of JSON on standard output.
pub fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let line = serde_json::to_string(value).map_err(CliError::failed)?;
    print(&format!("{line}\n"))
}

/// Whether standard error may be coloured.
pub fn color_on_stderr() -> bool {
    io::stderr().is_terminal() && colors_are_wanted()
}

/// Whether standard output may be coloured.
pub fn color_on_stdout() -> bool {
    io::stdout().is_terminal() && colors_are_wanted()
}

fn colors_are_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `path` as seen from the current directory, where that is shorter.
pub fn display(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}
