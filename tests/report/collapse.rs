//! Runs whose images became nearly all the same.

use retake::metric::{Metric, MetricRow};
use retake::report::collapse::mark_collapsed;
use retake::report::runs::{Ending, Run};

use super::row;

/// A run with these diversities by a judge at epochs 10, 20, …
fn run(values: &[f64]) -> Run {
    let rows = values.iter().zip(1..);
    Run {
        rows: rows
            .map(|(value, nth)| row(Metric::Diversity, nth * 10, *value))
            .collect(),
        ..Run::default()
    }
}

fn endings(mut runs: Vec<Run>) -> Vec<String> {
    mark_collapsed(&mut runs);
    runs.iter().map(|run| run.ending.to_string()).collect()
}

#[test]
fn a_run_collapses_where_its_diversity_falls_and_stays_below_a_third_of_the_others() {
    let others = || [run(&[9.8, 11.0, 11.1]), run(&[10.0, 10.9, 11.0])];
    let mut runs = vec![run(&[10.2, 8.0, 3.1])];
    runs.extend(others());
    assert_eq!(endings(runs), ["collapsed @ epoch 30", "ok", "ok"]);
    // From the first of the checkpoints that are low without a break.
    assert_eq!(
        endings(vec![run(&[11.0, 3.0, 9.0, 3.0, 2.0])]),
        ["collapsed @ epoch 40"]
    );
    // What comes back has not collapsed, and less of it is not none.
    assert_eq!(
        endings(vec![run(&[11.0, 3.0, 9.0]), run(&[11.0, 4.4, 4.0])]),
        ["ok", "ok"]
    );
}

#[test]
fn a_run_that_was_never_diverse_has_collapsed_only_if_others_were_by_then() {
    // The same training brought the other there: it is not for want of it.
    assert_eq!(
        endings(vec![run(&[2.0]), run(&[11.0])]),
        ["collapsed @ epoch 10", "ok"]
    );
    assert_eq!(endings(vec![run(&[2.0]), run(&[2.0, 11.0])]), ["ok", "ok"]);
    // Real images say what there is to learn, not that it should be learnt by now.
    let mut real = run(&[11.0]);
    real.rows[0].epoch = None;
    real.rows[0].protocol += "; real images";
    assert_eq!(endings(vec![run(&[1.0, 1.1]), real.clone()]), ["ok", "ok"]);
    // But they count for what is little: 3 is much beside 4, and little beside 11.
    assert_eq!(endings(vec![run(&[4.0, 3.0])]), ["ok"]);
    assert_eq!(
        endings(vec![run(&[4.0, 3.0]), real]),
        ["collapsed @ epoch 20", "ok"]
    );
}

#[test]
fn only_diversities_that_compare_are_held_against_each_other() {
    let with = |change: fn(&mut MetricRow)| {
        let mut other = run(&[100.0, 100.0]);
        other.rows.iter_mut().for_each(change);
        endings(vec![run(&[5.0, 4.0]), other])
    };
    assert_eq!(with(|_| ()), ["collapsed @ epoch 10", "ok"]);
    assert_eq!(with(|row| row.samples = 50), ["ok", "ok"]);
    assert_eq!(with(|row| row.extractor = None), ["ok", "ok"]);
    assert_eq!(
        with(|row| row.metric = "label-diversity-judge".to_owned()),
        ["ok", "ok"]
    );
    assert_eq!(
        with(|row| row.protocol = "another".to_owned()),
        ["ok", "ok"]
    );
    // Other metrics may be as small as they like.
    let mut fid = run(&[100.0, 1.0]);
    fid.rows
        .iter_mut()
        .for_each(|row| *row = super::row(Metric::Fid, row.epoch.unwrap(), row.value));
    assert_eq!(endings(vec![fid]), ["ok"]);
}

#[test]
fn a_run_that_diverged_stays_so_and_nan_is_no_collapse() {
    let mut diverged = run(&[11.0, 1.0]);
    diverged.ending = Ending::Diverged { epoch: 25 };
    assert_eq!(endings(vec![diverged]), ["diverged @ epoch 25"]);
    assert_eq!(
        endings(vec![run(&[11.0, f64::NAN]), run(&[])]),
        ["ok", "ok"]
    );
}
