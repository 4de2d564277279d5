//! Commands: what they see, what ends them, what is said of how they end.

mod capture;
mod endings;
mod guards;
mod in_process;
mod limits;
mod reach;

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::support::Project;

/// A pipeline of one stage, `one`, which runs `run` and gives `out/o`, with further `settings` of the stage.
fn pipeline(run: &str, settings: &str) -> String {
    let run = serde_json::to_string(run).expect("JSON");
    format!(
        "name: commands\nstages:\n  one:\n    kind: command\n    publish: {{o: made}}\n    with: {{run: {run}, outputs: {{o: o}}}}\n{settings}"
    )
}

/// What `one` gave.
fn made(run: &str, settings: &str) -> String {
    let project = Project::new(&pipeline(run, settings));
    project.run(&[]);
    project.read("made")
}

/// What is said when `one` fails.
fn failure(project: &Project) -> String {
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.err
}

/// Waits until `is` holds; a test that waits for a minute fails.
fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes whose command line holds `mark`, the dead left out.
fn marked(mark: &str) -> Vec<i32> {
    let processes = fs::read_dir("/proc").expect("it is there").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    })
    .collect()
}

/// A number that no other process has in its command line, to be slept for, in seconds.
fn mark(number: u32) -> String {
    format!("{}{number:03}.25", 1000 + std::process::id())
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed()).expect("a pid")
}

/// The guards of the process `of`.
fn guards(of: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{}/task", of.as_raw_nonzero()));
    let lists = tasks
        .into_iter()
        .flatten()
        .flatten()
        .map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let pids: Vec<i32> = lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect();
    pids.into_iter()
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name == "stage-guard\n")
        })
        .filter_map(Pid::from_raw)
        .collect()
}

fn kill(pid: Pid) {
    rustix::process::kill_process(pid, Signal::KILL).expect("it is there");
}

/// Whether commands are held to their bounds here; says so where they are not.
fn held() -> bool {
    let held = retake::stage::command::guard::holds_bounds();
    if !held {
        eprintln!("skipped: this kernel has no Landlock");
    }
    held
}

/// All text below `folder`, for looking for what should not be there.
fn all_text(folder: &Path) -> String {
    crate::support::files(folder)
        .iter()
        .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned())
        .collect()
}
