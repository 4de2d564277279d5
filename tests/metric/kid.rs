//! The kernel distance, and numpy's shuffles by which its subsets are drawn.

use retake::metric::MetricError;
use retake::metric::features::Features;
use retake::metric::kid::{Kid, Subsets};
use retake::metric::random_state::RandomState;
use serde::Deserialize;

use super::{close, golden, on_any_number_of_threads, uniform};

#[derive(Deserialize)]
struct Shuffle {
    seed: u32,
    n: u32,
    permutation: Vec<u32>,
    choices: Vec<Vec<u32>>,
}

#[test]
fn shuffles_are_those_of_numpy() {
    for case in golden::<Shuffle>("random_state") {
        let mut state = RandomState::new(case.seed);
        let permutation = state.permutation(case.n);
        let shown = permutation.len().min(case.permutation.len());
        assert_eq!(permutation[..shown], case.permutation);
        for choice in case.choices {
            assert_eq!(state.choice(case.n, choice.len()), choice);
        }
    }
}

#[derive(Deserialize)]
struct Case {
    rows: [usize; 2],
    columns: usize,
    subsets: usize,
    size: usize,
    seed: u32,
    mean: f64,
    sd: f64,
    single: f64,
}

impl Case {
    /// Both sets of features.
    fn features(&self) -> [Vec<f32>; 2] {
        let b = uniform(self.rows[1], self.columns, 2);
        let b = b.iter().map(|x| x * 1.25).collect();
        [uniform(self.rows[0], self.columns, 1), b]
    }
}

#[test]
fn kernel_distance_agrees_with_torch_fidelity() {
    for case in golden::<Case>("kid") {
        let [a, b] = case.features();
        let a = Features::new(&a, case.columns).unwrap();
        let b = Features::new(&b, case.columns).unwrap();
        let subsets = Subsets {
            count: case.subsets,
            size: case.size,
            seed: case.seed,
        };
        let kid = Kid::between(&a, &b, &subsets).unwrap();
        assert_eq!(kid.values.len(), case.subsets);
        close(kid.mean(), case.mean, 1e-10 * case.mean);
        close(kid.sd(), case.sd, 1e-9 * case.sd);
        close(kid.mean(), case.single, 1e-4 * case.mean);
    }
}

#[test]
fn torch_fidelity_s_settings_are_the_default() {
    let default = Subsets::default();
    assert_eq!(
        (default.count, default.size, default.seed),
        (100, 1000, 2020)
    );
}

/// The definition, pair by pair.
fn discrepancy(x: &[&[f32]], y: &[&[f32]]) -> f64 {
    let kernel = |x: &[f32], y: &[f32]| {
        let product: f64 = x
            .iter()
            .zip(y)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum();
        (product / x.len() as f64 + 1.0).powi(3)
    };
    let mean = |x: &[&[f32]], y: &[&[f32]], same: bool| {
        let mut sum = 0.0;
        for (i, x) in x.iter().enumerate() {
            for (j, y) in y.iter().enumerate() {
                sum += if same && i == j { 0.0 } else { kernel(x, y) };
            }
        }
        sum / (x.len() * (y.len() - usize::from(same))) as f64
    };
    mean(x, x, true) + mean(y, y, true) - 2.0 * mean(x, y, false)
}

#[test]
fn kernel_distance_of_given_subsets_is_what_its_definition_says() {
    let (a, b) = (uniform(700, 5, 1), uniform(300, 5, 9));
    let (x, y) = (Features::new(&a, 5).unwrap(), Features::new(&b, 5).unwrap());
    // A few small subsets, computed on their own; many large ones, computed from shared kernels. An image may be drawn
    // twice.
    let few = vec![
        (vec![0, 699, 3, 3], vec![299, 0, 1]),
        (vec![5, 6], vec![7, 8]),
    ];
    let many = (0..40_u32)
        .map(|s| {
            let x = (0..500).map(|i| (i * 7 + s) % 700).collect();
            (x, (0..280).map(|i| (i + s) % 300).collect())
        })
        .collect();
    for pairs in [few, many] {
        let kid = Kid::over(&x, &y, &pairs).unwrap();
        for (value, (left, right)) in kid.values.iter().zip(&pairs).take(3) {
            let left: Vec<&[f32]> = left.iter().map(|&i| x.row(i as usize)).collect();
            let right: Vec<&[f32]> = right.iter().map(|&i| y.row(i as usize)).collect();
            close(*value, discrepancy(&left, &right), 1e-11);
        }
    }
}

#[test]
fn kernel_distance_is_the_same_on_any_number_of_threads() {
    let (a, b) = (uniform(600, 33, 1), uniform(530, 33, 9));
    let (x, y) = (
        Features::new(&a, 33).unwrap(),
        Features::new(&b, 33).unwrap(),
    );
    for (count, size) in [(3, 50), (20, 500)] {
        let subsets = Subsets {
            count,
            size,
            seed: 1,
        };
        on_any_number_of_threads(|| Kid::between(&x, &y, &subsets).unwrap());
    }
}

#[test]
fn a_set_smaller_than_a_subset_is_an_error_that_says_what_to_do() {
    let (a, b) = (uniform(1200, 2, 1), uniform(999, 2, 9));
    let (x, y) = (Features::new(&a, 2).unwrap(), Features::new(&b, 2).unwrap());
    let error = Kid::between(&x, &y, &Subsets::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "kernel distances of subsets of 1000 images need as many images on both sides, but there are 1200 generated and \
         999 reference images; take more images or smaller subsets (of 2 images at least)"
    );
    assert_eq!(
        Kid::over(&x, &y, &[(vec![0, 1], vec![0, 999])]),
        Err(MetricError::NoSuchSample {
            index: 999,
            samples: 999
        })
    );
    assert_eq!(
        Kid::over(&x, &y, &[(vec![0], vec![0, 1])]),
        Err(MetricError::TooFew(1))
    );
}
