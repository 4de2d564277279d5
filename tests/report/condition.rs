//! Conditions: what they keep, and what they say when they cannot be understood.

use std::sync::Arc;

use proptest::prelude::*;
use retake::metric::Metric;
use retake::report::ReportError;
use retake::report::condition::keep;
use retake::report::runs::{Ending, Run};
use serde_json::json;

use super::{row, runs};

/// Two losses, three seeds, with settings of their models.
fn with_settings() -> Vec<Run> {
    let mut runs = runs();
    for run in &mut runs {
        let fast = run.axes["loss"] == "bce";
        run.settings = Some(Arc::new(json!({
            "batch_size": if fast { 64 } else { 32 },
            "optimiser": "adam",
            "lr": {"generator": 0.0002, "discriminator": 0.0002},
            "betas": [0.5, 0.999],
            "ema": if fast { json!({"decay": 0.99}) } else { json!(null) },
            "model": {"networks": {"generator": [{"linear": {"units": 3}}]}},
        })));
    }
    runs
}

/// Loss, seed, metric and epoch of the rows that are kept.
fn kept(conditions: &[&str]) -> Vec<String> {
    let conditions: Vec<String> = conditions.iter().map(|c| (*c).to_owned()).collect();
    let runs = keep(with_settings(), &conditions).unwrap_or_else(|error| panic!("{error}"));
    let rows = runs.iter().flat_map(|run| {
        run.rows.iter().map(|row| {
            let (loss, seed) = (&run.axes["loss"], &run.axes["seed"]);
            let epoch = row.epoch.unwrap();
            format!("{} {seed} {} {epoch}", loss.as_str().unwrap(), row.metric)
        })
    });
    rows.collect()
}

fn count(condition: &str) -> usize {
    kept(&[condition]).len()
}

/// What is said of a condition that cannot be understood.
fn fault(condition: &str) -> String {
    match keep(with_settings(), &[condition.to_owned()]) {
        Err(error @ ReportError::Condition(_)) => error.to_string(),
        other => panic!("`{condition}` gives {other:?}"),
    }
}

#[test]
fn the_old_form_goes_on_working() {
    assert_eq!(
        kept(&["loss=bce", "metric = fid-judge", "epoch>=2"]),
        ["bce 0 fid-judge 2", "bce 1 fid-judge 2"]
    );
    assert_eq!(
        kept(&["metric=fid-judge", "seed!=0", "value<45"]),
        ["wgan-gp 1 fid-judge 2", "wgan-gp 2 fid-judge 2"]
    );
    assert_eq!(kept(&["outcome=diverged @ epoch 2"]).len(), 2);
}

#[test]
fn a_metric_is_that_of_the_rows_own_checkpoint() {
    let expected: Vec<String> = (0..3)
        .flat_map(|seed| {
            ["fid-judge", "accuracy"].map(|metric| format!("wgan-gp {seed} {metric} 2"))
        })
        .collect();
    assert_eq!(kept(&[r#"loss == "wgan-gp" and fid-judge < 45"#]), expected);
    // At epoch 1 the run that diverged has a value, at epoch 2 none: neither the condition nor its opposite holds.
    let (below, above) = (count("fid-judge < 70"), count("not fid-judge < 70"));
    assert_eq!(
        below + above,
        runs().iter().map(|run| run.rows.len()).sum::<usize>()
    );
}

#[test]
fn settings_are_named_by_their_path_below_with() {
    assert_eq!(count("batch_size == 64"), count("loss == bce"));
    assert_eq!(count("lr == 2e-4"), count("lr.generator <= 0.0002"));
    assert_eq!(count("lr > 1e-3"), 0);
    assert_eq!(count("optimiser = adam"), count("epoch >= 0"));
    assert_eq!(count("betas == '[0.5,0.999]'"), count("epoch >= 0"));
    // Runs without the setting meet neither.
    assert_eq!(count("ema.decay == 0.99"), count("loss == bce"));
    assert_eq!(
        count("not ema.decay == 0.99") + count("ema.decay != 0.99"),
        0
    );
}

#[test]
fn conditions_are_joined_negated_bracketed_and_listed() {
    let all = count("epoch >= 0");
    assert_eq!(count("loss == bce or loss == wgan-gp"), all);
    assert_eq!(count(r#"loss in ["bce", 'wgan-gp',]"#), all);
    assert_eq!(count("loss not in (bce)"), count("loss == wgan-gp"));
    assert_eq!(count("`loss`=='bce'"), count("loss = bce"));
    assert_eq!(count("seed in [0, 2]"), count("not seed == 1"));
    // `and` binds closer than `or`.
    assert_eq!(
        count("loss == bce or loss == wgan-gp and seed == 0"),
        count("loss == bce") + count("loss == wgan-gp and seed == 0")
    );
    assert_eq!(
        count("(loss == bce or loss == wgan-gp) and seed == 0"),
        count("seed == 0")
    );
    assert_eq!(
        count("NOT (loss == bce AND seed == 0)"),
        all - count("loss == bce and seed == 0")
    );
    assert_eq!(count("outcome == diverged"), 2);
    assert_eq!(count("outcome != diverged"), all - 2);
    assert_eq!(count("outcome == diver"), 0);
}

#[test]
fn a_run_without_values_is_kept_by_what_is_known_of_it() {
    let empty = || {
        vec![super::run(
            "scores",
            &[("loss", json!("bce"))],
            Ending::Ok,
            Vec::new(),
        )]
    };
    let kept = |condition: &str| keep(empty(), &[condition.to_owned()]).unwrap().len();
    assert_eq!(kept("loss == bce"), 1);
    assert_eq!(kept("loss != bce"), 0);
    assert_eq!(kept("value < 3"), 0);
    assert_eq!(kept("not value < 3"), 0);
}

#[test]
fn values_that_are_no_numbers_meet_nothing() {
    let rows = vec![
        row(Metric::Fid, 1, f64::NAN),
        row(Metric::Fid, 2, f64::INFINITY),
    ];
    let runs = vec![super::run("scores", &[], Ending::Ok, rows)];
    for condition in ["value < 1", "value > 1", "value != 1", "fid-judge >= 0"] {
        let kept = keep(runs.clone(), &[condition.to_owned()]).unwrap();
        assert!(kept.is_empty(), "{condition}");
    }
}

#[test]
fn faults_point_at_the_place_and_suggest() {
    insta::assert_snapshot!(fault("lss == bce and fid < 60"), @r#"
    no column, axis, setting or metric is called `lss`

      lss == bce and fid < 60
      ^^^

    help: did you mean `loss`?
    "#);
    insta::assert_snapshot!(fault("fid < 60"), @r#"
    no column, axis, setting or metric is called `fid`

      fid < 60
      ^^^

    help: there is `fid-judge`
    "#);
    insta::assert_snapshot!(fault("epoch >= last"), @r#"
    `epoch` holds numbers, and `last` is none

      epoch >= last
               ^^^^
    "#);
    insta::assert_snapshot!(fault("loss == bce && seed == 0"), @r#"
    this is no part of a condition

      loss == bce && seed == 0
                  ^^

    help: write `and`
    "#);
    insta::assert_snapshot!(fault("loss == bce seed == 0"), @r#"
    expected `and`, `or`, or the end

      loss == bce seed == 0
                       ^^
    "#);
    insta::assert_snapshot!(fault("(loss == bce"), @r#"
    expected `)`

      (loss == bce
                  ^
    "#);
    insta::assert_snapshot!(fault("loss"), @r#"
    expected a comparison

      loss
          ^

    help: one of `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`
    "#);
    insta::assert_snapshot!(fault("loss =="), @r#"
    expected a value

      loss ==
             ^
    "#);
    insta::assert_snapshot!(fault(""), @r#"
    expected a name

      
      ^
    "#);
    insta::assert_snapshot!(fault(r#""bce" == loss"#), @r#"
    expected a name, and this is a value

      "bce" == loss
      ^^^^^

    help: write a name bare, or in backticks: `bce`
    "#);
    insta::assert_snapshot!(fault("loss == \"bce"), @r#"
    this " is never closed

      loss == "bce
              ^
    "#);
    insta::assert_snapshot!(fault("é == 1 and !loss"), @r#"
    this is no part of a condition

      é == 1 and !loss
                 ^

    help: write `not`, or `!=`
    "#);
    insta::assert_snapshot!(fault("loss in [bce hinge"), @r#"
    expected `,` or `]`

      loss in [bce hinge
                        ^
    "#);
    insta::assert_snapshot!(fault("generator == 1"), @r#"
    no column, axis, setting or metric is called `generator`

      generator == 1
      ^^^^^^^^^

    help: did you mean `lr.generator`?
    "#);
    assert!(fault(&"(".repeat(100_000)).starts_with("expected no more than 64"));
    assert!(fault(&"not ".repeat(100_000)).starts_with("expected no more than 64"));
}

proptest! {
    #[test]
    fn any_text_is_a_condition_or_a_fault(text in "[a-z0-9=!<>()\\[\\]\"'`, &|é\\n]{0,24}") {
        match keep(with_settings(), std::slice::from_ref(&text)) {
            Ok(_) | Err(ReportError::Condition(_)) => {}
            Err(other) => prop_assert!(false, "`{text}`: {other}"),
        }
    }

    #[test]
    fn a_condition_and_its_opposite_part_the_rows_that_have_the_value(
        limit in 0.0..150.0_f64, operator in "<|<=|>|>=|==|!=",
    ) {
        let condition = format!("value {operator} {limit}");
        let opposite = format!("not ({condition})");
        prop_assert_eq!(count(&condition) + count(&opposite), count("value >= 0"));
    }
}
