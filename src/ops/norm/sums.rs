//! Sums over strips: in the element type within a block, in `f64` over blocks.

use candle_core::WithDType;

use super::groups::Strip;
use crate::ops::real::Real;

/// Independent partial sums. So many that a loop over them vectorises, and that each is in memory again before it is
/// added to next.
const LANES: usize = 128;

/// Elements below which they are added one by one.
const FEW: usize = 32;

/// Σ `term`(elements of the inputs at one place) over a strip, `K` sums at once.
#[inline(always)]
pub(super) fn sums<T: Real, const M: usize, const K: usize>(
    strip: Strip,
    inputs: [&[T]; M],
    term: impl Fn([T; M]) -> [T; K] + Copy,
) -> [f64; K] {
    let mut totals = [0.0; K];
    for block in strip.blocks() {
        let sums = block_sums(block, inputs, term);
        for k in 0..K {
            totals[k] += sums[k];
        }
    }
    totals
}

/// The same over one block.
#[inline(always)]
pub(super) fn block_sums<T: Real, const M: usize, const K: usize>(
    block: Strip,
    inputs: [&[T]; M],
    term: impl Fn([T; M]) -> [T; K] + Copy,
) -> [f64; K] {
    if block.size() < FEW {
        return few(block, inputs, term);
    }
    let mut sums = [[T::ZERO; LANES]; K];
    for range in block.ranges() {
        let rows = inputs.map(|input| input[range.clone()].as_chunks::<LANES>());
        for chunk in 0..rows[0].0.len() {
            let chunks = rows.map(|(chunks, _)| &chunks[chunk]);
            for lane in 0..LANES {
                let terms = term(chunks.map(|chunk| chunk[lane]));
                for k in 0..K {
                    sums[k][lane] += terms[k];
                }
            }
        }
        let length = rows[0].1.len();
        let rests = rows.map(|(_, rest)| &rest[..length]);
        for lane in 0..length.min(LANES) {
            let terms = term(rests.map(|rest| rest[lane]));
            for k in 0..K {
                sums[k][lane] += terms[k];
            }
        }
    }
    sums.map(total)
}

/// The sum of all lanes, in halves.
#[inline(always)]
fn total<T: Real>(lanes: [T; LANES]) -> f64 {
    let mut sums = lanes.map(WithDType::to_f64);
    let mut length = LANES;
    while length > 1 {
        length /= 2;
        let (sums, others) = sums.split_at_mut(length);
        for (sum, other) in sums.iter_mut().zip(others) {
            *sum += *other;
        }
    }
    sums[0]
}

/// [`block_sums`] where lanes would be mostly empty.
#[inline(always)]
fn few<T: Real, const M: usize, const K: usize>(
    block: Strip,
    inputs: [&[T]; M],
    term: impl Fn([T; M]) -> [T; K],
) -> [f64; K] {
    let mut sums = [T::ZERO; K];
    for at in block.ranges().flatten() {
        let terms = term(inputs.map(|input| input[at]));
        for k in 0..K {
            sums[k] += terms[k];
        }
    }
    sums.map(WithDType::to_f64)
}
