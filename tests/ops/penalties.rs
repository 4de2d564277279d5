//! Gradient penalties and their gradients against `PyTorch`'s (`tests/golden/second_order.py`), in double
//! precision.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Error, Result, Tensor};
use indexmap::IndexMap;
use retake::autograd::{Value, backward, grad};
use retake::loss::gradient_penalty;
use retake::ops::{self, Activation, Conv, Padding, Scaling};
use serde::Deserialize;

use super::golden::numbers;
use super::{assert_close, number, variables};

/// What PyTorch recorded of a function.
#[derive(Deserialize)]
struct Recorded {
    inputs: IndexMap<String, Input>,
    value: Vec<f64>,
    #[serde(default)]
    first: BTreeMap<String, Vec<f64>>,
    penalty: Option<f64>,
    second: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct Input {
    salt: usize,
    shape: Vec<usize>,
}

impl Recorded {
    fn of(name: &str) -> Self {
        let all: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(include_str!("../golden/second_order.json")).unwrap();
        serde_json::from_value(all[name].clone()).unwrap()
    }

    fn inputs(&self) -> Vec<Tensor> {
        self.inputs
            .values()
            .map(|input| numbers(input.salt, &input.shape).to_dtype(DType::F64))
            .collect::<Result<_>>()
            .unwrap()
    }
}

#[track_caller]
fn assert_recorded(actual: &Tensor, recorded: &[f64]) {
    let expected = Tensor::from_slice(recorded, actual.shape(), &Device::Cpu).unwrap();
    assert_close(actual, &expected, 1e-10);
}

/// Compares `function` of the inputs recorded under `name`: its value, its gradients, the gradient penalty on
/// its first argument and the gradients of that.
#[track_caller]
fn check(name: &str, function: impl Fn(&[Value]) -> Result<Value>) {
    let recorded = Recorded::of(name);
    let arguments = variables(&recorded.inputs());
    let of: Vec<&Value> = arguments.iter().collect();
    let y = function(&arguments).unwrap();
    assert_recorded(y.tensor(), &recorded.value);
    let weights = numbers(99, y.dims()).to_dtype(DType::F64).unwrap();
    let loss = y.mul(&weights.into()).unwrap().sum_all().unwrap();
    let first = grad(&loss, &of).unwrap();
    for (name, gradient) in recorded.inputs.keys().zip(&first) {
        assert_recorded(gradient.as_ref().unwrap().tensor(), &recorded.first[name]);
    }
    let slope = first[0].as_ref().unwrap().flatten_rows().unwrap();
    let norm = slope.sqr().and_then(|squares| squares.sum_last()?.sqrt());
    let excess = norm.and_then(|norm| norm.affine(1.0, -1.0)).unwrap();
    let penalty = excess.sqr().and_then(|squares| squares.mean_all()).unwrap();
    assert!((number(&penalty) - recorded.penalty.unwrap()).abs() < 1e-10);
    let second = backward(penalty, &of).unwrap();
    for ((name, argument), gradient) in recorded.inputs.keys().zip(&arguments).zip(second) {
        let gradient = gradient.unwrap_or_else(|| argument.tensor().zeros_like().unwrap());
        assert_recorded(&gradient, &recorded.second[name]);
    }
}

#[test]
fn penalties_of_convolutions_agree_with_pytorch() {
    let conv = |stride, padding| Conv {
        stride,
        padding,
        groups: 2,
    };
    let padding = Padding::symmetric(1, 2);
    check("conv2d", |a| {
        ops::conv2d(&a[0], &a[1], Some(&a[2]), &conv((2, 1), padding))
    });
    let padding = Padding::symmetric(1, 0);
    check("conv_transpose2d", |a| {
        ops::conv_transpose2d(&a[0], &a[1], Some(&a[2]), &conv((2, 3), padding), (1, 2))
    });
    check("linear", |a| ops::linear(&a[0], &a[1], Some(&a[2])));
}

#[test]
fn penalties_of_activations_agree_with_pytorch() {
    check("leaky_relu", |a| ops::leaky_relu(&a[0], 0.2));
    check("tanh", |a| ops::tanh(&a[0]));
    check("sigmoid", |a| ops::sigmoid(&a[0]));
    check("softmax", |a| ops::softmax(&a[0]));
    check("log_softmax", |a| ops::log_softmax(&a[0]));
}

#[test]
fn penalties_of_resampling_agree_with_pytorch() {
    let (kernel, stride, padding) = ((3, 2), (2, 3), Padding::symmetric(1, 1));
    check("max_pool2d", |a| {
        ops::max_pool2d(&a[0], kernel, stride, padding)
    });
    check("avg_pool2d", |a| {
        ops::avg_pool2d(&a[0], kernel, stride, padding)
    });
    check("upsample_nearest2d", |a| ops::upsample_nearest2d(&a[0], 2));
    check("upsample_bilinear2d", |a| {
        ops::upsample_bilinear2d(&a[0], 2)
    });
    check("pixel_shuffle", |a| ops::pixel_shuffle(&a[0], 2));
}

/// A norm of x, with gamma and beta, and the activation after it.
type Norm = fn(&Value, &[Value], Activation) -> Result<Value>;

fn scaling(affine: &[Value]) -> Option<Scaling<'_>> {
    let [gamma, beta] = affine.first_chunk()?;
    Some(Scaling { gamma, beta })
}

fn batch_norm(x: &Value, affine: &[Value], activation: Activation) -> Result<Value> {
    Ok(ops::batch_norm_train(x, &affine[0], &affine[1], 1e-5, activation)?.0)
}

fn instance_norm(x: &Value, affine: &[Value], activation: Activation) -> Result<Value> {
    ops::instance_norm(x, scaling(affine), 1e-5, activation)
}

fn layer_norm(x: &Value, affine: &[Value], activation: Activation) -> Result<Value> {
    ops::layer_norm(x, &x.dims()[1..], scaling(affine), 1e-5, activation)
}

fn group_norm(x: &Value, affine: &[Value], activation: Activation) -> Result<Value> {
    ops::group_norm(x, 2, scaling(affine), 1e-5, activation)
}

#[test]
fn penalties_of_norms_agree_with_pytorch() {
    let norms: [(&str, Norm); 4] = [
        ("batch_norm", batch_norm),
        ("instance_norm", instance_norm),
        ("layer_norm", layer_norm),
        ("group_norm", group_norm),
    ];
    for (name, norm) in norms {
        check(name, |a| norm(&a[0], &a[1..], Activation::Identity));
        check(&format!("{name}_leaky_relu_conv2d"), |a| {
            let h = norm(&a[0], &a[1..3], Activation::LeakyRelu(0.2))?;
            ops::conv2d(&h, &a[3], None, &Conv::default())
        });
    }
    check("layer_norm_vector", |a| {
        layer_norm(&a[0], &a[1..], Activation::Identity)
    });
}

/// Compares a whole critic step of a Wasserstein GAN with gradient penalty, with a norm before the second
/// activation.
#[track_caller]
fn check_critic(name: &str, norm: Norm) {
    let recorded = Recorded::of(name);
    let inputs = recorded.inputs();
    let [real, fake, mix, parameters @ ..] = &inputs[..] else {
        panic!("a critic has two batches of images and mixing numbers");
    };
    let mix = mix.flatten_all().unwrap().to_dtype(DType::F32).unwrap();
    let mix: Vec<f32> = mix.affine(0.5, 0.5).and_then(|mix| mix.to_vec1()).unwrap();
    let p = variables(parameters);
    let down = Conv {
        stride: (2, 2),
        padding: Padding::symmetric(1, 1),
        groups: 1,
    };
    let critic = |x: &Value| -> Result<Value> {
        let h = ops::leaky_relu(&ops::conv2d(x, &p[0], Some(&p[1]), &down)?, 0.2)?;
        let h = ops::conv2d(&h, &p[2], Some(&p[3]), &down)?;
        let h = norm(&h, &p[6..], Activation::LeakyRelu(0.2))?;
        ops::conv2d(&h, &p[4], Some(&p[5]), &Conv::default())
    };
    let score = |x: &Tensor| critic(&x.into())?.mean_all();
    let wasserstein = score(fake)
        .and_then(|fake| fake.sub(&score(real)?))
        .unwrap();
    let penalty = gradient_penalty::<Error>(real, fake, &mix, critic).unwrap();
    let weighted = penalty.affine(10.0, 0.0).unwrap();
    let loss = wasserstein.add(&weighted).unwrap();
    for (actual, expected) in [&loss, &wasserstein, &penalty]
        .into_iter()
        .zip(&recorded.value)
    {
        assert!((number(actual) - expected).abs() < 1e-9);
    }
    let of: Vec<&Value> = p.iter().collect();
    let names = recorded.inputs.keys().skip(3);
    for ((name, gradient), parameter) in names.zip(backward(loss, &of).unwrap()).zip(&p) {
        // The bias of the last layer moves real and fake scores alike.
        let gradient = gradient.unwrap_or_else(|| parameter.tensor().zeros_like().unwrap());
        assert_recorded(&gradient, &recorded.second[name]);
    }
}

#[test]
fn critic_steps_agree_with_pytorch() {
    check_critic("wgan_gp_critic", |h, _, _| ops::leaky_relu(h, 0.2));
    check_critic("wgan_gp_critic_batch_norm", batch_norm);
    check_critic("wgan_gp_critic_layer_norm", layer_norm);
    check_critic("wgan_gp_critic_instance_norm", instance_norm);
}
