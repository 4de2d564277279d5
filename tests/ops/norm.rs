//! Normalisations: values written out, derivatives against differences, with and without an activation.

use candle_core::{DType, Device, Result, Tensor};
use retake::autograd::Value;
use retake::ops::{self, Activation, Scaling};

use super::fallback::check_fallback_to;
use super::{assert_close, check_derivatives, gradients, normal, values, variables};

const EPS: f64 = 1e-3;

/// What half precision is good for, relative to the largest element.
const HALF: f64 = 2e-2;

/// x of this shape with mean about 3 and deviation about 2, and a factor and an offset for each channel.
fn arguments(shape: &[usize], channels: usize) -> [Tensor; 3] {
    [
        normal("x", shape, DType::F64).affine(2.0, 3.0).unwrap(),
        normal("gamma", channels, DType::F64),
        normal("beta", channels, DType::F64),
    ]
}

/// `x` (N, C, …) normalised over all elements that have the same `group`(n, c), then scaled by channel.
fn written_out(arguments: &[Tensor], group: impl Fn(usize, usize) -> usize) -> Tensor {
    let [x, gamma, beta] = [0, 1, 2].map(|at| values(&arguments[at]));
    let dims = arguments[0].dims();
    let pixels: usize = dims[2..].iter().product();
    let place = |at: usize| (at / pixels / dims[1], at / pixels % dims[1]);
    let group_of = |at: usize| group(place(at).0, place(at).1);
    let y: Vec<f64> = (0..x.len())
        .map(|at| {
            let own = group_of(at);
            let mates: Vec<f64> = (0..x.len())
                .filter(|at| group_of(*at) == own)
                .map(|at| x[at])
                .collect();
            let count = mates.len() as f64;
            let mean = mates.iter().sum::<f64>() / count;
            let var = mates.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            let channel = place(at).1;
            (x[at] - mean) / (var + EPS).sqrt() * gamma[channel] + beta[channel]
        })
        .collect();
    Tensor::from_vec(y, dims, &Device::Cpu).unwrap()
}

fn batch(a: &[Value], activation: Activation) -> Result<Value> {
    Ok(ops::batch_norm_train(&a[0], &a[1], &a[2], EPS, activation)?.0)
}

fn scaling(a: &[Value]) -> Scaling<'_> {
    Scaling {
        gamma: &a[1],
        beta: &a[2],
    }
}

#[test]
fn batch_norm_is_over_samples_and_pixels() {
    for shape in [
        vec![6, 3],
        vec![3, 2, 5, 3],
        vec![1, 2, 4, 5],
        vec![5, 1, 41],
    ] {
        let arguments = arguments(&shape, shape[1]);
        let [x, gamma, beta] = arguments.each_ref().map(Value::from);
        let (y, stats) =
            ops::batch_norm_train(&x, &gamma, &beta, EPS, Activation::Identity).unwrap();
        assert_close(y.tensor(), &written_out(&arguments, |_, c| c), 1e-12);
        assert_eq!(stats.count, x.elem_count() / shape[1]);
        check_derivatives(&arguments, |a| batch(a, Activation::Identity));
        check_fallback_to(HALF, &arguments, |a| batch(a, Activation::Identity));
    }
}

#[test]
fn batch_norm_in_evaluation_takes_given_statistics() {
    let arguments = arguments(&[2, 3, 2, 4], 3);
    let mean = normal("mean", 3, DType::F64);
    let var = Tensor::new(&[0.5, 1.0, 4.0], &Device::Cpu).unwrap();
    let apply = |a: &[Value]| {
        ops::batch_norm_eval(&a[0], &a[1], &a[2], &mean, &var, 0.25, Activation::Identity)
    };
    let y = apply(&arguments.each_ref().map(Value::from)).unwrap();
    let [x, gamma, beta] = arguments.each_ref().map(values);
    let (m, v) = (values(&mean), values(&var));
    for (at, y) in values(y.tensor()).iter().enumerate() {
        let c = at / 8 % 3;
        let expected = (x[at] - m[c]) / (v[c] + 0.25).sqrt() * gamma[c] + beta[c];
        assert!((y - expected).abs() < 1e-12);
    }
    check_derivatives(&arguments, apply);
}

#[test]
fn group_norm_is_over_some_channels_of_a_sample() {
    for (shape, groups) in [
        (vec![2, 6, 3, 5], 3),
        (vec![3, 4], 2),
        (vec![1, 3, 7], 1),
        (vec![2, 5, 3, 1], 5),
    ] {
        let arguments = arguments(&shape, shape[1]);
        let size = shape[1] / groups;
        let apply = |a: &[Value]| {
            ops::group_norm(&a[0], groups, Some(scaling(a)), EPS, Activation::Identity)
        };
        let y = apply(&arguments.each_ref().map(Value::from)).unwrap();
        let expected = written_out(&arguments, |n, c| n * groups + c / size);
        assert_close(y.tensor(), &expected, 1e-12);
        check_derivatives(&arguments, apply);
        check_fallback_to(HALF, &arguments, apply);
    }
}

#[test]
fn instance_norm_is_group_norm_of_single_channels_and_needs_no_scaling() {
    let arguments = arguments(&[2, 3, 5, 4], 3);
    let x = &arguments[..1];
    let with = |a: &[Value]| ops::instance_norm(&a[0], Some(scaling(a)), EPS, Activation::Identity);
    let without = |a: &[Value]| ops::instance_norm(&a[0], None, EPS, Activation::Identity);
    let y = with(&arguments.each_ref().map(Value::from)).unwrap();
    assert_close(
        y.tensor(),
        &written_out(&arguments, |n, c| n * 3 + c),
        1e-12,
    );
    let plain = without(&[Value::from(&x[0])]).unwrap();
    let ones = Tensor::ones(3, DType::F64, &Device::Cpu).unwrap();
    let zeros = ones.zeros_like().unwrap();
    let expected = written_out(&[x[0].clone(), ones, zeros], |n, c| n * 3 + c);
    assert_close(plain.tensor(), &expected, 1e-12);
    check_derivatives(&arguments, with);
    check_derivatives(x, without);
}

#[test]
fn layer_norm_is_over_the_last_dimensions_and_scales_element_by_element() {
    for (shape, normalised) in [
        (vec![4, 7], vec![7]),
        (vec![2, 3, 4, 5], vec![3, 4, 5]),
        (vec![2, 3, 5], vec![5]),
    ] {
        let size: usize = normalised.iter().product();
        let [x, gamma, beta] = arguments(&shape, size);
        let rows = x.reshape(((), size, 1)).unwrap();
        let expected = written_out(&[rows, gamma.clone(), beta.clone()], |n, _| n);
        let shaped = |vector: Tensor| vector.reshape(normalised.clone()).unwrap();
        let arguments = [x, shaped(gamma), shaped(beta)];
        let apply = |a: &[Value]| {
            let shape = normalised.clone();
            ops::layer_norm(&a[0], shape, Some(scaling(a)), EPS, Activation::Identity)
        };
        let y = apply(&arguments.each_ref().map(Value::from)).unwrap();
        assert_close(y.tensor(), &expected.reshape(shape).unwrap(), 1e-12);
        check_derivatives(&arguments, apply);
        check_fallback_to(HALF, &arguments, apply);
    }
}

#[test]
fn an_activation_on_the_way_is_the_same_as_one_afterwards() {
    let arguments = arguments(&[3, 4, 5, 3], 4);
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu(0.2),
        Activation::LeakyRelu(-0.5),
        Activation::Tanh,
        Activation::Sigmoid,
    ] {
        let afterwards = |a: &[Value]| activation.apply(&batch(a, Activation::Identity)?);
        let results = [
            &|a: &[Value]| batch(a, activation),
            &afterwards as &dyn Fn(&[Value]) -> _,
        ]
        .map(|apply| {
            let tracked = variables(&arguments);
            let y: Value = apply(&tracked).unwrap();
            let weights = normal("weights", y.shape().clone(), DType::F64).into();
            let loss = y.mul(&weights).unwrap().sum_all().unwrap();
            (y.into_tensor(), gradients(loss, &tracked))
        });
        let [(y, gradients), (expected, expected_gradients)] = results;
        assert_close(&y, &expected, 1e-13);
        for (gradient, expected) in gradients.iter().zip(&expected_gradients) {
            assert_close(gradient, expected, 1e-12);
        }
        check_derivatives(&arguments, |a| batch(a, activation));
        check_derivatives(&arguments, |a| {
            ops::group_norm(&a[0], 2, Some(scaling(a)), EPS, activation)
        });
    }
}

#[test]
fn a_mean_far_from_zero_costs_no_accuracy() {
    // More elements than a block of sums holds.
    let x = normal("x", (2, 2, 101, 99), DType::F64)
        .affine(0.01, 1000.0)
        .and_then(|x| x.to_dtype(DType::F32))
        .unwrap();
    let vector = |value: f32| Tensor::new(&[value, value], &Device::Cpu).unwrap();
    let apply = |x: &Tensor| {
        let [gamma, beta] = [vector(1.0), vector(0.0)].map(|v| v.to_dtype(x.dtype()).unwrap());
        let [x, gamma, beta] = variables(&[x.clone(), gamma, beta]).try_into().unwrap();
        let (y, stats) =
            ops::batch_norm_train(&x, &gamma, &beta, 1e-5, Activation::Identity).unwrap();
        let weights = normal("weights", y.shape().clone(), y.dtype()).into();
        let loss = y.mul(&weights).unwrap().sum_all().unwrap();
        (
            y.into_tensor(),
            stats.var,
            gradients(loss, &[x, gamma, beta]),
        )
    };
    let single = apply(&x);
    let double = apply(&x.to_dtype(DType::F64).unwrap());
    assert_close(&single.0, &double.0, 1e-5);
    assert_close(&single.1, &double.1, 1e-9);
    for (single, double) in single.2.iter().zip(&double.2) {
        assert_close(single, double, 1e-5);
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let [x, gamma, beta] = arguments(&[2, 6, 1, 1], 6).map(|tensor| Value::from(&tensor));
    let plain = Activation::Identity;
    let complaint = |result: Result<Value>| result.unwrap_err().to_string();
    assert!(complaint(ops::group_norm(&x, 4, None, EPS, plain)).contains("into 4 groups"));
    assert!(complaint(ops::group_norm(&x, 0, None, EPS, plain)).contains("into 0 groups"));
    assert!(complaint(ops::instance_norm(&x, None, EPS, plain)).contains("single pixel"));
    assert!(complaint(ops::layer_norm(&x, 6, None, EPS, plain)).contains("does not end in"));
    let short = gamma.narrow(0, 0, 5).unwrap();
    let scaling = Some(Scaling {
        gamma: &short,
        beta: &beta,
    });
    assert!(complaint(ops::group_norm(&x, 2, scaling, EPS, plain)).contains("6 channels"));
    let empty = x.narrow(0, 0, 0).unwrap();
    assert!(complaint(ops::group_norm(&empty, 2, None, EPS, plain)).contains("no statistics"));
}
