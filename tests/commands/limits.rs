//! How long and how often a stage may try.

use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use super::{all_text, failure, mark, marked, pid, pipeline, wait_until};
use crate::support::{Events, Project};

/// A command that fails until it has been run `times` times; it counts in a folder outside.
fn failing(times: usize, counter: &std::path::Path) -> String {
    format!(
        "echo again >> {0}; [ -e left ] && exit 9; touch left; [ $(wc -l < {0}) -ge {times} ] || exit 5; echo done > out/o",
        counter.display()
    )
}

fn hermetic_not(text: &str) -> String {
    text.replace("with: {", "with: {hermetic: false, ")
}

#[test]
fn a_command_that_takes_too_long_is_ended_with_all_that_it_started() {
    let mark = mark(20);
    let run = format!("(setsid sleep {mark} &); sleep {mark}");
    let project = Project::new(&pipeline(&run, "    timeout: 0.5s\n"));
    let begun = Instant::now();
    let said = failure(&project);
    assert!(
        said.contains("failed    one: ran longer than its limit of 0.5s"),
        "{said}"
    );
    assert!(begun.elapsed() < Duration::from_mins(1));
    assert_eq!(marked(&mark), [0; 0]);
    let status = project.retake(&["status", "pipeline.yaml"]).out;
    assert!(status.starts_with("failed    one"), "{status}");
}

#[test]
fn a_limit_that_is_kept_changes_nothing() {
    let project = Project::new(&pipeline(
        "echo 1 > out/o",
        "    timeout: 10m\n    retries: 2\n",
    ));
    project.run(&[]);
    let before = project.digests(&[]);
    project.edit("    timeout: 10m\n    retries: 2\n", "");
    assert_eq!(
        project.run(&[]).cached(),
        ["one"],
        "limits are not in the key"
    );
    assert_eq!(project.digests(&[]), before);
}

#[test]
fn any_kind_of_stage_has_a_limit() {
    let project = Project::new(
        "name: slow\nstages:\n  one: {kind: dataset, timeout: 1e-3, with: {name: faces, images: 3000, size: 64}}\n",
    );
    let said = failure(&project);
    assert!(
        said.contains("one: ran longer than its limit of 0.001s"),
        "{said}"
    );
}

#[test]
fn a_stage_that_fails_is_tried_again_in_a_fresh_folder_and_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let counter = folder.path().join("count");
    let project = Project::new(&hermetic_not(&pipeline(
        &failing(3, &counter),
        "    retries: {times: 3, wait: 0.01s}\n",
    )));
    let events = project.run(&[]);
    assert_eq!(project.read("made"), "done\n");
    assert_eq!(
        std::fs::read_to_string(&counter).expect("counted"),
        "again\n".repeat(3)
    );
    assert_eq!(events.started(), ["one"], "a beginning is told once");
    let notes: Vec<&str> = events
        .0
        .iter()
        .filter_map(|event| event["message"].as_str())
        .collect();
    assert_eq!(
        notes,
        [
            "one: the command ended with exit code 5; attempt 2 of 4 in 0.01s",
            "one: the command ended with exit code 5; attempt 3 of 4 in 0.02s",
        ]
    );
    let log = all_text(&project.path(".retake/logs"));
    assert!(
        log.ends_with("retake: the command ended with exit code 5\nretake: attempt 3 of 4\n"),
        "{log}"
    );
}

#[test]
fn when_no_attempt_is_left_the_stage_has_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    let counter = folder.path().join("count");
    let project = Project::new(&hermetic_not(&pipeline(
        &failing(9, &counter),
        "    retries: {times: 2, wait: 0.01}\n",
    )));
    let said = failure(&project);
    assert!(
        said.contains("failed    one: the command ended with exit code 5"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_to_string(&counter).expect("counted"),
        "again\n".repeat(3)
    );
}

#[test]
fn an_attempt_that_takes_too_long_is_followed_by_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let counter = folder.path().join("count");
    let run = format!(
        "[ -e {0} ] || {{ touch {0}; sleep 1000; }}; echo 1 > out/o",
        counter.display()
    );
    let project = Project::new(&hermetic_not(&pipeline(
        &run,
        "    timeout: 2s\n    retries: {times: 1, wait: 0.01s}\n",
    )));
    let events = project.run(&[]);
    let said = |event: &serde_json::Value| {
        event["message"] == "one: ran longer than its limit of 2s; attempt 2 of 2 in 0.01s"
    };
    assert!(events.0.iter().any(said), "{:?}", events.0);
}

#[test]
fn what_would_fail_the_same_way_is_not_tried_again() {
    let project = Project::new(
        "name: same\nstages:\n  one: {kind: dataset, retries: 3, inputs: {files: \"file:nothing\"}, with: {name: folder}}\n",
    );
    std::fs::create_dir(project.path("nothing")).expect("a folder");
    let said = project.retake(&["run", "pipeline.yaml", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let events = Events::of(&said.out);
    assert!(
        events.0.iter().any(|event| event["event"] == "failed"),
        "{said:?}"
    );
    assert!(!said.out.contains("attempt"), "{said:?}");
}

#[test]
fn a_wait_for_the_next_attempt_ends_when_the_user_says_so() {
    let project = Project::new(&pipeline("exit 1", "    retries: {times: 3, wait: 1h}\n"));
    let child = project
        .command(&["run", "pipeline.yaml"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let log = project.path(".retake/logs");
    wait_until("the first attempt failed", || {
        all_text(&log).contains("attempt 2 of 4")
    });
    kill_process(pid(&child), Signal::INT).expect("it is there");
    let said = crate::support::said(&child.wait_with_output().expect("it ends"));
    assert_eq!(said.code, Some(130), "{said:?}");
}
