//! The reference images nearest to generated ones: whether a generator repeats what it was shown.

use super::MetricError;
use super::distances::{by_row, square_of};
use super::features::Features;
use super::spread::mean;

/// A reference image near another image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// which one, counted from 0
    pub index: usize,
    /// Euclidean distance of the features
    pub distance: f64,
}

/// The `count` rows of `reference` nearest to each row of `features`, nearest first; of equal distances the lower
/// index.
pub fn nearest(
    features: &Features<'_>,
    reference: &Features<'_>,
    count: usize,
) -> Result<Vec<Vec<Neighbour>>, MetricError> {
    features.fits(reference)?;
    if count == 0 || count > reference.count() {
        return Err(MetricError::Neighbours {
            neighbours: count,
            samples: reference.count(),
        });
    }
    Ok(by_row(features, reference, |i, squares| {
        let mut order = squares.to_vec();
        let last = *order.select_nth_unstable_by(count - 1, f64::total_cmp).1;
        // Products round: whatever may belong here is measured again, and only then put in order.
        let limit = last + last * SLACK;
        let mut near: Vec<Neighbour> = (0..squares.len())
            .filter(|&j| squares[j] <= limit)
            .map(|index| Neighbour {
                index,
                distance: square_of(features.row(i), reference.row(index)).sqrt(),
            })
            .collect();
        near.sort_by(|a, b| {
            a.distance
                .total_cmp(&b.distance)
                .then(a.index.cmp(&b.index))
        });
        near.truncate(count);
        near
    }))
}

/// More than the rounding of a squared distance.
const SLACK: f64 = 1e-6;

/// How near generated images come to reference images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memorisation {
    /// mean distance of a generated image to the nearest reference image
    pub to_reference: f64,
    /// mean distance of a reference image to the nearest other one
    pub within_reference: f64,
}

impl Memorisation {
    /// Measures both.
    pub fn of(generated: &Features<'_>, reference: &Features<'_>) -> Result<Self, MetricError> {
        Self::beside(generated, reference, mean_nearest_within(reference)?)
    }

    /// With `within_reference` as [`mean_nearest_within`] gave it: it is the same for all that is compared with one
    /// reference.
    pub fn beside(
        generated: &Features<'_>,
        reference: &Features<'_>,
        within_reference: f64,
    ) -> Result<Self, MetricError> {
        generated.fits(reference)?;
        let to = by_row(generated, reference, |_, squares| least(squares));
        Ok(Self {
            to_reference: mean(&to),
            within_reference,
        })
    }

    /// The memorisation ratio: below 1, generated images lie nearer to reference images than those do to each other;
    /// 0 when all are copies. New images from the reference's own distribution give about 1.
    pub fn ratio(&self) -> f64 {
        self.to_reference / self.within_reference
    }
}

/// The mean distance of an image to the nearest other one of the same set. An error when it is zero, every image having
/// a double: nothing is far beside that.
pub fn mean_nearest_within(features: &Features<'_>) -> Result<f64, MetricError> {
    let distances = by_row(features, features, |i, squares| {
        least(&squares[..i]).min(least(&squares[i + 1..]))
    });
    match mean(&distances) {
        0.0 => Err(MetricError::NoSpread),
        mean => Ok(mean),
    }
}

/// The smallest distance; infinite for none.
fn least(squares: &[f64]) -> f64 {
    squares.iter().copied().fold(f64::INFINITY, f64::min).sqrt()
}
