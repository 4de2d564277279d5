//! Fréchet distance between two normal distributions (Fréchet 1957; as an image metric: Heusel et al.,
//! *GANs Trained by a Two Time-Scale Update Rule*, 2017).
//!
//! d² = |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½). No root of a D × D matrix is ever formed. With any factors
//! Σ = `FᵀF` of both the trace of the root is the sum of the singular values of `F₁F₂ᵀ`:
//!
//! | a side has | its factor |
//! | --- | --- |
//! | no more samples than features | the samples' contrasts, (N − 1, D) |
//! | more, and a regular covariance | its Cholesky factor |
//! | more, and features that depend on each other | eigenvectors times roots of eigenvalues |
//!
//! Singular values are roots of eigenvalues of that matrix times its transpose, found several times faster than by a
//! decomposition. Where the rounding of these squares might be seen in the distance, the decomposition is made.

use faer::linalg::solvers::Llt;
use faer::{Mat, MatRef, Side};

use super::MetricError;
use super::products::{Workers, eigenvalues, gram_of_rows, product, product_from};
use super::stats::Moments;

/// Error of the squares, over the largest of them: what eigenvalues of a symmetric matrix are off by, with room to
/// spare.
const ROUNDING: f64 = 2.0 * f64::EPSILON;
/// What the rounding of squares may change, of the distance.
const OF_DISTANCE: f64 = 1e-8;
/// What it may change in any case, of the sum of both variances.
const OF_VARIANCE: f64 = 1e-12;
/// Up to so many singular values the decomposition is always made.
const FEW: usize = 64;

/// The parts of a Fréchet distance.
#[derive(Debug, Clone, PartialEq)]
pub struct Frechet {
    /// |μ₁ − μ₂|²
    pub shift: f64,
    /// tr Σ₁ and tr Σ₂
    pub traces: (f64, f64),
    /// singular values of Σ₁^½ Σ₂^½ that need not be zero: their sum is tr (Σ₁Σ₂)^½
    pub roots: Vec<f64>,
}

impl Frechet {
    /// Compares two sets of features. An error below 2 samples on either side, or when the numbers of features differ.
    pub fn between(a: &Moments, b: &Moments) -> Result<Self, MetricError> {
        if a.dimensions() != b.dimensions() {
            return Err(MetricError::Dimensions {
                left: a.dimensions(),
                right: b.dimensions(),
            });
        }
        let means = a.mean().into_iter().zip(b.mean());
        let shift = means.map(|(x, y)| (x - y) * (x - y)).sum();
        let (first, second) = rayon::join(|| Spread::of(a), || Spread::of(b));
        let (first, second) = (first?, second?);
        let traces = (first.variances.iter().sum(), second.variances.iter().sum());
        // A feature that is constant in one set adds nothing to the root, and makes factors singular.
        let varying: Vec<usize> = (0..a.dimensions())
            .filter(|&j| first.variances[j] > 0.0 && second.variances[j] > 0.0)
            .collect();
        let (first, second) = rayon::join(|| first.factor(&varying), || second.factor(&varying));
        Self::of_cross(shift, traces, &cross(&first?, &second?), Workers::All)
    }

    /// The parts, from `F₁F₂ᵀ` of factors of the covariances.
    pub(super) fn of_cross(
        shift: f64,
        traces: (f64, f64),
        cross: &Mat<f64>,
        workers: Workers,
    ) -> Result<Self, MetricError> {
        let mut distance = Self {
            shift,
            traces,
            roots: Vec::new(),
        };
        distance.roots = distance.roots_of(cross, workers)?;
        Ok(distance)
    }

    /// The squared distance. Zero for equal sets, |v|² for a shift by v.
    pub fn value(&self) -> f64 {
        let cross: f64 = self.roots.iter().sum();
        // Rounding may leave a tiny negative number where the distance is zero.
        (self.shift + self.traces.0 + self.traces.1 - 2.0 * cross).max(0.0)
    }

    /// The singular values of `cross`.
    fn roots_of(&self, cross: &Mat<f64>, workers: Workers) -> Result<Vec<f64>, MetricError> {
        let few = cross.nrows().min(cross.ncols());
        if few == 0 {
            return Ok(Vec::new());
        }
        if few > FEW {
            let squares = if cross.nrows() == few {
                gram_of_rows(cross.as_ref(), workers)
            } else {
                gram_of_rows(cross.transpose(), workers)
            };
            let squares = eigenvalues(&squares)?;
            let candidate = Self {
                roots: squares
                    .iter()
                    .map(|square| square.max(0.0).sqrt())
                    .collect(),
                ..self.clone()
            };
            let most = (OF_DISTANCE * candidate.value())
                .max(OF_VARIANCE * (self.traces.0 + self.traces.1));
            if rounding(&squares) <= most {
                return Ok(candidate.roots);
            }
        }
        cross.singular_values().map_err(|_| MetricError::Eigen)
    }
}

/// The squared Fréchet distance of two sets of features: [`Frechet::value`].
///
/// An error below 2 samples on either side, or when the numbers of features differ.
pub fn frechet_distance(a: &Moments, b: &Moments) -> Result<f64, MetricError> {
    Ok(Frechet::between(a, b)?.value())
}

/// By how much twice the sum of the roots of `squares` may be off. Their errors are independent.
fn rounding(squares: &[f64]) -> f64 {
    let error = ROUNDING * squares.iter().copied().fold(0.0, f64::max);
    let variances = squares.iter().map(|&square| {
        // The root of x + e is off by e / 2√x, and by √e at most.
        let root = (0.5 * error / square.max(error).sqrt()).max(0.0);
        root * root
    });
    2.0 * variances.sum::<f64>().sqrt()
}

/// `rows` (N, D) times a factor's transpose: (N, Q) with Q the rank of the covariance at most. Distances in it stand for
/// those of `rows` in every Fréchet distance to `moments`.
pub(super) fn project(rows: MatRef<'_, f64>, moments: &Moments) -> Result<Mat<f64>, MetricError> {
    let spread = Spread::of(moments)?;
    let varying: Vec<usize> = (0..moments.dimensions())
        .filter(|&j| spread.variances[j] > 0.0)
        .collect();
    let rows = if varying.len() == rows.ncols() {
        rows.to_owned()
    } else {
        Mat::from_fn(rows.nrows(), varying.len(), |i, j| rows[(i, varying[j])])
    };
    Ok(cross(&Factor::Rows(rows), &spread.factor(&varying)?))
}

/// What a factor is made from.
struct Spread {
    /// of each feature
    variances: Vec<f64>,
    matrix: Matrix,
}

enum Matrix {
    /// (N − 1, D): a factor already
    Contrasts(Mat<f64>),
    /// (D, D), its lower triangle
    Covariance(Mat<f64>),
}

impl Spread {
    fn of(moments: &Moments) -> Result<Self, MetricError> {
        let width = moments.dimensions();
        Ok(if let Some(rows) = moments.contrasts()? {
            let squares = |j| rows.col(j).iter().map(|value| value * value).sum();
            Self {
                variances: (0..width).map(squares).collect(),
                matrix: Matrix::Contrasts(rows),
            }
        } else {
            let covariance = moments.lower_covariance()?;
            Self {
                variances: (0..width).map(|j| covariance[(j, j)]).collect(),
                matrix: Matrix::Covariance(covariance),
            }
        })
    }

    /// The factor of the covariance of the features `varying`.
    fn factor(self, varying: &[usize]) -> Result<Factor, MetricError> {
        let width = varying.len();
        match self.matrix {
            Matrix::Contrasts(rows) if rows.ncols() == width => Ok(Factor::Rows(rows)),
            Matrix::Contrasts(rows) => {
                Ok(Factor::Rows(Mat::from_fn(rows.nrows(), width, |i, j| {
                    rows[(i, varying[j])]
                })))
            }
            Matrix::Covariance(matrix) if matrix.ncols() == width => Factor::of(&matrix),
            Matrix::Covariance(matrix) => Factor::of(&Mat::from_fn(width, width, |i, j| {
                matrix[(varying[i.max(j)], varying[i.min(j)])]
            })),
        }
    }
}

/// F with covariance `FᵀF`, (P, D).
enum Factor {
    Rows(Mat<f64>),
    /// Fᵀ, a lower triangle
    Triangle(Mat<f64>),
}

impl Factor {
    /// Of a covariance, of which the lower triangle is read.
    fn of(covariance: &Mat<f64>) -> Result<Self, MetricError> {
        let width = covariance.nrows();
        if let Ok(factor) = Llt::new(covariance.as_ref(), Side::Lower) {
            let lower = factor.L();
            // What is left of a variance after those before it, if it is more than rounding.
            let regular = (0..width).all(|j| {
                lower[(j, j)] * lower[(j, j)] > width as f64 * f64::EPSILON * covariance[(j, j)]
            });
            if regular {
                return Ok(Self::Triangle(lower.to_owned()));
            }
        }
        let eigen = covariance
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| MetricError::Eigen)?;
        let (vectors, values) = (eigen.U(), eigen.S().column_vector());
        let largest = values.iter().copied().fold(0.0, f64::max);
        // Those within rounding of zero are zero: √(1e−16) would not be small.
        let noise = largest * width as f64 * f64::EPSILON;
        let kept: Vec<usize> = (0..width).filter(|&k| values[k] > noise).collect();
        Ok(Self::Rows(Mat::from_fn(kept.len(), width, |i, j| {
            vectors[(j, kept[i])] * values[kept[i]].sqrt()
        })))
    }
}

/// `F₁F₂ᵀ`.
fn cross(a: &Factor, b: &Factor) -> Mat<f64> {
    match (a, b) {
        (Factor::Rows(a), Factor::Rows(b)) => product(a.as_ref(), b.transpose()),
        // A column of a lower triangle begins at its own number.
        (Factor::Rows(a), Factor::Triangle(b)) => {
            product_from(a.as_ref(), b.as_ref(), |_, column| column)
        }
        (Factor::Triangle(a), Factor::Rows(b)) => {
            product_from(a.transpose(), b.transpose(), |row, _| row)
        }
        (Factor::Triangle(a), Factor::Triangle(b)) => {
            product_from(a.transpose(), b.as_ref(), usize::max)
        }
    }
}
