//! What small samples do to a Fréchet distance: it is biased upwards, by about 1/n (Bińkowski et al. 2018; Chong and
//! Forsyth, *Effectively Unbiased FID and Inception Score*, 2020).
//!
//! The term in 1/n follows from a Taylor series of the distance around the true covariances. With σᵢ the roots of the
//! eigenvalues of Σ₁Σ₂, and for normal features (where a sample covariance of n samples spreads as Wishart's law says),
//!
//! bias ≈ tr Σ₁ / n + (Σᵢⱼ σᵢσⱼ / (σᵢ + σⱼ) + ½ Σᵢ σᵢ) / 2(n − 1)
//!
//! for the side with Σ₁, and the same for the other side: the first term is that of the mean, the second that of the
//! root, whose trace is concave (second derivative of tr A^½ along H in A's basis: −½ Σᵢⱼ Hᵢⱼ² / σᵢσⱼ(σᵢ + σⱼ)). With
//! D equal σ the second is nearly D² σ / 4n: it grows with the number of features.
//!
//! What follows the first order makes the bias larger still. In simulations (`tests/metric/bias.rs`) this finds nine
//! tenths of it and more from a dozen times as many images as features on, 0.8 with twice as many, 0.6 with as many, 0.2 with
//! a quarter: a lower bound.

use serde::{Deserialize, Serialize};

use super::frechet::Frechet;

/// A share of the distance that a bias had better not reach.
pub const NOTABLE: f64 = 0.05;

/// How much of a distance is due to the sizes of the samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bias {
    /// expected, from the generated images being few
    pub generated: f64,
    /// expected, from the reference images being few; the same for all that are compared with them
    pub reference: f64,
}

impl Bias {
    /// The bias to be expected of `distance` between so many images. The first of its sides is that of the generated
    /// ones.
    pub fn expected(distance: &Frechet, generated: u64, reference: u64) -> Self {
        let roots = &distance.roots;
        let harmonic = |(i, a): (usize, &f64)| {
            // Pairs are counted twice, except (i, i): σ²/2σ.
            let others = roots[i + 1..]
                .iter()
                .map(|b| 2.0 * a * b / (a + b).max(f64::MIN_POSITIVE));
            others.sum::<f64>() + 0.5 * a
        };
        let pairs: f64 = roots.iter().enumerate().map(harmonic).sum();
        let root = pairs + 0.5 * roots.iter().sum::<f64>();
        let of = |trace: f64, count: u64| {
            let count = count as f64;
            trace / count + root / (2.0 * (count - 1.0))
        };
        Self {
            generated: of(distance.traces.0, generated),
            reference: of(distance.traces.1, reference),
        }
    }
}

/// Why a distance says more about its sample than about its images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SmallSample {
    /// images on the smaller side
    pub images: u64,
    /// features of an image
    pub features: u64,
    /// how much of the distance comes of it, of both sides together: a lower bound where there are no more images than
    /// features. None where that cannot be said.
    pub bias: Option<f64>,
}

impl SmallSample {
    /// A warning, where one is due, about `distance` between so many images of `features` features: there are no more
    /// images than features on one side, or the expected bias is more than [`NOTABLE`] of it.
    pub fn of(distance: &Frechet, generated: u64, reference: u64, features: usize) -> Option<Self> {
        let expected = Bias::expected(distance, generated, reference);
        let bias = expected.generated + expected.reference;
        let small = Self {
            images: generated.min(reference),
            features: features as u64,
            bias: Some(bias),
        };
        (small.is_rank_deficient() || bias > NOTABLE * distance.value()).then_some(small)
    }

    /// Whether there are too few images for a covariance of full rank, so that the bias is a lower bound.
    pub fn is_rank_deficient(&self) -> bool {
        self.images <= self.features
    }

    /// What it says of a distance of `value`.
    pub fn said(&self, value: f64) -> String {
        let Self {
            images, features, ..
        } = self;
        let about = if self.is_rank_deficient() {
            "at least"
        } else {
            "about"
        };
        match self.bias {
            None => format!(
                "{value:.3} is extrapolated from {images} images, too few for {features} features: distances do not lie on \
                 a line yet"
            ),
            Some(bias) if bias >= value => format!(
                "{value:.3} cannot be told from zero: {about} {bias:.3} is to be expected of {images} images alone"
            ),
            Some(bias) => format!(
                "{about} {bias:.3} of {value:.3} comes of the images being few ({images}, {features} features); compare it \
                 with distances of as many only"
            ),
        }
    }
}
