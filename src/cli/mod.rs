//! The command line: one subcommand a file. Data goes to standard output, everything else to standard error.

mod amount;
mod cache;
mod common;
mod diff;
mod doctor;
mod explain;
mod gc;
mod get;
mod graph;
mod init;
mod metrics;
mod model;
mod plan;
mod report;
mod results;
mod run;
mod schema;
mod show;
mod status;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::stage::command::guard;
use common::{CliError, Exit};

/// Run experiments declared in YAML, and never do the same work twice.
#[derive(Debug, Parser)]
#[command(name = "retake", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Plan(plan::Args),
    Status(status::Args),
    Watch(watch::Args),
    Explain(explain::Args),
    Graph(graph::Args),
    Show(show::Args),
    #[command(
        mut_arg("pipeline", |arg| arg.index(1).required(false).required_unless_present("eject_template")),
        mut_arg("stages", |arg| arg.index(2)),
    )]
    Report(report::Args),
    Diff(diff::Args),
    Verify(verify::Args),
    Metrics(metrics::Args),
    Model(model::Args),
    Get(get::Args),
    Gc(gc::Args),
    Cache(cache::Args),
    Schema(schema::Args),
    Doctor(doctor::Args),
    Init(init::Args),
}

/// Parses the command line, runs the command, prints what went wrong, and gives the exit code.
pub fn main() -> ExitCode {
    if let Some(code) = guard::enter() {
        return code;
    }
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Metrics(args) => metrics::run(&args),
        Command::Model(args) => model::run(&args),
        Command::Get(args) => get::run(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Init(args) => init::run(&args),
    };
    let exit = result.unwrap_or_else(|error| {
        common::say(error.to_string().trim_end());
        match error {
            CliError::Bad(_) => Exit::Bad,
            CliError::Failed(_) => Exit::Failed,
            CliError::OutputClosed => Exit::Done,
        }
    });
    guard::dismiss();
    ExitCode::from(exit as u8)
}
