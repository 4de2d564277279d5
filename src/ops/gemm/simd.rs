//! Vectors of an instruction set, as far as a matrix product needs them.
//!
//! Fused multiply-add rounds once on every instruction set, so the same chain of them gives the same
//! bits on each.
#![expect(
    unsafe_code,
    reason = "intrinsics; inlined into functions that have the instruction set"
)]

/// A vector of `LANES` elements.
pub trait Simd {
    type Element: Copy;
    type Vector: Copy;
    const LANES: usize;

    /// # Safety
    /// The instruction set must be there.
    unsafe fn zero() -> Self::Vector;
    /// # Safety
    /// The instruction set must be there.
    unsafe fn splat(value: Self::Element) -> Self::Vector;
    /// # Safety
    /// The instruction set must be there, and `LANES` elements at `from`.
    unsafe fn load(from: *const Self::Element) -> Self::Vector;
    /// # Safety
    /// The instruction set must be there, and room for `LANES` elements at `to`.
    unsafe fn store(to: *mut Self::Element, vector: Self::Vector);
    /// # Safety
    /// The instruction set must be there.
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a · b + c
    ///
    /// # Safety
    /// The instruction set must be there.
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
}

/// Any processor: arrays, which the compiler may put into vectors.
pub struct Portable<T>(std::marker::PhantomData<T>);

macro_rules! portable {
    ($T:ty, $lanes:literal) => {
        impl Simd for Portable<$T> {
            type Element = $T;
            type Vector = [$T; $lanes];
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn zero() -> Self::Vector {
                [0.0; $lanes]
            }
            #[inline(always)]
            unsafe fn splat(value: $T) -> Self::Vector {
                [value; $lanes]
            }
            #[inline(always)]
            unsafe fn load(from: *const $T) -> Self::Vector {
                unsafe { from.cast::<Self::Vector>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store(to: *mut $T, vector: Self::Vector) {
                unsafe { to.cast::<Self::Vector>().write_unaligned(vector) }
            }
            #[inline(always)]
            unsafe fn add(mut a: Self::Vector, b: Self::Vector) -> Self::Vector {
                for (a, b) in a.iter_mut().zip(b) {
                    *a += b;
                }
                a
            }
            #[inline(always)]
            unsafe fn multiply_add(
                a: Self::Vector,
                b: Self::Vector,
                mut c: Self::Vector,
            ) -> Self::Vector {
                for ((c, a), b) in c.iter_mut().zip(a).zip(b) {
                    *c = a.mul_add(b, *c);
                }
                c
            }
        }
    };
}
portable!(f32, 4);
portable!(f64, 2);

#[cfg(target_arch = "x86_64")]
pub mod x86 {
    #[expect(clippy::wildcard_imports, reason = "two dozen intrinsics")]
    use std::arch::x86_64::*;
    use std::marker::PhantomData;

    use super::Simd;

    /// 256-bit vectors, 16 registers: 4 × 3 sums, 3 columns, 1 row.
    pub struct Avx2<T>(PhantomData<T>);
    /// 512-bit vectors, 32 registers: 8 × 3 sums, 3 columns, 1 row, and some to spare.
    pub struct Avx512<T>(PhantomData<T>);

    macro_rules! intrinsics {
        ($Set:ident, $T:ty, $Vector:ty, $lanes:literal,
         $zero:ident, $splat:ident, $load:ident, $store:ident, $add:ident, $fmadd:ident) => {
            impl Simd for $Set<$T> {
                type Element = $T;
                type Vector = $Vector;
                const LANES: usize = $lanes;

                #[inline(always)]
                unsafe fn zero() -> $Vector {
                    unsafe { $zero() }
                }
                #[inline(always)]
                unsafe fn splat(value: $T) -> $Vector {
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn load(from: *const $T) -> $Vector {
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(to: *mut $T, vector: $Vector) {
                    unsafe { $store(to, vector) }
                }
                #[inline(always)]
                unsafe fn add(a: $Vector, b: $Vector) -> $Vector {
                    unsafe { $add(a, b) }
                }
                #[inline(always)]
                unsafe fn multiply_add(a: $Vector, b: $Vector, c: $Vector) -> $Vector {
                    unsafe { $fmadd(a, b, c) }
                }
            }
        };
    }
    #[rustfmt::skip]
    intrinsics!(Avx2, f32, __m256, 8, _mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps,
        _mm256_storeu_ps, _mm256_add_ps, _mm256_fmadd_ps);
    #[rustfmt::skip]
    intrinsics!(Avx2, f64, __m256d, 4, _mm256_setzero_pd, _mm256_set1_pd, _mm256_loadu_pd,
        _mm256_storeu_pd, _mm256_add_pd, _mm256_fmadd_pd);
    #[rustfmt::skip]
    intrinsics!(Avx512, f32, __m512, 16, _mm512_setzero_ps, _mm512_set1_ps, _mm512_loadu_ps,
        _mm512_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps);
    #[rustfmt::skip]
    intrinsics!(Avx512, f64, __m512d, 8, _mm512_setzero_pd, _mm512_set1_pd, _mm512_loadu_pd,
        _mm512_storeu_pd, _mm512_add_pd, _mm512_fmadd_pd);
}
