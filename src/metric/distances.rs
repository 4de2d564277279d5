//! Euclidean distances between all rows of two sets of features, a block of rows at a time.
//!
//! |x − y|² = |x|² + |y|² − 2 x·y in f64, by matrix products. Where that cancels, the differences themselves are
//! squared, so that equal rows are at distance 0 exactly.

use faer::{MatMut, MatRef};
use rayon::prelude::*;

use super::features::Features;
use super::products::{add, pieces};

/// Rows of a block, whose distances to all other rows are held at once.
const ROWS: usize = 128;
/// Rows of the other set that are multiplied at once.
const COLUMNS: usize = 256;
/// A square so small beside |x|² + |y|² has lost too many digits.
const CANCELLED: f64 = 1e-6;

/// What `visit` makes of each row of `a`, in their order: it is given the row's number and the squared distances to
/// all rows of `b`.
pub fn by_row<T: Send>(
    a: &Features<'_>,
    b: &Features<'_>,
    visit: impl Fn(usize, &[f64]) -> T + Sync,
) -> Vec<T> {
    let (width, count) = (a.dimensions(), b.count());
    let (norms_a, norms_b) = (norms(a), norms(b));
    let blocks: Vec<_> = pieces(0..a.count(), ROWS).collect();
    let visited = blocks
        .into_par_iter()
        .with_max_len(1)
        .flat_map_iter(|rows| {
            let mut squares = vec![0.0; rows.len() * count];
            let left = a.wide(rows.clone());
            let left = MatRef::from_row_major_slice(&left, rows.len(), width);
            for columns in pieces(0..count, COLUMNS) {
                let right = b.wide(columns.clone());
                let right = MatRef::from_row_major_slice(&right, columns.len(), width);
                let out = MatMut::from_row_major_slice_mut(&mut squares, rows.len(), count);
                add(out.get_mut(.., columns), left, right.transpose(), 0..width);
            }
            let mut results = Vec::with_capacity(rows.len());
            for (i, squares) in rows.zip(squares.chunks_exact_mut(count)) {
                for (j, square) in squares.iter_mut().enumerate() {
                    let norms = norms_a[i] + norms_b[j];
                    *square = norms - 2.0 * *square;
                    if *square <= CANCELLED * norms {
                        *square = square_of(a.row(i), b.row(j));
                    }
                }
                results.push(visit(i, squares));
            }
            results
        });
    visited.collect()
}

/// |x − y|².
pub fn square_of(x: &[f32], y: &[f32]) -> f64 {
    let squares = x.iter().zip(y).map(|(&x, &y)| {
        let difference = f64::from(x) - f64::from(y);
        difference * difference
    });
    squares.sum()
}

/// |x|² of each row.
fn norms(features: &Features<'_>) -> Vec<f64> {
    let square = |row: &[f32]| row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    features.rows().map(square).collect()
}
