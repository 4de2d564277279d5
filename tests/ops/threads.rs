//! Results do not depend on the number of threads.

use candle_core::{DType, Result};
use retake::autograd::Value;
use retake::loss::gradient_penalty;
use retake::ops::{self, Activation, Conv, Finish, Padding, Scaling};

use super::{gradients, normal};

fn variable(name: &str, shape: &[usize]) -> Value {
    Value::variable(normal(name, shape.to_vec(), DType::F32))
}

/// The bits of `loss` and of its gradients.
fn bits(loss: Value, of: &[Value]) -> Result<Vec<u32>> {
    let mut tensors = vec![loss.tensor().clone()];
    tensors.extend(gradients(loss, of));
    let mut bits = Vec::new();
    for tensor in tensors {
        let elements = tensor.flatten_all()?.to_vec1::<f32>()?;
        bits.extend(elements.into_iter().map(f32::to_bits));
    }
    Ok(bits)
}

/// A small network of convolutions, with a batch norm and a classifier's losses: the bits of its loss and of all
/// gradients.
fn step() -> Result<Vec<u32>> {
    let x = variable("x", &[13, 3, 18, 18]);
    let down = variable("down", &[24, 3, 4, 4]);
    let up = variable("up", &[24, 20, 4, 4]);
    let grouped = variable("grouped", &[40, 10, 3, 3]);
    let bias = variable("bias", &[40]);
    let (gamma, beta) = (variable("gamma", &[24]), variable("beta", &[24]));
    let head = variable("head", &[300, 40 * 9 * 9]);
    let strided = Conv {
        stride: (2, 2),
        padding: Padding::symmetric(1, 1),
        groups: 1,
    };
    let in_groups = Conv {
        stride: (1, 1),
        padding: Padding::symmetric(1, 1),
        groups: 2,
    };
    let h = ops::conv2d(&x, &down, None, &strided)?;
    let (h, _) = ops::batch_norm_train(&h, &gamma, &beta, 1e-5, Activation::Identity)?;
    let h = ops::leaky_relu(&h, 0.2)?;
    let h = ops::tanh(&ops::conv_transpose2d(&h, &up, None, &strided, (0, 0))?)?;
    let h = ops::relu(&ops::conv2d(&h, &grouped, Some(&bias), &in_groups)?)?;
    let h = ops::max_pool2d(&h, (3, 3), (2, 2), Padding::symmetric(1, 1))?;
    let h = ops::linear(&h.flatten_rows()?, &head, None)?;
    let targets = normal("targets", h.shape().clone(), DType::F32).into();
    let loss = ops::bce_with_logits(&h.affine(0.01, 0.0)?, &targets)?
        .add(&ops::log_softmax(&h)?.mean_all()?)?;
    bits(loss, &[x, down, up, grouped, bias, gamma, beta, head])
}

/// A critic with the other operations, its output and its gradient penalty, which goes through all of them twice:
/// the bits of their sum and of all gradients.
fn penalised_step() -> Result<Vec<u32>> {
    let real = normal("real", (9, 16, 20, 20), DType::F32);
    let fake = normal("fake", (9, 16, 20, 20), DType::F32);
    let weight = variable("weight", &[32, 16, 3, 3]);
    let bias = variable("bias", &[32]);
    let (layer_gamma, layer_beta) = (
        variable("layer gamma", &[32, 20, 20]),
        variable("layer beta", &[32, 20, 20]),
    );
    let (group_gamma, group_beta) = (
        variable("group gamma", &[32]),
        variable("group beta", &[32]),
    );
    let head = variable("head", &[1, 8 * 40 * 40]);
    let conv = Conv {
        padding: Padding::symmetric(1, 1),
        ..Conv::default()
    };
    let leaky = Activation::LeakyRelu(0.2);
    let critic = |x: &Value| -> Result<Value> {
        let finish = Finish {
            bias: Some(&bias),
            activation: leaky,
        };
        let h = ops::conv2d(x, &weight, finish, &conv)?;
        let scaling = Scaling {
            gamma: &layer_gamma,
            beta: &layer_beta,
        };
        let h = ops::layer_norm(&h, (32, 20, 20), Some(scaling), 1e-5, Activation::Identity)?;
        let scaling = Scaling {
            gamma: &group_gamma,
            beta: &group_beta,
        };
        let h = ops::group_norm(&h, 4, Some(scaling), 1e-5, leaky)?;
        let h = ops::instance_norm(&h, None, 1e-5, Activation::Tanh)?;
        let h = ops::avg_pool2d(&h, (3, 3), (2, 2), Padding::symmetric(1, 1))?;
        let h = ops::max_pool2d(&h, (2, 2), (2, 2), Padding::default())?;
        let h = ops::upsample_bilinear2d(&h, 2)?;
        let h = ops::upsample_nearest2d(&h, 2)?;
        let h = ops::pixel_shuffle(&h, 2)?;
        ops::linear(&h.flatten_rows()?, &head, None)
    };
    let mix = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0];
    let x = Value::variable(real.clone());
    let loss = gradient_penalty(&real, &fake, &mix, critic)?.add(&critic(&x)?.mean_all()?)?;
    bits(
        loss,
        &[
            x,
            weight,
            bias,
            layer_gamma,
            layer_beta,
            group_gamma,
            group_beta,
            head,
        ],
    )
}

/// Asserts that `step` has the same result in pools of 1, 2 and 8 threads.
#[track_caller]
fn assert_independent_of_threads(step: fn() -> Result<Vec<u32>>) {
    let with_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(step).unwrap()
    };
    let one = with_threads(1);
    assert!(one.iter().any(|&bits| bits != 0));
    assert!(one == with_threads(2));
    assert!(one == with_threads(8));
}

#[test]
fn one_two_and_eight_threads_give_the_same_bytes() {
    assert_independent_of_threads(step);
}

#[test]
fn a_gradient_penalty_has_the_same_bytes_on_one_two_and_eight_threads() {
    assert_independent_of_threads(penalised_step);
}
