//! The convolutions, over geometries that implementations get wrong.

use candle_core::{DType, Result, Tensor};
use retake::ops::{self, Conv, Padding, reference};

use super::{assert_close, check_gradients, normal};

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

/// A transposed convolution may cut off more than a small input leaves.
fn leaves_something(case: &Case) -> bool {
    let [x, w, _] = transpose_arguments(case, DType::F32);
    ops::conv_transpose2d(&x, &w, None, &case.conv, case.output_padding).is_ok()
}

#[test]
fn convolution_equals_its_reference() {
    for case in cases() {
        for dtype in [DType::F32, DType::F64] {
            let [x, w, b] = arguments(&case, dtype);
            let expected = reference::conv2d(&x, &w, &case.conv).unwrap();
            let y = ops::conv2d(&x, &w, None, &case.conv).unwrap();
            assert_close(&y, &expected, 1e-5);
            let shift = b.reshape((1, case.outputs, 1, 1)).unwrap();
            let y = ops::conv2d(&x, &w, Some(&b), &case.conv).unwrap();
            assert_close(&y, &expected.broadcast_add(&shift).unwrap(), 1e-5);
        }
    }
}

#[test]
fn transposed_convolution_equals_its_reference() {
    let cases: Vec<Case> = cases().into_iter().filter(leaves_something).collect();
    assert!(cases.len() >= 11);
    for case in cases {
        for dtype in [DType::F32, DType::F64] {
            let [x, w, _] = transpose_arguments(&case, dtype);
            let (conv, extra) = (&case.conv, case.output_padding);
            let expected = reference::conv_transpose2d(&x, &w, conv, extra).unwrap();
            let y = ops::conv_transpose2d(&x, &w, None, conv, extra).unwrap();
            assert_close(&y, &expected, 1e-5);
        }
    }
}

#[test]
fn the_reference_is_candles_convolution_where_candle_has_one() {
    let x = normal("x", (2, 4, 8, 8), DType::F32);
    let w = normal("w", (6, 2, 4, 4), DType::F32);
    let conv = Conv {
        stride: (2, 2),
        padding: Padding::symmetric(1, 1),
        groups: 2,
    };
    let y = reference::conv2d(&x, &w, &conv).unwrap();
    assert_close(&y, &x.conv2d(&w, 1, 2, 1, 2).unwrap(), 1e-5);

    let w = normal("w", (4, 6, 3, 3), DType::F32);
    let conv = Conv { groups: 1, ..conv };
    let y = reference::conv_transpose2d(&x, &w, &conv, (1, 1)).unwrap();
    assert_close(&y, &x.conv_transpose2d(&w, 1, 1, 2, 1).unwrap(), 1e-5);
}

#[test]
fn convolution_has_the_gradients_of_differences() {
    for case in cases() {
        check_gradients(&arguments(&case, DType::F64), |a| {
            ops::conv2d(&a[0], &a[1], Some(&a[2]), &case.conv)
        });
    }
}

#[test]
fn transposed_convolution_has_the_gradients_of_differences() {
    for case in cases().into_iter().filter(leaves_something) {
        check_gradients(&transpose_arguments(&case, DType::F64), |a| {
            ops::conv_transpose2d(&a[0], &a[1], Some(&a[2]), &case.conv, case.output_padding)
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
    let transposed = |x: &Tensor, w: &Tensor| -> Result<Tensor> {
        ops::conv2d(&x.transpose(0, 3)?, &w.transpose(0, 1)?, None, &conv)
    };
    let copied = |x: &Tensor, w: &Tensor| -> Result<Tensor> {
        let (x, w) = (
            x.transpose(0, 3)?.contiguous()?,
            w.transpose(0, 1)?.contiguous()?,
        );
        ops::conv2d(&x, &w, None, &conv)
    };
    let x = x.narrow(3, 0, 3).unwrap();
    assert_close(&transposed(&x, &w).unwrap(), &copied(&x, &w).unwrap(), 0.0);
    check_gradients(&[x, w], |a| transposed(&a[0], &a[1]));
}

#[test]
fn a_misfit_is_an_error_that_says_so() {
    let x = normal("x", (1, 3, 4, 4), DType::F32);
    let w = normal("w", (2, 4, 3, 3), DType::F32);
    let error = ops::conv2d(&x, &w, None, &Conv::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not fit an input of 3 channels"),
        "{error}"
    );

    let w = normal("w", (2, 3, 5, 5), DType::F32);
    let error = ops::conv2d(&x, &w, None, &Conv::default()).unwrap_err();
    assert!(
        error.to_string().contains("larger than the padded input"),
        "{error}"
    );

    let w = normal("w", (3, 2, 3, 3), DType::F32);
    let error = ops::conv_transpose2d(&x, &w, None, &Conv::default(), (1, 0)).unwrap_err();
    assert!(error.to_string().contains("output padding"), "{error}");
}

#[test]
fn a_detached_weight_costs_no_gradient() {
    let x = candle_core::Var::from_tensor(&normal("x", (2, 2, 5, 5), DType::F32)).unwrap();
    let w = candle_core::Var::from_tensor(&normal("w", (3, 2, 3, 3), DType::F32)).unwrap();
    let y = ops::conv2d(&x, &w.detach(), None, &Conv::default()).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&x).is_some());
    assert!(gradients.get(&w).is_none());
}
