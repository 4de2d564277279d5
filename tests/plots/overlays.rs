//! Several runs in one chart.

use indexmap::IndexMap;
use retake::hash::Digest;
use retake::metric::{Direction, MetricRow};
use retake::report::comparison::Trained;
use retake::report::history::History;
use retake::report::names::distinct;
use retake::report::overlay::{MOST_CHARTS, by_epoch, by_step};
use retake::report::plot::MOST_LINES;
use retake::report::runs::{Ending, Run};
use serde_json::{Value, json};

use super::check_geometry;

fn row(metric: &str, epoch: Option<u64>, value: f64) -> MetricRow {
    MetricRow {
        metric: metric.to_owned(),
        epoch,
        value,
        direction: Direction::Lower,
        samples: 100,
        extractor: Some(Digest::of_bytes(b"judge")),
        reference: None,
        protocol: "test/1".to_owned(),
        small: None,
        scores: None,
    }
}

fn axes(axes: &[(&str, Value)]) -> IndexMap<String, Value> {
    axes.iter()
        .map(|(axis, value)| ((*axis).to_owned(), value.clone()))
        .collect()
}

fn run(point: &[(&str, Value)], values: &[f64]) -> Run {
    Run {
        stage: "scores".to_owned(),
        axes: axes(point),
        ending: Ending::Ok,
        rows: (1..)
            .zip(values)
            .map(|(epoch, value)| row("fid", Some(epoch), *value))
            .collect(),
        ..Run::default()
    }
}

#[test]
fn runs_that_differ_in_their_seed_are_one_line_in_a_band() {
    let mut runs = vec![
        run(
            &[("loss", json!("bce")), ("seed", json!(0))],
            &[10.0, 6.0, 8.0],
        ),
        run(&[("loss", json!("bce")), ("seed", json!(1))], &[14.0, 8.0]),
        run(
            &[("loss", json!("hinge")), ("seed", json!(0))],
            &[9.0, f64::NAN, 7.0],
        ),
    ];
    runs.push(Run {
        stage: "ceiling".to_owned(),
        rows: vec![row("fid", None, 1.5)],
        ..Run::default()
    });
    let charts = by_epoch(&runs);
    assert_eq!(charts.len(), 1);
    let chart = &charts[0];
    let names: Vec<&str> = chart.lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["bce", "hinge"]);
    assert_eq!(chart.lines[0].points, [(1.0, 12.0), (2.0, 7.0), (3.0, 8.0)]);
    assert_eq!(
        chart.lines[0].band,
        [(1.0, 10.0, 14.0), (2.0, 6.0, 8.0), (3.0, 8.0, 8.0)]
    );
    assert_eq!(chart.lines[0].ring, Some(((2.0, 7.0), "7".to_owned())));
    assert_eq!(chart.lines[1].ring, Some(((3.0, 7.0), "7".to_owned())));
    assert!(chart.lines[1].band.is_empty(), "a single run has no spread");
    assert_eq!(chart.levels, [("ceiling".to_owned(), 1.5)]);
    assert!(
        chart.about.contains("from the least to the greatest"),
        "{}",
        chart.about
    );
    check_geometry(&chart.svg());
    assert!(
        by_epoch(&[run(&[], &[3.0])]).is_empty(),
        "a single checkpoint is no curve"
    );
}

#[test]
fn what_is_measured_beside_a_metric_is_its_band_and_no_chart() {
    let mut one = run(&[], &[10.0, 6.0]);
    one.rows.extend([
        row("fid-sd", Some(1), 2.0),
        row("fid-sd", Some(2), 1.0),
        row("fid-top", Some(1), 8.0),
        row("fid-low", Some(2), 5.5),
        row("fid-high", Some(2), 6.25),
        row("other-sd", Some(1), 1.0),
        row("other-sd", Some(2), 1.0),
    ]);
    let charts = by_epoch(&[one]);
    let titles: Vec<&str> = charts.iter().map(|chart| chart.title.as_str()).collect();
    assert_eq!(titles, ["fid by epoch", "other-sd by epoch"]);
    assert_eq!(
        charts[0].lines[0].band,
        [(1.0, 8.0, 12.0), (2.0, 5.5, 6.25)]
    );
    assert!(
        charts[0].about.contains("one standard deviation"),
        "{}",
        charts[0].about
    );
    assert!(charts[1].lines[0].band.is_empty());
}

#[test]
fn many_runs_are_parted_by_the_axis_that_makes_the_fewest_charts() {
    let point = |loss: u32, lr: u32, seed: u32| {
        run(
            &[
                ("loss", json!(loss)),
                ("lr", json!(lr)),
                ("seed", json!(seed)),
            ],
            &[2.0, 1.0],
        )
    };
    // 4 losses at 6 rates with 2 seeds: a chart a loss has 6 lines, a chart a rate 4.
    let runs: Vec<Run> = (0..48).map(|i| point(i / 12, i / 2 % 6, i % 2)).collect();
    let charts = by_epoch(&runs);
    let titles: Vec<&str> = charts.iter().map(|chart| chart.title.as_str()).collect();
    assert_eq!(
        titles,
        ["loss=0", "loss=1", "loss=2", "loss=3"].map(|of| format!("fid by epoch: {of}"))
    );
    let names: Vec<&str> = charts[1]
        .lines
        .iter()
        .map(|line| line.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["0", "1", "2", "3", "4", "5"],
        "what the chart's title says is not said again"
    );

    // 200 runs of one axis: charts of seven lines, and no more than the most of them.
    let runs: Vec<Run> = (0..200)
        .map(|i| run(&[("lr", json!(i))], &[2.0, 1.0]))
        .collect();
    let charts = by_epoch(&runs);
    assert_eq!(charts.len(), MOST_CHARTS);
    assert!(charts.iter().all(|chart| chart.lines.len() == MOST_LINES));
    assert_eq!(charts[1].title, "fid by epoch: 2 of 29");
    assert!(
        charts[MOST_CHARTS - 1]
            .about
            .ends_with("23 more charts like this one are not drawn.")
    );
}

#[test]
fn losses_of_a_matrix_are_laid_over_each_other_by_step() {
    let trained = |loss: &str, seed: u32, steps: u32, level: f64| {
        let rows = (1..=steps).map(|step| {
            let value = if step == 150 { f64::INFINITY } else { level };
            format!("{step},1,{value},0.5,0.1\n")
        });
        Trained {
            stage: "gan".to_owned(),
            axes: axes(&[("loss", json!(loss)), ("seed", json!(seed))]),
            history: History::from_csv(
                ("step,epoch,loss_g,loss_d_real,lr\n".to_owned() + &rows.collect::<String>())
                    .as_bytes(),
            )
            .unwrap(),
        }
    };
    let nodes = [
        trained("bce", 0, 1000, 1.0),
        trained("bce", 1, 1000, 3.0),
        trained("hinge", 0, 100, 5.0),
    ];
    let charts = by_step(&nodes);
    assert_eq!(
        charts.len(),
        1,
        "terms of a loss are not laid over each other"
    );
    assert_eq!(charts[0].title, "loss_g of gan by step");
    let [bce, hinge] = charts[0].lines.as_slice() else {
        panic!("two lines")
    };
    assert_eq!((bce.name.as_str(), hinge.name.as_str()), ("bce", "hinge"));
    assert!(bce.points.iter().all(|(_, y)| (y - 2.0).abs() < 1e-9));
    assert!(
        bce.band
            .iter()
            .all(|(_, low, high)| (low - 1.0).abs() < 1e-9 && (high - 3.0).abs() < 1e-9)
    );
    assert!(
        bce.points.len() <= 250 && bce.points[0].0 < 5.0 && bce.points.last().unwrap().0 > 995.0
    );
    // A shorter run ends where it ends.
    assert!(hinge.points.last().unwrap().0 <= 100.0 && hinge.band.is_empty());
    check_geometry(&charts[0].svg());
    assert!(by_step(&nodes[2..]).is_empty(), "one run is no comparison");
}

#[test]
fn legends_say_what_tells_runs_apart() {
    let place = |words: &[(&str, &str)]| -> Vec<(String, String)> {
        words
            .iter()
            .map(|(axis, value)| ((*axis).to_owned(), (*value).to_owned()))
            .collect()
    };
    let names = |places: &[&[(&str, &str)]]| {
        distinct(&places.iter().map(|words| place(words)).collect::<Vec<_>>())
    };
    assert_eq!(
        names(&[
            &[("stage", "s"), ("loss", "bce"), ("lr", "1")],
            &[("stage", "s"), ("loss", "wgan"), ("lr", "1")]
        ]),
        ["bce", "wgan"]
    );
    assert_eq!(
        names(&[
            &[("stage", "s"), ("loss", "bce"), ("lr", "1")],
            &[("stage", "s"), ("loss", "wgan"), ("lr", "2")]
        ]),
        ["loss=bce, lr=1", "loss=wgan, lr=2"]
    );
    assert_eq!(
        names(&[&[("stage", "s")], &[("stage", "t"), ("loss", "bce")]]),
        ["s", "t, loss=bce"]
    );
    assert_eq!(
        names(&[&[("stage", "s"), ("loss", "bce")]]),
        ["s, loss=bce"]
    );
    assert_eq!(
        names(&[&[("stage", "s")], &[("stage", "s"), ("loss", "bce")]]),
        ["s", "bce"]
    );
}
