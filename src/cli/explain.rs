//! `retake explain`: why a node is cached or not

use serde_json::json;

use super::common::{self, CliError, Exit, NodesArgs};
use crate::run::reasons::Reasons;
use crate::run::survey::{State, survey};

/// Say why nodes are cached or not: which setting or input changed, from what to what
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    nodes: NodesArgs,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let (opened, targets) = args.nodes.open()?;
    let session = opened.session();
    let (standings, settled) = survey(&session, &targets).map_err(CliError::failed)?;
    let reasons = Reasons::new(&session);
    let asked = standings
        .iter()
        .filter(|standing| targets.contains(&standing.id));
    let mut text = String::new();
    for standing in asked {
        let name = &opened.plan.nodes[standing.id].name;
        let keyed = match &settled[standing.id] {
            Some(settled) => Some(settled.keyed.clone()),
            None if matches!(standing.state, State::Stale | State::Failed) => {
                session.key(standing.id, &settled).ok()
            }
            None => None,
        };
        let changes = keyed
            .and_then(|keyed| reasons.changes(standing.id, &keyed))
            .unwrap_or_default();
        if args.nodes.json {
            common::print_json(&json!({
                "stage": name.stage,
                "axes": name.axes,
                "state": standing.state,
                "key": standing.key,
                "reasons": standing.reasons,
                "changes": changes,
            }))?;
            continue;
        }
        text += &match (standing.state, standing.key) {
            (State::Cached, Some(key)) => {
                format!("{name} is cached: its key {} has a record\n", key.short())
            }
            (state, Some(key)) => format!(
                "{name} is {}: its key {} has no record\n",
                word(state),
                key.short()
            ),
            (state, None) => format!("{name} is {}\n", word(state)),
        };
        for reason in &standing.reasons {
            text += &format!("  {reason}\n");
        }
        if standing.state == State::Cached && !changes.is_empty() {
            text += "  since it was last used here:\n";
            for words in reasons.words(standing.id, &changes) {
                text += &format!("  {words}\n");
            }
        }
    }
    common::print(&text)?;
    Ok(Exit::Done)
}

fn word(state: State) -> &'static str {
    match state {
        State::Cached => "cached",
        State::Stale => "stale",
        State::Pending => "pending: the digests of its inputs are not known yet",
        State::Blocked => "blocked",
        State::Failed => "failed",
    }
}
