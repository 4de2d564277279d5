//! Products of f64 matrices in tiles of a fixed size, so that no bit depends on the number of threads.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::MetricError;

/// Rows and columns of a tile.
const TILE: usize = 128;
/// Steps of the depth that are summed before they are added to the tile.
const DEPTH: usize = 512;

/// Who does the work of a call: the same bits either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// all threads of the pool
    All,
    /// the calling one, where such calls are shared out already: a thread that waits inside one would begin another, and
    /// hold the memory of both
    One,
}

/// `a` (M, K) · `b` (K, N).
pub fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    product_from(a, b, |_, _| 0)
}

/// `a` (M, K) · `b` (K, N), where the depth before `start(row, column)` holds only zeros from that row and
/// column on, as it does in triangles.
pub fn product_from(
    a: MatRef<'_, f64>,
    b: MatRef<'_, f64>,
    start: impl Fn(usize, usize) -> usize + Sync,
) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    each_panel(out.as_mut(), Workers::All, |column, mut panel| {
        let b = b.get(.., column..column + panel.ncols());
        for rows in pieces(0..a.nrows(), TILE) {
            let depth = start(rows.start, column)..a.ncols();
            let tile = panel.as_mut().get_mut(rows.clone(), ..);
            add(tile, a.get(rows, ..), b, depth);
        }
    });
    out
}

/// Adds `a`ᵀ · `a` (D, D) of `a` (K, D) to `out`, on and below its diagonal only.
pub fn add_gram(out: MatMut<'_, f64>, a: MatRef<'_, f64>, workers: Workers) {
    each_panel(out, workers, |column, mut panel| {
        let end = column + panel.ncols();
        let b = a.get(.., column..end);
        let diagonal = panel.as_mut().get_mut(column..end, ..);
        add_lower(diagonal, b);
        for rows in pieces(end..a.ncols(), TILE) {
            let tile = panel.as_mut().get_mut(rows.clone(), ..);
            add(tile, a.get(.., rows).transpose(), b, 0..a.nrows());
        }
    });
}

/// The lower triangle of `a` · `a`ᵀ.
pub fn gram_of_rows(a: MatRef<'_, f64>, workers: Workers) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), a.nrows());
    add_gram(out.as_mut(), a.transpose(), workers);
    out
}

/// Eigenvalues of a symmetric matrix of which the lower triangle is read.
pub fn eigenvalues(matrix: &Mat<f64>) -> Result<Vec<f64>, MetricError> {
    matrix
        .self_adjoint_eigenvalues(faer::Side::Lower)
        .map_err(|_| MetricError::Eigen)
}

/// Adds `a` (M, K) · `b` (K, N), of which only `depth` is not zero, to `tile`. Sequential.
pub fn add(mut tile: MatMut<'_, f64>, a: MatRef<'_, f64>, b: MatRef<'_, f64>, depth: Range<usize>) {
    for depth in pieces(depth, DEPTH) {
        let (a, b) = (a.get(.., depth.clone()), b.get(depth, ..));
        matmul(tile.as_mut(), Accum::Add, a, b, 1.0, Par::Seq);
    }
}

/// Adds the lower triangle of `a`ᵀ · `a`.
fn add_lower(mut tile: MatMut<'_, f64>, a: MatRef<'_, f64>) {
    for depth in pieces(0..a.nrows(), DEPTH) {
        let a = a.get(depth, ..);
        triangular::matmul(
            tile.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            a.transpose(),
            BlockStructure::Rectangular,
            a,
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
    }
}

/// Calls `work` with the columns of a matrix, a tile's width at a time, and the number of the first of them.
fn each_panel(
    matrix: MatMut<'_, f64>,
    workers: Workers,
    work: impl Fn(usize, MatMut<'_, f64>) + Sync,
) {
    let mut panels = Vec::with_capacity(matrix.ncols().div_ceil(TILE));
    let (mut column, mut rest) = (0, matrix);
    while rest.ncols() > 0 {
        let width = rest.ncols().min(TILE);
        let (panel, others) = rest.split_at_col_mut(width);
        panels.push((column, panel));
        (column, rest) = (column + width, others);
    }
    let work = |(column, panel)| work(column, panel);
    match workers {
        Workers::All => panels.into_par_iter().with_max_len(1).for_each(work),
        Workers::One => panels.into_iter().for_each(work),
    }
}

/// `range` in pieces of `size`.
pub fn pieces(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range
        .step_by(size)
        .map(move |start| start..(start + size).min(end))
}
