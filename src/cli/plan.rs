//! `retake plan`: what would run, and why

use super::common::{self, CliError, Exit, NodesArgs, Opened};
use crate::run::forecast::{Forecast, forecast};
use crate::run::reporter::duration;
use crate::run::survey::{Standing, State, survey};

/// Say what would run, and why; run nothing
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    nodes: NodesArgs,
    /// Exit with 3 when something would run
    #[arg(long)]
    exit_code: bool,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let NodesArgs {
        common,
        stages,
        json,
    } = &args.nodes;
    if !json && let Some(cached) = common.unchanged(&common.question(stages, false)?)? {
        return nothing_to_do(cached).map(|()| Exit::Done);
    }
    let (opened, targets) = args.nodes.open()?;
    let standings = print(&opened, &targets, args.nodes.json)?;
    let stale = standings
        .iter()
        .any(|standing| standing.state != State::Cached);
    Ok(if stale && args.exit_code {
        Exit::Stale
    } else {
        Exit::Done
    })
}

/// Prints what would run; gives all standings.
pub fn print(opened: &Opened, targets: &[usize], json: bool) -> Result<Vec<Standing>, CliError> {
    let session = opened.session();
    let (standings, _) = survey(&session, targets).map_err(CliError::failed)?;
    if json {
        for standing in &standings {
            common::print_json(&standing.json(&session))?;
        }
        return Ok(standings);
    }
    let mut text = String::new();
    for standing in standings
        .iter()
        .filter(|standing| standing.state != State::Cached)
    {
        text += &line(opened, standing, verb(standing.state));
    }
    text += &summary(&standings);
    if let Some(forecast) = forecast(&session, &standings, opened.machine()) {
        text += &about(&forecast);
    }
    common::print(&text)?;
    Ok(standings)
}

/// Says that everything is up to date.
pub fn nothing_to_do(cached: usize) -> Result<(), CliError> {
    common::print(&format!("nothing to do: {cached} cached\n"))
}

/// `2 to run, 3 perhaps, 9 cached`; what there is none of is left out.
fn summary(standings: &[Standing]) -> String {
    let count = |states: &[State]| {
        let of_these = standings
            .iter()
            .filter(|standing| states.contains(&standing.state));
        of_these.count()
    };
    let cached = count(&[State::Cached]);
    if cached == standings.len() {
        return format!("nothing to do: {cached} cached\n");
    }
    let counts = [
        (count(&[State::Stale, State::Failed]), "to run"),
        (count(&[State::Pending]), "perhaps"),
        (count(&[State::Blocked]), "blocked"),
        (cached, "cached"),
    ];
    let said = counts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"));
    format!("{}\n", said.collect::<Vec<_>>().join(", "))
}

/// `about 12 min, and 2 nodes that were never timed`.
fn about(forecast: &Forecast) -> String {
    let time = duration(forecast.seconds);
    match forecast.unknown {
        0 => format!("about {time}\n"),
        1 => format!("about {time}, and 1 node that was never timed\n"),
        unknown => format!("about {time}, and {unknown} nodes that were never timed\n"),
    }
}

fn verb(state: State) -> &'static str {
    match state {
        State::Cached => "cached",
        State::Stale | State::Failed => "run",
        State::Pending => "maybe",
        State::Blocked => "blocked",
    }
}

/// One line on a node: a word, its name, its reasons.
pub fn line(opened: &Opened, standing: &Standing, word: &str) -> String {
    let name = &opened.plan.nodes[standing.id].name;
    match standing.reasons.as_slice() {
        [] => format!("{word:<8}  {name}\n"),
        reasons => format!("{word:<8}  {name} — {}\n", reasons.join("; ")),
    }
}
