//! Matrix products, on their own and inside convolutions.
//!
//! ```text
//! product     row-major matrices, transposed or not          conv::cpu   the three convolutions
//!        └────────────────────────┬──────────────────────────────────────────┘
//! block       columns (placed or copied) × packed rows, tile by tile
//! kernel      one tile of sums in registers               pack        rows into panels
//! simd        vectors of an instruction set
//! ```
//!
//! The depth of a product is cut into blocks by the shapes alone. An element of the result is the sum of
//! its blocks, in order; an element of a block one chain of fused multiply-adds, in order. So it depends on
//! neither the number of threads nor the instruction set.

use std::ops::Range;

mod block;
mod kernel;
mod pack;
mod product;
mod set;
mod simd;

pub(super) use block::{Columns, Run, Sweep, sweep};
pub(super) use kernel::{Destination, Kernels, Offsets, Packed, Placed, VECTORS};
pub(super) use pack::{PackedRows, Rows};
pub(super) use product::{Matrix, product};
pub(super) use set::Element;
pub use set::{InstructionSet, with_instruction_set};

/// Steps of the depth in a block, at most: a panel of three vectors of them fits into the first-level
/// cache with room to spare.
pub(super) const DEPTH: usize = 192;

/// The largest even division of `depth` (of units that are not cut, `unit` steps each) into blocks of
/// [`DEPTH`] steps: units in a block.
pub(super) fn depth_block(units: usize, unit: usize) -> usize {
    let most = (DEPTH / unit.max(1)).clamp(1, units.max(1));
    units.div_ceil(units.div_ceil(most).max(1)).max(1)
}

/// `0..count` in pieces of `size`.
pub(super) fn pieces(count: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count)
        .step_by(size)
        .map(move |start| start..(start + size).min(count))
}
