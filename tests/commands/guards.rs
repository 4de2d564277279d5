//! Nothing that a command starts outlives it, or retake, whichever way either ends.

use std::fs;
use std::os::unix::process::CommandExt;

use rustix::process::{Signal, kill_process, kill_process_group};

use super::{all_text, failure, guards, kill, made, mark, marked, pid, pipeline, wait_until};
use crate::support::Project;

/// A command that leaves its group and session, by one and by two forks, and waits; all write on and on.
fn escaping(mark: &str) -> String {
    format!(
        "echo begun; setsid sh -c 'while :; do echo late-$0 >> out/o; sleep 0.01; done' {mark} & \
         (setsid sh -c '(sleep {mark} &) ; (nohup sleep {mark} >/dev/null 2>&1 &)' &) ; sleep {mark}"
    )
}

/// Starts a run of [`escaping`] in a group of its own, and waits until all of it is there.
fn begun(project: &Project, mark: &str) -> std::process::Child {
    let child = project
        .command(&["run", "pipeline.yaml"])
        .process_group(0)
        .spawn()
        .expect("it starts");
    // The shell with all in its line, the one that writes, three that sleep.
    wait_until("the command is there", || marked(mark).len() >= 5);
    child
}

fn dies_with(number: u32, end: impl Fn(rustix::process::Pid)) {
    let mark = mark(number);
    let project = Project::new(&pipeline(&escaping(&mark), ""));
    let mut child = begun(&project, &mark);
    let guards = guards(pid(&child));
    assert_eq!(guards.len(), 1);
    end(pid(&child));
    child.wait().expect("it ends");
    wait_until("everything is gone", || marked(&mark).is_empty());
    let gone = |pid: &rustix::process::Pid| {
        !fs::exists(format!("/proc/{}", pid.as_raw_nonzero())).unwrap()
    };
    wait_until("the guard is gone", || guards.iter().all(gone));

    // The next run goes its own way, and nothing of the one before comes into it.
    project.edit(
        &escaping(&mark).replace('\\', "\\\\"),
        "sleep 0.1; echo new > out/o",
    );
    project.run(&[]);
    assert_eq!(project.read("made"), "new\n");
    assert!(!all_text(&project.path(".retake/objects")).contains("late"));
}

#[test]
fn commands_die_with_a_killed_retake() {
    dies_with(1, kill);
}

#[test]
fn commands_die_when_the_whole_group_of_retake_is_killed() {
    dies_with(2, |pid| {
        kill_process_group(pid, Signal::KILL).expect("it is there");
    });
}

#[test]
fn commands_die_when_retake_is_told_to_end() {
    dies_with(3, |pid| {
        kill_process(pid, Signal::TERM).expect("it is there");
    });
}

#[test]
fn when_a_guard_is_killed_its_command_ends_the_stage_fails_and_another_guard_takes_over() {
    let mark = mark(4);
    let text = pipeline(&escaping(&mark), "")
        + "  two: {kind: command, with: {run: 'sleep 0.2; echo 1 > out/o', outputs: {o: o}}}\n";
    let project = Project::new(&text);
    let child = project
        .command(&["run", "pipeline.yaml", "-j", "1", "--keep-going"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    wait_until("the command is there", || marked(&mark).len() >= 5);
    kill(guards(pid(&child))[0]);
    let said = crate::support::said(&child.wait_with_output().expect("it ends"));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err
            .contains("was lost: the process that guards it was killed"),
        "{said:?}"
    );
    assert!(said.err.contains("1 ran, 0 cached, 1 failed"), "{said:?}");
    assert_eq!(marked(&mark), [0; 0]);
}

#[test]
fn what_a_command_leaves_running_ends_with_it_and_before_its_outputs_are_taken() {
    let mark = mark(5);
    let run = format!(
        "echo 1 > out/o; (setsid sh -c 'sleep 0.05; while :; do echo late >> out/o; done' {mark} &); sleep {mark} & "
    );
    let project = Project::new(&pipeline(&run, ""));
    project.run(&[]);
    assert_eq!(marked(&mark), [0; 0]);
    assert_eq!(project.read("made"), "1\n");
    let log = all_text(&project.path(".retake/logs"));
    assert_eq!(log, "retake: ended what the command left running\n");
}

#[test]
fn a_command_that_forks_on_and_on_is_ended_too() {
    let mark = mark(6);
    // Each process lives for an instant; only its descendants are ever there.
    let run =
        format!("setsid sh -c 'f() {{ (sleep 0.01; f) & }}; f' {mark}; sleep 0.1; echo 1 > out/o");
    assert_eq!(made(&run, ""), "1\n");
    assert_eq!(marked(&mark), [0; 0]);
}

#[test]
fn a_guard_is_not_met_by_what_is_aimed_at_retake() {
    let mark = mark(7);
    let project = Project::new(&pipeline(&format!("sleep {mark}"), ""));
    let mut child = project
        .command(&["run", "pipeline.yaml"])
        .spawn()
        .expect("it starts");
    wait_until("the command is there", || !marked(&mark).is_empty());
    let guard = guards(pid(&child))[0];
    let line = fs::read(format!("/proc/{}/cmdline", guard.as_raw_nonzero())).expect("it is there");
    assert_eq!(line, b"stage-guard\0");
    kill(pid(&child));
    child.wait().expect("it ends");
    wait_until("everything is gone", || marked(&mark).is_empty());
}

#[test]
fn no_guard_is_left_after_a_run() {
    let project = Project::new(&pipeline("echo $PPID > out/o", ""));
    project.run(&[]);
    let guard = project.read("made");
    assert!(
        !fs::exists(format!("/proc/{}", guard.trim())).expect("proc"),
        "{guard}"
    );
}

#[test]
fn a_command_line_that_no_system_can_run_is_a_failure_of_the_stage() {
    let project = Project::new(&pipeline("echo \0", ""));
    assert!(failure(&project).contains("holds a NUL"));
    let project = Project::new(&pipeline(&format!("echo {}", "x".repeat(1 << 20)), ""));
    assert!(failure(&project).contains("the command could not be started: Argument list too long"));
}
