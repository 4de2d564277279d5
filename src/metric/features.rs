//! Features of a set of images, checked once.

use std::ops::Range;

use super::MetricError;

/// Features (N, D) row-major: finite, and of 2 images at least.
#[derive(Debug, Clone, Copy)]
pub struct Features<'a> {
    values: &'a [f32],
    dimensions: usize,
}

impl<'a> Features<'a> {
    /// The same, but one image will do: to look for the neighbours of each.
    pub fn of_any(values: &'a [f32], dimensions: usize) -> Result<Self, MetricError> {
        check_finite(values, dimensions, 0)?;
        Ok(Self { values, dimensions })
    }

    /// Checks `values`, rows of `dimensions` features each.
    pub fn new(values: &'a [f32], dimensions: usize) -> Result<Self, MetricError> {
        check_finite(values, dimensions, 0)?;
        let features = Self { values, dimensions };
        if features.count() < 2 {
            return Err(MetricError::TooFew(features.count() as u64));
        }
        Ok(features)
    }

    /// How many images.
    pub fn count(&self) -> usize {
        self.values.len() / self.dimensions
    }

    /// How many features an image has.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The features of image `index` (D).
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.dimensions..][..self.dimensions]
    }

    /// The features of images one after the other.
    pub fn rows(&self) -> std::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.dimensions)
    }

    /// The first `count` images, 2 at least, or all if there are fewer.
    #[must_use]
    pub fn first(self, count: usize) -> Self {
        let end = self.values.len().min(count.max(2) * self.dimensions);
        Self {
            values: &self.values[..end],
            ..self
        }
    }

    /// Rows (length of `range`, D) in f64, row-major.
    pub(super) fn wide(&self, range: Range<usize>) -> Vec<f64> {
        let values = range.start * self.dimensions..range.end * self.dimensions;
        self.values[values].iter().copied().map(f64::from).collect()
    }

    /// Copies of the rows `indices`, row-major.
    pub(super) fn gather(&self, indices: &[u32]) -> Vec<f32> {
        indices
            .iter()
            .flat_map(|&index| self.row(index as usize))
            .copied()
            .collect()
    }

    /// An error unless both have the same features.
    pub(super) fn fits(&self, other: &Self) -> Result<(), MetricError> {
        if self.dimensions == other.dimensions {
            return Ok(());
        }
        Err(MetricError::Dimensions {
            left: self.dimensions,
            right: other.dimensions,
        })
    }
}

/// An error unless `values` are whole rows of finite numbers; `before` samples came before these.
pub(super) fn check_finite(values: &[f32], width: usize, before: u64) -> Result<(), MetricError> {
    if width == 0 || !values.len().is_multiple_of(width) {
        return Err(MetricError::Ragged {
            values: values.len(),
            width,
        });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(bad) => Err(MetricError::NotFinite {
            sample: before + (bad / width) as u64,
            position: bad % width,
        }),
        None => Ok(()),
    }
}
