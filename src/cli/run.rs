//! `retake run`

use std::collections::HashSet;
use std::io;
use std::time::Instant;

use super::common::{
    CliError, Exit, Opened, PipelineArgs, cancel_on_signals, display, reporter, say,
};
use crate::run::event::Event;
use crate::run::executor::Local;
use crate::run::live::Told;
use crate::run::reporter::{JsonLines, Reporter, Verbosity};
use crate::run::schedule::{self, Options};
use crate::stage::Slots;

/// Run a pipeline, or some of its stages and what they need
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: PipelineArgs,
    /// Stages or nodes (`gan`, `gan[seed=0]`); what they need runs too [default: all]
    stages: Vec<String>,
    /// CPU slots that stages running at once share [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Say what would run, and why; run nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Run the named stages again (all, where none is named), cached or not
    #[arg(short, long)]
    force: bool,
    /// Run this stage again, cached or not
    #[arg(long, value_name = "STAGE")]
    force_stage: Vec<String>,
    /// When a stage fails, go on with those that do not need it
    #[arg(short, long)]
    keep_going: bool,
    /// Exit with 3 when a result differs from the lock file beside the pipeline
    #[arg(long)]
    locked: bool,
    /// One JSON object an event on standard output
    #[arg(long)]
    json: bool,
    /// Say nothing but failures
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Name cached stages too
    #[arg(short, long)]
    verbose: bool,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let begun = Instant::now();
    let question = args.common.question(&args.stages, args.locked)?;
    let answer = if args.asks_only_whether() {
        args.common.unchanged(&question)?
    } else {
        None
    };
    if let Some(cached) = answer.filter(|_| args.dry_run || args.common.remember_use()) {
        if args.dry_run {
            return super::plan::nothing_to_do(cached).map(|()| Exit::Done);
        }
        args.reporter().event(&Event::Done {
            ran: 0,
            cached,
            failed: 0,
            left: 0,
            seconds: begun.elapsed().as_secs_f64(),
        });
        return Ok(Exit::Done);
    }
    let opened = args.common.open()?;
    let targets = opened.targets(&args.stages)?;
    if args.dry_run {
        return super::plan::print(&opened, &targets, args.json).map(|_| Exit::Done);
    }
    refuse_missing_files(&opened, &targets)?;

    if let Some(jobs) = args.jobs {
        // Stages compute with as many threads as they have slots. An error says that the threads are there already.
        let threads = rayon::ThreadPoolBuilder::new().num_threads(usize::from(jobs));
        let _ = threads.build_global();
    }
    let cancel = cancel_on_signals()?;
    let options = args.options(&opened, &targets)?;
    let session = opened.session();
    let mut reporter = args.reporter();
    let local = Local {
        store: &opened.store,
    };
    let told = Told::new(&local, &opened.store, &opened.plan.file);
    let summary = schedule::run(&session, &targets, &options, &told, &cancel, &mut |event| {
        reporter.event(&event);
    });
    if summary.interrupted {
        say("interrupted: what was complete is kept; run again to go on");
        return Ok(Exit::Interrupted);
    }
    if !summary.unlocked.is_empty() {
        say(&format!(
            "not as in the lock file: {} (run without --locked to bring it up to date)",
            summary.unlocked.join(", ")
        ));
        return Ok(Exit::Stale);
    }
    if summary.failed > 0 || summary.unwritten > 0 {
        return Ok(Exit::Failed);
    }
    let order = opened.plan.upstream(&targets);
    // Only for the next run to be quick.
    let _ = question.remember(&session, &order, &summary.settled, args.locked);
    Ok(Exit::Done)
}

impl Args {
    /// Whether the answer is a line, should nothing have changed.
    fn asks_only_whether(&self) -> bool {
        !(self.force || self.json || self.verbose) && self.force_stage.is_empty()
    }

    fn options(&self, opened: &Opened, targets: &[usize]) -> Result<Options, CliError> {
        let mut force = HashSet::new();
        if self.force {
            force.extend(targets);
        }
        let order = opened.plan.upstream(targets);
        for stage in &self.force_stage {
            let found = opened.plan.find(stage).map_err(CliError::bad)?;
            if !found.iter().any(|id| order.contains(id)) {
                return Err(CliError::bad(format!(
                    "`--force-stage {stage}`: no target needs it; name it as a target too"
                )));
            }
            force.extend(found);
        }
        let machine = opened.machine();
        Ok(Options {
            slots: Slots {
                cpu: self.jobs.map_or(machine.cpu, usize::from),
                ..machine
            },
            keep_going: self.keep_going,
            force,
            locked: self.locked,
            without_lock: false,
        })
    }

    fn reporter(&self) -> Box<dyn Reporter> {
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        if self.json {
            Box::new(JsonLines(io::stdout()))
        } else {
            reporter(verbosity)
        }
    }
}

/// A run whose targets need a missing file ends before it starts.
fn refuse_missing_files(opened: &Opened, targets: &[usize]) -> Result<(), CliError> {
    let mut faults = Vec::new();
    for id in opened.plan.upstream(targets) {
        let node = &opened.plan.nodes[id];
        for missing in &node.missing {
            let help = missing
                .help
                .as_ref()
                .map(|help| format!("\n  help: {help}"))
                .unwrap_or_default();
            faults.push(format!(
                "error: {}: missing file {}{help}",
                node.name,
                display(&missing.path)
            ));
        }
    }
    faults.dedup();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(CliError::Bad(faults.join("\n")))
    }
}
