//! Everything but the convolutions: values against known numbers, derivatives against differences.

use candle_core::{DType, Device, Result, Tensor};
use retake::autograd::Value;
use retake::ops::{self, Activation, Padding};

use super::fallback::{check_fallback, check_fallback_to};
use super::{assert_close, check_derivatives, gradients, normal, number, values, variables};

fn vector(values: &[f64]) -> Tensor {
    Tensor::new(values, &Device::Cpu).unwrap()
}

#[test]
fn linear_has_the_derivatives_of_differences() {
    let arguments = [
        normal("x", (3, 5), DType::F64),
        normal("w", (4, 5), DType::F64),
        normal("b", 4, DType::F64),
    ];
    check_derivatives(&arguments, |a| ops::linear(&a[0], &a[1], Some(&a[2])));
    check_derivatives(&arguments[..2], |a| ops::linear(&a[0], &a[1], None));
    check_fallback(&arguments, |a| ops::linear(&a[0], &a[1], Some(&a[2])));
}

#[test]
fn arithmetic_has_the_derivatives_of_differences() {
    let x = normal("x", (3, 4), DType::F64);
    let y = normal("y", (3, 4), DType::F64);
    let both = [x.clone(), y];
    check_derivatives(&both, |a| a[0].add(&a[1]));
    check_derivatives(&both, |a| a[0].sub(&a[1]));
    check_derivatives(&both, |a| a[0].mul(&a[1]));
    check_derivatives(&both, |a| a[0].div(&a[1].sqr()?.affine(1.0, 0.5)?));
    let one = [x];
    check_derivatives(&one, |a| a[0].affine(-2.0, 3.0));
    check_derivatives(&one, |a| a[0].neg());
    check_derivatives(&one, |a| a[0].sqr());
    check_derivatives(&one, |a| a[0].mul(&a[0].sqr()?));
    check_derivatives(&one, |a| a[0].sqr()?.affine(1.0, 0.5)?.sqrt());
    check_derivatives(&one, |a| a[0].abs());
}

#[test]
fn changes_of_shape_have_the_derivatives_of_differences() {
    let x = [normal("x", (2, 3, 4), DType::F64)];
    check_derivatives(&x, |a| a[0].reshape((4, 6)));
    check_derivatives(&x, |a| a[0].flatten_rows());
    check_derivatives(&x, |a| a[0].transpose(0, 2));
    check_derivatives(&x, |a| a[0].narrow(2, 1, 2));
    check_derivatives(&x, |a| a[0].pad(1, 2, 1));
    check_derivatives(&x, |a| a[0].sum_to((3, 1)));
    check_derivatives(&x, |a| a[0].sum_last());
    check_derivatives(&x, |a| a[0].sum_all());
    check_derivatives(&x, |a| a[0].mean_all());
    let index = Tensor::new(&[[[3_u32], [0], [1]], [[2], [2], [0]]], &Device::Cpu).unwrap();
    check_derivatives(&x, |a| a[0].gather_last(&index));
    let row = [normal("row", (3, 1), DType::F64)];
    check_derivatives(&row, |a| a[0].broadcast_as((2, 3, 4)));
    let parts = [
        normal("a", (2, 1, 3), DType::F64),
        normal("b", (2, 2, 3), DType::F64),
    ];
    check_derivatives(&parts, |a| Value::cat(&[&a[0], &a[1], &a[0]], 1));
}

#[test]
fn operands_of_two_shapes_are_an_error() {
    let (x, y) = (vector(&[1.0, 2.0]), vector(&[1.0]));
    let error = Value::from(x).mul(&y.into()).unwrap_err().to_string();
    assert!(error.contains("shapes [2] and [1] differ"), "{error}");
}

#[test]
fn activations_have_the_derivatives_of_differences() {
    let x = [normal("x", (3, 4, 5), DType::F64)];
    check_derivatives(&x, |a| ops::relu(&a[0]));
    check_derivatives(&x, |a| ops::leaky_relu(&a[0], 0.2));
    check_derivatives(&x, |a| Activation::Relu6.apply(&a[0].affine(6.0, 0.0)?));
    check_derivatives(&x, |a| ops::tanh(&a[0]));
    check_derivatives(&x, |a| ops::sigmoid(&a[0]));
}

#[test]
fn activations_without_a_kernel_are_the_same() {
    let x = [normal("x", (2, 100), DType::F32)];
    check_fallback(&x, |a| ops::relu(&a[0]));
    check_fallback(&x, |a| ops::leaky_relu(&a[0], 0.25));
    check_fallback(&x, |a| Activation::Relu6.apply(&a[0].affine(4.0, 0.0)?));
    for smooth in [ops::tanh, ops::sigmoid, ops::softmax, ops::log_softmax] {
        let half = smooth(&x[0].to_dtype(DType::F16).unwrap().into()).unwrap();
        let single = smooth(&Value::from(&x[0])).unwrap();
        assert_close(half.tensor(), single.tensor(), 4e-3);
    }
}

#[test]
fn derivatives_at_zero_are_those_of_pytorch() {
    let x = variables(&[vector(&[0.0, -0.0])]);
    let slope_of = |y: Value| values(&gradients(y.sum_all().unwrap(), &x)[0]);
    assert_eq!(slope_of(ops::relu(&x[0]).unwrap()), [0.0, 0.0]);
    assert_eq!(slope_of(ops::leaky_relu(&x[0], 0.2).unwrap()), [0.2, 0.2]);
    let relu6 = |shift| Activation::Relu6.apply(&x[0].affine(1.0, shift).unwrap());
    for (shift, slope) in [(0.0, 0.0), (3.0, 1.0), (6.0, 0.0), (7.0, 0.0)] {
        assert_eq!(slope_of(relu6(shift).unwrap()), [slope, slope]);
    }
    let zero = vector(&[0.0, 0.0]).into();
    assert_eq!(slope_of(ops::l1(&x[0], &zero).unwrap()), [0.0, 0.0]);
}

#[test]
fn activations_pass_nan_on() {
    let x: Value = vector(&[f64::NAN]).to_dtype(DType::F32).unwrap().into();
    for y in [
        ops::relu(&x),
        ops::leaky_relu(&x, 0.2),
        Activation::Relu6.apply(&x),
        ops::tanh(&x),
        ops::sigmoid(&x),
    ] {
        assert!(values(y.unwrap().tensor())[0].is_nan());
    }
}

#[test]
fn pools_have_the_derivatives_of_differences_and_need_no_kernel() {
    let x = [normal("x", (2, 3, 7, 5), DType::F64)];
    let asymmetric = Padding {
        top: 0,
        bottom: 1,
        left: 1,
        right: 0,
    };
    for (kernel, stride, padding) in [
        ((2, 2), (2, 2), Padding::default()),
        ((3, 3), (2, 2), Padding::symmetric(1, 1)),
        ((3, 2), (1, 3), asymmetric),
        // pixels that no window sees
        ((2, 1), (3, 2), Padding::default()),
        ((7, 5), (1, 1), Padding::default()),
    ] {
        let max = |a: &[Value]| ops::max_pool2d(&a[0], kernel, stride, padding);
        check_derivatives(&x, max);
        check_fallback(&x, max);
        // Whole numbers also of a mean.
        let size = (kernel.0 * kernel.1) as f64;
        let sum = |a: &[Value]| ops::avg_pool2d(&a[0], kernel, stride, padding)?.affine(size, 0.0);
        let mean = |a: &[Value]| ops::avg_pool2d(&a[0], kernel, stride, padding);
        check_derivatives(&x, mean);
        if size.log2().fract() == 0.0 {
            check_fallback(&x, sum);
        }
        let inside = |a: &[Value]| ops::avg_pool2d_inside(&a[0], kernel, stride, padding);
        check_derivatives(&x, inside);
        check_fallback_to(2e-2, &x, inside);
    }
    for dtype in [DType::F32, DType::F16] {
        let x = vector(&[
            1.0,
            f64::NAN,
            3.0,
            f64::NEG_INFINITY,
            f64::NEG_INFINITY,
            -1.0,
        ]);
        let x = x.reshape((1, 1, 1, 6)).unwrap().to_dtype(dtype).unwrap();
        let y = ops::max_pool2d(&x.into(), (1, 2), (1, 2), Padding::default()).unwrap();
        let y = values(y.tensor());
        assert!(y[0].is_nan() && y[1] == 3.0 && y[2] == -1.0);
    }
    let global = ops::global_avg_pool2d(&Value::from(&x[0])).unwrap();
    assert_close(global.tensor(), &x[0].mean((2, 3)).unwrap(), 1e-12);
    check_derivatives(&x, |a| ops::global_avg_pool2d(&a[0]));
}

#[test]
fn means_may_leave_the_padding_out() {
    let ones = [Tensor::ones((1, 2, 5, 4), DType::F32, &Device::Cpu).unwrap()];
    let x = Value::from(&ones[0]);
    let padding = Padding::symmetric(1, 1);
    let inside = ops::avg_pool2d_inside(&x, (3, 3), (2, 1), padding).unwrap();
    assert_eq!(values(inside.tensor()), vec![1.0; 2 * 3 * 4]);
    let whole = ops::avg_pool2d(&x, (3, 3), (2, 1), padding).unwrap();
    let corner = values(whole.tensor())[0];
    assert!((corner - 4.0 / 9.0).abs() < 1e-6, "{corner}");
}

#[test]
fn pools_of_many_windows_are_to_the_bit_what_they_are_one_by_one() {
    let (h, w) = (9, 37);
    let x = normal("x", (2, 3, h, w), DType::F32);
    let mut numbers: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
    numbers[40] = f32::NAN;
    numbers[77] = f32::NEG_INFINITY;
    let asymmetric = Padding {
        top: 1,
        bottom: 0,
        left: 0,
        right: 2,
    };
    for (kernel, stride, padding) in [
        ((3, 3), (1, 1), Padding::symmetric(1, 1)),
        ((3, 3), (2, 2), Padding::default()),
        ((2, 5), (3, 2), asymmetric),
        ((5, 4), (1, 3), Padding::symmetric(2, 1)),
        ((1, 1), (1, 1), Padding::default()),
        ((9, 7), (1, 5), Padding::default()),
    ] {
        let x = Tensor::from_slice(&numbers, (2, 3, h, w), &Device::Cpu).unwrap();
        // Where gradients may be asked for, the places of the largest are found one by one.
        let max = |x: Value| ops::max_pool2d(&x, kernel, stride, padding).unwrap();
        let (quick, slow) = (
            max(Value::constant(x.clone())),
            max(Value::variable(x.clone())),
        );
        let bits = |y: &Value| -> Vec<u32> {
            let y: Vec<f32> = y.tensor().flatten_all().unwrap().to_vec1().unwrap();
            y.into_iter().map(f32::to_bits).collect()
        };
        assert_eq!(bits(&quick), bits(&slow), "{kernel:?}");
        let whole = ops::avg_pool2d(&x.clone().into(), kernel, stride, padding).unwrap();
        let inside = ops::avg_pool2d_inside(&x.into(), kernel, stride, padding).unwrap();
        let &[.., oh, ow] = whole.dims() else {
            panic!("{:?}", whole.shape())
        };
        let mut expected = [Vec::new(), Vec::new()];
        for plane in numbers.chunks(h * w) {
            for (row, column) in (0..oh).flat_map(|row| (0..ow).map(move |column| (row, column))) {
                let (mut sum, mut count) = (0.0f32, 0);
                for (i, j) in (0..kernel.0).flat_map(|i| (0..kernel.1).map(move |j| (i, j))) {
                    let y = (row * stride.0 + i).wrapping_sub(padding.top);
                    let x = (column * stride.1 + j).wrapping_sub(padding.left);
                    if y < h && x < w {
                        sum += plane[y * w + x];
                        count += 1;
                    }
                }
                for (means, of) in expected.iter_mut().zip([kernel.0 * kernel.1, count]) {
                    means.push((sum * (1.0 / f64::from(of as u32)) as f32).to_bits());
                }
            }
        }
        assert_eq!([bits(&whole), bits(&inside)], expected, "{kernel:?}");
    }
}

#[test]
fn upsampling_repeats_and_accumulates() {
    let x = vector(&[1.0, 2.0]).reshape((1, 1, 1, 2)).unwrap();
    let y = ops::upsample_nearest2d(&x.into(), 2).unwrap();
    assert_eq!(y.dims(), [1, 1, 2, 4]);
    assert_eq!(values(y.tensor()), [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    let x = [normal("x", (2, 2, 3, 2), DType::F64)];
    check_derivatives(&x, |a| {
        let up = ops::upsample_nearest2d(&a[0], 3)?;
        up.add(&ops::upsample_nearest2d(&a[0].sqr()?, 3)?)
    });
    check_fallback(&x, |a| ops::upsample_nearest2d(&a[0], 2));
}

#[test]
fn bilinear_upsampling_has_the_derivatives_of_differences() {
    let ramp = vector(&[0.0, 4.0]).reshape((1, 1, 1, 2)).unwrap();
    let y = ops::upsample_bilinear2d(&ramp.into(), 2).unwrap();
    assert_eq!(values(y.tensor()), [0.0, 1.0, 3.0, 4.0, 0.0, 1.0, 3.0, 4.0]);
    for (shape, scale) in [((2, 2, 3, 5), 2), ((1, 2, 1, 4), 3), ((2, 1, 2, 2), 1)] {
        let x = [normal("x", shape, DType::F64)];
        check_derivatives(&x, |a| ops::upsample_bilinear2d(&a[0], scale));
    }
    // Weights of sixteenths are exact in half precision as well.
    let x = [normal("x", (2, 2, 3, 5), DType::F64)];
    check_fallback(&x, |a| ops::upsample_bilinear2d(&a[0], 2));
}

#[test]
fn pixel_shuffle_moves_channels_into_blocks_and_back() {
    let x = Tensor::arange(0.0, 8.0, &Device::Cpu).unwrap();
    let x: Value = x.reshape((1, 4, 1, 2)).unwrap().into();
    let y = ops::pixel_shuffle(&x, 2).unwrap();
    assert_eq!(y.dims(), [1, 1, 2, 4]);
    assert_eq!(values(y.tensor()), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    let back = ops::pixel_unshuffle(&y, 2).unwrap();
    assert_close(back.tensor(), x.tensor(), 0.0);

    let x = [normal("x", (2, 18, 3, 2), DType::F64)];
    check_derivatives(&x, |a| ops::pixel_shuffle(&a[0], 3));
    check_fallback(&x, |a| ops::pixel_shuffle(&a[0], 3));
    let y = [normal("y", (2, 3, 6, 4), DType::F64)];
    check_derivatives(&y, |a| ops::pixel_unshuffle(&a[0], 2));
    check_fallback(&y, |a| ops::pixel_unshuffle(&a[0], 2));
    let error = ops::pixel_shuffle(&Value::from(&y[0]), 2).unwrap_err();
    assert!(
        error.to_string().contains("not a multiple of 2²"),
        "{error}"
    );
}

#[test]
fn softmax_is_stable_and_has_the_derivatives_of_differences() {
    let x = Value::from(vector(&[1000.0, 1000.0, -1000.0]));
    let third = values(ops::softmax(&x).unwrap().tensor());
    assert_eq!(third, [0.5, 0.5, 0.0]);
    let logs = values(ops::log_softmax(&x).unwrap().tensor());
    assert!((logs[0] - 0.5_f64.ln()).abs() < 1e-12 && (logs[2] + 2000.0).abs() < 1.0);
    let x = [normal("x", (2, 3, 4), DType::F64)];
    check_derivatives(&x, |a| ops::softmax(&a[0]));
    check_derivatives(&x, |a| ops::log_softmax(&a[0]));
}

/// The loss and its gradient in the logits.
fn with_slope(logits: Tensor, loss: impl FnOnce(&Value) -> Result<Value>) -> (f64, Vec<f64>) {
    let x = variables(&[logits]);
    let loss = loss(&x[0]).unwrap();
    (number(&loss), values(&gradients(loss, &x)[0]))
}

#[test]
fn binary_cross_entropy_is_finite_at_any_logit() {
    for logit in [-1e4_f32, -100.0, -17.0, 0.0, 17.0, 100.0, 1e4] {
        for target in [0.0_f32, 1.0] {
            let y = Tensor::new(&[target], &Device::Cpu).unwrap().into();
            let logits = Tensor::new(&[logit], &Device::Cpu).unwrap();
            let (loss, slope) = with_slope(logits, |x| ops::bce_with_logits(x, &y));
            let x64 = f64::from(logit);
            let expected = x64.max(0.0) - x64 * f64::from(target) + (-x64.abs()).exp().ln_1p();
            assert!(
                (loss - expected).abs() <= 1e-6 * expected.max(1e-30),
                "{logit}: {loss}"
            );
            let expected = 1.0 / (1.0 + (-x64).exp()) - f64::from(target);
            assert!((slope[0] - expected).abs() <= 1e-6);
        }
    }
}

#[test]
fn cross_entropy_is_finite_at_any_logit() {
    let logits = Tensor::new(&[[1e4_f32, -1e4, 0.0], [-1e4, 1e4, 1e4]], &Device::Cpu).unwrap();
    let classes = Tensor::new(&[1_u32, 2], &Device::Cpu).unwrap();
    let (loss, slope) = with_slope(logits, |x| ops::cross_entropy(x, &classes));
    assert!((loss - f64::midpoint(2e4, 2_f64.ln())).abs() < 1e-2);
    assert_eq!(slope, [0.5, -0.5, 0.0, 0.0, 0.25, -0.25]);
}

#[test]
fn losses_have_the_derivatives_of_differences() {
    let logits = normal("x", (3, 4), DType::F64);
    let targets = normal("y", (3, 4), DType::F64);
    let both = [logits.clone(), targets];
    check_derivatives(&both, |a| ops::bce_with_logits(&a[0], &a[1]));
    check_derivatives(&both, |a| ops::mse(&a[0], &a[1]));
    check_derivatives(&both, |a| ops::l1(&a[0], &a[1]));
    let classes = Tensor::new(&[0_u32, 3, 1], &Device::Cpu).unwrap();
    check_derivatives(&both[..1], |a| ops::cross_entropy(&a[0], &classes));
    let rows = logits.to_vec2::<f64>().unwrap();
    let expected: f64 = [0, 3, 1]
        .iter()
        .zip(&rows)
        .map(|(&class, row)| row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[class])
        .sum();
    let loss = ops::cross_entropy(&logits.into(), &classes).unwrap();
    assert!((number(&loss) - expected / 3.0).abs() < 1e-12);
}
