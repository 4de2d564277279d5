//! `retake verify`: do the work again and compare

use super::common::{self, CliError, Exit, NodesArgs, Opened, cancel_on_signals, say};
use crate::run::executor::News;
use crate::run::resolve::Settled;
use crate::run::survey::{Standing, survey};
use crate::run::verify::{Difference, Verdict, verify};

/// Do the work of cached stages again, beside the store, and compare the bytes with those in it
///
/// Each node runs by itself on the inputs that the store holds; training begins from nothing. Of an output that differs
/// the first file, tensor, cell, pixel or line is named. Nothing in the store changes. Nodes that are not cached are
/// said and left out; naming one is an error. Exits with 5 when something differs, with 1 when the work failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    nodes: NodesArgs,
    /// Stop at the first node that differs or fails
    #[arg(long)]
    fail_fast: bool,
}

/// How many nodes came to what.
#[derive(Default)]
struct Counts {
    same: usize,
    different: usize,
    failed: usize,
    skipped: usize,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let (opened, targets) = args.nodes.open()?;
    // What is worked with stays until it has been compared.
    let _relying = opened.store.rely();
    let session = opened.session();
    let (standings, settled) = survey(&session, &targets).map_err(CliError::failed)?;
    let standings: Vec<&Standing> = standings
        .iter()
        .filter(|standing| targets.contains(&standing.id))
        .collect();
    args.refuse_uncached(&opened, &standings)?;
    for settled in settled.iter().flatten() {
        opened.store.rely_on(&settled.record.key);
    }
    opened.store.settle_in();

    let cancel = cancel_on_signals()?;
    let mut counts = Counts::default();
    for standing in standings {
        let name = &opened.plan.nodes[standing.id].name;
        let Some(settled) = &settled[standing.id] else {
            say(&format!("left out  {name}: it is not cached"));
            continue;
        };
        let tell = |news: News| {
            if matches!(news, News::Begins) {
                say(&format!("again     {name}"));
            }
        };
        let verdict = verify(&session, standing.id, settled, &cancel, &tell)
            .map_err(|error| CliError::failed(format!("{name}: {error}")))?;
        if matches!(verdict, Verdict::Cancelled) {
            return Ok(Exit::Interrupted);
        }
        args.tell(&opened, standing.id, settled, &verdict)?;
        if counts.add(&verdict) && args.fail_fast {
            break;
        }
    }
    say(&format!(
        "done      {} the same, {} different, {} failed, {} left out",
        counts.same, counts.different, counts.failed, counts.skipped
    ));
    Ok(match (counts.failed, counts.different) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Different,
        (_, _) => Exit::Failed,
    })
}

impl Counts {
    /// Counts a verdict; whether it is a bad one.
    fn add(&mut self, verdict: &Verdict) -> bool {
        let (count, bad) = match verdict {
            Verdict::Same { .. } => (&mut self.same, false),
            Verdict::Different { .. } => (&mut self.different, true),
            Verdict::Failed { .. } => (&mut self.failed, true),
            Verdict::Skipped { .. } | Verdict::Cancelled => (&mut self.skipped, false),
        };
        *count += 1;
        bad
    }
}

impl Args {
    /// A node that was named must be cached.
    fn refuse_uncached(&self, opened: &Opened, standings: &[&Standing]) -> Result<(), CliError> {
        let lacking: Vec<String> = standings
            .iter()
            .filter(|standing| standing.record.is_none())
            .map(|standing| opened.plan.nodes[standing.id].name.to_string())
            .collect();
        if self.nodes.stages.is_empty() || lacking.is_empty() {
            return Ok(());
        }
        Err(CliError::failed(format!(
            "not cached, so there is nothing to compare with: {} (`retake run` it first)",
            lacking.join(", ")
        )))
    }

    fn tell(
        &self,
        opened: &Opened,
        id: usize,
        settled: &Settled,
        verdict: &Verdict,
    ) -> Result<(), CliError> {
        if self.nodes.json {
            let session = opened.session();
            return common::print_json(&verdict.json(&session, id, settled.record.key));
        }
        let name = &opened.plan.nodes[id].name;
        common::print(&match verdict {
            Verdict::Same { seconds } => format!("same      {name} ({seconds:.1} s)\n"),
            Verdict::Different {
                seconds,
                differences,
            } => {
                let lines: String = differences.iter().map(line).collect();
                format!("different {name} ({seconds:.1} s)\n{lines}")
            }
            Verdict::Failed { cause, tail } => {
                let mut text = format!(
                    "failed    {name}: {cause}
"
                );
                for line in tail {
                    text += &format!(
                        "            {line}
"
                    );
                }
                text
            }
            Verdict::Skipped { reason } => format!("left out  {name}: {reason}\n"),
            Verdict::Cancelled => String::new(),
        })
    }
}

fn line(difference: &Difference) -> String {
    let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
    let what = &difference.what;
    match &difference.first {
        Some(first) => format!("          {what}: {first}\n"),
        None => format!(
            "          {what}: {} → {}\n",
            show(&difference.stored),
            show(&difference.made)
        ),
    }
}
