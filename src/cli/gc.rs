//! `retake gc`: free space in the store

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use serde_json::json;
use walkdir::{DirEntry, WalkDir};

use super::amount;
use super::common::{self, CliError, Exit, PipelineArgs, say};
use crate::device::DeviceRequest;
use crate::run::survey::survey;
use crate::spec::root;
use crate::store::{GcClass, GcCount, GcPlan, GcRequest, LockFile, Pin, Store};

/// Free space in the store; says how much before it does
///
/// Without options it deletes what nothing needs: bytes that no record names, and what dead processes have left.
/// `--keep-last`, `--max-size` and `--older-than` also let go of results, the longest unused first. Given together they
/// narrow each other: only what fulfils all of them goes.
///
/// What the lock files of a project name always stays, and so does what is pinned, what other projects that use the
/// store have in their lock files, and what a run that is going on relies on; gc may run at any time. A result that
/// went is computed again when it is asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pipelines whose lock files count too, beside those of the store's project and of every pipeline that ran with it
    pipelines: Vec<PathBuf>,
    /// Keep of each node the results of the last N keys that it had
    #[arg(long, value_name = "N")]
    keep_last: Option<usize>,
    /// Delete no more than it takes to come down to this size (`20G`): resume states of training first
    #[arg(long, value_name = "SIZE", value_parser = amount::size)]
    max_size: Option<u64>,
    /// Delete only what was not used for so long (`30d`): with it go logs, and what lies in trash and quarantine
    #[arg(long, value_name = "AGE", value_parser = amount::age)]
    older_than: Option<u64>,
    /// Delete resume states of all training too: no result changes, but a longer training begins anew
    #[arg(long)]
    states: bool,
    /// Say what would be deleted; delete nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Do not ask, on a terminal, before results are deleted
    #[arg(short, long)]
    yes: bool,
    /// Keep what the pipelines given hold now until they are unpinned; delete nothing
    #[arg(long, requires = "pipelines")]
    pin: bool,
    /// Let go of what was pinned of the pipelines given; delete nothing
    #[arg(long, requires = "pipelines", conflicts_with = "pin")]
    unpin: bool,
    /// Forget a project that used the store, so that its results need no longer stay; delete nothing
    #[arg(long, value_name = "DIR", conflicts_with_all = ["pin", "unpin", "pipelines"])]
    forget: Option<PathBuf>,
    /// Of the pipelines to pin: set a variable
    #[arg(short = 'S', long = "set", value_name = "NAME=VALUE", value_parser = common::assignment, requires = "pin")]
    sets: Vec<(String, String)>,
    /// Of the pipelines to pin: the profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The store [default: `.retake` in the root of the pipelines' project, or of the one around this folder]
    #[arg(long, env = "RETAKE_STORE", value_name = "DIR")]
    store: Option<PathBuf>,
    /// JSON on standard output
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let folder = args.store_folder()?;
    let store = Store::open(&folder)
        .map_err(CliError::failed)?
        .with_notices(|notice| say(&format!("note      {notice}")));
    common::refuse_strangers(&store)?;
    if args.pin {
        return args.pin(&store);
    }
    if args.unpin {
        return args.unpin(&store);
    }
    if let Some(project) = &args.forget {
        let project = std::path::absolute(project).map_err(CliError::failed)?;
        let forgotten = store.forget_project(&project).map_err(CliError::failed)?;
        if forgotten == 0 {
            return Err(CliError::bad(format!(
                "no pipeline of {} has used the store",
                project.display()
            )));
        }
        say(&format!(
            "forgot    {forgotten} pipelines of {}",
            project.display()
        ));
        return Ok(Exit::Done);
    }
    let request = GcRequest {
        locks: args.locks(&store)?,
        keep_last: args.keep_last,
        max_size: args.max_size,
        older_than: args.older_than,
        states: args.states,
    };
    let plan = store.plan_gc(&request).map_err(CliError::failed)?;
    for note in &plan.notes {
        say(&format!("note      {note}"));
    }
    args.tell(&store, &plan)?;
    if args.dry_run || plan.counts().is_empty() || !args.is_sure(&plan)? {
        return Ok(Exit::Done);
    }
    let gone = store.carry_out(&plan).map_err(CliError::failed)?;
    if args.json {
        common::print_json(&json!({"event": "freed", "classes": gone, "bytes": total(&gone)}))?;
    } else {
        common::print(&format!("freed     {}\n", amount::show(total(&gone))))?;
    }
    Ok(Exit::Done)
}

impl Args {
    /// Where the store is; it must be there.
    fn store_folder(&self) -> Result<PathBuf, CliError> {
        let folder = self.store.clone().unwrap_or_else(|| {
            let beside = self.pipelines.first().cloned();
            root::of(&beside.unwrap_or_else(|| PathBuf::from("here"))).join(".retake")
        });
        if folder.is_dir() {
            Ok(folder)
        } else {
            Err(CliError::bad(format!(
                "there is no store at {}",
                folder.display()
            )))
        }
    }

    /// The lock files of the pipelines given and of the project that the store belongs to.
    fn locks(&self, store: &Store) -> Result<Vec<PathBuf>, CliError> {
        let mut locks = Vec::new();
        for pipeline in &self.pipelines {
            let lock = LockFile::path_for(pipeline);
            if !pipeline.is_file() && !lock.is_file() {
                return Err(CliError::bad(format!(
                    "there is no pipeline {}",
                    pipeline.display()
                )));
            }
            locks.push(std::path::absolute(&lock).map_err(CliError::failed)?);
        }
        if store
            .root()
            .file_name()
            .is_some_and(|name| name == ".retake")
            && let Some(project) = store.root().parent()
        {
            locks.extend(lock_files(project));
        }
        Ok(locks)
    }

    fn pin(&self, store: &Store) -> Result<Exit, CliError> {
        for pipeline in &self.pipelines {
            let opened = PipelineArgs {
                pipeline: pipeline.clone(),
                sets: self.sets.clone(),
                profile: self.profile.clone(),
                device: DeviceRequest::default(),
                any_device: false,
                store: Some(store.root().to_path_buf()),
            }
            .open()?;
            let targets = opened.targets(&[])?;
            let (standings, _) = survey(&opened.session(), &targets).map_err(CliError::failed)?;
            let keys: BTreeMap<_, _> = standings
                .iter()
                .filter_map(|standing| {
                    let key = standing.record.as_ref()?.key;
                    Some((opened.plan.nodes[standing.id].name.to_string(), key))
                })
                .collect();
            let count = keys.len();
            let pin = Pin {
                pipeline: std::path::absolute(pipeline).map_err(CliError::failed)?,
                profile: self.profile.clone(),
                sets: self.sets.clone(),
                keys,
            };
            store.pin(&pin).map_err(CliError::failed)?;
            say(&format!(
                "pinned    {count} of {} nodes of {}",
                targets.len(),
                pipeline.display()
            ));
        }
        Ok(Exit::Done)
    }

    fn unpin(&self, store: &Store) -> Result<Exit, CliError> {
        for pipeline in &self.pipelines {
            let absolute = std::path::absolute(pipeline).map_err(CliError::failed)?;
            let removed = store
                .unpin(&absolute, self.profile.as_deref())
                .map_err(CliError::failed)?;
            if removed == 0 {
                return Err(CliError::bad(format!(
                    "nothing of {} is pinned",
                    pipeline.display()
                )));
            }
            say(&format!("unpinned  {}", pipeline.display()));
        }
        Ok(Exit::Done)
    }

    /// Says what goes.
    fn tell(&self, store: &Store, plan: &GcPlan) -> Result<(), CliError> {
        let counts = plan.counts();
        if self.json {
            let records: BTreeSet<String> =
                plan.records().iter().map(ToString::to_string).collect();
            return common::print_json(&json!({
                "event": if self.dry_run { "would-free" } else { "to-free" },
                "store": store.root(),
                "size": plan.size,
                "classes": counts,
                "bytes": total(&counts),
                "records": records,
            }));
        }
        let mut text = format!(
            "store     {} ({})\n",
            common::display(store.root()),
            amount::show(plan.size)
        );
        for GcCount {
            class,
            count,
            bytes,
        } in &counts
        {
            let what = describe(*class);
            text += &format!(
                "          {count:>7} {what:<34} {:>10}\n",
                amount::show(*bytes)
            );
        }
        let would = if self.dry_run {
            "would free "
        } else {
            "to free"
        };
        text += &match total(&counts) {
            0 if counts.is_empty() => "nothing to free\n".to_owned(),
            bytes => format!("{would:<10}{}\n", amount::show(bytes)),
        };
        common::print(&text)
    }

    /// Asks on a terminal whether results may go.
    fn is_sure(&self, plan: &GcPlan) -> Result<bool, CliError> {
        let results = [
            GcClass::Records,
            GcClass::Parts,
            GcClass::States,
            GcClass::Trash,
        ];
        let asks = !self.yes
            && !self.json
            && io::stdin().is_terminal()
            && io::stderr().is_terminal()
            && plan
                .counts()
                .iter()
                .any(|count| results.contains(&count.class));
        if !asks {
            return Ok(true);
        }
        say("delete them? [y/N]");
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(CliError::failed)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}

fn describe(class: GcClass) -> &'static str {
    match class {
        GcClass::Leftovers => "leftovers of processes that are gone",
        GcClass::Views => "folders laid out for reading",
        GcClass::Quarantine => "corrupt objects in quarantine",
        GcClass::Trash => "replaced files in the trash",
        GcClass::Logs => "logs",
        GcClass::States => "resume states of training",
        GcClass::Records => "results of nodes",
        GcClass::Parts => "parts of work",
        GcClass::Objects => "objects that nothing else names",
    }
}

fn total(counts: &[GcCount]) -> u64 {
    counts.iter().map(|count| count.bytes).sum()
}

/// Whether a lock file is one of retake's, also when a merge has left it unreadable: other tools have some too.
fn is_ours(path: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(path) else {
        return false;
    };
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let first = lines.next().unwrap_or_default();
    first == "lock: 1" || (first.starts_with("<<<<<<<") && text.contains("lock: 1"))
}

/// The lock files of retake in a project.
fn lock_files(project: &Path) -> Vec<PathBuf> {
    let walk = WalkDir::new(project)
        .into_iter()
        .filter_entry(is_looked_into);
    let mut locks: Vec<PathBuf> = walk
        .flatten()
        .map(DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|end| end == "lock") && path.is_file())
        .filter(|path| is_ours(path))
        .collect();
    locks.sort();
    locks
}

/// Whether a walk through a project looks into a folder: not where tools keep theirs.
fn is_looked_into(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    let foreign =
        name.starts_with('.') || ["target", "node_modules", "__pycache__"].contains(&&*name);
    entry.depth() == 0 || !entry.file_type().is_dir() || !foreign
}
