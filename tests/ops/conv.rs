//! The convolutions, over geometries that implementations get wrong.

use candle_core::{DType, Device, Result, Tensor};
use retake::autograd::Value;
use retake::ops::{self, Conv, Padding};

use super::fallback::check_fallback;
use super::{assert_close, check_derivatives, check_gradients, normal, values};

struct Case {
    /// N, C, H, W
    x: (usize, usize, usize, usize),
    outputs: usize,
    kernel: (usize, usize),
    conv: Conv,
    output_padding: (usize, usize),
}

fn padding(top: usize, bottom: usize, left: usize, right: usize) -> Padding {
    Padding {
        top,
        bottom,
        left,
        right,
    }
}

fn cases() -> Vec<Case> {
    let case = |x, outputs, kernel, stride, padding, groups, output_padding| Case {
        x,
        outputs,
        kernel,
        conv: Conv {
            stride,
            padding,
            groups,
        },
        output_padding,
    };
    vec![
        case(
            (2, 3, 5, 7),
            4,
            (3, 3),
            (1, 1),
            padding(1, 1, 1, 1),
            1,
            (0, 0),
        ),
        case(
            (3, 2, 8, 6),
            3,
            (4, 4),
            (2, 2),
            padding(1, 1, 1, 1),
            1,
            (0, 0),
        ),
        case(
            (2, 2, 7, 9),
            3,
            (3, 3),
            (2, 2),
            padding(1, 1, 1, 1),
            1,
            (1, 1),
        ),
        case(
            (1, 1, 6, 5),
            2,
            (2, 5),
            (1, 3),
            padding(0, 1, 2, 3),
            1,
            (0, 2),
        ),
        case(
            (2, 2, 4, 4),
            2,
            (4, 4),
            (1, 1),
            padding(1, 2, 1, 2),
            1,
            (0, 0),
        ),
        case(
            (2, 4, 5, 4),
            6,
            (3, 2),
            (2, 1),
            padding(2, 0, 0, 1),
            2,
            (1, 0),
        ),
        case(
            (2, 3, 4, 5),
            3,
            (3, 3),
            (1, 1),
            padding(1, 1, 1, 1),
            3,
            (0, 0),
        ),
        case(
            (2, 3, 4, 4),
            5,
            (4, 4),
            (1, 1),
            padding(0, 0, 0, 0),
            1,
            (0, 0),
        ),
        case(
            (3, 4, 3, 5),
            2,
            (1, 1),
            (1, 1),
            padding(0, 0, 0, 0),
            1,
            (0, 0),
        ),
        case(
            (2, 2, 5, 5),
            2,
            (1, 1),
            (2, 2),
            padding(0, 0, 0, 0),
            1,
            (1, 1),
        ),
        case(
            (1, 1, 2, 2),
            1,
            (5, 5),
            (3, 3),
            padding(2, 2, 2, 2),
            1,
            (2, 0),
        ),
        // one sample wide in one direction, windows that see nothing but padding
        case(
            (2, 1, 1, 6),
            2,
            (3, 3),
            (2, 2),
            padding(3, 3, 4, 3),
            1,
            (0, 0),
        ),
        // many samples: several to a task and a last task that is not full
        case(
            (21, 2, 3, 3),
            2,
            (2, 2),
            (1, 1),
            padding(0, 0, 0, 0),
            1,
            (0, 0),
        ),
    ]
}

/// Input, weight and bias of a convolution.
fn arguments(case: &Case, dtype: DType) -> [Tensor; 3] {
    let (n, c, h, w) = case.x;
    let groups = case.conv.groups;
    let shape = (case.outputs, c / groups, case.kernel.0, case.kernel.1);
    [
        normal("x", (n, c, h, w), dtype),
        normal("w", shape, dtype),
        normal("b", case.outputs, dtype),
    ]
}

/// Input, weight and bias of a transposed convolution.
fn transpose_arguments(case: &Case, dtype: DType) -> [Tensor; 3] {
    let (n, c, h, w) = case.x;
    let groups = case.conv.groups;
    let shape = (c, case.outputs / groups, case.kernel.0, case.kernel.1);
    [
        normal("x", (n, c, h, w), dtype),
        normal("w", shape, dtype),
        normal("b", case.outputs, dtype),
    ]
}

/// The cases of which a transposed convolution's padding leaves something.
fn transpose_cases() -> Vec<Case> {
    let leaves_something = |case: &Case| {
        let [x, w, _] = transpose_arguments(case, DType::F32).map(Value::constant);
        ops::conv_transpose2d(&x, &w, None, &case.conv, case.output_padding).is_ok()
    };
    let cases: Vec<Case> = cases().into_iter().filter(leaves_something).collect();
    assert!(cases.len() >= 11);
    cases
}

fn conv2d(a: &[Value], case: &Case) -> Result<Value> {
    ops::conv2d(&a[0], &a[1], a.get(2), &case.conv)
}

fn conv_transpose2d(a: &[Value], case: &Case) -> Result<Value> {
    ops::conv_transpose2d(&a[0], &a[1], a.get(2), &case.conv, case.output_padding)
}

/// The convolution written down as its sum: what takes part in `map[n, o, i, j]`.
///
/// Calls `visit`(index into the map, into the image, into the weight) for every product, given the
/// shapes (N, C, H, W) of the image and (N, O, OH, OW) of the map.
fn each_product(
    image: (usize, usize, usize, usize),
    map: (usize, usize, usize, usize),
    kernel: (usize, usize),
    conv: &Conv,
    mut visit: impl FnMut(usize, usize, usize),
) {
    let (c, o) = (image.1 / conv.groups, map.1 / conv.groups);
    for n in 0..map.0 {
        for out in 0..map.1 {
            for i in 0..map.2 {
                for j in 0..map.3 {
                    for channel in 0..c {
                        for ki in 0..kernel.0 {
                            for kj in 0..kernel.1 {
                                let row = (i * conv.stride.0 + ki).wrapping_sub(conv.padding.top);
                                let column =
                                    (j * conv.stride.1 + kj).wrapping_sub(conv.padding.left);
                                if row < image.2 && column < image.3 {
                                    let plane = n * image.1 + out / o * c + channel;
                                    visit(
                                        ((n * map.1 + out) * map.2 + i) * map.3 + j,
                                        (plane * image.2 + row) * image.3 + column,
                                        ((out * c + channel) * kernel.0 + ki) * kernel.1 + kj,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A result of the shape of `y` with sums put together by `fill`, given the operands' elements.
fn summed(
    y: &Value,
    x: &Tensor,
    w: &Tensor,
    fill: impl FnOnce(&mut [f64], &[f64], &[f64]),
) -> Tensor {
    let mut sums = vec![0.0; y.elem_count()];
    fill(&mut sums, &values(x), &values(w));
    Tensor::from_vec(sums, y.shape(), &Device::Cpu).unwrap()
}

#[test]
fn convolution_is_its_sum() {
    for case in cases() {
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-13)] {
            let a = arguments(&case, dtype);
            let [x, w, b] = &a;
            let y = conv2d(&a[..2].iter().map(Value::from).collect::<Vec<_>>(), &case).unwrap();
            let map = y.tensor().dims4().unwrap();
            let expected = summed(&y, x, w, |sums, x, w| {
                each_product(case.x, map, case.kernel, &case.conv, |y, image, weight| {
                    sums[y] += x[image] * w[weight];
                });
            });
            assert_close(y.tensor(), &expected, tolerance);
            let with_bias = conv2d(&a.each_ref().map(Value::from), &case).unwrap();
            let shift = b.reshape((1, case.outputs, 1, 1)).unwrap();
            let expected = y.tensor().broadcast_add(&shift).unwrap();
            assert_close(with_bias.tensor(), &expected, tolerance);
        }
    }
}

#[test]
fn transposed_convolution_is_its_sum() {
    for case in transpose_cases() {
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-13)] {
            let [x, w, _] = transpose_arguments(&case, dtype);
            let y = conv_transpose2d(&[(&x).into(), (&w).into()], &case).unwrap();
            let image = y.tensor().dims4().unwrap();
            let expected = summed(&y, &x, &w, |sums, x, w| {
                each_product(image, case.x, case.kernel, &case.conv, |map, y, weight| {
                    sums[y] += x[map] * w[weight];
                });
            });
            assert_close(y.tensor(), &expected, tolerance);
        }
    }
}

#[test]
fn convolution_has_the_derivatives_of_differences() {
    for case in cases() {
        check_gradients(&arguments(&case, DType::F64), |a| conv2d(a, &case));
    }
    for case in cases().iter().filter(|case| case.x.0 <= 3) {
        check_derivatives(&arguments(case, DType::F64), |a| conv2d(a, case));
    }
}

#[test]
fn transposed_convolution_has_the_derivatives_of_differences() {
    for case in transpose_cases() {
        check_gradients(&transpose_arguments(&case, DType::F64), |a| {
            conv_transpose2d(a, &case)
        });
    }
    for case in transpose_cases().iter().filter(|case| case.x.0 <= 3) {
        check_derivatives(&transpose_arguments(case, DType::F64), |a| {
            conv_transpose2d(a, case)
        });
    }
}

#[test]
fn convolution_accepts_any_layout() {
    let x = normal("x", (5, 2, 7, 3), DType::F64);
    let w = normal("w", (2, 3, 3, 2), DType::F64);
    let conv = Conv {
        stride: (2, 1),
        ..Conv::default()
    };
    let transposed =
        |a: &[Value]| ops::conv2d(&a[0].transpose(0, 3)?, &a[1].transpose(0, 1)?, None, &conv);
    let copied = |x: &Tensor, w: &Tensor| {
        let x = x.transpose(0, 3)?.contiguous()?;
        let w = w.transpose(0, 1)?.contiguous()?;
        ops::conv2d(&x.into(), &w.into(), None, &conv)
    };
    let y = transposed(&[(&x).into(), (&w).into()]).unwrap();
    let expected = copied(&x, &w).unwrap();
    assert_close(y.tensor(), expected.tensor(), 0.0);
    check_derivatives(&[x, w], transposed);
}

#[test]
fn what_runs_without_a_kernel_is_the_same_convolution() {
    for case in cases() {
        check_fallback(&arguments(&case, DType::F32), |a| conv2d(a, &case));
    }
    for case in transpose_cases() {
        check_fallback(&transpose_arguments(&case, DType::F32), |a| {
            conv_transpose2d(a, &case)
        });
    }
}

#[test]
fn a_misfit_is_an_error_that_says_so() {
    let x: Value = normal("x", (1, 3, 4, 4), DType::F32).into();
    let convolve = |shape: (usize, usize, usize, usize)| {
        let w = normal("w", shape, DType::F32).into();
        ops::conv2d(&x, &w, None, &Conv::default())
    };
    let error = convolve((2, 4, 3, 3)).unwrap_err().to_string();
    assert!(
        error.contains("does not fit an input of 3 channels"),
        "{error}"
    );
    let error = convolve((2, 3, 5, 5)).unwrap_err().to_string();
    assert!(error.contains("larger than the padded input"), "{error}");

    let w = normal("w", (3, 2, 3, 3), DType::F32).into();
    let error = ops::conv_transpose2d(&x, &w, None, &Conv::default(), (1, 0)).unwrap_err();
    assert!(error.to_string().contains("output padding"), "{error}");
}
