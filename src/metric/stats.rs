//! Mean and covariance of a stream of feature vectors, in f64.
//!
//! Up to as many samples as features the rows themselves are kept: they say everything that the covariance does,
//! in less room. Beyond that they are folded into a scatter matrix, 512 samples at a time, counted from the start of the
//! stream. So the result is the same to the last bit however the stream is cut into batches, and
//! whatever the number of threads.

use faer::{Mat, MatMut, MatRef};

use super::MetricError;
use super::features::{Features, check_finite};
use super::products::{Workers, add_gram, eigenvalues, gram_of_rows};

/// Samples that are folded into the scatter at once.
const CHUNK: usize = 512;

/// What the bytes begin with.
const TAG: &[u8; 8] = b"moments2";

/// Mean and scatter of the samples seen so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    count: u64,
    /// Σ x
    sum: Vec<f64>,
    /// (N, D): the samples that are not in the scatter yet
    rows: Vec<f32>,
    /// once there are more samples than features
    folded: Option<Folded>,
}

/// Whole chunks of samples.
#[derive(Debug, Clone, PartialEq)]
struct Folded {
    /// near the mean, so that squares stay small: the mean of the first D + 1 samples
    origin: Vec<f64>,
    /// Σ (x − origin)(x − origin)ᵀ, (D, D) column-major; only the lower triangle is kept up to date
    scatter: Vec<f64>,
}

impl Moments {
    /// No samples yet, of `dimensions` features each.
    pub fn new(dimensions: usize) -> Self {
        Self {
            count: 0,
            sum: vec![0.0; dimensions],
            rows: Vec::new(),
            folded: None,
        }
    }

    /// The moments of `features`.
    pub fn of(features: &Features<'_>) -> Self {
        let mut moments = Self::new(features.dimensions());
        for row in features.rows() {
            moments.take(row);
        }
        moments
    }

    /// Takes in `features` (N, D) row-major. On an error nothing has been taken in.
    pub fn extend(&mut self, features: &[f32]) -> Result<(), MetricError> {
        let width = self.dimensions();
        check_finite(features, width, self.count)?;
        for row in features.chunks_exact(width) {
            self.take(row);
        }
        Ok(())
    }

    fn take(&mut self, row: &[f32]) {
        let width = self.dimensions();
        self.count += 1;
        self.rows.extend_from_slice(row);
        for (sum, &value) in self.sum.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
        if self.folded.is_none() && self.count > width as u64 {
            self.folded = Some(Folded {
                origin: self.mean(),
                scatter: vec![0.0; width * width],
            });
        }
        if let Some(folded) = &mut self.folded {
            let whole = self.rows.len() / (CHUNK * width) * CHUNK * width;
            for chunk in self.rows[..whole].chunks_exact(CHUNK * width) {
                folded.add(chunk);
            }
            self.rows.drain(..whole);
        }
    }

    /// How many samples were taken in.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many features a sample has.
    pub fn dimensions(&self) -> usize {
        self.sum.len()
    }

    /// The mean (D); zeros before the first sample.
    pub fn mean(&self) -> Vec<f64> {
        let count = self.count.max(1) as f64;
        self.sum.iter().map(|sum| sum / count).collect()
    }

    /// The covariance (D, D) row-major, with N − 1 in the denominator. An error below 2 samples.
    pub fn covariance(&self) -> Result<Vec<f64>, MetricError> {
        let width = self.dimensions();
        let covariance = self.lower_covariance()?;
        let at = |i: usize, j: usize| covariance[(i.max(j), i.min(j))];
        Ok((0..width * width)
            .map(|k| at(k / width, k % width))
            .collect())
    }

    /// The variance of each feature (D). An error below 2 samples.
    pub fn variances(&self) -> Result<Vec<f64>, MetricError> {
        let width = self.dimensions();
        if let Some(rows) = self.contrasts()? {
            let squares = |j| rows.col(j).iter().map(|value| value * value).sum();
            return Ok((0..width).map(squares).collect());
        }
        let covariance = self.lower_covariance()?;
        Ok((0..width).map(|j| covariance[(j, j)]).collect())
    }

    /// The eigenvalues of the covariance; where there are fewer samples than features, those that are zero for that
    /// reason are left out.
    pub fn spectrum(&self) -> Result<Vec<f64>, MetricError> {
        match self.contrasts()? {
            Some(rows) => eigenvalues(&gram_of_rows(rows.as_ref(), Workers::All)),
            None => eigenvalues(&self.lower_covariance()?),
        }
    }

    /// The covariance (D, D), right on and below its diagonal only.
    pub(super) fn lower_covariance(&self) -> Result<Mat<f64>, MetricError> {
        self.enough()?;
        let (width, count) = (self.dimensions(), self.count as f64);
        if let Some(rows) = self.contrasts()? {
            return Ok(gram_of_rows(rows.transpose(), Workers::All));
        }
        let mean = self.mean();
        let mut folded = match &self.folded {
            Some(folded) => folded.clone(),
            None => Folded {
                origin: mean.clone(),
                scatter: vec![0.0; width * width],
            },
        };
        folded.add(&self.rows);
        let away: Vec<f64> = mean
            .iter()
            .zip(&folded.origin)
            .map(|(m, o)| m - o)
            .collect();
        Ok(Mat::from_fn(width, width, |i, j| {
            let scatter = folded.scatter[j * width + i];
            (scatter - count * away[i] * away[j]) / (count - 1.0)
        }))
    }

    /// While the rows are kept: a matrix F (N − 1, D) with covariance Fᵀ F, of [`contrasts`].
    pub(super) fn contrasts(&self) -> Result<Option<Mat<f64>>, MetricError> {
        self.enough()?;
        if self.folded.is_some() {
            return Ok(None);
        }
        let (width, mean) = (self.dimensions(), self.mean());
        let rows = self.rows.chunks_exact(width).map(|row| {
            let centred = row.iter().zip(&mean);
            (1.0, centred.map(|(&value, mean)| f64::from(value) - mean))
        });
        Ok(Some(contrasts(rows, width)))
    }

    fn enough(&self) -> Result<(), MetricError> {
        if self.count < 2 {
            return Err(MetricError::TooFew(self.count));
        }
        Ok(())
    }

    /// Little-endian bytes: a tag, count, D, Σ x, and with more samples than features the origin and the lower
    /// triangle of the scatter by columns; then the samples that are not in the scatter, in f32.
    pub fn to_bytes(&self) -> Vec<u8> {
        let width = self.dimensions();
        let mut bytes = TAG.to_vec();
        for number in [self.count, width as u64] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.sum.iter().flat_map(|value| value.to_le_bytes()));
        if let Some(folded) = &self.folded {
            bytes.extend(folded.origin.iter().flat_map(|value| value.to_le_bytes()));
            for column in 0..width {
                let lower = &folded.scatter[column * width..][column..width];
                bytes.extend(lower.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
        bytes.extend(self.rows.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// Reads what [`Moments::to_bytes`] wrote. Anything else is an error.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MetricError> {
        Self::parse(bytes).ok_or(MetricError::Damaged)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(TAG)?;
        let count = u64::from_le_bytes(*split(&mut rest, 8)?.first_chunk()?);
        let width = u64::from_le_bytes(*split(&mut rest, 8)?.first_chunk()?);
        let width = usize::try_from(width).ok()?;
        let sum = numbers(&mut rest, width)?;
        let mut pending = usize::try_from(count).ok()?;
        let folded = if count > width as u64 {
            pending %= CHUNK;
            let origin = numbers(&mut rest, width)?;
            let lower = width.checked_mul(width.checked_add(1)?)? / 2;
            let lower = numbers(&mut rest, lower)?;
            let mut scatter = vec![0.0; width.checked_mul(width)?];
            let mut at = 0;
            for column in 0..width {
                let height = width - column;
                scatter[column * width + column..][..height]
                    .copy_from_slice(&lower[at..at + height]);
                at += height;
            }
            Some(Folded { origin, scatter })
        } else {
            None
        };
        let length = pending.checked_mul(width)?.checked_mul(size_of::<f32>())?;
        let (words, []) = split(&mut rest, length)?.as_chunks::<4>() else {
            return None;
        };
        let rows: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        let whole = rest.is_empty() && rows.iter().all(|value| value.is_finite());
        whole.then_some(Self {
            count,
            sum,
            rows,
            folded,
        })
    }
}

impl Folded {
    /// Adds the scatter of `rows` (N, D).
    fn add(&mut self, rows: &[f32]) {
        let width = self.origin.len();
        if rows.is_empty() {
            return;
        }
        let origin = self.origin.iter().cycle();
        let away: Vec<f64> = rows
            .iter()
            .zip(origin)
            .map(|(&value, origin)| f64::from(value) - origin)
            .collect();
        let away = MatRef::from_row_major_slice(&away, rows.len() / width, width);
        let scatter = MatMut::from_column_major_slice_mut(&mut self.scatter, width, width);
        add_gram(scatter, away, Workers::All);
    }
}

/// A matrix F with covariance Fᵀ F (N − 1 in the denominator) of samples that occur `weight` times each, N in all: a
/// row fewer than there are samples. Row k is sample k against the mean of those before it (Helmert's contrasts; the
/// steps of Welford 1962). Centred rows would do as well, but depend on each other.
pub(super) fn contrasts<R>(samples: impl Iterator<Item = (f64, R)>, width: usize) -> Mat<f64>
where
    R: Iterator<Item = f64>,
{
    let (mut total, mut sum) = (0.0, vec![0.0; width]);
    let mut contrasts = Vec::new();
    for (weight, sample) in samples {
        let scale = (weight * total / (total + weight)).sqrt();
        for (value, sum) in sample.zip(&mut sum) {
            if total > 0.0 {
                contrasts.push((value - *sum / total) * scale);
            }
            *sum += weight * value;
        }
        total += weight;
    }
    let degrees = (total - 1.0).sqrt();
    for value in &mut contrasts {
        *value /= degrees;
    }
    MatRef::from_row_major_slice(&contrasts, contrasts.len() / width.max(1), width).to_owned()
}

/// Takes `length` bytes from the front.
fn split<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, others) = rest.split_at_checked(length)?;
    *rest = others;
    Some(taken)
}

/// Takes `count` finite numbers from the front.
fn numbers(rest: &mut &[u8], count: usize) -> Option<Vec<f64>> {
    let (words, _) = split(rest, count.checked_mul(size_of::<f64>())?)?.as_chunks::<8>();
    let values: Vec<f64> = words.iter().map(|word| f64::from_le_bytes(*word)).collect();
    values
        .iter()
        .all(|value| value.is_finite())
        .then_some(values)
}
