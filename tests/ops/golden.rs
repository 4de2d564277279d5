//! Values and gradients against PyTorch's (tests/golden/ops.py).

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor};
use retake::autograd::Value;
use retake::ops::{self, Activation, Conv, Padding, Scaling};

use super::{assert_close, gradients, variables};

/// The script's `numbers`.
pub fn numbers(salt: usize, shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|k| ((k * 7919 + salt * 104_729) % 2048) as f32 / 1024.0 - 1.0)
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Calls `function` with `numbers(1)`, `numbers(2)` … of the shapes; compares its result and the
/// gradients of Σ result · `numbers(99)` with what PyTorch recorded under `name`.
#[track_caller]
fn check(name: &str, shapes: &[&[usize]], function: impl Fn(&[Value]) -> Result<Value>) {
    let recorded: BTreeMap<String, Vec<Vec<f32>>> =
        serde_json::from_str(include_str!("../golden/ops.json")).unwrap();
    let recorded = &recorded[name];
    let each = shapes.iter().enumerate();
    let arguments: Vec<Tensor> = each.map(|(at, shape)| numbers(at + 1, shape)).collect();
    let arguments = variables(&arguments);
    let y = function(&arguments).unwrap();
    let mut computed = vec![y.tensor().clone()];
    let weighted = y.mul(&numbers(99, y.dims()).into()).unwrap();
    computed.extend(gradients(weighted.sum_all().unwrap(), &arguments));
    assert_eq!(computed.len(), recorded.len());
    for (computed, recorded) in computed.iter().zip(recorded) {
        let recorded = Tensor::from_slice(recorded, computed.shape(), &Device::Cpu).unwrap();
        assert_close(computed, &recorded, 1e-5);
    }
}

#[test]
fn convolutions_agree_with_pytorch() {
    let conv = |stride, padding| Conv {
        stride,
        padding,
        groups: 2,
    };
    let padding = Padding::symmetric(1, 2);
    check("conv2d", &[&[2, 4, 5, 7], &[6, 2, 3, 2], &[6]], |a| {
        ops::conv2d(&a[0], &a[1], Some(&a[2]), &conv((2, 1), padding))
    });
    let padding = Padding::symmetric(1, 0);
    check(
        "conv_transpose2d",
        &[&[2, 4, 3, 4], &[4, 3, 3, 2], &[6]],
        |a| ops::conv_transpose2d(&a[0], &a[1], Some(&a[2]), &conv((2, 3), padding), (1, 2)),
    );
}

#[test]
fn batch_norm_agrees_with_pytorch() {
    check("batch_norm", &[&[3, 2, 3, 4], &[2], &[2]], |a| {
        Ok(ops::batch_norm_train(&a[0], &a[1], &a[2], 1e-5, Activation::Identity)?.0)
    });
}

#[test]
fn resampling_agrees_with_pytorch() {
    let padding = Padding::symmetric(1, 1);
    check("max_pool2d", &[&[2, 2, 5, 7]], |a| {
        ops::max_pool2d(&a[0], (3, 2), (2, 3), padding)
    });
    check("avg_pool2d", &[&[2, 2, 5, 7]], |a| {
        ops::avg_pool2d(&a[0], (3, 2), (2, 3), padding)
    });
    check("max_pool2d_overlapping", &[&[2, 2, 6, 7]], |a| {
        ops::max_pool2d(&a[0], (3, 3), (2, 2), padding)
    });
    check("upsample_nearest2d", &[&[1, 2, 3, 2]], |a| {
        ops::upsample_nearest2d(&a[0], 2)
    });
    check("upsample_bilinear2d", &[&[2, 2, 3, 5]], |a| {
        ops::upsample_bilinear2d(&a[0], 2)
    });
    check("upsample_bilinear2d_by_3", &[&[1, 2, 3, 2]], |a| {
        ops::upsample_bilinear2d(&a[0], 3)
    });
    check("pixel_shuffle", &[&[2, 12, 3, 2]], |a| {
        ops::pixel_shuffle(&a[0], 2)
    });
    check("pixel_shuffle_by_3", &[&[1, 18, 2, 3]], |a| {
        ops::pixel_shuffle(&a[0], 3)
    });
}

#[test]
fn linear_agrees_with_pytorch() {
    check("linear", &[&[3, 5], &[4, 5], &[4]], |a| {
        ops::linear(&a[0], &a[1], Some(&a[2]))
    });
}

#[test]
fn normalisations_within_a_sample_agree_with_pytorch() {
    fn scaling(a: &[Value]) -> Scaling<'_> {
        Scaling {
            gamma: &a[1],
            beta: &a[2],
        }
    }
    let plain = Activation::Identity;
    check("instance_norm", &[&[2, 3, 4, 5], &[3], &[3]], |a| {
        ops::instance_norm(&a[0], Some(scaling(a)), 1e-5, plain)
    });
    check("layer_norm_vector", &[&[3, 7], &[7], &[7]], |a| {
        ops::layer_norm(&a[0], 7, Some(scaling(a)), 1e-5, plain)
    });
    let image: &[usize] = &[3, 4, 5];
    check("layer_norm_image", &[&[2, 3, 4, 5], image, image], |a| {
        ops::layer_norm(&a[0], image, Some(scaling(a)), 1e-5, plain)
    });
    check("group_norm", &[&[2, 6, 3, 5], &[6], &[6]], |a| {
        ops::group_norm(&a[0], 3, Some(scaling(a)), 1e-5, plain)
    });
}

#[test]
fn activations_agree_with_pytorch() {
    let shapes: &[&[usize]] = &[&[3, 5]];
    check("relu", shapes, |a| ops::relu(&a[0].affine(4.0, 0.0)?));
    check("leaky_relu", shapes, |a| {
        ops::leaky_relu(&a[0].affine(4.0, 0.0)?, 0.2)
    });
    check("tanh", shapes, |a| ops::tanh(&a[0].affine(4.0, 0.0)?));
    check("sigmoid", shapes, |a| ops::sigmoid(&a[0].affine(4.0, 0.0)?));
    check("softmax", shapes, |a| ops::softmax(&a[0].affine(4.0, 0.0)?));
    check("log_softmax", shapes, |a| {
        ops::log_softmax(&a[0].affine(4.0, 0.0)?)
    });
}

#[test]
fn losses_agree_with_pytorch() {
    check("bce_with_logits", &[&[3, 4]], |a| {
        let targets = numbers(2, &[3, 4]).affine(0.5, 0.5)?;
        ops::bce_with_logits(&a[0].affine(30.0, 0.0)?, &targets.into())
    });
    check("cross_entropy", &[&[3, 4]], |a| {
        let classes = Tensor::new(&[0_u32, 3, 1], &Device::Cpu)?;
        ops::cross_entropy(&a[0].affine(4.0, 0.0)?, &classes)
    });
}
