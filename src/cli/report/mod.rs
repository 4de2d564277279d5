//! `retake report`: writes reports from what the store has, checks those in the work tree, gives out the template

mod check;
mod html;

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use super::common::{
    CliError, Exit, Opened, PipelineArgs, cancel_on_signals, display, reporter, say,
};
use crate::report::markdown::TEMPLATE;
use crate::run::executor::Local;
use crate::run::reporter::Verbosity;
use crate::run::resolve::Settled;
use crate::run::schedule::{self, Options};
use crate::run::survey::{State, survey};
use crate::run::text;
use crate::stage::StageConfig;
use crate::stage::report::ReportConfig;

/// The name of a report's page in its folder.
const PAGE: &str = "report.html";

/// Write reports from results that are in the store, or check those that are written
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the built-in template to FILE, to begin one of your own with (`with: {template: FILE}`)
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = TEMPLATE.name, conflicts_with_all = ["check", "html"])]
    eject_template: Option<PathBuf>,
    #[command(flatten)]
    common: Option<PipelineArgs>,
    /// Reports (`report`) [default: all of the pipeline]
    stages: Vec<String>,
    /// Compare every number and figure of the written report with the store and the lock file; exit with 5 where they
    /// differ
    #[arg(long, conflicts_with_all = ["html", "out"])]
    check: bool,
    /// Write the report as one HTML page that needs no network, `report.html` beside its text
    #[arg(long)]
    html: bool,
    /// Where to write the page
    #[arg(short, long, value_name = "FILE", requires = "html")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    if let Some(file) = &args.eject_template {
        return eject(file);
    }
    let common = args.common.as_ref();
    let common = common.ok_or_else(|| CliError::bad("name a pipeline: `retake report FILE`"))?;
    let opened = common.open()?;
    let reports = reports(&opened, &args.stages)?;
    if args.check {
        return check::run(&opened, &reports);
    }
    if args.html {
        return html::run(&opened, &reports, args.out.as_deref());
    }
    write(&opened, &reports)
}

/// Writes the built-in template to a new file.
fn eject(file: &PathBuf) -> Result<Exit, CliError> {
    let new = OpenOptions::new().write(true).create_new(true).open(file);
    let mut new = new.map_err(|error| {
        let path = display(file);
        CliError::bad(match error.kind() {
            ErrorKind::AlreadyExists => {
                format!("{path} is there already; name another: `--eject-template FILE`")
            }
            _ => format!("{path}: {error}"),
        })
    })?;
    let written = new.write_all(TEMPLATE.text.as_bytes());
    written.map_err(|error| CliError::failed(format!("{}: {error}", display(file))))?;
    say(&format!("wrote     {}", display(file)));
    Ok(Exit::Done)
}

/// The reports among the nodes that were named; all of the pipeline's where none was.
fn reports(opened: &Opened, stages: &[String]) -> Result<Vec<usize>, CliError> {
    let named = opened.targets(stages)?;
    let reports: Vec<usize> = (named.into_iter())
        .filter(|id| config(opened, *id).is_some())
        .collect();
    if reports.is_empty() {
        return Err(CliError::bad(match stages {
            [] => "the pipeline has no stage of kind report".to_owned(),
            stages => format!("`{}` is no stage of kind report", stages.join(" ")),
        }));
    }
    Ok(reports)
}

/// The settings of node `id`, if it is a report.
fn config(opened: &Opened, id: usize) -> Option<&ReportConfig> {
    match &*opened.plan.nodes[id].config {
        StageConfig::Report(config) => Some(config),
        _ => None,
    }
}

/// How everything that `report` needs stands: the results, and the nodes that have none.
fn needs(opened: &Opened, report: usize) -> Result<(Vec<Option<Settled>>, Vec<String>), CliError> {
    let (standings, settled) = survey(&opened.session(), &[report]).map_err(CliError::failed)?;
    let absent = standings
        .iter()
        .filter(|standing| standing.id != report && standing.state != State::Cached);
    let absent = absent.map(|standing| opened.plan.nodes[standing.id].name.to_string());
    Ok((settled, absent.collect()))
}

/// Says that a report cannot be made of what is there, and what to do.
fn not_yet(opened: &Opened, absent: &[String]) -> Exit {
    say(&format!(
        "error: not in the store yet: {}\n  help: `{}` makes them, and the report",
        some(absent),
        text::command(&opened.plan)
    ));
    Exit::Stale
}

/// Names, but not a page of them.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Runs the reports, and nothing else.
fn write(opened: &Opened, reports: &[usize]) -> Result<Exit, CliError> {
    let mut absent = Vec::new();
    for report in reports {
        absent.extend(needs(opened, *report)?.1);
    }
    absent.dedup();
    if !absent.is_empty() {
        return Ok(not_yet(opened, &absent));
    }
    let cancel = cancel_on_signals()?;
    let options = Options {
        slots: opened.machine(),
        keep_going: true,
        force: HashSet::new(),
        locked: false,
        without_lock: false,
    };
    let store = &opened.store;
    let mut reporter = reporter(Verbosity::Normal);
    let session = opened.session();
    let summary = schedule::run(
        &session,
        reports,
        &options,
        &Local { store },
        &cancel,
        &mut |event| reporter.event(&event),
    );
    Ok(
        match (summary.interrupted, summary.failed + summary.unwritten) {
            (true, _) => Exit::Interrupted,
            (_, 0) => Exit::Done,
            _ => Exit::Failed,
        },
    )
}
