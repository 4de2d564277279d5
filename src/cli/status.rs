//! `retake status`

use super::common::{self, CliError, Exit, NodesArgs};
use super::plan::line;
use crate::run::survey::{State, survey};
use crate::run::text;
use crate::stage::Status;

/// Say how every node stands: cached, stale, pending, blocked or failed
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    nodes: NodesArgs,
    /// Exit with 3 when something is not up to date
    #[arg(long)]
    exit_code: bool,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let (opened, targets) = args.nodes.open()?;
    let session = opened.session();
    let (standings, _) = survey(&session, &targets).map_err(CliError::failed)?;
    let stale = standings
        .iter()
        .any(|standing| standing.state != State::Cached);
    if args.nodes.json {
        for standing in &standings {
            common::print_json(&standing.json(&session))?;
        }
    } else {
        let mut lines = String::new();
        for standing in &standings {
            let word = match standing.state {
                State::Cached => "cached",
                State::Stale => "stale",
                State::Pending => "pending",
                State::Blocked => "blocked",
                State::Failed => "failed",
            };
            let mut standing = standing.clone();
            if let Some(record) = &standing.record {
                if let diverged @ Status::Diverged { .. } = &record.status {
                    standing.reasons.push(text::status(diverged));
                }
                if let Some(class) = &standing.borrowed {
                    standing.reasons.push(format!("computed on {class}"));
                }
            }
            lines += &line(&opened, &standing, word);
        }
        common::print(&lines)?;
    }
    Ok(if stale && args.exit_code {
        Exit::Stale
    } else {
        Exit::Done
    })
}
