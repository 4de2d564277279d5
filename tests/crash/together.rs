//! Eight processes at once on one store, their graphs overlapping by content.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::Run;
use crate::support::Project;

const PROCESSES: usize = 8;

/// A pipeline whose stages have other names than those of its neighbours, and mostly the same work: of four commands
/// `1 → 2 → 3 → 4` and a training run, it does those that `number` selects.
fn pipeline(number: usize) -> String {
    let mut text = format!("name: p{number}\nseed: 3\nstages:\n");
    text += &format!(
        "  first{number}: {{kind: command, with: {{run: 'sleep 0.2; echo 1 > out/a', outputs: {{a: a}}}}}}\n"
    );
    for depth in 0..3 {
        // Of each depth there are two, which pipelines share in different ways.
        let which = (number >> depth) & 1;
        let above = if depth == 0 {
            format!("first{number}")
        } else {
            format!("stage{number}-{}", depth - 1)
        };
        text += &format!(
            "  stage{number}-{depth}: {{kind: command, inputs: {{a: {above}}}, \
             with: {{run: 'sleep 0.1; cat in/a > out/a; echo {depth} {which} >> out/a', outputs: {{a: a}}}}}}\n"
        );
    }
    text += &format!(
        "  raw{number}: {{kind: dataset, with: {{name: shapes, images: {}, size: 8}}}}\n",
        16 + 8 * (number % 2)
    );
    text += &format!(
        "  judge{number}:\n    kind: train\n    inputs: {{data: raw{number}}}\n    with:\n      task: classifier\n      \
         epochs: {}\n      batch_size: 8\n      model:\n        networks:\n          classifier:\n            \
         inputs: {{image: [channels, height, width]}}\n            layers:\n              - flatten\n              - linear: {{out: classes}}\n",
        1 + number % 3
    );
    text
}

/// Projects share one store, so that lock files and names do not.
fn start(project: &Project, number: usize) -> Run {
    Run::start(project, &format!("p{number}.yaml"), number)
}

fn project() -> Project {
    let project = Project::new("name: none\nstages: {}\n");
    for number in 0..PROCESSES {
        project.write(&format!("p{number}.yaml"), &pipeline(number));
    }
    project
}

/// Keys of the events `finished`, with how often each came.
fn finished(runs: &[Run]) -> BTreeMap<String, usize> {
    let mut keys = BTreeMap::new();
    for run in runs {
        for line in std::fs::read_to_string(&run.events).unwrap().lines() {
            let Ok(said) = serde_json::from_str::<serde_json::Value>(line) else {
                continue;
            };
            if said["event"] == "finished" {
                *keys
                    .entry(said["key"].as_str().unwrap().to_owned())
                    .or_default() += 1;
            }
        }
    }
    keys
}

fn digests(project: &Project) -> Vec<String> {
    let status = |number| {
        project
            .retake(&["status", &format!("p{number}.yaml"), "--json"])
            .out
    };
    (0..PROCESSES).map(status).collect()
}

/// What one process after the other gives.
fn in_turn() -> (Vec<String>, BTreeSet<String>) {
    let project = project();
    let mut runs = Vec::new();
    for number in 0..PROCESSES {
        let mut run = start(&project, number);
        assert!(run.end().success(), "{}", run.said());
        runs.push(run);
    }
    (digests(&project), finished(&runs).into_keys().collect())
}

fn are_computed_once(keys: &BTreeMap<String, usize>) {
    let twice: Vec<_> = keys.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "computed more than once: {twice:?}");
}

#[test]
fn eight_processes_compute_each_key_once_and_none_fails() {
    let (expected, _) = in_turn();
    let project = project();
    let mut runs: Vec<Run> = (0..PROCESSES)
        .map(|number| start(&project, number))
        .collect();
    for run in &mut runs {
        assert!(run.end().success(), "{}", run.said());
    }
    are_computed_once(&finished(&runs));
    assert_eq!(digests(&project), expected);
}

#[test]
fn what_a_killed_process_was_at_is_taken_over_by_those_that_wait() {
    let (expected, _) = in_turn();
    let project = project();
    let mut runs: Vec<Run> = (0..PROCESSES)
        .map(|number| start(&project, number))
        .collect();
    // All need the first command, which one of them computes.
    let owner = loop {
        let at_work = |run: &Run| {
            run.nodes("started")
                .iter()
                .any(|node| node.starts_with("first"))
        };
        if let Some(owner) = runs.iter().position(at_work) {
            break owner;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    kill_process(Pid::from_child(&runs[owner].child), Signal::KILL).unwrap();
    for (number, run) in runs.iter_mut().enumerate() {
        let status = run.end();
        assert!(number == owner || status.success(), "{}", run.said());
    }
    let finished = finished(&runs);
    are_computed_once(&finished);
    let mut again = start(&project, owner);
    assert!(again.end().success(), "{}", again.said());
    assert_eq!(digests(&project), expected);
}

/// A command that takes a second, and says in its scratch directory that it has begun.
const SLOW: &str = "\
name: slow
stages:
  slow: {kind: command, with: {run: 'touch begun; sleep 1; echo 1 > out/a', outputs: {a: a}}, publish: {a: a.txt}}
";

/// A process on the machine `name`, which takes others for dead after two seconds.
fn on_machine(name: &str) -> [(&'static str, &str); 2] {
    [
        ("RETAKE_TEST_MACHINE", name),
        ("RETAKE_TEST_SILENCE_MS", "2000"),
    ]
}

fn until_begun(project: &Project) {
    let since = std::time::Instant::now();
    let begun = || {
        let found = crate::support::files(&project.path(".retake/tmp"));
        found.iter().any(|path| path.ends_with("begun"))
    };
    while !begun() {
        assert!(since.elapsed() < super::TOO_LONG, "it never begins");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn work_of_a_machine_that_sleeps_is_taken_over_and_its_own_late_result_is_harmless() {
    let project = Project::new(SLOW);
    let mut sleeper = Run::start_with(&project, "pipeline.yaml", 1, &on_machine("one"));
    until_begun(&project);
    let pid = Pid::from_child(&sleeper.child);
    kill_process(pid, Signal::STOP).unwrap();
    let mut other = Run::start_with(&project, "pipeline.yaml", 2, &on_machine("two"));
    assert!(other.end().success(), "{}", other.said());
    assert_eq!(other.nodes("finished").len(), 1, "{}", other.said());
    assert!(
        other.said().contains("waiting for process"),
        "{}",
        other.said()
    );
    let before = project.digests(&[]);
    kill_process(pid, Signal::CONT).unwrap();
    assert!(sleeper.end().success(), "{}", sleeper.said());
    assert_eq!(project.digests(&[]), before);
    assert_eq!(project.read("a.txt"), "1\n");
}

#[test]
fn a_machine_that_works_is_waited_for_however_long() {
    let project = Project::new(SLOW);
    project.edit("sleep 1", "sleep 5");
    let mut first = Run::start_with(&project, "pipeline.yaml", 1, &on_machine("one"));
    until_begun(&project);
    let mut other = Run::start_with(&project, "pipeline.yaml", 2, &on_machine("two"));
    assert!(first.end().success(), "{}", first.said());
    assert!(other.end().success(), "{}", other.said());
    assert_eq!(other.nodes("cached").len(), 1, "{}", other.said());
}

#[test]
fn a_file_system_without_hard_links_or_locks_will_do() {
    let Some(shim) = super::faults::shim() else {
        return;
    };
    let poor = [
        ("LD_PRELOAD", shim.to_str().unwrap()),
        ("RETAKE_FAULT_POOR", "1"),
    ];
    let project = Project::new(SLOW);
    let start = |number| Run::start_with(&project, "pipeline.yaml", number, &poor);
    let mut killed = start(1);
    until_begun(&project);
    let mut others = [start(2), start(3)];
    std::thread::sleep(Duration::from_millis(200));
    kill_process(Pid::from_child(&killed.child), Signal::KILL).unwrap();
    killed.end();
    for other in &mut others {
        assert!(other.end().success(), "{}", other.said());
    }
    are_computed_once(&finished(&others));
    assert_eq!(project.read("a.txt"), "1\n");
}
