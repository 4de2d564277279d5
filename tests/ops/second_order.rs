//! Derivatives of derivatives: what a gradient penalty needs.
//!
//! candle keeps the graph of a gradient only in a process that has `CANDLE_GRAD_DO_NOT_DETACH` set, so
//! the check runs in a child process.

use std::process::Command;

use candle_core::{DType, Result, Tensor, Var};
use retake::ops::{self, Conv, Padding};

use super::{check_gradients, normal};

#[test]
fn second_derivatives_are_those_of_differences() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "ops::second_order::in_a_process_that_keeps_graphs",
        ])
        .args(["--ignored", "--test-threads=1"])
        .env("CANDLE_GRAD_DO_NOT_DETACH", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

/// The gradient of a function's weighted sum in its first argument, as a function of all arguments.
fn slope(function: impl Fn(&[Tensor]) -> Result<Tensor>) -> impl Fn(&[Tensor]) -> Result<Tensor> {
    move |arguments| {
        // For the plain values of a difference a variable must be made; a tracked one is kept.
        let mut arguments = arguments.to_vec();
        if !arguments[0].track_op() {
            arguments[0] = Var::from_tensor(&arguments[0])?.into_inner();
        }
        let y = function(&arguments)?;
        let weighted = y
            .mul(&normal("slope", y.shape().clone(), DType::F64))?
            .sqr()?;
        let gradients = weighted.sum_all()?.backward()?;
        Ok(gradients
            .get(&arguments[0])
            .expect("the first argument is used")
            .clone())
    }
}

#[test]
#[ignore = "run by second_derivatives_are_those_of_differences in a process of its own"]
fn in_a_process_that_keeps_graphs() {
    let conv = Conv {
        stride: (2, 1),
        padding: Padding::symmetric(1, 0),
        groups: 2,
    };
    let x = normal("x", (2, 4, 5, 3), DType::F64);
    let w = normal("w", (4, 2, 3, 2), DType::F64);
    let b = normal("b", 4, DType::F64);
    check_gradients(
        &[x.clone(), w.clone(), b.clone()],
        slope(|a| ops::conv2d(&a[0], &a[1], Some(&a[2]), &conv)),
    );
    check_gradients(
        &[x.clone(), w.clone(), b],
        slope(|a| ops::conv_transpose2d(&a[0], &a[1], Some(&a[2]), &conv, (1, 0))),
    );
    // The weight gradient as the function that is differentiated.
    check_gradients(
        &[w, x.clone()],
        slope(|a| ops::conv2d(&a[1], &a[0], None, &conv)),
    );
    let whole = normal("whole", (3, 4, 5, 3), DType::F64);
    check_gradients(
        &[x.clone(), whole],
        slope(|a| ops::conv2d(&a[0], &a[1], None, &Conv::default())),
    );
    let only = std::slice::from_ref(&x);
    for activation in [
        ops::relu,
        ops::tanh,
        ops::sigmoid,
        ops::softmax,
        ops::log_softmax,
    ] {
        check_gradients(only, slope(|a| activation(&a[0])));
    }
    check_gradients(only, slope(|a| ops::leaky_relu(&a[0], 0.2)));
    let (kernel, stride, padding) = ((3, 2), (2, 1), Padding::symmetric(1, 1));
    check_gradients(
        only,
        slope(|a| ops::max_pool2d(&a[0], kernel, stride, padding)),
    );
    check_gradients(
        only,
        slope(|a| ops::avg_pool2d(&a[0], kernel, stride, padding)),
    );
    check_gradients(only, slope(|a| ops::upsample_nearest2d(&a[0], 2)));
    let targets = normal("targets", x.shape().clone(), DType::F64);
    check_gradients(
        &[x.clone(), targets],
        slope(|a| ops::bce_with_logits(&a[0], &a[1])),
    );

    // What has no second derivative says so.
    let x = Var::from_tensor(&x).unwrap();
    let one = Tensor::ones(4, DType::F64, x.device()).unwrap();
    let y = ops::batch_norm_train(&x, &one, &one, 1e-5).unwrap().0;
    let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    let penalty = gradients.get(&x).unwrap().sqr().unwrap().sum_all().unwrap();
    let error = penalty.backward().unwrap_err().to_string();
    assert!(error.contains("batch-norm"), "{error}");
}
