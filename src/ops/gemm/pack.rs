//! Packing the rows of a product: panels in which a step of the depth has the elements of a tile's rows
//! side by side.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::kernel::{Offsets, Packed};
use crate::ops::real::Real;
use crate::ops::uninit::filled;

/// The rows of an operand inside a slice: row `i` of depth `k` is element
/// `i * pitch + k / unit.len() * unit_pitch + unit[k % unit.len()]`.
#[derive(Clone, Copy)]
pub struct Rows<'a, T> {
    /// starts with row 0
    pub data: &'a [T],
    /// how many
    pub count: usize,
    /// elements from row to row
    pub pitch: usize,
    /// units of the depth, which blocks do not cut
    pub units: usize,
    /// elements from unit to unit
    pub unit_pitch: usize,
    /// where the steps of a unit lie
    pub unit: &'a Offsets,
}

/// Rows in panels, block of the depth by block.
pub struct PackedRows<T> {
    data: Vec<T>,
    rows: usize,
    /// rows of a panel
    height: usize,
    /// steps in each block but the last
    depth: usize,
    /// steps in all
    total: usize,
}

impl<T: Real> PackedRows<T> {
    /// Packs into panels of `height` rows, and blocks of `units` units of the depth.
    #[expect(
        unsafe_code,
        reason = "each panel writes all of its chunk, and chunks are all there is"
    )]
    pub fn new(rows: &Rows<'_, T>, height: usize, units: usize) -> Self {
        let panels = rows.count.div_ceil(height);
        let unit = rows.unit.len();
        let (depth, total) = (units * unit, rows.units * unit);
        let data = unsafe {
            filled(panels * height * total, |data| {
                if data.is_empty() {
                    return;
                }
                let blocks = data.par_chunks_mut(panels * height * depth).enumerate();
                blocks.for_each(|(block, data)| {
                    let depth = data.len() / (panels * height);
                    let panels = data.par_chunks_mut(height * depth).enumerate();
                    panels.for_each(|(panel, out)| {
                        rows.pack_panel(panel * height, height, block * units, out);
                    });
                });
            })
        };
        Self {
            data,
            rows: rows.count,
            height,
            depth,
            total,
        }
    }

    /// The panels of `rows` in a block of the depth, whose first row begins a panel: each with its
    /// first row and the number of its rows.
    pub fn block(
        &self,
        block: usize,
        rows: Range<usize>,
    ) -> impl Iterator<Item = (Range<usize>, Packed<'_, T>)> {
        let depth = self.depth.min(self.total - block * self.depth);
        let start = block * self.depth * self.rows.next_multiple_of(self.height);
        rows.clone().step_by(self.height).map(move |row| {
            let panel = &self.data[start + row * depth..start + (row + self.height) * depth];
            let packed = Packed {
                data: panel,
                pitch: self.height,
            };
            (row..(row + self.height).min(rows.end), packed)
        })
    }
}

impl<T: Real> Rows<'_, T> {
    /// Packs the rows from `first` on, from unit `from` on, as far as `out` goes.
    fn pack_panel(&self, first: usize, height: usize, from: usize, out: &mut [MaybeUninit<T>]) {
        let count = height.min(self.count - first);
        if count < height {
            out.fill(MaybeUninit::new(T::ZERO));
        }
        let unit = self.unit.len() * height;
        for (index, out) in out.chunks_exact_mut(unit).enumerate() {
            let data = &self.data[first * self.pitch + (from + index) * self.unit_pitch..];
            for (out, at) in out.chunks_exact_mut(height).zip(self.unit.iter()) {
                let column = data[at..].iter().step_by(self.pitch.max(1));
                for (out, &value) in out.iter_mut().zip(column.take(count)) {
                    out.write(value);
                }
            }
        }
    }
}
