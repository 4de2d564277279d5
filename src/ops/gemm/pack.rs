//! Packing the rows of a product: panels in which a step of the depth has the elements of a tile's rows
//! side by side.

use std::ops::Range;

use rayon::prelude::*;

use super::kernel::{Offsets, Packed};
use crate::ops::real::Real;
use crate::ops::transpose::transpose;
use crate::ops::workspace::Buffer;

/// The rows of an operand inside a slice: row `i` of depth `k` is element
/// `i * pitch + k / unit.len() * unit_pitch + unit[k % unit.len()]`.
#[derive(Clone)]
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
    pub unit: Offsets,
}

/// The rows of several products in panels, block of the depth by block.
pub struct PackedRows<T: Real> {
    data: Buffer<T>,
    /// rows of a panel
    height: usize,
    products: Vec<Product>,
}

struct Product {
    /// in the data
    start: usize,
    rows: usize,
    /// steps in each block but the last
    block: usize,
    /// steps in all
    depth: usize,
}

impl<T: Real> PackedRows<T> {
    /// Packs into panels of `height` rows, and blocks of `units` units of the depth.
    pub fn new(all: &[Rows<'_, T>], height: usize, units: usize) -> Self {
        let mut length = 0;
        let mut products = Vec::with_capacity(all.len());
        for rows in all {
            let depth = rows.units * rows.unit.len();
            products.push(Product {
                start: length,
                rows: rows.count,
                block: units * rows.unit.len(),
                depth,
            });
            length += rows.count.next_multiple_of(height) * depth;
        }
        let mut data = Buffer::take(length);
        let mut panels = Vec::new();
        let mut rest = &mut data[..];
        for rows in all {
            for unit in (0..rows.units).step_by(units) {
                let depth = units.min(rows.units - unit) * rows.unit.len();
                for row in (0..rows.count).step_by(height) {
                    let (panel, others) = rest.split_at_mut(depth * height);
                    rest = others;
                    panels.push((row, rows, unit, panel));
                }
            }
        }
        // Products may take turns in the same memory: panels of the same rows one after the other.
        panels.sort_by_key(|panel| panel.0);
        panels
            .into_par_iter()
            .for_each(|(row, rows, unit, panel)| rows.pack(row, unit, height, panel));
        Self {
            data,
            height,
            products,
        }
    }

    /// The panels of `rows` of a product in a block of the depth, of which the first begins a panel: each
    /// with its rows.
    pub fn block(
        &self,
        product: usize,
        block: usize,
        rows: Range<usize>,
    ) -> impl Iterator<Item = (Range<usize>, Packed<'_, T>)> {
        let product = &self.products[product];
        let before = block * product.block;
        let depth = product.block.min(product.depth - before);
        let start = product.start + before * product.rows.next_multiple_of(self.height);
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
    /// Packs the `height` rows from `row` on, from unit `unit` on, as far as `panel` goes.
    fn pack(&self, row: usize, unit: usize, height: usize, panel: &mut [T]) {
        if panel.is_empty() {
            return;
        }
        let count = height.min(self.count - row);
        let data = &self.data[row * self.pitch + unit * self.unit_pitch..];
        let side_by_side = self.unit.iter().eq(0..self.unit_pitch);
        if side_by_side {
            let depth = panel.len() / height;
            transpose(data, self.pitch, (count, depth), panel, height);
        } else {
            match (height, count) {
                (4, 4) => self.pack_steps(data, 4, 4, panel),
                (8, 8) => self.pack_steps(data, 8, 8, panel),
                _ => self.pack_steps(data, height, count, panel),
            }
        }
    }

    /// Packs steps one by one. Inlined, so that constant numbers of rows unroll the loop.
    #[inline]
    fn pack_steps(&self, data: &[T], height: usize, count: usize, panel: &mut [T]) {
        let reach = (count - 1) * self.pitch + 1;
        let units = panel.chunks_exact_mut(self.unit.len() * height);
        for (unit, panel) in units.enumerate() {
            for (step, at) in panel.chunks_exact_mut(height).zip(self.unit.iter()) {
                let start = unit * self.unit_pitch + at;
                let column = &data[start..start + reach];
                for (i, out) in step[..count].iter_mut().enumerate() {
                    *out = column[i * self.pitch];
                }
            }
        }
    }
}
