//! Operations on an NVIDIA GPU against the CPU, whose results other tests hold against PyTorch's. For a
//! machine that has one: `cargo test --release --features cuda -- --ignored cuda::`.

use candle_core::{DType, Device, Result, Shape, Tensor};
use retake::autograd::{Value, grad};
use retake::device::{self, DeviceRequest};
use retake::ops::{self, Conv, Padding};
use retake::rng::Stream;

fn gpu() -> Device {
    device::open(DeviceRequest::Cuda(0))
        .expect("these tests are for a machine with a GPU")
        .device
}

/// Standard normal numbers.
fn normal(purpose: &str, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let mut stream = Stream::new(1, purpose, 0);
    let values: Vec<f64> = (0..shape.elem_count()).map(|_| stream.normal()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Of one function at one place: its result, its gradients in every argument and, where `second` says so,
/// the gradients of their squares' sum. All as numbers.
fn results(
    shapes: &[&[usize]],
    (dtype, device): (DType, &Device),
    second: bool,
    function: &dyn Fn(&[Value]) -> Result<Value>,
) -> Result<Vec<Vec<f64>>> {
    let there = |tensor: &Tensor| tensor.to_dtype(dtype)?.to_device(device);
    let numbers = |value: &Value| {
        let tensor = value.tensor().flatten_all()?.to_dtype(DType::F64)?;
        tensor.to_device(&Device::Cpu)?.to_vec1()
    };
    let arguments: Vec<Value> = shapes
        .iter()
        .enumerate()
        .map(|(at, shape)| Ok(Value::variable(there(&normal(&at.to_string(), *shape))?)))
        .collect::<Result<_>>()?;
    let all: Vec<&Value> = arguments.iter().collect();
    let y = function(&arguments)?;
    let weights = there(&normal("weights", y.shape().clone()))?;
    let first = grad(&y.mul(&weights.into())?.sum_all()?, &all)?;
    let first: Vec<Value> = first.into_iter().map(Option::unwrap).collect();
    let mut results = vec![numbers(&y)?];
    for gradient in &first {
        results.push(numbers(gradient)?);
    }
    if second {
        let mut penalty = first[0].sqr()?.sum_all()?;
        for gradient in &first[1..] {
            penalty = penalty.add(&gradient.sqr()?.sum_all()?)?;
        }
        for gradient in grad(&penalty, &all)?.iter().flatten() {
            results.push(numbers(gradient)?);
        }
    }
    Ok(results)
}

/// Agreement to `tolerance`, relative to the largest number of each result.
#[track_caller]
fn assert_close(name: &str, actual: &[Vec<f64>], expected: &[Vec<f64>], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (which, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert_eq!(actual.len(), expected.len());
        let scale = expected.iter().fold(1.0_f64, |scale, e| scale.max(e.abs()));
        for (at, (a, e)) in actual.iter().zip(expected).enumerate() {
            assert!(
                (a - e).abs() <= tolerance * scale,
                "{name}, result {which}, element {at}: {a}, on the CPU {e}"
            );
        }
    }
}

/// Both derivatives of `function` in 64 bits.
#[track_caller]
fn agrees(name: &str, shapes: &[&[usize]], function: impl Fn(&[Value]) -> Result<Value>) {
    let of = |device: &Device| results(shapes, (DType::F64, device), true, &function).unwrap();
    assert_close(name, &of(&gpu()), &of(&Device::Cpu), 1e-9);
}

fn conv(stride: (usize, usize), padding: [usize; 4], groups: usize) -> Conv {
    let [top, bottom, left, right] = padding;
    let padding = Padding {
        top,
        bottom,
        left,
        right,
    };
    Conv {
        stride,
        padding,
        groups,
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn convolutions_of_any_geometry_are_the_cpus() {
    type Case = ([usize; 4], usize, (usize, usize), Conv, (usize, usize));
    let cases: [Case; 10] = [
        ([2, 3, 5, 7], 4, (3, 3), conv((1, 1), [1; 4], 1), (0, 0)),
        ([3, 2, 8, 6], 3, (4, 4), conv((2, 2), [1; 4], 1), (0, 0)),
        ([2, 2, 7, 9], 3, (3, 3), conv((2, 2), [1; 4], 1), (1, 1)),
        (
            [1, 1, 6, 5],
            2,
            (2, 5),
            conv((1, 3), [0, 1, 2, 3], 1),
            (0, 2),
        ),
        (
            [2, 2, 4, 4],
            2,
            (4, 4),
            conv((1, 1), [1, 2, 1, 2], 1),
            (0, 0),
        ),
        (
            [2, 4, 5, 4],
            6,
            (3, 2),
            conv((2, 1), [2, 0, 0, 1], 2),
            (1, 0),
        ),
        ([2, 3, 4, 5], 3, (3, 3), conv((1, 1), [1; 4], 3), (0, 0)),
        ([2, 3, 4, 4], 5, (4, 4), conv((1, 1), [0; 4], 1), (0, 0)),
        ([2, 2, 5, 5], 2, (1, 1), conv((2, 2), [0; 4], 1), (1, 1)),
        (
            [2, 1, 3, 6],
            2,
            (3, 3),
            conv((2, 2), [3, 3, 4, 3], 1),
            (0, 0),
        ),
    ];
    for (number, (x, outputs, (kh, kw), conv, extra)) in cases.into_iter().enumerate() {
        let inputs = x[1];
        let weight = [outputs, inputs / conv.groups, kh, kw];
        let name = format!("conv2d {number}");
        agrees(&name, &[&x, &weight, &[outputs]], |a| {
            ops::conv2d(&a[0], &a[1], Some(&a[2]), &conv)
        });
        let weight = [inputs, outputs / conv.groups, kh, kw];
        let name = format!("conv_transpose2d {number}");
        if number < 9 {
            agrees(&name, &[&x, &weight, &[outputs]], |a| {
                ops::conv_transpose2d(&a[0], &a[1], Some(&a[2]), &conv, extra)
            });
        }
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn everything_else_is_the_cpus() {
    let image: &[usize] = &[2, 3, 7, 5];
    agrees("linear", &[&[3, 5], &[4, 5], &[4]], |a| {
        ops::linear(&a[0], &a[1], Some(&a[2]))
    });
    agrees("relu", &[image], |a| ops::relu(&a[0]));
    agrees("leaky relu", &[image], |a| ops::leaky_relu(&a[0], 0.2));
    agrees("tanh", &[image], |a| ops::tanh(&a[0]));
    agrees("sigmoid", &[image], |a| ops::sigmoid(&a[0]));
    agrees("softmax", &[image], |a| ops::softmax(&a[0]));
    agrees("log softmax", &[image], |a| ops::log_softmax(&a[0]));
    agrees("batch norm", &[image, &[3], &[3]], |a| {
        Ok(ops::batch_norm_train(&a[0], &a[1], &a[2], 1e-5, ops::Activation::Identity)?.0)
    });
    let one = Padding::symmetric(1, 1);
    agrees("max pool", &[image], |a| {
        ops::max_pool2d(&a[0], (3, 2), (2, 3), one)
    });
    agrees("mean pool", &[image], |a| {
        ops::avg_pool2d(&a[0], (3, 2), (2, 3), one)
    });
    agrees("upsampling", &[image], |a| {
        ops::upsample_nearest2d(&a[0], 2)
    });
    agrees("binary cross-entropy", &[&[3, 4], &[3, 4]], |a| {
        ops::bce_with_logits(&a[0], &a[1])
    });
    agrees("cross-entropy", &[&[3, 4]], |a| {
        let classes = Tensor::new(&[0_u32, 3, 1], a[0].device())?;
        ops::cross_entropy(&a[0], &classes)
    });
    agrees("mse", &[&[3, 4], &[3, 4]], |a| ops::mse(&a[0], &a[1]));
    agrees("l1", &[&[3, 4], &[3, 4]], |a| ops::l1(&a[0], &a[1]));
}

/// Layers of networks that are trained, with a batch small enough for the CPU: image, weight and how.
fn layers() -> [([usize; 4], [usize; 4], Conv); 5] {
    [
        ([4, 3, 64, 64], [64, 3, 4, 4], conv((2, 2), [1; 4], 1)),
        ([4, 128, 16, 16], [256, 128, 4, 4], conv((2, 2), [1; 4], 1)),
        ([4, 64, 16, 16], [64, 64, 3, 3], conv((1, 1), [1; 4], 1)),
        (
            [4, 64, 17, 15],
            [32, 16, 3, 3],
            conv((2, 2), [0, 1, 0, 1], 4),
        ),
        ([4, 64, 8, 8], [128, 64, 1, 1], conv((2, 2), [0; 4], 1)),
    ]
}

fn layer(
    (image, weight, conv): &([usize; 4], [usize; 4], Conv),
    dtype: DType,
    device: &Device,
) -> Vec<Vec<f64>> {
    let convolve = |a: &[Value]| ops::conv2d(&a[0], &a[1], None, conv);
    results(&[image, weight], (dtype, device), false, &convolve).unwrap()
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn layers_give_what_the_cpu_gives_and_the_same_bits_every_time() {
    let gpu = gpu();
    for (number, case) in layers().iter().enumerate() {
        let name = format!("layer {number}");
        let once = layer(case, DType::F32, &gpu);
        assert_close(&name, &once, &layer(case, DType::F32, &Device::Cpu), 1e-5);
        assert!(once == layer(case, DType::F32, &gpu), "{name} differs");
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn sixteen_bit_types_are_as_exact_as_their_digits() {
    let gpu = gpu();
    for (number, case) in layers().iter().enumerate() {
        let expected = layer(case, DType::F64, &Device::Cpu);
        for (dtype, tolerance) in [(DType::F16, 4e-3), (DType::BF16, 3e-2)] {
            let name = format!("layer {number} in {dtype:?}");
            assert_close(&name, &layer(case, dtype, &gpu), &expected, tolerance);
        }
    }
}
