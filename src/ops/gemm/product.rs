//! Products of row-major matrices.

use rayon::prelude::*;

use super::block::{Columns, Run, Sweep, sweep};
use super::depth_block;
use super::kernel::{Destination, Offsets};
use super::pack::{PackedRows, Rows};
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
    /// columns of a task
    const COLUMNS: usize = 240;
    assert_eq!(a.columns, b.rows);
    let (m, n, depth) = (a.rows, b.columns, a.columns);
    if m == 0 || n == 0 || depth == 0 {
        return vec![T::ZERO; m * n];
    }
    let kernels = T::kernels();
    let block = depth_block(depth, 1);
    let one: Offsets = std::iter::once(0).collect();
    let (pitch, unit_pitch) = a.pitches();
    let rows = Rows {
        data: a.data,
        count: m,
        pitch,
        units: depth,
        unit_pitch,
        unit: one,
    };
    let rows = PackedRows::new(&[rows], kernels.rows, block);
    let columns = n
        .div_ceil(n.div_ceil(COLUMNS))
        .next_multiple_of(kernels.lanes);
    let split = (n.div_ceil(columns), 16usize.div_ceil(n.div_ceil(columns)));
    let height = m
        .div_ceil(split.1.min(m.div_ceil(4 * kernels.rows)))
        .next_multiple_of(kernels.rows);
    let tasks: Vec<(usize, usize)> = (0..n)
        .step_by(columns)
        .flat_map(|column| (0..m).step_by(height).map(move |row| (row, column)))
        .collect();
    unsafe {
        filled(m * n, |out| {
            let out = Shared::new(out);
            tasks
                .into_par_iter()
                .with_max_len(1)
                .for_each(|(row, column)| {
                    let rows_here = row..(row + height).min(m);
                    let width = columns.min(n - column);
                    let padded = width.next_multiple_of(kernels.lanes);
                    let runs = [Run {
                        at: 0,
                        length: padded,
                    }];
                    let strips = Columns::new(&runs, kernels.lanes);
                    let pitch = padded + 16;
                    with_scratch(block * padded + rows_here.len() * pitch, |scratch| {
                        let (gathered, sums) = scratch.split_at_mut(block * padded);
                        for (index, from) in (0..depth).step_by(block).enumerate() {
                            let depth = block.min(depth - from);
                            // Straight from the matrix where whole vectors can be loaded there.
                            let (source, step) = if b.transposed {
                                transpose(
                                    &b.data[column * b.rows + from..],
                                    b.rows,
                                    (width, depth),
                                    gathered,
                                    padded,
                                );
                                (&*gathered, padded)
                            } else if width == padded {
                                (&b.data[from * n + column..], n)
                            } else {
                                for (k, out) in
                                    gathered.chunks_exact_mut(padded).take(depth).enumerate()
                                {
                                    let start = (from + k) * n + column;
                                    out[..width].copy_from_slice(&b.data[start..start + width]);
                                }
                                (&*gathered, padded)
                            };
                            let steps = (0..depth).map(|k| k * step).collect();
                            let work = Sweep {
                                kernels,
                                source,
                                columns: &strips,
                                steps: &steps,
                            };
                            let mut sums = Destination {
                                data: &mut *sums,
                                pitch,
                                add: index > 0,
                            };
                            sweep(
                                &work,
                                || rows.block(0, index, rows_here.clone()),
                                &mut [],
                                &mut sums,
                            );
                        }
                        for (row, sums) in rows_here.clone().zip(sums.chunks_exact(pitch)) {
                            let out = out.range(row * n + column, width);
                            for (out, &sum) in out.iter_mut().zip(sums) {
                                out.write(sum);
                            }
                        }
                    });
                });
        })
    }
}
