//! The elementary functions against double precision, over their whole range.

use retake::ops::math::{exp_f32, ln_1p_f32, ln_f32, sigmoid_f32, tanh_f32};

/// Every 1009th bit pattern: all exponents, both signs.
fn everywhere() -> impl Iterator<Item = f32> {
    (0..=u32::MAX)
        .step_by(1009)
        .map(f32::from_bits)
        .filter(|x| x.is_finite())
}

/// The distance of `actual` from the exact value, in units of the last place of `f32` there.
fn ulps(actual: f32, exact: f64) -> f64 {
    if f64::from(actual) == exact || (exact.abs() > f64::from(f32::MAX) && actual.is_infinite()) {
        return 0.0;
    }
    let nearest = exact as f32;
    let unit = f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
    (f64::from(actual) - exact).abs() / unit
}

#[track_caller]
fn check(
    name: &str,
    limit: f64,
    domain: impl Fn(f32) -> bool,
    function: impl Fn(f32) -> f32,
    exact: impl Fn(f64) -> f64,
) {
    let (mut worst, mut at) = (0.0, 0.0);
    for x in everywhere().filter(|&x| domain(x)) {
        let error = ulps(function(x), exact(f64::from(x)));
        assert!(!error.is_nan(), "{name}({x:e}) = {}", function(x));
        if error > worst {
            (worst, at) = (error, x);
        }
    }
    assert!(worst <= limit, "{name} is off by {worst} units at {at:e}");
}

#[test]
fn functions_are_within_a_few_units_everywhere() {
    check("exp", 2.0, |_| true, exp_f32, libm::exp);
    check("ln", 2.0, |x| x > 0.0, ln_f32, libm::log);
    check("ln_1p", 4.0, |x| x >= 0.0, ln_1p_f32, libm::log1p);
    check("tanh", 4.0, |_| true, tanh_f32, libm::tanh);
    // Below −87 the result is subnormal and loses digits.
    let sigmoid = |x: f64| 1.0 / (1.0 + libm::exp(-x));
    check("sigmoid", 4.0, |x| x > -87.0, sigmoid_f32, sigmoid);
}

#[test]
fn special_values_are_those_of_the_standard() {
    for function in [exp_f32, ln_f32, ln_1p_f32, tanh_f32, sigmoid_f32] {
        assert!(function(f32::NAN).is_nan());
        assert!(function(-f32::NAN).is_nan());
    }
    assert_eq!(exp_f32(f32::INFINITY), f32::INFINITY);
    assert_eq!(exp_f32(f32::NEG_INFINITY), 0.0);
    assert_eq!(exp_f32(0.0), 1.0);
    assert_eq!(ln_f32(1.0), 0.0);
    assert_eq!(ln_f32(0.0), f32::NEG_INFINITY);
    assert_eq!(ln_f32(f32::INFINITY), f32::INFINITY);
    assert!(ln_f32(-1.0).is_nan() && ln_f32(f32::NEG_INFINITY).is_nan());
    assert_eq!(ln_1p_f32(f32::INFINITY), f32::INFINITY);
    assert_eq!(tanh_f32(f32::INFINITY), 1.0);
    assert_eq!(tanh_f32(f32::NEG_INFINITY), -1.0);
    assert_eq!(tanh_f32(-0.0).to_bits(), (-0.0_f32).to_bits());
    assert_eq!(sigmoid_f32(f32::INFINITY), 1.0);
    assert_eq!(sigmoid_f32(f32::NEG_INFINITY), 0.0);
}
