//! Everything but the convolutions: values against known numbers and references, gradients against
//! differences.

use candle_core::{DType, Device, Tensor, Var};
use retake::ops::{self, Padding, reference};

use super::{assert_close, check_gradients, normal, values};

fn vector(values: &[f64]) -> Tensor {
    Tensor::new(values, &Device::Cpu).unwrap()
}

#[test]
fn linear_has_the_gradients_of_differences() {
    let arguments = [
        normal("x", (3, 5), DType::F64),
        normal("w", (4, 5), DType::F64),
        normal("b", 4, DType::F64),
    ];
    check_gradients(&arguments, |a| ops::linear(&a[0], &a[1], Some(&a[2])));
    check_gradients(&arguments[..2], |a| ops::linear(&a[0], &a[1], None));
}

#[test]
fn activations_have_the_gradients_of_differences() {
    let x = [normal("x", (3, 4, 5), DType::F64)];
    check_gradients(&x, |a| ops::relu(&a[0]));
    check_gradients(&x, |a| ops::leaky_relu(&a[0], 0.2));
    check_gradients(&x, |a| ops::tanh(&a[0]));
    check_gradients(&x, |a| ops::sigmoid(&a[0]));
}

#[test]
fn activations_equal_their_references() {
    let x = normal("x", (2, 1000), DType::F32);
    assert_close(&ops::relu(&x).unwrap(), &reference::relu(&x).unwrap(), 0.0);
    let slope = 0.2;
    let (y, expected) = (ops::leaky_relu(&x, slope), reference::leaky_relu(&x, slope));
    assert_close(&y.unwrap(), &expected.unwrap(), 0.0);
    assert_close(&ops::tanh(&x).unwrap(), &reference::tanh(&x).unwrap(), 1e-6);
    assert_close(
        &ops::sigmoid(&x).unwrap(),
        &reference::sigmoid(&x).unwrap(),
        1e-6,
    );
}

#[test]
fn derivatives_at_zero_are_those_of_pytorch() {
    let x = Var::from_tensor(&vector(&[0.0, -0.0])).unwrap();
    let slope_of = |y: Tensor| values(y.sum_all().unwrap().backward().unwrap().get(&x).unwrap());
    assert_eq!(slope_of(ops::relu(&x).unwrap()), [0.0, 0.0]);
    assert_eq!(slope_of(ops::leaky_relu(&x, 0.2).unwrap()), [0.2, 0.2]);
    assert_eq!(
        slope_of(ops::l1(&x, &x.zeros_like().unwrap()).unwrap()),
        [0.0, 0.0]
    );
}

#[test]
fn activations_pass_nan_on() {
    let x = vector(&[f64::NAN]).to_dtype(DType::F32).unwrap();
    for y in [
        ops::relu(&x),
        ops::leaky_relu(&x, 0.2),
        ops::tanh(&x),
        ops::sigmoid(&x),
    ] {
        assert!(values(&y.unwrap())[0].is_nan());
    }
}

#[test]
fn batch_norm_equals_its_reference_and_has_the_gradients_of_differences() {
    for shape in [vec![6, 3], vec![3, 2, 5, 3], vec![1, 2, 4, 5]] {
        let channels = shape[1];
        let arguments = [
            (normal("x", shape, DType::F64) * 2.0)
                .unwrap()
                .affine(1.0, 3.0)
                .unwrap(),
            normal("gamma", channels, DType::F64),
            normal("beta", channels, DType::F64),
        ];
        let [x, gamma, beta] = &arguments;
        let (y, stats) = ops::batch_norm_train(x, gamma, beta, 1e-5).unwrap();
        let (expected, expected_stats) = reference::batch_norm_train(x, gamma, beta, 1e-5).unwrap();
        assert_close(&y, &expected, 1e-12);
        assert_close(&stats.mean, &expected_stats.mean, 1e-12);
        assert_close(&stats.var, &expected_stats.var, 1e-12);
        assert_eq!(stats.count, x.elem_count() / channels);
        check_gradients(&arguments, |a| {
            Ok(ops::batch_norm_train(&a[0], &a[1], &a[2], 1e-5)?.0)
        });
    }
}

#[test]
fn batch_norm_in_evaluation_undoes_given_statistics() {
    let arguments = [
        normal("x", (2, 3, 2, 4), DType::F64),
        normal("gamma", 3, DType::F64),
        normal("beta", 3, DType::F64),
    ];
    let mean = normal("mean", 3, DType::F64);
    let var = vector(&[0.5, 1.0, 4.0]);
    let apply = |a: &[Tensor]| ops::batch_norm_eval(&a[0], &a[1], &a[2], &mean, &var, 0.25);
    let y = values(&apply(&arguments).unwrap());
    let [x, gamma, beta] = arguments.each_ref().map(values);
    let (m, v) = (values(&mean), values(&var));
    for (at, y) in y.iter().enumerate() {
        let c = at / 8 % 3;
        let expected = (x[at] - m[c]) / (v[c] + 0.25).sqrt() * gamma[c] + beta[c];
        assert!((y - expected).abs() < 1e-12);
    }
    check_gradients(&arguments, apply);
}

#[test]
fn pools_equal_their_references_and_have_the_gradients_of_differences() {
    let x = normal("x", (2, 3, 7, 5), DType::F64);
    let asymmetric = Padding {
        top: 0,
        bottom: 1,
        left: 1,
        right: 0,
    };
    for (kernel, stride, padding) in [
        ((2, 2), (2, 2), Padding::default()),
        ((3, 3), (2, 2), Padding::symmetric(1, 1)),
        ((3, 2), (1, 3), asymmetric),
        ((7, 5), (1, 1), Padding::default()),
    ] {
        let max = |x: &Tensor| ops::max_pool2d(x, kernel, stride, padding);
        let mean = |x: &Tensor| ops::avg_pool2d(x, kernel, stride, padding);
        let expected = reference::max_pool2d(&x, kernel, stride, padding).unwrap();
        assert_close(&max(&x).unwrap(), &expected, 0.0);
        let expected = reference::avg_pool2d(&x, kernel, stride, padding).unwrap();
        assert_close(&mean(&x).unwrap(), &expected, 1e-12);
        check_gradients(std::slice::from_ref(&x), |a| max(&a[0]));
        check_gradients(std::slice::from_ref(&x), |a| mean(&a[0]));
    }
    let global = ops::global_avg_pool2d(&x).unwrap();
    assert_close(&global, &x.mean((2, 3)).unwrap(), 1e-12);
    check_gradients(&[x], |a| ops::global_avg_pool2d(&a[0]));
}

#[test]
fn upsampling_repeats_and_accumulates() {
    let x = vector(&[1.0, 2.0]).reshape((1, 1, 1, 2)).unwrap();
    let y = ops::upsample_nearest2d(&x, 2).unwrap();
    assert_eq!(y.dims(), [1, 1, 2, 4]);
    assert_eq!(values(&y), [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    // Used twice, which candle's own gets wrong.
    check_gradients(&[normal("x", (2, 2, 3, 2), DType::F64)], |a| {
        let up = ops::upsample_nearest2d(&a[0], 3)?;
        up.add(&ops::upsample_nearest2d(&a[0].sqr()?, 3)?)
    });
}

#[test]
fn softmax_is_stable_and_has_the_gradients_of_differences() {
    let x = vector(&[1000.0, 1000.0, -1000.0]);
    let third = values(&ops::softmax(&x).unwrap());
    assert_eq!(third, [0.5, 0.5, 0.0]);
    let logs = values(&ops::log_softmax(&x).unwrap());
    assert!((logs[0] - 0.5_f64.ln()).abs() < 1e-12 && (logs[2] + 2000.0).abs() < 1.0);
    let x = [normal("x", (2, 3, 4), DType::F64)];
    check_gradients(&x, |a| ops::softmax(&a[0]));
    check_gradients(&x, |a| ops::log_softmax(&a[0]));
}

#[test]
fn binary_cross_entropy_is_finite_at_any_logit() {
    for logit in [-1e4_f32, -100.0, -17.0, 0.0, 17.0, 100.0, 1e4] {
        for target in [0.0_f32, 1.0] {
            let x = Var::new(&[logit], &Device::Cpu).unwrap();
            let y = Tensor::new(&[target], &Device::Cpu).unwrap();
            let loss = ops::bce_with_logits(&x, &y).unwrap();
            let x64 = f64::from(logit);
            let expected = x64.max(0.0) - x64 * f64::from(target) + (-x64.abs()).exp().ln_1p();
            let value = f64::from(loss.to_scalar::<f32>().unwrap());
            assert!(
                (value - expected).abs() <= 1e-6 * expected.max(1e-30),
                "{logit}: {value}"
            );
            let gradients = loss.backward().unwrap();
            let slope = values(gradients.get(&x).unwrap())[0];
            let expected = 1.0 / (1.0 + (-x64).exp()) - f64::from(target);
            assert!((slope - expected).abs() <= 1e-6);
        }
    }
}

#[test]
fn losses_have_the_gradients_of_differences() {
    let logits = normal("x", (3, 4), DType::F64);
    let targets = normal("y", (3, 4), DType::F64);
    let both = [logits.clone(), targets];
    check_gradients(&both, |a| ops::bce_with_logits(&a[0], &a[1]));
    check_gradients(&both, |a| ops::mse(&a[0], &a[1]));
    check_gradients(&both, |a| ops::l1(&a[0], &a[1]));
    let classes = Tensor::new(&[0_u32, 3, 1], &Device::Cpu).unwrap();
    check_gradients(&both[..1], |a| ops::cross_entropy(&a[0], &classes));
    let rows = logits.to_vec2::<f64>().unwrap();
    let expected: f64 = [0, 3, 1]
        .iter()
        .zip(&rows)
        .map(|(&class, row)| row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[class])
        .sum();
    let loss = ops::cross_entropy(&logits, &classes)
        .unwrap()
        .to_scalar::<f64>()
        .unwrap();
    assert!((loss - expected / 3.0).abs() < 1e-12);
}
