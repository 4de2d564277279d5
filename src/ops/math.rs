//! Elementary functions of `f32` from additions, multiplications and bit patterns alone: the same bits
//! on every platform, and free of branches so that loops over them vectorise. Errors are a few units in
//! the last place; NaN gives NaN. Polynomials are those of Cephes (S. Moshier).

use std::hint::select_unpredictable as select;

/// 1.5 · 2²³: adding and subtracting it rounds to an integer.
const ROUND: f32 = 12_582_912.0;
/// The high part of ln 2, short enough that its product with an exponent is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
/// ln 2 − `LN_2_HIGH`.
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// e^x. Overflows to infinity and underflows to zero through the subnormals.
#[inline(always)]
pub fn exp_f32(x: f32) -> f32 {
    // Comparisons, unlike min and max, let NaN through.
    let x = select(x > 89.0, 89.0, x);
    let x = select(x < -104.0, -104.0, x);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let exponent = shifted - ROUND;
    let r = x - exponent * LN_2_HIGH - exponent * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    p = p * (r * r) + r + 1.0;
    // 2^exponent in two factors, as it may lie outside the normal numbers while the result does not.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// ln x: −∞ at 0, NaN below.
#[inline(always)]
pub fn ln_f32(x: f32) -> f32 {
    // Subnormal numbers are scaled up first.
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = select(tiny, x * 8_388_608.0, x);
    let bits = scaled.to_bits();
    // x = m · 2^e with m in [√½, √2).
    let offset = bits.wrapping_sub(0x3f35_04f3);
    let e = (offset as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((e as u32) << 23)) - 1.0;
    let e = e as f32 - select(tiny, 23.0, 0.0);
    let mut p = 7.037_683_6e-2;
    p = p * m - 1.151_461e-1;
    p = p * m + 1.167_699_9e-1;
    p = p * m - 1.242_014_1e-1;
    p = p * m + 1.424_932_3e-1;
    p = p * m - 1.666_805_7e-1;
    p = p * m + 2.000_071_5e-1;
    p = p * m - 2.499_999_4e-1;
    p = p * m + 3.333_333e-1;
    let square = m * m;
    let tail = p * m * square + e * LN_2_LOW - 0.5 * square;
    let ln = m + tail + e * LN_2_HIGH;
    let ln = select(x < f32::INFINITY, ln, x);
    let ln = select(x == 0.0, f32::NEG_INFINITY, ln);
    select(x < 0.0, f32::NAN, ln)
}

/// ln(1 + x) for x ≥ 0, exact near zero.
#[inline(always)]
pub fn ln_1p_f32(x: f32) -> f32 {
    // The rounding error of 1 + x, undone to first order (W. Kahan).
    let sum = 1.0 + x;
    let corrected = ln_f32(sum) * (x / (sum - 1.0));
    let small = select(sum > 1.0, corrected, x);
    select(x < f32::INFINITY, small, x)
}

/// tanh x.
#[inline(always)]
pub fn tanh_f32(x: f32) -> f32 {
    let square = x * x;
    let mut p = -5.704_988_7e-3;
    p = p * square + 2.063_909e-2;
    p = p * square - 5.373_971_4e-2;
    p = p * square + 1.333_144_2e-1;
    p = p * square - 3.333_328e-1;
    let near = p * square * x + x;
    let magnitude = f32::from_bits(x.to_bits() & 0x7fff_ffff);
    let far = 1.0 - 2.0 / (exp_f32(2.0 * magnitude) + 1.0);
    let tanh = select(magnitude < 0.625, near, far);
    // The sign is put back last: the polynomial turns −0 into 0.
    f32::from_bits((tanh.to_bits() & 0x7fff_ffff) | (x.to_bits() & 0x8000_0000))
}

/// 1 / (1 + e^−x).
#[inline(always)]
pub fn sigmoid_f32(x: f32) -> f32 {
    1.0 / (1.0 + exp_f32(-x))
}
