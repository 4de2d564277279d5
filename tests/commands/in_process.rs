//! Commands run by another program than retake, which cannot become a guard: this one.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use retake::stage::{Outcome, Product, StageConfig, StageCtx, StageError};
use serde_json::json;

use super::{mark, marked, wait_until};
use crate::stage_support::Bench;

fn run(command: &str, bench: &Bench, cancel: &AtomicBool) -> Result<Outcome, StageError> {
    let with = json!({"run": command, "outputs": {"o": "o"}});
    let config = StageConfig::decode("command", with)
        .expect("a kind")
        .expect("settings");
    let ctx = StageCtx {
        cancel,
        ..bench.ctx(0)
    };
    fs::create_dir_all(&ctx.out).expect("a folder");
    config.run(&ctx)
}

#[test]
fn a_command_runs_without_a_guard() {
    let bench = Bench::new();
    let cancel = AtomicBool::new(false);
    let outcome = run("echo 1 > out/o", &bench, &cancel).expect("it runs");
    let Product::Made(path) = &outcome.outputs["o"] else {
        panic!("{outcome:?}");
    };
    assert_eq!(fs::read_to_string(path).expect("there"), "1\n");
    let error = run("exit 3", &Bench::new(), &cancel).expect_err("it fails");
    assert_eq!(error.to_string(), "the command ended with exit code 3");
}

#[test]
fn its_group_ends_with_it_and_when_the_user_stops_it() {
    let mark = mark(30);
    let cancel = AtomicBool::new(false);
    run(
        &format!("sleep {mark} & echo 1 > out/o"),
        &Bench::new(),
        &cancel,
    )
    .expect("it runs");
    wait_until("what it left is gone", || marked(&mark).is_empty());

    let bench = Bench::new();
    std::thread::scope(|threads| {
        let running =
            threads.spawn(|| run(&format!("sleep {mark} & sleep {mark}"), &bench, &cancel));
        wait_until("the command is there", || marked(&mark).len() >= 3);
        cancel.store(true, Ordering::Relaxed);
        let ended = running.join().expect("no panic");
        assert!(matches!(ended, Err(StageError::Cancelled)), "{ended:?}");
    });
    wait_until("all is gone", || marked(&mark).is_empty());
}
