//! Extended, shortened, killed and uninterrupted runs give the same bytes.

use std::sync::atomic::Ordering;

use retake::stage::StageError;

use super::harness::{Bench, FolderMemo, Watch, and, classifier, gan};

#[test]
fn an_extended_run_equals_an_uninterrupted_one() {
    let bench = Bench::new();
    for task in [gan, classifier] {
        let straight = FolderMemo::new();
        let expected = straight.bytes(&bench.run(&task(4), &straight).unwrap());
        let extended = FolderMemo::new();
        bench.run(&task(2), &extended).unwrap();
        let watch = Watch::default();
        let outcome = bench.watched(&task(4), &extended, &watch).unwrap();
        assert_eq!(extended.bytes(&outcome), expected);
        assert_eq!(expected.len(), 6, "model, history and four checkpoints");
        assert_eq!(
            watch.log.into_inner().unwrap()[0],
            "continuing from epoch 2"
        );
    }
}

#[test]
fn a_shortened_run_is_recalled() {
    let bench = Bench::new();
    let (long, short) = (FolderMemo::new(), FolderMemo::new());
    bench.run(&gan(4), &long).unwrap();
    let recalled = bench
        .recall(&gan(2), &long)
        .expect("nothing needs training");
    assert_eq!(
        long.bytes(&recalled),
        short.bytes(&bench.run(&gan(2), &short).unwrap())
    );
    assert!(bench.recall(&gan(5), &long).is_none());
    assert!(
        bench.recall(&and(gan(2), "lr", 0.1), &long).is_none(),
        "another trajectory"
    );
}

#[test]
fn a_run_killed_at_any_write_goes_on_to_the_same_bytes() {
    let bench = Bench::new();
    let straight = FolderMemo::new();
    let expected = straight.bytes(&bench.run(&gan(4), &straight).unwrap());
    for puts in 0..5 {
        let memo = FolderMemo::new();
        memo.puts_left.store(puts, Ordering::Relaxed);
        assert!(
            bench.run(&gan(4), &memo).is_err(),
            "killed after {puts} writes"
        );
        memo.puts_left.store(usize::MAX, Ordering::Relaxed);
        let watch = Watch::default();
        let outcome = bench.watched(&gan(4), &memo, &watch).unwrap();
        assert_eq!(memo.bytes(&outcome), expected, "after {puts} writes");
        if puts > 1 {
            assert_eq!(
                watch.log.into_inner().unwrap()[0],
                format!("continuing from epoch {}", puts - 1)
            );
        }
    }
}

#[test]
fn an_interrupted_run_keeps_its_checkpoints() {
    let bench = Bench::new();
    let memo = FolderMemo::new();
    let watch = Watch {
        cancel_at: Some("epoch 2:"),
        ..Watch::default()
    };
    assert!(matches!(
        bench.watched(&gan(4), &memo, &watch),
        Err(StageError::Cancelled)
    ));
    assert!(bench.recall(&gan(2), &memo).is_some());
    assert!(bench.recall(&gan(3), &memo).is_none());
}

#[test]
fn another_checkpoint_grid_gives_the_same_model() {
    let bench = Bench::new();
    let (fine, coarse) = (FolderMemo::new(), FolderMemo::new());
    let every = bench.run(&gan(5), &fine).unwrap();
    let every = fine.bytes(&every);
    let third = bench
        .run(&and(gan(5), "checkpoint_every", 3), &coarse)
        .unwrap();
    let third = coarse.bytes(&third);
    assert_eq!(third["model"], every["model"]);
    assert_eq!(third["history"], every["history"]);
    let names: Vec<&str> = third.keys().map(String::as_str).collect();
    let checkpoints = [
        "checkpoints/epoch-0003.safetensors",
        "checkpoints/epoch-0005.safetensors",
    ];
    assert_eq!(names, [checkpoints[0], checkpoints[1], "history", "model"]);

    // A finer grid over the same parts trains what is missing and shows exactly its own checkpoints.
    assert!(
        bench
            .recall(&and(gan(5), "checkpoint_every", 2), &coarse)
            .is_none()
    );
    let second = bench
        .run(&and(gan(5), "checkpoint_every", 2), &coarse)
        .unwrap();
    let second = coarse.bytes(&second);
    for epoch in [2, 4, 5] {
        let name = format!("checkpoints/epoch-{epoch:04}.safetensors");
        assert_eq!(second[&name], every[&name], "{name}");
    }
    assert_eq!(second.len(), 5);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let bench = Bench::new();
    for task in [gan, classifier] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let memo = FolderMemo::new();
            pool.install(|| memo.bytes(&bench.run(&task(2), &memo).unwrap()))
        };
        let expected = run(1);
        assert_eq!(run(2), expected);
        assert_eq!(run(5), expected);
    }
}

#[test]
fn resume_states_are_kept_for_the_last_two_checkpoints_and_requested_lengths() {
    let bench = Bench::new();
    let memo = FolderMemo::new();
    bench.run(&gan(2), &memo).unwrap();
    bench.run(&gan(6), &memo).unwrap();
    assert_eq!(memo.states(), 3, "of epochs 2, 5 and 6");
}
