//! Runs grouped by axes and settings.

use std::sync::Arc;

use retake::metric::Metric;
use retake::report::ReportError;
use retake::report::grouped::{all_but_seed, grouped, text};
use retake::report::runs::{Ending, Pick, Run};
use retake::report::table::{Frame, TableFormat, render};
use serde_json::{Value, json};

use super::{row, run, runs};

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn rows(frame: &Frame) -> Vec<Value> {
    serde_json::from_slice(&render(frame, TableFormat::Json).unwrap()).unwrap()
}

#[test]
fn groups_have_mean_deviation_count_and_interval_of_every_metric() {
    let frame = grouped(&runs(), &names(&["loss"]), Pick::Last).unwrap();
    let rows = rows(&frame);
    assert_eq!(rows.len(), 4);
    let gp = &rows[2];
    assert_eq!(
        (&gp["loss"], &gp["metric"]),
        (&json!("wgan-gp"), &json!("fid-judge"))
    );
    assert_eq!(
        (&gp["mean"], &gp["sd"], &gp["n"]),
        (&json!(41.0), &json!(1.0), &json!(3))
    );
    // 41 ± 4.3027 / √3, of scipy.
    assert!(
        (gp["low"].as_f64().unwrap() - 38.515_862_288).abs() < 1e-8,
        "{gp}"
    );
    assert!(
        (gp["high"].as_f64().unwrap() - 43.484_137_712).abs() < 1e-8,
        "{gp}"
    );
    assert_eq!(
        (&gp["best"], &rows[0]["best"]),
        (&json!(true), &json!(false))
    );
    assert_eq!((&gp["runs"], &gp["outcome"]), (&json!(3), &json!("ok")));
    // The run that diverged has no last value.
    assert_eq!(rows[0]["n"], 2);
    assert_eq!(rows[0]["outcome"], "1 of 3 diverged @ epoch 2");
}

#[test]
fn people_read_them_with_the_best_in_bold() {
    let frame = grouped(&runs(), &names(&["loss"]), Pick::Last).unwrap();
    insta::assert_snapshot!(text(&frame).unwrap().aligned(false), @r#"
    loss     metric       last: mean ± sd  n    95 % interval  epoch  outcome
    bce      fid-judge ↓     60.50 ± 0.71  2     [54.1, 66.9]      2  1 of 3 diverged @ epoch 2
    bce      accuracy ↑   0.6100 ± 0.0707  2  [-0.025, 1.245]      2  1 of 3 diverged @ epoch 2
    wgan-gp  fid-judge ↓     41.00 ± 1.00  3     [38.5, 43.5]      2  ok
    wgan-gp  accuracy ↑   0.6400 ± 0.1000  3   [0.392, 0.888]      2  ok
    "#);
    insta::assert_snapshot!(text(&frame).unwrap().markdown(), @r#"
    | loss | metric | last: mean ± sd | n | 95 % interval | epoch | outcome |
    | --- | --- | ---: | ---: | ---: | ---: | --- |
    | bce | fid-judge ↓ | 60.50 ± 0.71 | 2 | \[54.1, 66.9\] | 2 | 1 of 3 diverged @ epoch 2 |
    | bce | accuracy ↑ | 0.6100 ± 0.0707 | 2 | \[-0.025, 1.245\] | 2 | 1 of 3 diverged @ epoch 2 |
    | wgan-gp | fid-judge ↓ | **41.00 ± 1.00** | 3 | \[38.5, 43.5\] | 2 | ok |
    | wgan-gp | accuracy ↑ | **0.6400 ± 0.1000** | 3 | \[0.392, 0.888\] | 2 | ok |
    "#);
    let frame = grouped(&runs(), &names(&["loss"]), Pick::Best).unwrap();
    insta::assert_snapshot!(text(&frame).unwrap().aligned(false), @r#"
    loss     metric       best: mean ± sd  n    95 % interval  epoch  outcome
    bce      fid-judge ↓    81.00 ± 35.51  3    [-7.2, 169.2]    1–2  1 of 3 diverged @ epoch 2
    bce      accuracy ↑   0.4733 ± 0.2419  3  [-0.128, 1.074]    1–2  1 of 3 diverged @ epoch 2
    wgan-gp  fid-judge ↓     41.00 ± 1.00  3     [38.5, 43.5]      2  ok
    wgan-gp  accuracy ↑   0.6400 ± 0.1000  3   [0.392, 0.888]      2  ok
    "#);
    let coloured = text(&frame).unwrap().aligned(true);
    assert_eq!(coloured.matches("\x1b[1m").count(), 2, "{coloured}");
    assert_eq!(
        coloured.replace("\x1b[1m", "").replace("\x1b[0m", ""),
        text(&frame).unwrap().aligned(false)
    );
}

#[test]
fn groups_may_be_of_settings_and_of_several_names() {
    let mut all = runs();
    for run in &mut all {
        let size = if run.axes["seed"] == 0 { 64 } else { 32 };
        run.settings = Some(Arc::new(json!({"batch_size": size})));
    }
    let frame = grouped(&all, &names(&["batch_size", "loss"]), Pick::Last).unwrap();
    let rows = rows(&frame);
    let groups: Vec<(i64, &str)> = rows
        .iter()
        .map(|row| {
            (
                row["batch_size"].as_i64().unwrap(),
                row["loss"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(groups[..3], [(64, "bce"), (64, "bce"), (32, "bce")]);
    assert_eq!(rows.len(), 8);
    assert_eq!(all_but_seed(&all), ["stage", "loss"]);
    let Err(ReportError::Name { name, help, .. }) =
        grouped(&all, &names(&["batchsize"]), Pick::Last)
    else {
        panic!("no fault");
    };
    assert_eq!(
        (name.as_str(), help.as_deref()),
        ("batchsize", Some("did you mean `batch_size`?"))
    );
    assert!(grouped(&all, &names(&["value"]), Pick::Last).is_err());
}

#[test]
fn what_was_measured_differently_is_neither_averaged_nor_ranked() {
    let mut mixed = runs();
    for run in &mut mixed[..2] {
        run.rows.iter_mut().for_each(|row| row.samples = 50);
    }
    let frame = grouped(&mixed, &[], Pick::Best).unwrap();
    let rows = rows(&frame);
    assert_eq!(rows.len(), 4, "two metrics, each by two protocols");
    assert!(rows.iter().all(|row| row["best"] == json!(false)));
    let counts: Vec<i64> = rows.iter().map(|row| row["n"].as_i64().unwrap()).collect();
    assert_eq!(counts.iter().sum::<i64>(), 12);
    assert!(
        text(&frame)
            .unwrap()
            .header
            .contains(&"protocol".to_owned())
    );
}

#[test]
fn a_group_without_values_has_a_row_that_says_why() {
    let failed = Ending::Diverged { epoch: 37 };
    let all: Vec<Run> = vec![
        run("scores", &[("loss", json!("bce"))], failed, Vec::new()),
        run(
            "scores",
            &[("loss", json!("n"))],
            Ending::Collapsed { epoch: 20 },
            vec![row(Metric::Fid, 1, 3.0)],
        ),
    ];
    let frame = grouped(&all, &names(&["loss"]), Pick::Last).unwrap();
    insta::assert_snapshot!(text(&frame).unwrap().aligned(false), @r#"
    loss  metric       last: mean ± sd  n  epoch  outcome
    bce   –                          –  0      –  diverged @ epoch 37
    n     fid-judge ↓                3  1      1  collapsed @ epoch 20
    "#);
    // Names that are columns of the table too are told apart.
    let axes = [("n", json!(1)), ("metric", json!("x"))];
    let odd = [run(
        "scores",
        &axes,
        Ending::Ok,
        vec![row(Metric::Fid, 1, 3.0)],
    )];
    let frame = grouped(&odd, &names(&["n", "axis:metric"]), Pick::Last).unwrap();
    let line = &rows(&frame)[0];
    assert_eq!(
        (&line["axis:n"], &line["axis:metric"], &line["n"]),
        (&json!(1), &json!("x"), &json!(1))
    );
}
