//! What small samples do to a Fréchet distance.

use retake::metric::MetricError;
use retake::metric::bias::{Bias, SmallSample};
use retake::metric::bootstrap::Bootstrap;
use retake::metric::extrapolate::Extrapolation;
use retake::metric::features::Features;
use retake::metric::frechet::{Frechet, frechet_distance};
use retake::metric::stats::Moments;
use retake::rng::Stream;

use super::{close, moments, on_any_number_of_threads, walk};

/// Normal features (rows, columns), feature j with deviation `scale` · (1 + j / columns).
fn normal(rows: usize, columns: usize, scale: f64, index: u64) -> Vec<f32> {
    let mut stream = Stream::new(11, "bias", index);
    (0..rows * columns)
        .map(|k| (stream.normal() * scale * (1.0 + (k % columns) as f64 / columns as f64)) as f32)
        .collect()
}

/// The distance of the two distributions that [`normal`] draws from.
fn true_distance(columns: usize, a: f64, b: f64) -> f64 {
    (0..columns)
        .map(|j| ((a - b) * (1.0 + j as f64 / columns as f64)).powi(2))
        .sum()
}

#[test]
fn expected_bias_is_what_simulation_finds() {
    let columns = 12;
    for (n, m, scale) in [(200, 400, 1.0), (300, 150, 1.5)] {
        let (mut excess, mut expected) = (0.0, 0.0);
        let draws = 60;
        for draw in 0..draws {
            let a = moments(&normal(n, columns, 1.0, 2 * draw), columns);
            let b = moments(&normal(m, columns, scale, 2 * draw + 1), columns);
            let distance = Frechet::between(&a, &b).unwrap();
            let bias = Bias::expected(&distance, n as u64, m as u64);
            excess += distance.value() - true_distance(columns, 1.0, scale);
            expected += bias.generated + bias.reference;
        }
        let (excess, expected) = (excess / draws as f64, expected / draws as f64);
        close(excess, expected, 0.1 * expected);
    }
}

#[test]
fn with_few_samples_the_expected_bias_is_a_lower_bound() {
    let columns = 40;
    // Fewer than features, as many, and twice as many; a reference of the same distribution, and of another.
    for (n, scale, least, most) in [
        (10, 1.0, 0.15, 0.3),
        (20, 1.5, 0.2, 0.4),
        (40, 1.0, 0.5, 0.7),
        (80, 1.0, 0.75, 0.9),
        (80, 1.5, 0.75, 0.9),
    ] {
        let (mut excess, mut expected) = (0.0, 0.0);
        for draw in 0..20 {
            let a = moments(&normal(n, columns, 1.0, 2 * draw), columns);
            let b = moments(&normal(4000, columns, scale, 2 * draw + 1), columns);
            let distance = Frechet::between(&a, &b).unwrap();
            let bias = Bias::expected(&distance, n as u64, 4000);
            excess += distance.value() - true_distance(columns, 1.0, scale);
            expected += bias.generated + bias.reference;
        }
        let found = expected / excess;
        assert!((least..most).contains(&found), "{n}: {found}");
    }
}

#[test]
fn a_warning_is_due_with_few_images_or_a_large_bias() {
    let columns = 12;
    let warning = |n: usize, m: usize, scale: f64| {
        let a = moments(&normal(n, columns, 1.0, 0), columns);
        let b = moments(&normal(m, columns, scale, 1), columns);
        let distance = Frechet::between(&a, &b).unwrap();
        SmallSample::of(&distance, n as u64, m as u64, columns)
    };
    for (n, m) in [(12, 500), (500, 9)] {
        let few = warning(n, m, 9.0).unwrap();
        assert_eq!((few.images, few.features), (n.min(m) as u64, 12));
        assert!(few.is_rank_deficient());
        let bias = few.bias.unwrap();
        assert!(few.said(2.0 * bias).starts_with("at least "), "{few:?}");
    }
    let large = warning(200, 200, 1.0).unwrap();
    assert!(large.images == 200 && !large.is_rank_deficient());
    let bias = large.bias.unwrap();
    assert!(large.said(2.0 * bias).starts_with("about "), "{large:?}");
    let zero = large.said(0.5 * bias);
    assert!(zero.contains("cannot be told from zero"), "{zero}");
    assert_eq!(warning(2000, 2000, 3.0), None);
}

#[test]
fn extrapolation_takes_most_of_the_bias_away() {
    let columns = 10;
    let reference = moments(&normal(40_000, columns, 1.2, 1), columns);
    let truth = true_distance(columns, 1.0, 1.2);
    let (mut plain, mut extrapolated) = (0.0, 0.0);
    for draw in 0..20 {
        let a = normal(300, columns, 1.0, 100 + draw);
        let features = Features::new(&a, columns).unwrap();
        let line = Extrapolation::of(&features, &reference, draw).unwrap();
        assert_eq!((line.points[0].0, line.points[14].0), (150, 300));
        plain += line.points[14].1 - truth;
        extrapolated += line.value - truth;
    }
    assert!(plain > 0.0);
    assert!(extrapolated.abs() < 0.3 * plain, "{extrapolated} {plain}");
}

#[test]
fn the_distance_of_all_images_is_the_last_point_of_an_extrapolation() {
    // Fewer and more images than features, on either side, and a feature that never varies.
    let columns = 24;
    for (rows, others) in [(300, 400), (300, 20), (40, 400), (40, 20)] {
        let (mut a, mut b) = (walk(rows, columns, 1), walk(others, columns, 2));
        for row in b
            .chunks_exact_mut(columns)
            .chain(a.chunks_exact_mut(columns))
        {
            row[5] = 3.0;
        }
        let features = Features::new(&a, columns).unwrap();
        let reference = moments(&b, columns);
        let line = Extrapolation::of(&features, &reference, 3).unwrap();
        let direct = frechet_distance(&Moments::of(&features), &reference).unwrap();
        assert_eq!(line.points[14].0, rows);
        close(line.points[14].1, direct, 1e-10 * direct);
        // The line is one of least squares: its residuals are orthogonal to 1 and to 1/n.
        let residuals = line.points.iter().map(|(n, d)| {
            let x = 1.0 / *n as f64;
            (x, d - line.value - line.slope * x)
        });
        close(residuals.clone().map(|(_, r)| r).sum(), 0.0, 1e-9 * direct);
        close(residuals.map(|(x, r)| x * r).sum(), 0.0, 1e-9 * direct);
    }
}

#[test]
fn extrapolation_is_reproducible_and_needs_a_line_of_images() {
    let a = walk(200, 30, 1);
    let features = Features::new(&a, 30).unwrap();
    let reference = moments(&walk(150, 30, 2), 30);
    let line = on_any_number_of_threads(|| Extrapolation::of(&features, &reference, 3).unwrap());
    assert_ne!(Extrapolation::of(&features, &reference, 4).unwrap(), line);
    assert!(Extrapolation::of(&features.first(28), &reference, 3).is_ok());
    assert_eq!(
        Extrapolation::of(&features.first(27), &reference, 3)
            .unwrap_err()
            .to_string(),
        "an extrapolation over 15 sizes needs at least 28 images, but there are 27"
    );
}

#[test]
fn a_bootstrap_interval_holds_the_distance_and_narrows_with_more_images() {
    let columns = 8;
    let reference = moments(&normal(5000, columns, 1.3, 1), columns);
    let bootstrap = Bootstrap {
        resamples: 100,
        ..Bootstrap::default()
    };
    let a = normal(1600, columns, 1.0, 2);
    let interval = |rows: usize| {
        let features = Features::new(&a[..rows * columns], columns).unwrap();
        let interval =
            on_any_number_of_threads(|| bootstrap.interval(&features, &reference).unwrap());
        let direct = frechet_distance(&Moments::of(&features), &reference).unwrap();
        close(interval.value, direct, 1e-10 * direct);
        assert!(interval.low < direct && direct < interval.high);
        assert!(interval.bias > 0.0);
        interval.high - interval.low
    };
    let (few, many) = (interval(100), interval(1600));
    // A quarter, but for chance.
    close(many / few, 0.25, 0.1);
}

#[test]
fn a_bootstrap_interval_holds_the_true_distance_as_often_as_it_says() {
    let columns = 4;
    let reference = moments(&normal(40_000, columns, 2.0, 1), columns);
    let truth = true_distance(columns, 1.0, 2.0);
    let bootstrap = Bootstrap {
        resamples: 100,
        confidence: 0.8,
        seed: 5,
    };
    let held = (0..100).filter(|draw| {
        let a = normal(400, columns, 1.0, 1000 + draw);
        let interval = bootstrap.interval(&Features::new(&a, columns).unwrap(), &reference);
        let interval = interval.unwrap();
        interval.low <= truth && truth <= interval.high
    });
    let held = held.count();
    assert!((65..=92).contains(&held), "{held} of 100");
}

#[test]
fn a_bootstrap_needs_resamples_and_a_confidence() {
    let a = walk(20, 3, 1);
    let features = Features::new(&a, 3).unwrap();
    let reference = Moments::of(&features);
    for (resamples, confidence) in [(1, 0.9), (10, 0.0), (10, 1.0), (10, f64::NAN)] {
        let bootstrap = Bootstrap {
            resamples,
            confidence,
            seed: 0,
        };
        assert_eq!(
            bootstrap.interval(&features, &reference),
            Err(MetricError::Resamples)
        );
    }
    // Two images, which may be drawn as one.
    let two = Bootstrap::default().interval(&features.first(2), &reference);
    assert!(two.unwrap().value.is_finite());
}
