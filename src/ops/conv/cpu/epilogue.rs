//! What becomes of a convolution's sums as they are written: a bias of the channel and an activation.

use crate::ops::activation::piecewise;
use crate::ops::real::Real;

/// Bias first, then activation.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Epilogue<'a, T> {
    /// a number for each channel of the result
    pub bias: Option<&'a [T]>,
    /// what numbers below zero are multiplied with: 1 leaves them, 0 is ReLU
    pub slope: T,
}

impl<T: Real> Epilogue<'_, T> {
    /// The epilogue of one channel. NaN stays NaN.
    #[inline]
    pub(super) fn of_channel(&self, channel: usize) -> impl Fn(T) -> T + Copy {
        let bias = self.bias.map_or(T::ZERO, |bias| bias[channel]);
        let activation = piecewise(self.slope);
        move |sum| activation(sum + bias)
    }
}
