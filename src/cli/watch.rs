//! `retake watch`: a page that shows how a run goes on.
//!
//! It reads what the run leaves in the store, as `retake status` does, takes no lock, and can come and go at any time.

mod look;
mod show;
mod strip;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::common::{CliError, Exit, PipelineArgs, cancel_on_signals, say};
use crate::plan::Plan;
use crate::run::live;
use look::{Look, Watcher};

/// The page is made anew so seldom that this times the work it takes go by in between.
const REST: u32 = 4;
/// How often a signal is looked for.
const TICK: Duration = Duration::from_millis(50);

/// Show how a run goes on: an HTML page that is kept up to date
///
/// Start it beside `retake run`, before or after, and open the page that it names. It only reads. It ends when
/// everything is done; where nothing runs it waits.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: PipelineArgs,
    /// Stages or nodes (`gan`, `gan[seed=0]`) [default: all]
    stages: Vec<String>,
    /// The page [default: `live/PIPELINE.html` in the store]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How often it is made anew, as in `500ms`, `2s` or `1min`
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    every: Duration,
    /// Make it once, as things stand, and end
    #[arg(long)]
    once: bool,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let opened = args.common.open()?;
    let targets = opened.targets(&args.stages)?;
    let file = if let Some(out) = &args.out {
        out.clone()
    } else {
        let folder = opened.store.live().map_err(CliError::failed)?;
        folder.join(format!("{}.html", page_name(&opened.plan)))
    };
    let file = std::path::absolute(file).map_err(CliError::failed)?;
    let cancel = cancel_on_signals()?;
    step_back();

    let mut watcher = Watcher::new(&opened, targets)?;
    let mut said = BTreeMap::new();
    let mut first = true;
    loop {
        let begun = Instant::now();
        let look = watcher.look(args.once)?;
        let rest = args.every.max(begun.elapsed() * REST);
        let refresh = (!look.done && !args.once).then_some(rest);
        let page = show::page(&watcher, &look, refresh)?;
        live::replace(&file, page.as_bytes())
            .map_err(|error| CliError::failed(format!("{}: {error}", file.display())))?;
        if first {
            say(&format!("watching  {}", address(&file)));
            first = false;
        }
        for line in changes(&mut said, &look) {
            say(&line);
        }
        if look.done || args.once {
            watcher.clear();
        }
        if look.done || args.once {
            return Ok(Exit::Done);
        }
        if !wait(rest, &cancel) {
            watcher.clear();
            return Ok(Exit::Interrupted);
        }
    }
}

/// Waits; false once the user asked to stop.
fn wait(time: Duration, cancel: &AtomicBool) -> bool {
    let until = Instant::now() + time;
    while !cancel.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(TICK));
    }
    false
}

/// What has changed since the last look, a line each.
fn changes(said: &mut BTreeMap<String, String>, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    let first = said.is_empty();
    let mut tell = |what: &str, word: String, line: String, quiet: bool| {
        let before = said.insert(what.to_owned(), word.clone());
        if before.as_ref() != Some(&word) && !(before.is_none() && quiet) {
            lines.push(line);
        }
    };
    for node in &look.nodes {
        let word = node.state.word();
        let name = &node.name;
        let line = match node.said.first() {
            Some(said) if node.state.is_active() => format!("{word:<9} {name}: {said}"),
            _ => format!("{word:<9} {name}"),
        };
        // What stood so when the watching began is on the page.
        tell(name, word.to_owned(), line, !node.state.is_active());
        if let Some(epochs) = node.epochs.filter(|_| node.state.is_active()) {
            let line = format!("epoch     {name}: {epochs}");
            tell(&format!("{name} epochs"), epochs.to_string(), line, true);
        }
    }
    tell("", look.headline.clone(), look.headline.clone(), false);
    // The count of nodes changes with them: it is worth a line of its own at the beginning and at the end.
    if !first && !look.done && !look.idle {
        lines.retain(|line| *line != look.headline);
    }
    lines
}

/// Leaves the processor to the run.
fn step_back() {
    // A system that does not let us is no reason not to watch.
    let _ = rustix::process::nice(10);
}

/// The page of a pipeline; that of another profile than the default has a name of its own.
fn page_name(plan: &Plan) -> String {
    let profile = plan.profile.iter().map(|profile| format!("-{profile}"));
    let name = format!("{}{}", plan.name, profile.collect::<String>());
    name.replace(|c: char| c == '/' || c.is_control(), "-")
}

/// The address of a file, for a browser.
fn address(file: &Path) -> String {
    let mut address = "file://".to_owned();
    for byte in file.to_string_lossy().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                address.push(char::from(byte));
            }
            byte => address += &format!("%{byte:02X}"),
        }
    }
    address
}

/// `2s`, `500ms`, `1min`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[number.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "min" | "m" => 60.0,
        _ => return Err("expected a time, as in `500ms`, `2s` or `1min`".to_owned()),
    };
    let seconds: f64 = (number.trim().parse()).map_err(|_| "expected a number".to_owned())?;
    let time = Duration::try_from_secs_f64(seconds * factor).map_err(|error| error.to_string())?;
    Ok(time.clamp(Duration::from_millis(100), Duration::from_hours(24)))
}

/// Reads a file that may not be there yet.
fn read(path: &Path) -> Option<Vec<u8>> {
    fs::read(path).ok()
}
