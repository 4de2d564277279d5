//! The Fréchet distance.

use proptest::prelude::*;
use retake::metric::MetricError;
use retake::metric::frechet::{Frechet, frechet_distance};
use serde::Deserialize;

use super::{close, golden, moments, on_any_number_of_threads, walk};

#[derive(Deserialize)]
struct Case {
    kind: String,
    rows: [usize; 2],
    columns: usize,
    factors: f64,
    scipy: f64,
    pytorch_fid: f64,
    torch_fidelity: f64,
}

impl Case {
    /// Both sets of features.
    fn features(&self) -> [Vec<f32>; 2] {
        let columns = self.columns;
        let mut a = walk(self.rows[0], columns, 1);
        let mut b: Vec<f32> = walk(self.rows[1], columns, 2)
            .iter()
            .map(|x| x * 1.25)
            .collect();
        for row in a.chunks_exact_mut(columns) {
            match &self.kind[..] {
                "dead" => (row[3], row[7]) = (0.0, 0.0),
                "double" => row[5] = row[2],
                _ => {}
            }
        }
        for row in b.chunks_exact_mut(columns) {
            match &self.kind[..] {
                "dead" => (row[7], row[11]) = (0.5, 0.5),
                "double" => row[5] = row[2],
                _ => {}
            }
        }
        [a, b]
    }
}

#[test]
fn frechet_distance_agrees_with_scipy_pytorch_fid_and_torch_fidelity() {
    for case in golden::<Case>("frechet") {
        let [a, b] = case
            .features()
            .map(|features| moments(&features, case.columns));
        let value = frechet_distance(&a, &b).unwrap();
        // Without full rank the published ones take roots of rounding errors.
        let tolerance = if case.kind == "full" { 1e-8 } else { 1e-6 };
        for theirs in [case.scipy, case.pytorch_fid, case.torch_fidelity] {
            close(value, theirs, tolerance * theirs);
        }
        let tolerance = if case.kind == "double" { 1e-9 } else { 1e-11 };
        close(value, case.factors, tolerance * case.factors);
    }
}

#[test]
fn frechet_distance_of_a_set_to_itself_is_zero_even_with_fewer_samples_than_features() {
    for (rows, columns) in [
        (200, 8),
        (10, 40),
        (40, 40),
        (41, 40),
        (300, 200),
        (150, 200),
    ] {
        let a = moments(&walk(rows, columns, 4), columns);
        let scale: f64 = a.variances().unwrap().iter().sum();
        close(frechet_distance(&a, &a).unwrap(), 0.0, 1e-11 * scale);
    }
}

#[test]
fn frechet_distance_of_equal_images_is_that_of_their_means() {
    let a = moments(&[1.0, 2.0, 1.0, 2.0, 1.0, 2.0], 2);
    let b = moments(&walk(9, 2, 1), 2);
    let means: f64 = [1.0, 2.0]
        .iter()
        .zip(b.mean())
        .map(|(x, y)| (x - y).powi(2))
        .sum();
    let spread: f64 = b.variances().unwrap().iter().sum();
    close(frechet_distance(&a, &b).unwrap(), means + spread, 1e-12);
    assert_eq!(frechet_distance(&a, &a).unwrap(), 0.0);
}

#[test]
fn every_way_to_the_roots_gives_the_same_distance() {
    // The same sets as kept rows, and with every sample twice as covariances of more samples than features, whose
    // rank is not full: only the denominators differ.
    let columns = 120;
    let [a, b] = [walk(80, columns, 1), walk(90, columns, 2)];
    let few = Frechet::between(&moments(&a, columns), &moments(&b, columns)).unwrap();
    let twice = [&a, &b].map(|x| moments(&[&x[..], x].concat(), columns));
    let many = Frechet::between(&twice[0], &twice[1]).unwrap();
    // (N − 1) against (2 N − 1) / 2
    let (p, q) = (79.0 / 79.5, 89.0 / 89.5);
    close(many.traces.0, few.traces.0 * p, 1e-10 * few.traces.0);
    let [roots, expected] = [&many, &few].map(|parts| parts.roots.iter().sum::<f64>());
    close(roots, expected * f64::sqrt(p * q), 1e-7 * expected);
}

#[test]
fn frechet_distance_is_the_same_on_any_number_of_threads() {
    for (rows, others, columns) in [(400, 500, 200), (150, 160, 300), (150, 400, 300)] {
        let a = moments(&walk(rows, columns, 1), columns);
        let b = moments(&walk(others, columns, 2), columns);
        on_any_number_of_threads(|| frechet_distance(&a, &b).unwrap());
    }
}

#[test]
fn frechet_distance_needs_two_finite_samples_of_one_width() {
    let two = moments(&walk(2, 3, 1), 3);
    let one = moments(&walk(1, 3, 1), 3);
    assert_eq!(frechet_distance(&one, &two), Err(MetricError::TooFew(1)));
    assert_eq!(frechet_distance(&two, &one), Err(MetricError::TooFew(1)));
    let wide = moments(&walk(5, 4, 1), 4);
    assert_eq!(
        frechet_distance(&two, &wide),
        Err(MetricError::Dimensions { left: 3, right: 4 })
    );
    let mut broken = moments(&walk(2, 3, 1), 3);
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
    fn frechet_distance_is_symmetric_and_a_shift_by_v_gives_v_squared(
        rows in 4_usize..60, columns in 1_usize..20, seed in 0_u64..1000, step in 0_i32..50
    ) {
        let a = walk(rows, columns, seed);
        let b = walk(rows + 3, columns, seed + 1);
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
