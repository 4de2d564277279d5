//! Kernel distance (Bińkowski et al., *Demystifying MMD GANs*, 2018): the squared maximum mean discrepancy under
//! k(x, y) = (x·y / D + 1)³, without bias, over random subsets of both sets.
//!
//! Equal to torch-fidelity 0.4 with its defaults, subsets included, when that is given features in f64; in f32 its own
//! sums are off by about 1e−4.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::MetricError;
use super::features::Features;
use super::products::{Workers, add, pieces};
use super::random_state::RandomState;
use super::spread::{deviation, mean};

/// Rows and columns of the kernel matrix that are held at once.
const BLOCK: usize = 256;

/// How subsets are drawn. The default is torch-fidelity's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subsets {
    /// how many
    pub count: usize,
    /// images in each
    pub size: usize,
    /// of the generator they are drawn with
    pub seed: u32,
}

impl Default for Subsets {
    fn default() -> Self {
        Self {
            count: 100,
            size: 1000,
            seed: 2020,
        }
    }
}

/// Indices into both sets.
pub type Pair = (Vec<u32>, Vec<u32>);

impl Subsets {
    /// Draws subsets of `generated` and of `reference` images in turn, each without repetition.
    pub fn draw(&self, generated: usize, reference: usize) -> Result<Vec<Pair>, MetricError> {
        if self.size < 2 || self.count == 0 || self.size > generated.min(reference) {
            return Err(MetricError::SubsetSize {
                size: self.size,
                generated,
                reference,
            });
        }
        let mut state = RandomState::new(self.seed);
        let mut choose = |n: usize| state.choice(n as u32, self.size);
        Ok((0..self.count)
            .map(|_| (choose(generated), choose(reference)))
            .collect())
    }
}

/// Kernel distances of subsets.
#[derive(Debug, Clone, PartialEq)]
pub struct Kid {
    /// one a subset; may be a little below zero
    pub values: Vec<f64>,
}

impl Kid {
    /// Of subsets drawn as `subsets` says. An error when a set has fewer images than a subset.
    pub fn between(
        generated: &Features<'_>,
        reference: &Features<'_>,
        subsets: &Subsets,
    ) -> Result<Self, MetricError> {
        let pairs = subsets.draw(generated.count(), reference.count())?;
        Self::over(generated, reference, &pairs)
    }

    /// Of the given subsets, 2 images at least in each; the two of a pair may differ in size.
    pub fn over(
        generated: &Features<'_>,
        reference: &Features<'_>,
        pairs: &[Pair],
    ) -> Result<Self, MetricError> {
        generated.fits(reference)?;
        for (a, b) in pairs {
            check(a, generated)?;
            check(b, reference)?;
        }
        let (n, m) = (generated.count(), reference.count());
        let whole = n * n / 2 + m * m / 2 + n * m;
        let parts =
            |(a, b): &Pair| a.len() * a.len() / 2 + b.len() * b.len() / 2 + a.len() * b.len();
        let values = if whole <= pairs.iter().map(parts).sum() {
            // Subsets overlap: each kernel is computed once and counted in all of them.
            let left: Vec<&[u32]> = pairs.iter().map(|pair| &pair.0[..]).collect();
            let right: Vec<&[u32]> = pairs.iter().map(|pair| &pair.1[..]).collect();
            distances(
                (generated, &counts(&left, n)),
                (reference, &counts(&right, m)),
                Workers::All,
            )
        } else {
            let values = pairs.par_iter().map(|(a, b)| {
                let width = generated.dimensions();
                let (x, y) = (generated.gather(a), reference.gather(b));
                let (x, y) = (Features::new(&x, width)?, Features::new(&y, width)?);
                let all = |count| Mat::from_fn(count, 1, |_, _| 1.0);
                let (left, right) = (all(a.len()), all(b.len()));
                Ok(distances((&x, &left), (&y, &right), Workers::One))
            });
            let values: Result<Vec<Vec<f64>>, MetricError> = values.collect();
            values?.concat()
        };
        Ok(Self { values })
    }

    /// The mean over subsets.
    pub fn mean(&self) -> f64 {
        mean(&self.values)
    }

    /// The standard deviation over subsets, with their number in the denominator.
    pub fn sd(&self) -> f64 {
        deviation(&self.values)
    }
}

fn check(subset: &[u32], features: &Features<'_>) -> Result<(), MetricError> {
    if subset.len() < 2 {
        return Err(MetricError::TooFew(subset.len() as u64));
    }
    match subset
        .iter()
        .find(|&&index| index as usize >= features.count())
    {
        Some(&index) => Err(MetricError::NoSuchSample {
            index,
            samples: features.count(),
        }),
        None => Ok(()),
    }
}

/// How often image i is in subset s: (N, S).
fn counts(subsets: &[&[u32]], images: usize) -> Mat<f64> {
    let mut counts = Mat::zeros(images, subsets.len());
    for (subset, indices) in subsets.iter().enumerate() {
        for &index in *indices {
            counts[(index as usize, subset)] += 1.0;
        }
    }
    counts
}

/// Features (N, D) and how often each is in each of S subsets (N, S).
type Counted<'a> = (&'a Features<'a>, &'a Mat<f64>);

/// The squared discrepancy of each subset.
fn distances(x: Counted<'_>, y: Counted<'_>, workers: Workers) -> Vec<f64> {
    let (xx, yy) = (within(x, workers), within(y, workers));
    let xy = across(x, y, workers);
    let size = |(_, counts): Counted<'_>, s: usize| counts.col(s).iter().sum::<f64>();
    (0..xy.len())
        .map(|s| {
            let (n, m) = (size(x, s), size(y, s));
            xx[s] / (n * (n - 1.0)) + yy[s] / (m * (m - 1.0)) - 2.0 * xy[s] / (n * m)
        })
        .collect()
}

/// Σ k(x, y) over all pairs of each subset.
fn across(x: Counted<'_>, y: Counted<'_>, workers: Workers) -> Vec<f64> {
    sum_blocks((x.0.count(), x.1.ncols()), workers, |rows, sums| {
        let mut weighted = Mat::zeros(rows.len(), sums.len());
        for columns in pieces(0..y.0.count(), BLOCK) {
            let kernel = kernel(x.0, rows.clone(), y.0, columns.clone());
            collect(&mut weighted, &kernel, y.1.get(columns, ..), 1.0);
        }
        count_in(sums, &weighted, x.1.get(rows, ..));
    })
}

/// Σ k(x, x′) over all pairs of different places of each subset: a kernel is computed for one of (x, x′) and (x′, x).
fn within(x: Counted<'_>, workers: Workers) -> Vec<f64> {
    sum_blocks((x.0.count(), x.1.ncols()), workers, |rows, sums| {
        let mut weighted = Mat::zeros(rows.len(), sums.len());
        for columns in pieces(rows.start..x.0.count(), BLOCK) {
            let own = columns.start == rows.start;
            let kernel = kernel(x.0, rows.clone(), x.0, columns.clone());
            let factor = if own { 1.0 } else { 2.0 };
            collect(&mut weighted, &kernel, x.1.get(columns, ..), factor);
            if own {
                // An image is no pair with itself.
                for (i, s) in (0..rows.len()).flat_map(|i| (0..sums.len()).map(move |s| (i, s))) {
                    weighted[(i, s)] -= kernel[(i, i)];
                }
            }
        }
        count_in(sums, &weighted, x.1.get(rows, ..));
    })
}

/// Adds up what `work` adds to the sums of S subsets, over blocks of `rows` rows in order.
fn sum_blocks(
    (rows, subsets): (usize, usize),
    workers: Workers,
    work: impl Fn(Range<usize>, &mut [f64]) + Sync,
) -> Vec<f64> {
    let part = |rows| {
        let mut sums = vec![0.0; subsets];
        work(rows, &mut sums);
        sums
    };
    let blocks: Vec<_> = pieces(0..rows, BLOCK).collect();
    let parts: Vec<Vec<f64>> = match workers {
        Workers::All => blocks.into_par_iter().with_max_len(1).map(part).collect(),
        Workers::One => blocks.into_iter().map(part).collect(),
    };
    let mut sums = vec![0.0; subsets];
    for part in parts {
        for (sum, part) in sums.iter_mut().zip(part) {
            *sum += part;
        }
    }
    sums
}

/// Adds `factor` · `kernel` · `counts` to `weighted`.
fn collect(weighted: &mut Mat<f64>, kernel: &Mat<f64>, counts: MatRef<'_, f64>, factor: f64) {
    matmul(
        weighted.as_mut(),
        Accum::Add,
        kernel.as_ref(),
        counts,
        factor,
        Par::Seq,
    );
}

/// Adds the columns of `weighted`, each row as often as `counts` says.
fn count_in(sums: &mut [f64], weighted: &Mat<f64>, counts: MatRef<'_, f64>) {
    for (s, sum) in sums.iter_mut().enumerate() {
        let values = weighted.col(s).iter().zip(counts.col(s).iter());
        *sum += values.map(|(value, count)| value * count).sum::<f64>();
    }
}

/// A block of the kernel matrix.
fn kernel(
    x: &Features<'_>,
    rows: Range<usize>,
    y: &Features<'_>,
    columns: Range<usize>,
) -> Mat<f64> {
    let (width, height, across) = (x.dimensions(), rows.len(), columns.len());
    let (left, right) = (x.wide(rows), y.wide(columns));
    let left = MatRef::from_row_major_slice(&left, height, width);
    let right = MatRef::from_row_major_slice(&right, across, width);
    let mut products = vec![0.0; height * across];
    let out = MatMut::from_column_major_slice_mut(&mut products, height, across);
    add(out, left, right.transpose(), 0..width);
    let gamma = 1.0 / width as f64;
    for value in &mut products {
        let base = *value * gamma + 1.0;
        *value = base * base * base;
    }
    MatRef::from_column_major_slice(&products, height, across).to_owned()
}
