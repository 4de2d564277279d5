//! Enlarging images by a whole number.

mod bilinear;
mod nearest;

pub use bilinear::upsample_bilinear2d;
pub use nearest::upsample_nearest2d;
