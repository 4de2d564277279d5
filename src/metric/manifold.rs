//! How far generated and reference images cover each other, by balls around images that reach to their k-th nearest
//! neighbour in their own set: precision and recall (Kynkäänniemi et al., *Improved Precision and Recall Metric for
//! Assessing Generative Models*, 2019), density and coverage (Naeem et al., *Reliable Fidelity and Diversity Metrics
//! for Generative Models*, 2020).
//!
//! Distances are compared in f32, as both reference implementations do.

use std::sync::atomic::{AtomicBool, Ordering};

use super::MetricError;
use super::distances::by_row;
use super::features::Features;

/// Whether a ball holds what lies on its surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ball {
    /// It does: torch-fidelity's `metric_prc`, with k = 3.
    Closed,
    /// It does not: the package `prdc`, with k = 5.
    Open,
}

impl Ball {
    fn holds(self, distance: f32, radius: f32) -> bool {
        match self {
            Self::Closed => distance <= radius,
            Self::Open => distance < radius,
        }
    }
}

/// Four shares that need the same distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Manifold {
    /// share of generated images in the ball of a reference image, in [0, 1]
    pub precision: f64,
    /// share of reference images in the ball of a generated image, in [0, 1]
    pub recall: f64,
    /// reference images' balls that a generated image lies in, on average, over their k: not bounded by 1
    pub density: f64,
    /// share of reference images whose balls hold a generated image, in [0, 1]
    pub coverage: f64,
}

/// The balls around a set's images. They do not depend on the other set: those of a reference are computed once for all
/// that is compared with it.
#[derive(Debug, Clone)]
pub struct Balls<'a> {
    features: Features<'a>,
    neighbours: usize,
    radii: Vec<f32>,
}

impl<'a> Balls<'a> {
    /// Balls that reach from each of `features` to its nearest neighbour number `neighbours`. An error when there are not
    /// so many.
    pub fn around(features: Features<'a>, neighbours: usize) -> Result<Self, MetricError> {
        if neighbours == 0 || neighbours >= features.count() {
            return Err(MetricError::Neighbours {
                neighbours,
                samples: features.count() - 1,
            });
        }
        let radii = by_row(&features, &features, |_, squares| {
            let mut distances: Vec<f32> = squares.iter().map(|&square| narrow(square)).collect();
            // An image is the nearest to itself: it, or one equal to it, comes first.
            *distances
                .select_nth_unstable_by(neighbours, f32::total_cmp)
                .1
        });
        Ok(Self {
            features,
            neighbours,
            radii,
        })
    }

    /// The same with the reach of each ball, as [`Balls::radii`] gave it for the same `features` and `neighbours`.
    pub fn with_radii(features: Features<'a>, neighbours: usize, radii: Vec<f32>) -> Self {
        Self {
            features,
            neighbours,
            radii,
        }
    }

    /// How far each ball reaches.
    pub fn radii(&self) -> &[f32] {
        &self.radii
    }
}

impl Manifold {
    /// Compares generated images with reference images by the balls around them.
    pub fn between(
        generated: &Balls<'_>,
        reference: &Balls<'_>,
        ball: Ball,
    ) -> Result<Self, MetricError> {
        let (around_generated, around_reference) = (&generated.radii, &reference.radii);
        let neighbours = reference.neighbours;
        let (generated, reference) = (&generated.features, &reference.features);
        generated.fits(reference)?;
        let flags = || (0..reference.count()).map(|_| AtomicBool::new(false));
        let (recalled, covered): (Vec<_>, Vec<_>) = (flags().collect(), flags().collect());
        let balls = by_row(generated, reference, |i, squares| {
            let mut balls = 0_u64;
            for (j, &square) in squares.iter().enumerate() {
                let distance = narrow(square);
                if ball.holds(distance, around_reference[j]) {
                    balls += 1;
                    covered[j].store(true, Ordering::Relaxed);
                }
                if ball.holds(distance, around_generated[i]) {
                    recalled[j].store(true, Ordering::Relaxed);
                }
            }
            balls
        });
        let count = generated.count() as f64;
        let hits = balls.iter().filter(|&&balls| balls > 0).count();
        let total: u64 = balls.iter().sum();
        let share = |flags: Vec<AtomicBool>| {
            let on = flags
                .into_iter()
                .filter_map(|flag| flag.into_inner().then_some(()));
            on.count() as f64 / reference.count() as f64
        };
        Ok(Self {
            precision: hits as f64 / count,
            recall: share(recalled),
            density: 1.0 / neighbours as f64 * (total as f64 / count),
            coverage: share(covered),
        })
    }
}

fn narrow(square: f64) -> f32 {
    (square as f32).sqrt()
}
