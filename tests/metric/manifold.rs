//! Precision, recall, density and coverage.

use retake::metric::MetricError;
use retake::metric::features::Features;
use retake::metric::manifold::{Ball, Balls, Manifold};
use serde::Deserialize;

use super::{golden, grid, on_any_number_of_threads, walk};

/// Both sets' balls, and what they say.
fn manifold(
    generated: Features<'_>,
    reference: Features<'_>,
    neighbours: usize,
    ball: Ball,
) -> Result<Manifold, MetricError> {
    let generated = Balls::around(generated, neighbours)?;
    Manifold::between(&generated, &Balls::around(reference, neighbours)?, ball)
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    rows: [usize; 2],
    columns: usize,
    closed_3: [f64; 3],
    closed_5: [f64; 3],
    open_3: [f64; 4],
    open_5: [f64; 4],
}

impl Case {
    /// Generated and reference features.
    fn features(&self) -> [Vec<f32>; 2] {
        let ([rows, others], columns) = (self.rows, self.columns);
        match &self.kind[..] {
            "grid" => [grid(rows, columns, 1, 4), grid(others, columns, 2, 4)],
            "copies" => {
                let mut a = grid(rows, columns, 1, 64);
                let b = grid(others, columns, 2, 64);
                a[..30 * columns].copy_from_slice(&b[..30 * columns]);
                for row in a[30 * columns..60 * columns].chunks_exact_mut(columns) {
                    row.copy_from_slice(&b[4 * columns..5 * columns]);
                }
                [a, b]
            }
            _ => [walk(rows, columns, 1), walk(others, columns, 2)],
        }
    }
}

#[test]
fn shares_are_exactly_those_of_torch_fidelity_and_prdc() {
    for case in golden::<Case>("manifold") {
        let [a, b] = case.features();
        let a = Features::new(&a, case.columns).unwrap();
        let b = Features::new(&b, case.columns).unwrap();
        for (k, closed, open) in [
            (3, case.closed_3, case.open_3),
            (5, case.closed_5, case.open_5),
        ] {
            let ours = manifold(a, b, k, Ball::Closed).unwrap();
            // torch-fidelity's shares are f32.
            let shares = [ours.precision, ours.recall].map(|share| f64::from(share as f32));
            assert_eq!(shares, closed[..2], "{} {:?}", case.kind, case.rows);
            let ours = manifold(a, b, k, Ball::Open).unwrap();
            let shares = [ours.precision, ours.recall, ours.density, ours.coverage];
            assert_eq!(shares, open, "{} {:?}", case.kind, case.rows);
        }
    }
}

#[test]
fn balls_of_copies_hold_each_other_only_when_closed() {
    // Six copies of one image have balls without extent.
    let copies = [1.0_f32, 2.0].repeat(6);
    let copies = Features::new(&copies, 2).unwrap();
    let share = |ball| manifold(copies, copies, 3, ball).unwrap();
    assert_eq!(
        (share(Ball::Closed).precision, share(Ball::Closed).recall),
        (1.0, 1.0)
    );
    assert_eq!(
        (share(Ball::Open).precision, share(Ball::Open).coverage),
        (0.0, 0.0)
    );
}

#[test]
fn shares_are_the_same_on_any_number_of_threads() {
    let (a, b) = (walk(400, 40, 1), walk(300, 40, 2));
    let (a, b) = (
        Features::new(&a, 40).unwrap(),
        Features::new(&b, 40).unwrap(),
    );
    let manifold = on_any_number_of_threads(|| manifold(a, b, 5, Ball::Open).unwrap());
    assert!(manifold.precision > 0.5 && manifold.precision < 1.0);
}

#[test]
fn neighbours_must_be_there() {
    let (four, many) = (walk(4, 3, 1), walk(9, 3, 2));
    let (four, many) = (
        Features::new(&four, 3).unwrap(),
        Features::new(&many, 3).unwrap(),
    );
    assert!(manifold(four, many, 3, Ball::Closed).is_ok());
    assert_eq!(
        manifold(many, four, 5, Ball::Open).unwrap_err().to_string(),
        "there are no 5 nearest neighbours among 3 images; take more images or fewer neighbours"
    );
    let wide = walk(9, 4, 2);
    let wide = Features::new(&wide, 4).unwrap();
    assert_eq!(
        manifold(many, wide, 3, Ball::Open),
        Err(MetricError::Dimensions { left: 3, right: 4 })
    );
}
