//! Metrics: properties, and agreement with published implementations.

mod accuracy;
mod bias;
mod diversity;
mod frechet;
mod inception_score;
mod kid;
mod manifold;
mod nearest;
mod rows;
mod stats;

use rayon::ThreadPoolBuilder;
use retake::metric::stats::Moments;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The cases of one metric in tests/golden/metrics.json, which metrics.py beside it makes.
fn golden<T: DeserializeOwned>(metric: &str) -> Vec<T> {
    let all: Value = serde_json::from_str(include_str!("../golden/metrics.json")).unwrap();
    serde_json::from_value(all[metric].clone()).unwrap()
}

/// Whole numbers that look random; metrics.py draws the same.
fn states(count: usize, seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    (0..count).map(move |_| {
        state = (state * 1_664_525 + 1_013_904_223) % (1 << 32);
        state
    })
}

/// Features (rows, columns) between 0 and 1.
fn uniform(rows: usize, columns: usize, seed: u64) -> Vec<f32> {
    states(rows * columns, seed)
        .map(|state| (state >> 8) as f32 / (1 << 24) as f32)
        .collect()
}

/// Features (rows, columns) whose columns are correlated: sums of uniform numbers.
fn walk(rows: usize, columns: usize, seed: u64) -> Vec<f32> {
    let mut values = uniform(rows, columns, seed);
    for row in values.chunks_exact_mut(columns) {
        let mut sum = 0.0;
        for value in row {
            sum += f64::from(*value);
            *value = sum as f32;
        }
    }
    values
}

/// Features (rows, columns) of few whole numbers: many equal rows and distances, and arithmetic without rounding.
fn grid(rows: usize, columns: usize, seed: u64, levels: u64) -> Vec<f32> {
    states(rows * columns, seed)
        .map(|state| ((state >> 16) % levels) as f32)
        .collect()
}

fn moments(features: &[f32], columns: usize) -> Moments {
    let mut moments = Moments::new(columns);
    moments.extend(features).expect("finite features");
    moments
}

#[track_caller]
fn close(value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value - expected).abs() <= tolerance,
        "{value} is not within {tolerance} of {expected}"
    );
}

/// What `work` gives, the same on 1, 2 and 5 threads.
#[track_caller]
fn on_any_number_of_threads<T: PartialEq + std::fmt::Debug + Send>(
    work: impl Fn() -> T + Sync,
) -> T {
    let [first, others @ ..] = [1, 2, 5].map(|threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(&work)
    });
    for other in others {
        assert_eq!(first, other);
    }
    first
}
