//! What loops over slices have in common: results that are written once, vectors as wide as the machine's,
//! and the elementwise loop itself.
//!
//! Work is cut by the length of the slices alone, so results do not depend on the number of threads; and
//! wider vectors compute the same bits as narrow ones, so they do not depend on the instruction set either.

pub(crate) mod arithmetic;
pub(crate) mod buffer;
pub(crate) mod elements;
pub(crate) mod pointwise;
pub(crate) mod simd;
