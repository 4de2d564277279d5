//! Rows of tables: which compare, and which is best.

use retake::metric::{Direction, Metric, MetricRow, Request, best};

fn row(metric: Metric, epoch: u64, value: f64) -> MetricRow {
    MetricRow {
        metric: metric.name().to_owned(),
        epoch: Some(epoch),
        value,
        direction: metric.direction(),
        samples: 100,
        extractor: None,
        reference: None,
        protocol: metric.protocol().to_owned(),
        small: None,
        scores: None,
    }
}

#[test]
fn the_best_row_follows_the_direction_and_the_earliest_of_equals_wins() {
    let epoch = |rows: &[MetricRow]| best(rows).unwrap().epoch;
    let rows = |metric| [(1, 3.0), (2, 1.0), (3, 1.0), (4, 3.0)].map(|(e, v)| row(metric, e, v));
    assert_eq!(epoch(&rows(Metric::Fid)), Some(2));
    assert_eq!(epoch(&rows(Metric::Accuracy)), Some(1));
    assert!(!Direction::Lower.better(f64::NAN, 1.0));
}

#[test]
fn rows_of_different_sample_counts_or_judges_do_not_compare() {
    let a = row(Metric::Fid, 1, 2.0);
    assert!(a.comparable(&row(Metric::Fid, 9, 7.0)));
    let fewer = MetricRow {
        samples: 50,
        ..a.clone()
    };
    assert!(!a.comparable(&fewer));
    let other_judge = MetricRow {
        extractor: Some(retake::hash::Digest::of_bytes(b"another judge")),
        ..a.clone()
    };
    assert!(!a.comparable(&other_judge));
}

#[test]
fn a_metric_is_the_extractors_or_by_name_the_judges() {
    let request: Request = serde_json::from_str("\"fid-judge\"").unwrap();
    assert!(request.judge && request.metric == Metric::Fid);
    assert_eq!(serde_json::to_string(&request).unwrap(), "\"fid-judge\"");
    for name in Request::names() {
        let request: Request = name.parse().unwrap();
        assert_eq!(String::from(request), name);
    }
    for wrong in ["fidd", "accuracy-judge", "judge", "fid-judge-judge"] {
        let error = wrong.parse::<Request>().unwrap_err();
        assert!(error.contains("expected one of fid, "), "{error}");
    }
    let schema = serde_json::to_string(&schemars::schema_for!(Request)).unwrap();
    assert!(
        schema.contains("\"fid\"") && schema.contains("\"fid-judge\""),
        "{schema}"
    );
}
