//! Mean and covariance of a stream.

use proptest::prelude::*;
use retake::metric::MetricError;
use retake::metric::features::Features;
use retake::metric::stats::Moments;

use super::{close, moments, on_any_number_of_threads, walk};

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
fn covariances_of_few_and_of_many_samples_are_what_their_definition_says() {
    // While rows are kept; just beyond; with whole chunks and a rest.
    for (rows, columns) in [
        (2, 1),
        (7, 9),
        (9, 9),
        (10, 9),
        (512, 3),
        (1400, 150),
        (700, 600),
    ] {
        let features: Vec<f32> = walk(rows, columns, 7).iter().map(|x| x + 100.0).collect();
        let moments = moments(&features, columns);
        let n = rows as f64;
        let column = |j: usize| features.chunks(columns).map(move |row| f64::from(row[j]));
        let means: Vec<f64> = (0..columns).map(|j| column(j).sum::<f64>() / n).collect();
        let covariance = moments.covariance().unwrap();
        let variances = moments.variances().unwrap();
        for i in (0..columns).step_by(7) {
            close(moments.mean()[i], means[i], 1e-10);
            for j in (0..columns).step_by(5) {
                let products = column(i)
                    .zip(column(j))
                    .map(|(x, y)| (x - means[i]) * (y - means[j]));
                let expected = products.sum::<f64>() / (n - 1.0);
                close(
                    covariance[i * columns + j],
                    expected,
                    1e-10 * (1.0 + expected.abs()),
                );
            }
            close(
                variances[i],
                covariance[i * columns + i],
                1e-10 * variances[i],
            );
        }
        let total: f64 = variances.iter().sum();
        let spectrum: f64 = moments.spectrum().unwrap().iter().sum();
        close(spectrum, total, 1e-10 * total);
    }
}

#[test]
fn a_constant_feature_has_no_variance_at_all() {
    for rows in [5, 2000] {
        let mut features = walk(rows, 8, 1);
        for row in features.chunks_exact_mut(8) {
            row[3] = 0.1;
        }
        assert_eq!(moments(&features, 8).variances().unwrap()[3], 0.0);
    }
}

#[test]
fn moments_survive_bytes_and_refuse_damaged_ones() {
    for rows in [4, 9, 1100] {
        let features = walk(rows, 5, 3);
        let moments = moments(&features, 5);
        let bytes = moments.to_bytes();
        let mut again = Moments::from_bytes(&bytes).unwrap();
        assert_eq!(again, moments);
        // What comes after is taken in as if nothing had happened.
        let mut further = moments.clone();
        further.extend(&features).unwrap();
        again.extend(&features).unwrap();
        assert_eq!(again.to_bytes(), further.to_bytes());

        for end in [0, 7, 8, 15, 23, 24, bytes.len() - 1] {
            assert_eq!(
                Moments::from_bytes(&bytes[..end]),
                Err(MetricError::Damaged)
            );
        }
        let longer = [bytes.clone(), vec![0]].concat();
        assert_eq!(Moments::from_bytes(&longer), Err(MetricError::Damaged));
        for place in [0..8, 8..16, 16..24, 24..32] {
            let mut damaged = bytes.clone();
            damaged[place].fill(0xff);
            assert_eq!(Moments::from_bytes(&damaged), Err(MetricError::Damaged));
        }
    }
}

#[test]
fn features_are_finite_whole_rows_of_two_images_at_least() {
    assert_eq!(
        Features::new(&[1.0, 2.0], 2).unwrap_err(),
        MetricError::TooFew(1)
    );
    assert_eq!(Features::new(&[], 2).unwrap_err(), MetricError::TooFew(0));
    assert!(matches!(
        Features::new(&[1.0; 5], 2),
        Err(MetricError::Ragged {
            values: 5,
            width: 2
        })
    ));
    assert!(matches!(
        Features::new(&[], 0),
        Err(MetricError::Ragged { .. })
    ));
    assert_eq!(
        Features::new(&[0.0, 1.0, 2.0, f32::INFINITY], 2).unwrap_err(),
        MetricError::NotFinite {
            sample: 1,
            position: 1
        }
    );
}

#[test]
fn moments_are_the_same_on_any_number_of_threads() {
    for (rows, columns) in [(200, 300), (1200, 300)] {
        let features = walk(rows, columns, 4);
        on_any_number_of_threads(|| {
            let moments = moments(&features, columns);
            (moments.to_bytes(), moments.covariance().unwrap())
        });
    }
}

#[test]
fn whole_chunks_do_not_depend_on_how_the_stream_is_cut() {
    let features = walk(1300, 30, 6);
    let whole = moments(&features, 30);
    for cut in [1, 29, 31, 511, 512, 513, 1299] {
        let mut pieces = Moments::new(30);
        for piece in features.chunks(cut * 30) {
            pieces.extend(piece).unwrap();
        }
        assert_eq!(whole.to_bytes(), pieces.to_bytes());
        assert_eq!(whole.covariance(), pieces.covariance());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn moments_do_not_depend_on_how_the_stream_is_cut(
        rows in 2_usize..60, columns in 1_usize..9, seed in 0_u64..1000, cut in 1_usize..60
    ) {
        let features = walk(rows, columns, seed);
        let whole = moments(&features, columns);
        let mut pieces = Moments::new(columns);
        for piece in features.chunks(cut * columns) {
            pieces.extend(piece).unwrap();
        }
        // Equal to the last bit.
        prop_assert_eq!(whole.to_bytes(), pieces.to_bytes());
    }

    #[test]
    fn damaged_bytes_never_panic(
        rows in 0_usize..12, columns in 0_usize..6, at in 0_usize..400, byte in 0_u8.., end in 0_usize..600
    ) {
        let mut moments = Moments::new(columns);
        if columns > 0 {
            moments.extend(&walk(rows, columns, 3)).unwrap();
        }
        let mut bytes = moments.to_bytes();
        bytes.truncate(end);
        if let Some(damaged) = bytes.get_mut(at) {
            *damaged = byte;
        }
        if let Ok(moments) = Moments::from_bytes(&bytes) {
            let values = moments.covariance().map_or(columns * columns, |values| values.len());
            prop_assert_eq!(values, columns * columns);
        }
    }
}
