//! Metrics: properties, and agreement with scipy and the course evaluator's rule.

use proptest::prelude::*;
use retake::metric::accuracy::TopK;
use retake::metric::diversity::{effective_rank, mean_distance};
use retake::metric::frechet::frechet_distance;
use retake::metric::stats::Moments;
use retake::metric::{Direction, Metric, MetricError, MetricRow, best};

/// Features (rows, columns) as tests/golden/frechet.py makes them.
fn features(rows: usize, columns: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut values = Vec::with_capacity(rows * columns);
    for _ in 0..rows {
        let mut sum = 0.0_f64;
        for _ in 0..columns {
            state = (state * 1_664_525 + 1_013_904_223) % (1 << 32);
            sum += f64::from((state >> 8) as f32 / (1 << 24) as f32);
            values.push(sum as f32);
        }
    }
    values
}

fn moments(features: &[f32], columns: usize) -> Moments {
    let mut moments = Moments::new(columns);
    moments.extend(features).expect("finite features");
    moments
}

fn close(value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value - expected).abs() <= tolerance,
        "{value} is not within {tolerance} of {expected}"
    );
}

#[test]
fn mean_and_covariance_of_a_small_example() {
    let moments = moments(&[1.0, 2.0, 3.0, 6.0, 5.0, 1.0], 2);
    assert_eq!(moments.count(), 3);
    close(moments.mean()[0], 3.0, 1e-12);
    close(moments.mean()[1], 3.0, 1e-12);
    let covariance = moments.covariance().unwrap();
    for (value, expected) in covariance.iter().zip([4.0, -1.0, -1.0, 7.0]) {
        close(*value, expected, 1e-12);
    }
}

#[test]
fn moments_survive_bytes_and_refuse_damaged_ones() {
    let moments = moments(&features(9, 5, 3), 5);
    let bytes = moments.to_bytes();
    assert_eq!(Moments::from_bytes(&bytes).unwrap(), moments);
    for end in [0, 8, 15, bytes.len() - 1] {
        assert_eq!(
            Moments::from_bytes(&bytes[..end]),
            Err(MetricError::Damaged)
        );
    }
    let mut huge = bytes;
    huge[8..16].fill(0xff);
    assert_eq!(Moments::from_bytes(&huge), Err(MetricError::Damaged));
}

#[test]
fn frechet_distance_agrees_with_scipy() {
    for (rows, columns, expected) in [
        (50, 3, 3.284_400_841_462e-1),
        (400, 16, 2.686_917_226_367e1),
        (300, 64, 1.475_695_264_581e3),
    ] {
        let a = moments(&features(rows, columns, 1), columns);
        let scaled: Vec<f32> = features(rows + 7, columns, 2)
            .iter()
            .map(|x| x * 1.25)
            .collect();
        let b = moments(&scaled, columns);
        close(frechet_distance(&a, &b).unwrap(), expected, 1e-9 * expected);
    }
}

#[test]
fn frechet_distance_of_a_set_to_itself_is_zero_even_with_fewer_samples_than_features() {
    for (rows, columns) in [(200, 8), (10, 40)] {
        let a = moments(&features(rows, columns, 4), columns);
        let scale: f64 = a.covariance().unwrap().iter().map(|v| v.abs()).sum();
        close(frechet_distance(&a, &a).unwrap(), 0.0, 1e-11 * scale);
    }
}

#[test]
fn frechet_distance_needs_two_finite_samples_of_one_width() {
    let two = moments(&features(2, 3, 1), 3);
    let one = moments(&features(1, 3, 1), 3);
    assert_eq!(frechet_distance(&one, &two), Err(MetricError::TooFew(1)));
    assert_eq!(frechet_distance(&two, &one), Err(MetricError::TooFew(1)));
    let wide = moments(&features(5, 4, 1), 4);
    assert_eq!(
        frechet_distance(&two, &wide),
        Err(MetricError::Dimensions { left: 3, right: 4 })
    );
    let mut broken = moments(&features(2, 3, 1), 3);
    let before = broken.clone();
    assert_eq!(
        broken.extend(&[0.0, 0.0, 0.0, 1.0, f32::NAN, 1.0]),
        Err(MetricError::NotFinite {
            sample: 3,
            position: 1
        })
    );
    assert_eq!(broken, before);
    assert!(matches!(
        broken.extend(&[1.0]),
        Err(MetricError::Ragged { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn moments_do_not_depend_on_how_the_stream_is_cut(
        rows in 2_usize..60, columns in 1_usize..9, seed in 0_u64..1000, cut in 1_usize..60
    ) {
        let features = features(rows, columns, seed);
        let whole = moments(&features, columns);
        let mut pieces = Moments::new(columns);
        for piece in features.chunks(cut * columns) {
            pieces.extend(piece).unwrap();
        }
        // Equal to the last bit.
        prop_assert_eq!(whole.to_bytes(), pieces.to_bytes());
    }

    #[test]
    fn frechet_distance_is_symmetric_and_a_shift_by_v_gives_v_squared(
        rows in 20_usize..60, columns in 1_usize..9, seed in 0_u64..1000, step in 0_i32..50
    ) {
        let a = features(rows, columns, seed);
        let b = features(rows + 3, columns, seed + 1);
        let (x, y) = (moments(&a, columns), moments(&b, columns));
        let there = frechet_distance(&x, &y).unwrap();
        let back = frechet_distance(&y, &x).unwrap();
        prop_assert!((there - back).abs() <= 1e-8 * (1.0 + there.abs()), "{there} {back}");

        let v = f64::from(step) * 0.25;
        let shifted: Vec<f32> = a.iter().map(|value| (f64::from(*value) + v) as f32).collect();
        let distance = frechet_distance(&x, &moments(&shifted, columns)).unwrap();
        let expected = v * v * columns as f64;
        prop_assert!((distance - expected).abs() <= 1e-4 * (1.0 + expected), "{distance} {expected}");
    }
}

#[test]
fn accuracy_is_micro_recall_at_the_number_of_labels() {
    let mut accuracy = TopK::default();
    // Two labels asked for: classes 0 and 3; the top two are 3 and 1.
    accuracy
        .extend(&[0.2, 0.9, -1.0, 4.0], &[1.0, 0.0, 0.0, 1.0], 4)
        .unwrap();
    assert_eq!((accuracy.right, accuracy.asked), (1, 2));
    // One label, found; and an image without labels, which counts for nothing.
    accuracy
        .extend(
            &[0.0, 0.0, 9.0, 0.0, 1.0, 1.0, 1.0, 1.0],
            &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            4,
        )
        .unwrap();
    assert_eq!(
        (accuracy.right, accuracy.asked, accuracy.samples),
        (2, 3, 3)
    );
    close(accuracy.value().unwrap(), 2.0 / 3.0, 1e-15);
}

#[test]
fn accuracy_breaks_ties_by_class_and_refuses_what_has_no_answer() {
    let mut tied = TopK::default();
    tied.extend(&[1.0, 1.0, 1.0, 1.0], &[1.0, 0.0, 0.0, 1.0], 2)
        .unwrap();
    assert_eq!((tied.right, tied.asked), (1, 2));
    assert_eq!(TopK::default().value(), Err(MetricError::NoLabels));
    assert!(
        TopK::default()
            .extend(&[f32::NAN, 0.0], &[0.0, 1.0], 2)
            .is_err()
    );
    assert!(
        TopK::default()
            .extend(&[0.0, 0.0, 0.0], &[0.0, 1.0], 2)
            .is_err()
    );
}

#[test]
fn equal_images_have_no_diversity_and_rank_one() {
    let equal = [0.3_f32, -1.7, 5.0].repeat(50);
    assert_eq!(mean_distance(&equal, 3).unwrap(), 0.0);
    assert_eq!(effective_rank(&moments(&equal, 3)).unwrap(), 1.0);
}

#[test]
fn two_clusters_are_as_diverse_as_the_pairs_across_them() {
    // 3 images at one point, 5 at another, 10 apart: 15 of 28 pairs lie across.
    let points = [[1.0_f32, 2.0]; 3].into_iter().chain([[7.0, 10.0]; 5]);
    let features: Vec<f32> = points.flatten().collect();
    close(
        mean_distance(&features, 2).unwrap(),
        10.0 * 15.0 / 28.0,
        1e-12,
    );
    close(effective_rank(&moments(&features, 2)).unwrap(), 1.0, 1e-6);
}

#[test]
fn features_that_spread_alike_in_all_directions_have_full_rank() {
    // Corners of a cross: equal variance along each axis, no covariance.
    let width = 6;
    let cross =
        |axis: usize, sign: f32| (0..width).map(move |at| if at == axis { sign } else { 0.0 });
    let features: Vec<f32> = (0..width)
        .flat_map(|axis| cross(axis, 1.0).chain(cross(axis, -1.0)))
        .collect();
    close(
        effective_rank(&moments(&features, width)).unwrap(),
        6.0,
        1e-9,
    );
    // Each point has one at distance 2, and 10 at √2.
    let expected = (2.0 + 10.0 * 2.0_f64.sqrt()) / 11.0;
    close(mean_distance(&features, width).unwrap(), expected, 1e-12);
    // Eigenvalues 4 : 1 have the entropy of (0.8, 0.2).
    let ellipse = [2.0, 0.0, -2.0, 0.0, 0.0, 1.0, 0.0, -1.0];
    let entropy = -(0.8 * 0.8_f64.ln() + 0.2 * 0.2_f64.ln());
    close(
        effective_rank(&moments(&ellipse, 2)).unwrap(),
        entropy.exp(),
        1e-12,
    );
}

#[test]
fn diversity_is_that_of_the_first_images_at_any_number_of_threads() {
    let many = features(3000, 4, 9);
    let few = mean_distance(&many[..2048 * 4], 4).unwrap();
    assert_eq!(mean_distance(&many, 4).unwrap(), few);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert_eq!(pool.install(|| mean_distance(&many, 4).unwrap()), few);
    }
    assert_eq!(mean_distance(&[1.0, 2.0], 2), Err(MetricError::TooFew(1)));
    assert!(matches!(
        mean_distance(&[1.0], 2),
        Err(MetricError::Ragged { .. })
    ));
    assert_eq!(
        effective_rank(&moments(&[1.0, 2.0], 2)),
        Err(MetricError::TooFew(1))
    );
}

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
    }
}

#[test]
fn the_best_row_follows_the_direction_and_the_earliest_of_equals_wins() {
    let epoch = |rows: &[MetricRow]| best(rows).unwrap().epoch;
    let rows = |metric| [(1, 3.0), (2, 1.0), (3, 1.0), (4, 3.0)].map(|(e, v)| row(metric, e, v));
    assert_eq!(epoch(&rows(Metric::FidJudge)), Some(2));
    assert_eq!(epoch(&rows(Metric::Accuracy)), Some(1));
    assert!(!Direction::Lower.better(f64::NAN, 1.0));
}

#[test]
fn rows_of_different_sample_counts_or_judges_do_not_compare() {
    let a = row(Metric::FidJudge, 1, 2.0);
    assert!(a.comparable(&row(Metric::FidJudge, 9, 7.0)));
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
fn fid_is_a_short_form_of_the_name_that_says_what_it_is() {
    let metric: Metric = serde_json::from_str("\"fid\"").unwrap();
    assert_eq!(serde_json::to_string(&metric).unwrap(), "\"fid-judge\"");
    let diversity: Vec<Metric> = serde_json::from_str("[\"diversity\", \"rank\"]").unwrap();
    assert_eq!(diversity, [Metric::DiversityJudge, Metric::RankJudge]);
    let schema = serde_json::to_string(&schemars::schema_for!(Metric)).unwrap();
    assert!(
        schema.contains("\"fid\"") && schema.contains("\"fid-judge\""),
        "{schema}"
    );
}
