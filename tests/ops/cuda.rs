//! Operations on an NVIDIA GPU, against the CPU. For a machine that has one:
//! `cargo test --release --features cuda -- --ignored ops::cuda`.

use std::process::Command;

use candle_core::{DType, Device, Tensor, Var};
use retake::device::{self, DeviceRequest};
use retake::ops::{self, Conv, Padding};

use super::{TEST_DEVICE, assert_close, normal, values};

fn gpu() -> Device {
    device::open(DeviceRequest::Cuda(0))
        .expect("these tests are for a machine with a GPU")
        .device
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn the_tests_of_values_and_gradients_pass_on_the_gpu() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["ops::conv::", "ops::golden::", "ops::values::"])
        // The GPU's loss is a composite: right to an absolute 1e-7, not to the last digits of a tiny value.
        .args(["--skip", "binary_cross_entropy_is_finite_at_any_logit"])
        .env(TEST_DEVICE, "cuda")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && !text.contains(" 0 passed"),
        "{text}"
    );
}

/// Layers of networks that are trained, with a batch small enough for the CPU: x, weight and how.
fn layers() -> Vec<([usize; 4], [usize; 4], Conv)> {
    let conv = |stride, padding, groups| Conv {
        stride: (stride, stride),
        padding,
        groups,
    };
    let one = Padding::symmetric(1, 1);
    let uneven = Padding {
        top: 0,
        left: 0,
        ..one
    };
    vec![
        ([4, 3, 64, 64], [64, 3, 4, 4], conv(2, one, 1)),
        ([4, 128, 16, 16], [256, 128, 4, 4], conv(2, one, 1)),
        ([4, 64, 16, 16], [64, 64, 3, 3], conv(1, one, 1)),
        ([4, 64, 17, 15], [32, 16, 3, 3], conv(2, uneven, 4)),
        (
            [4, 64, 8, 8],
            [128, 64, 1, 1],
            conv(2, Padding::default(), 1),
        ),
    ]
}

/// The map and both gradients of a convolution, in `dtype` on `device`.
fn results(layer: &([usize; 4], [usize; 4], Conv), dtype: DType, device: &Device) -> Vec<Tensor> {
    let (x, weight, conv) = layer;
    let variable = |purpose, shape: [usize; 4]| {
        let cpu = normal(purpose, shape.to_vec(), DType::F32);
        Var::from_tensor(&cpu.to_device(device).unwrap().to_dtype(dtype).unwrap()).unwrap()
    };
    let (x, weight) = (variable("x", *x), variable("w", *weight));
    let y = ops::conv2d(&x, &weight, None, conv).unwrap();
    let weights = normal("weights", y.shape().clone(), DType::F32)
        .to_device(device)
        .unwrap()
        .to_dtype(dtype)
        .unwrap();
    let sum = y.mul(&weights).unwrap().sum_all().unwrap();
    let gradients = sum.backward().unwrap();
    let of = |variable: &Var| gradients.get(variable).unwrap().clone();
    vec![y.detach(), of(&x), of(&weight)]
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn layers_give_what_the_cpu_gives_and_the_same_bits_every_time() {
    let gpu = gpu();
    for layer in layers() {
        for dtype in [DType::F32, DType::F64] {
            let expected = results(&layer, dtype, &Device::Cpu);
            let first = results(&layer, dtype, &gpu);
            let second = results(&layer, dtype, &gpu);
            let tolerance = if dtype == DType::F32 { 1e-5 } else { 1e-13 };
            for ((first, second), expected) in first.iter().zip(&second).zip(&expected) {
                assert_close(first, expected, tolerance);
                assert!(values(first) == values(second));
            }
        }
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn sixteen_bit_types_are_as_exact_as_their_digits() {
    let gpu = gpu();
    for layer in layers() {
        let expected = results(&layer, DType::F32, &Device::Cpu);
        for (dtype, tolerance) in [(DType::F16, 4e-3), (DType::BF16, 3e-2)] {
            for (computed, expected) in results(&layer, dtype, &gpu).iter().zip(&expected) {
                assert_close(computed, expected, tolerance);
            }
        }
    }
}
