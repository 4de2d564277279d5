//! The number types that the CPU kernels are written for.

use std::cell::RefCell;
use std::ops::Neg;
use std::thread::LocalKey;

use candle_core::WithDType;

use super::gemm::Element;
use super::math;
use super::workspace::Spares;

static SPARES_F32: Spares<f32> = Spares::new(Vec::new());
static SPARES_F64: Spares<f64> = Spares::new(Vec::new());

thread_local! {
    static SCRATCH_F32: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static SCRATCH_F64: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// `f32`, which trains, and `f64`, in which gradients are checked.
pub(super) trait Real: WithDType + Neg<Output = Self> + Element {
    const ZERO: Self;
    const ONE: Self;
    /// e to the `self`.
    fn exp(self) -> Self;
    /// ln(1 + `self`), exact near zero.
    fn ln_1p(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// 1 / (1 + e^−`self`).
    fn sigmoid(self) -> Self;
    /// This thread's buffer of the type, kept between calls.
    fn scratch() -> &'static LocalKey<RefCell<Vec<Self>>>;
    /// Buffers that nobody uses.
    fn spares() -> &'static Spares<Self>;

    /// Absolute value.
    fn magnitude(self) -> Self {
        if self < Self::ZERO { -self } else { self }
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    #[inline(always)]
    fn exp(self) -> Self {
        math::exp_f32(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        math::ln_1p_f32(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        math::tanh_f32(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        math::sigmoid_f32(self)
    }
    #[inline]
    fn scratch() -> &'static LocalKey<RefCell<Vec<Self>>> {
        &SCRATCH_F32
    }
    #[inline]
    fn spares() -> &'static Spares<Self> {
        &SPARES_F32
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    #[inline(always)]
    fn exp(self) -> Self {
        libm::exp(self)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        libm::log1p(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        libm::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + libm::exp(-self))
    }
    #[inline]
    fn scratch() -> &'static LocalKey<RefCell<Vec<Self>>> {
        &SCRATCH_F64
    }
    #[inline]
    fn spares() -> &'static Spares<Self> {
        &SPARES_F64
    }
}

/// Lends `length` elements of this thread's buffer. Their values are left over from earlier use.
/// Must not be nested, nor wrap a parallel loop (whose work could be another user of the buffer).
pub(super) fn with_scratch<T: Real, R>(length: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    T::scratch().with_borrow_mut(|buffer| {
        if buffer.len() < length {
            buffer.resize(length, T::ZERO);
        }
        work(&mut buffer[..length])
    })
}
