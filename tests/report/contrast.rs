//! Paired comparisons of two values of an axis.

use std::sync::Arc;

use retake::metric::Metric;
use retake::report::contrast::{Contrast, contrast, text};
use retake::report::runs::{Ending, Pick, Run};
use retake::report::table::{Frame, TableFormat, render};
use serde_json::{Value, json};

use super::{row, run, runs};

fn rows(frame: &Frame) -> Vec<Value> {
    serde_json::from_slice(&render(frame, TableFormat::Json).unwrap()).unwrap()
}

fn compare(runs: &[Run], what: &str) -> Vec<Value> {
    let what: Contrast = what.parse().unwrap();
    rows(&contrast(runs, &what, Pick::Last).unwrap_or_else(|error| panic!("{error}")))
}

/// A run with one FID.
fn one(axes: &[(&str, Value)], fid: f64) -> Run {
    run("scores", axes, Ending::Ok, vec![row(Metric::Fid, 1, fid)])
}

/// Three seeds of two losses at two rates.
fn square() -> Vec<Run> {
    let mut all = Vec::new();
    for (loss, base) in [("bce", 60.0), ("hinge", 40.0)] {
        for (lr, extra) in [(0.1, 0.0), (0.2, 5.0)] {
            for (seed, shift) in [0.0, 1.0, 3.5].into_iter().enumerate() {
                let more = if loss == "bce" { shift } else { shift / 2.0 };
                let axes = [
                    ("loss", json!(loss)),
                    ("lr", json!(lr)),
                    ("seed", json!(seed)),
                ];
                all.push(one(&axes, base + extra + more));
            }
        }
    }
    all
}

#[test]
fn runs_are_paired_by_seed_at_each_point_of_the_other_axes() {
    let rows = compare(&square(), "loss");
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[1]["lr"], &rows[1]["a"], &rows[1]["b"]),
        (&json!(0.2), &json!("bce"), &json!("hinge"))
    );
    assert_eq!(
        (&rows[0]["n"], &rows[0]["difference"]),
        (&json!(3), &json!(20.75))
    );
    assert_eq!(
        (&rows[0]["mean_a"], &rows[0]["mean_b"]),
        (&json!(61.5), &json!(40.75))
    );
    // scipy.stats.ttest_rel([60, 61, 63.5], [40, 40.5, 41.75])
    let number = |name: &str| rows[0][name].as_f64().unwrap();
    assert!((number("t") - 39.871_910_297).abs() < 1e-6, "{}", rows[0]);
    assert!((number("p") - 0.000_628_429_23).abs() < 1e-9, "{}", rows[0]);
    assert_eq!(rows[0]["note"], Value::Null);
    let turned = compare(&square(), "loss=hinge,bce");
    assert_eq!(turned[0]["difference"], json!(-20.75));
    assert_eq!(turned[0]["p"], rows[0]["p"]);
    assert_eq!(compare(&square(), "lr").len(), 2, "at each loss");
}

#[test]
fn people_read_it_with_what_is_to_be_held_against_it() {
    let mut all = square();
    all.retain(|run| run.axes["seed"] != 2 || run.axes["lr"] != 0.2);
    let of: Contrast = "loss".parse().unwrap();
    let frame = contrast(&all, &of, Pick::Last).unwrap();
    insta::assert_snapshot!(text(&frame, "loss").unwrap().aligned(false), @r#"
    stage    lr  metric       loss: a  b      n  mean a  mean b  a − b  95 % interval      t        p  note
    scores  0.1  fid-judge ↓  bce      hinge  3   61.50   40.75  20.75   [18.5, 23.0]  39.87  < 0.001  –
    scores  0.2  fid-judge ↓  bce      hinge  2   65.50   45.25  20.25   [17.1, 23.4]  81.00    0.008  2 pairs only: two seeds that agree by chance look like certainty
    "#);
}

#[test]
fn few_pairs_missing_seeds_and_other_protocols_are_said() {
    // bce has lost the last value of its third seed.
    let rows = compare(&runs(), "loss");
    assert_eq!(rows[0]["n"], 2);
    let note = rows[0]["note"].as_str().unwrap();
    assert!(
        note.starts_with("all pairs differ by the same")
            && note.ends_with("1 seed on one side only"),
        "{note}"
    );

    let mut differing = runs();
    for run in &mut differing[..3] {
        run.rows.iter_mut().for_each(|row| row.samples = 50);
    }
    for row in compare(&differing, "loss") {
        assert_eq!(
            (&row["n"], &row["difference"], &row["p"]),
            (&json!(0), &Value::Null, &Value::Null)
        );
        assert!(
            row["note"]
                .as_str()
                .unwrap()
                .starts_with("2 measured differently, not compared"),
            "{row}"
        );
    }

    let single = [
        one(&[("loss", json!("a"))], 1.0),
        one(&[("loss", json!("b"))], 2.0),
    ];
    let rows = compare(&single, "loss");
    assert_eq!(
        (&rows[0]["n"], &rows[0]["note"]),
        (&json!(1), &json!("1 pair: no test"))
    );
}

#[test]
fn a_setting_or_a_stage_is_compared_although_an_axis_decides_over_it() {
    let mut all = Vec::new();
    for (name, sn, base) in [("R3-1", false, 10.0), ("R3-2", true, 8.0)] {
        for (seed, shift) in [0.0, 0.5, 0.75].into_iter().enumerate() {
            let mut run = one(
                &[("row", json!(name)), ("seed", json!(seed))],
                base + shift * base,
            );
            run.settings = Some(Arc::new(json!({"spectral": sn})));
            all.push(run);
        }
    }
    let rows = compare(&all, "spectral");
    assert_eq!((&rows[0]["a"], &rows[0]["n"]), (&json!("false"), &json!(3)));
    all.iter_mut()
        .filter(|run| run.axes["row"] == "R3-2")
        .for_each(|run| run.stage = "other".to_owned());
    assert_eq!(compare(&all, "stage=other,scores")[0]["n"], 3);
    // Two rows with the same setting: which of them is meant?
    let mut third = all[0].clone();
    third.axes.insert("row".to_owned(), json!("R3-3"));
    all.push(third);
    let rows = compare(&all, "spectral");
    assert!(
        rows[0]["note"]
            .as_str()
            .unwrap()
            .starts_with("several runs of one seed"),
        "{rows:?}"
    );
}

#[test]
fn what_cannot_be_compared_is_said() {
    let fault = |what: &str| {
        let what: Contrast = what.parse().unwrap();
        contrast(&square(), &what, Pick::Last)
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(fault("los"), @r#"
    axis or setting `los` is not there: did you mean `loss`?
    "#);
    insta::assert_snapshot!(fault("loss=bce,hing"), @r#"
    a run with `loss=hing` is not there: did you mean `hinge`?
    "#);
    insta::assert_snapshot!(fault("stage"), @r#"
    a second value of `stage` is not there: there is only `scores`
    "#);
    for bad in ["", "loss=", "loss=a", "loss=a,a", "loss=a,b,c", "=a,b"] {
        assert!(bad.parse::<Contrast>().is_err(), "{bad}");
    }
}
