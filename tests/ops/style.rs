//! Operations behind spectral norm, styles, attention and pools of a given size: derivatives against differences, and
//! the path of devices without kernels.

use candle_core::{DType, Tensor};
use retake::autograd::Value;
use retake::ops::{self, Singular};

use super::fallback::check_fallback_to;
use super::{assert_close, check_derivatives, normal, values};

fn double(purpose: &str, shape: &[usize]) -> Tensor {
    normal(purpose, shape, DType::F64)
}

/// Half precision's rounding.
const HALF: f64 = 4e-3;

#[test]
fn a_divisor_is_differentiated_too() {
    let divisor = (double("divisor", &[]).abs().unwrap() + 1.0).unwrap();
    let arguments = [double("x", &[3, 4]), divisor];
    check_derivatives(&arguments, |a| a[0].div_by(&a[1]));
}

#[test]
fn spectral_norm_divides_by_a_sum_that_depends_on_the_weight() {
    let weight = double("weight", &[3, 2, 2]);
    let matrix = |w: &Value| w.flatten_rows();
    let start = Singular {
        u: double("u", &[3]),
        v: double("v", &[4]),
    };
    let vectors = start
        .improved(&weight.flatten_from(1).unwrap(), 3, 1e-12)
        .unwrap();
    check_derivatives(&[weight], |a| {
        ops::spectral_norm(&a[0], &matrix(&a[0])?, &vectors)
    });
}

#[test]
fn the_power_method_finds_the_largest_singular_value() {
    let matrix = double("matrix", &[5, 3]);
    let start = Singular {
        u: double("u", &[5]),
        v: double("v", &[3]),
    };
    let found = start.improved(&matrix, 300, 1e-12).unwrap();
    let one = ops::spectral_norm(&(&matrix).into(), &(&matrix).into(), &found).unwrap();
    // Divided by it, the largest eigenvalue of WᵀW is 1: none is above, and one is there.
    let gram = one.tensor().t().unwrap().matmul(one.tensor()).unwrap();
    let v = found.v.reshape((3, 1)).unwrap();
    assert_close(&gram.matmul(&v).unwrap(), &v, 1e-9);
    assert!(values(&gram).iter().step_by(4).sum::<f64>() >= 1.0);
    for vector in [&found.u, &found.v] {
        let length: f64 = values(vector).iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_matrix_of_zeros_keeps_its_vectors_finite() {
    let zeros = double("matrix", &[2, 3]).zeros_like().unwrap();
    let start = Singular {
        u: double("u", &[2]),
        v: double("v", &[3]),
    };
    let found = start.improved(&zeros, 1, 1e-12).unwrap();
    assert!(
        values(&found.u)
            .iter()
            .chain(&values(&found.v))
            .all(|x| x.abs() < 1e-12)
    );
}

#[test]
fn improved_vectors_have_storage_of_their_own() {
    let start = Singular {
        u: double("u", &[2]),
        v: double("v", &[3]),
    };
    let kept = start
        .improved(&double("matrix", &[2, 3]), 0, 1e-12)
        .unwrap();
    let before = values(&kept.u);
    start
        .u
        .slice_set(&start.u.zeros_like().unwrap(), 0, 0)
        .unwrap();
    assert_eq!(values(&kept.u), before);
}

#[test]
fn channels_of_samples_are_scaled() {
    let arguments = [double("x", &[2, 3, 2, 2]), double("scale", &[2, 3])];
    let apply = |a: &[Value]| ops::scale_channels(&a[0], &a[1]);
    let shape = arguments[1].reshape((2, 3, 1, 1)).unwrap();
    let expected = arguments[0].broadcast_mul(&shape).unwrap();
    let scaled = apply(&arguments.each_ref().map(Value::from)).unwrap();
    assert_close(scaled.tensor(), &expected, 1e-15);
    check_derivatives(&arguments, apply);
    check_fallback_to(HALF, &arguments, apply);
}

#[test]
fn pairs_of_matrices_are_multiplied() {
    let arguments = [double("a", &[2, 3, 4]), double("b", &[2, 4, 2])];
    let apply = |a: &[Value]| a[0].batch_matmul(&a[1]);
    let products = apply(&arguments.each_ref().map(Value::from)).unwrap();
    let expected = arguments[0].matmul(&arguments[1]).unwrap();
    assert_close(products.tensor(), &expected, 1e-14);
    check_derivatives(&arguments, apply);
    check_fallback_to(HALF, &arguments, apply);
    let views = [double("a", &[2, 4, 3]), double("b", &[2, 2, 4])];
    check_derivatives(&views, |a| {
        a[0].transpose(1, 2)?.batch_matmul(&a[1].transpose(1, 2)?)
    });
}

#[test]
fn pools_of_a_given_size() {
    let x = [double("x", &[2, 2, 5, 4])];
    for size in [(3, 3), (5, 2), (1, 4), (7, 5)] {
        check_derivatives(&x, |a| ops::adaptive_avg_pool2d(&a[0], size));
        check_derivatives(&x, |a| ops::adaptive_max_pool2d(&a[0], size));
        check_fallback_to(HALF, &x, |a| ops::adaptive_avg_pool2d(&a[0], size));
    }
}

#[test]
fn smooth_activations() {
    let x = [double("x", &[2, 9])];
    check_derivatives(&x, |a| ops::elu(&a[0], 0.7));
    check_derivatives(&x, |a| ops::gelu(&a[0]));
    check_derivatives(&x, |a| ops::silu(&a[0]));
    check_derivatives(&x, |a| ops::softplus(&a[0]));
    for function in [ops::gelu, ops::silu, ops::softplus] {
        check_fallback_to(HALF, &x, |a| function(&a[0]));
    }
}

#[test]
fn slopes_at_zero_are_pytorchs() {
    let zero = Tensor::zeros(1, DType::F64, &candle_core::Device::Cpu).unwrap();
    let slope = |function: &dyn Fn(&Value) -> candle_core::Result<Value>| {
        let x = Value::variable(zero.clone());
        let y = function(&x).and_then(|y| y.sum_all()).unwrap();
        values(&super::gradients(y, &[x])[0])[0]
    };
    assert!((slope(&|x| ops::elu(x, 0.7)) - 0.7).abs() < 1e-15);
    assert!((slope(&|x| ops::softplus(x)) - 0.5).abs() < 1e-15);
    assert!((slope(&|x| ops::silu(x)) - 0.5).abs() < 1e-15);
    assert!((slope(&|x| ops::gelu(x)) - 0.5).abs() < 1e-15);
}

#[test]
fn softplus_of_far_numbers_is_exact() {
    let x = Tensor::new(&[-800.0f32, -30.0, 30.0, 800.0], &candle_core::Device::Cpu).unwrap();
    let y = values(ops::softplus(&x.into()).unwrap().tensor());
    assert_eq!(y[0], 0.0);
    assert!((y[1] / (-30f64).exp() - 1.0).abs() < 1e-5);
    assert_eq!(y[2..], [30.0, 800.0]);
}
