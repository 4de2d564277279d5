//! Results do not depend on the number of threads.

use candle_core::{DType, Result};
use retake::autograd::Value;
use retake::ops::{self, Activation, Conv, Padding};

use super::{gradients, normal};

/// A small network with every kind of operation: the bits of its loss and of all gradients.
fn step() -> Result<Vec<u32>> {
    let var =
        |name: &str, shape: &[usize]| Value::variable(normal(name, shape.to_vec(), DType::F32));
    let x = var("x", &[13, 3, 18, 18]);
    let down = var("down", &[24, 3, 4, 4]);
    let up = var("up", &[24, 20, 4, 4]);
    let grouped = var("grouped", &[40, 10, 3, 3]);
    let bias = var("bias", &[40]);
    let (gamma, beta) = (var("gamma", &[24]), var("beta", &[24]));
    let head = var("head", &[300, 40 * 9 * 9]);
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
    let mut tensors = vec![loss.tensor().clone()];
    tensors.extend(gradients(
        loss,
        &[x, down, up, grouped, bias, gamma, beta, head],
    ));
    let mut bits = Vec::new();
    for tensor in tensors {
        let elements = tensor.flatten_all()?.to_vec1::<f32>()?;
        bits.extend(elements.into_iter().map(f32::to_bits));
    }
    Ok(bits)
}

#[test]
fn one_two_and_eight_threads_give_the_same_bytes() {
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
