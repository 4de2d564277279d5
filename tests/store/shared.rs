//! A store that several machines share. Another machine is a process that says to be on one.

use std::fs::{self, File};
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use retake::store::{KeyLock, LockState, Store};
use rustix::process::{Pid, Signal, kill_process};

use super::processes::{command, wait_for};
use super::{Project, key, record};

/// Long beside what a busy machine may keep a process from beating its heart.
const SILENCE: Duration = Duration::from_secs(2);

/// Never reached by a test that passes.
const TOO_LONG: Duration = Duration::from_mins(1);

/// A process elsewhere that holds the lock of `held`.
fn holder(project: &Project, task: &str) -> Child {
    let child = command(task, project.folder.path())
        .env("RETAKE_TEST_MACHINE", "elsewhere")
        .env("RETAKE_TEST_SILENCE_MS", SILENCE.as_millis().to_string())
        .spawn()
        .unwrap();
    wait_for(&project.path("holding"));
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn here(project: &Project) -> Store {
    project.reopened().with_silence(SILENCE)
}

fn is_busy(store: &Store) -> bool {
    matches!(store.try_lock(&key("held")).unwrap(), LockState::Busy(_))
}

/// Asks for the lock until it is ours; gives it with the time that this took.
fn obtained(store: &Store) -> (KeyLock, Duration) {
    let begun = Instant::now();
    loop {
        match store.try_lock(&key("held")).unwrap() {
            LockState::Held(lock) => return (lock, begun.elapsed()),
            LockState::Busy(_) if begun.elapsed() > TOO_LONG => panic!("never ours"),
            LockState::Busy(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[test]
fn an_owner_elsewhere_lives_while_its_heart_beats_whatever_the_clocks_say() {
    let project = Project::new();
    let child = holder(&project, "hold");
    let store = here(&project);
    let begun = Instant::now();
    let mut jumps = [0, 4_000_000_000].into_iter().cycle();
    while begun.elapsed() < 2 * SILENCE {
        // To a machine whose clock is wrong, the files of others are of the past or of the future.
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(jumps.next().unwrap());
        for entry in fs::read_dir(store.root().join("locks")).unwrap() {
            let file = File::open(entry.unwrap().path()).unwrap();
            file.set_modified(time).unwrap();
        }
        assert!(is_busy(&store));
        std::thread::sleep(Duration::from_millis(50));
    }
    end(child);
}

#[test]
fn an_owner_elsewhere_whose_heart_stopped_is_known_after_the_silence_and_not_before() {
    let project = Project::new();
    end(holder(&project, "hold"));
    let store = here(&project);
    let (lock, waited) = obtained(&store);
    assert!(waited >= SILENCE, "{waited:?}");
    drop(lock);

    // Its private folder goes too, by whoever stays long enough to know.
    let begun = Instant::now();
    let tmp = store.root().join("tmp");
    let _attempt = store.attempt().unwrap();
    while fs::read_dir(&tmp).unwrap().count() > 2 {
        assert!(begun.elapsed() < TOO_LONG, "its folder stays");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_a_machine_commits_that_slept_through_the_takeover_is_harmless() {
    let project = Project::new();
    let mut child = holder(&project, "hold-late");
    signal(&child, Signal::STOP);
    let store = here(&project);
    let (lock, _) = obtained(&store);
    store.commit(record("held", b"bytes")).unwrap();
    let tmp = store.root().join("tmp");
    while fs::read_dir(&tmp).unwrap().count() > 2 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = store.record(&key("held"));

    signal(&child, Signal::CONT);
    fs::write(project.path("go"), "").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(
        lock.is_held(),
        "the late owner gave back what was not its own"
    );
    assert!(before.is_some());
    assert_eq!(project.reopened().record(&key("held")), before);
}

#[test]
fn an_owner_of_an_earlier_boot_of_this_machine_is_dead_at_once() {
    let project = Project::new();
    end(holder(&project, "hold"));
    let store = here(&project);
    let locks = store.root().join("locks");
    let path = fs::read_dir(locks).unwrap().next().unwrap().unwrap().path();
    let said = fs::read_to_string(&path).unwrap();
    let here = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    if machine.trim().is_empty() {
        eprintln!("skipped: this machine has no id");
        return;
    }
    let said = said
        .replace(
            "\"host\":\"elsewhere\"",
            &format!("\"host\":\"{}\"", here.trim()),
        )
        .replace(
            "\"machine\":\"elsewhere\"",
            &format!("\"machine\":\"{}\"", machine.trim()),
        );
    fs::write(&path, said).unwrap();
    assert!(!is_busy(&store));
}

#[test]
fn a_lock_whose_words_are_damaged_is_waited_for_and_then_taken() {
    let project = Project::new();
    end(holder(&project, "hold"));
    let store = here(&project);
    let locks = store.root().join("locks");
    let path = fs::read_dir(locks).unwrap().next().unwrap().unwrap().path();
    fs::write(&path, "{\"pid\":").unwrap();
    assert!(is_busy(&store));
    obtained(&store);
}

#[test]
#[ignore = "a measurement"]
fn what_a_lock_costs() {
    let project = Project::new();
    let keys: Vec<_> = (0..10_000).map(|number| key(&number.to_string())).collect();
    drop(project.store.lock(&keys[0]).unwrap());
    let before = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    for key in &keys {
        drop(project.store.lock(key).unwrap());
    }
    let after = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let spent = (after.tv_sec - before.tv_sec) * 1_000_000_000 + after.tv_nsec - before.tv_nsec;
    eprintln!("{} ns of CPU a lock", spent / 10_000);
}
