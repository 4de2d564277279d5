//! Products of row-major matrices.

use std::ops::Range;

use rayon::prelude::*;

use super::block::{Columns, Run, Sweep, sweep};
use super::kernel::{Destination, Kernels};
use super::pack::{PackedRows, Rows};
use super::{depth_block, pieces};
use crate::ops::real::{Real, with_scratch};
use crate::ops::transpose::transpose;
use crate::ops::uninit::{Shared, filled};

/// A matrix that fills a slice.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a, T: Real> Matrix<'a, T> {
    /// A row-major matrix.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns);
        Self {
            data,
            rows,
            columns,
            transposed: false,
        }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            transposed: !self.transposed,
            ..self
        }
    }

    /// Elements from row to row and from column to column.
    fn pitches(&self) -> (usize, usize) {
        if self.transposed {
            (1, self.rows)
        } else {
            (self.columns, 1)
        }
    }
}

/// `a` · `b`, row-major.
///
/// Either operand may be a transpose. The work is divided by the shapes alone.
#[expect(
    unsafe_code,
    reason = "tasks write disjoint parts of the product, and together all of it"
)]
pub fn product<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>) -> Vec<T> {
    assert_eq!(a.columns, b.rows);
    let (m, n, depth) = (a.rows, b.columns, a.columns);
    if depth == 0 {
        return vec![T::ZERO; m * n];
    }
    if n < m && n < NARROW {
        let transposed = product(b.t(), a.t());
        let mut out = vec![T::ZERO; m * n];
        transpose(&transposed, m, (n, m), &mut out, n);
        return out;
    }
    let kernels = T::kernels();
    let block = depth_block(depth, 1);
    let (pitch, unit_pitch) = a.pitches();
    let rows = Rows {
        data: a.data,
        count: m,
        pitch,
        units: depth,
        unit_pitch,
        unit: std::iter::once(0).collect(),
    };
    let work = Product {
        rows: PackedRows::new(&[rows], kernels.rows, block),
        kernels,
        b,
        block,
    };
    let tasks: Vec<_> = pieces(n, COLUMNS)
        .flat_map(|columns| pieces(m, ROWS).map(move |rows| (rows, columns.clone())))
        .collect();
    unsafe {
        filled(m * n, |out| {
            let out = Shared::new(out);
            let tasks = tasks.into_par_iter().with_max_len(1);
            tasks.for_each(|(rows, columns)| work.run(&rows, &columns, &out));
        })
    }
}

/// Columns below which the transpose of a product is computed, whose vectors are fuller.
const NARROW: usize = 16;
/// Rows of a task, a multiple of any tile's: what the second-level cache holds of them.
const ROWS: usize = 256;
/// Columns of a task, a multiple of any tile's.
const COLUMNS: usize = 144;

struct Product<'a, T: Real> {
    kernels: &'static Kernels<T>,
    rows: PackedRows<T>,
    b: Matrix<'a, T>,
    /// steps of a block of the depth
    block: usize,
}

impl<T: Real> Product<'_, T> {
    #[expect(unsafe_code, reason = "each task has its own rows and columns")]
    fn run(&self, rows: &Range<usize>, columns: &Range<usize>, out: &Shared<'_, T>) {
        let b = &self.b;
        let width = columns.len().next_multiple_of(self.kernels.lanes);
        // A pitch that is no power of two keeps the rows of a tile in different sets of the cache.
        let pitch = width + 16;
        let run = Run {
            at: 0,
            length: width,
        };
        let strips = Columns::new(&[run], self.kernels.lanes);
        with_scratch(self.block * width + rows.len() * pitch, |scratch| {
            let (panel, sums) = scratch.split_at_mut(self.block * width);
            for (block, depth) in pieces(b.rows, self.block).enumerate() {
                // Copied even where it could be read in place: rows are often a power of two apart.
                if b.transposed {
                    let source = &b.data[columns.start * b.rows + depth.start..];
                    transpose(source, b.rows, (columns.len(), depth.len()), panel, width);
                } else {
                    for (k, out) in depth.clone().zip(panel.chunks_exact_mut(width)) {
                        let row = &b.data[k * b.columns..][columns.clone()];
                        out[..columns.len()].copy_from_slice(row);
                    }
                }
                let steps = (0..depth.len()).map(|k| k * width).collect();
                let work = Sweep {
                    kernels: self.kernels,
                    source: panel,
                    columns: &strips,
                    steps: &steps,
                };
                let mut sums = Destination {
                    data: &mut *sums,
                    pitch,
                    add: block > 0,
                };
                let rows = || self.rows.block(0, block, rows.clone());
                sweep(&work, rows, &mut [], &mut sums);
            }
            for (row, sums) in rows.clone().zip(sums.chunks_exact(pitch)) {
                let out = unsafe { out.range(row * b.columns + columns.start, columns.len()) };
                for (out, &sum) in out.iter_mut().zip(sums) {
                    out.write(sum);
                }
            }
        });
    }
}
