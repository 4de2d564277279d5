//! Adam against its definition.

use candle_core::{DType, Device, Tensor};
use retake::autograd::Value;
use retake::model::Parameter;
use retake::train::{Gradients, Optimiser, OptimiserSpec};

const ADAM: OptimiserSpec = OptimiserSpec::Adam {
    betas: (0.5, 0.999),
    eps: 1e-8,
};

fn parameter(values: &[f32], dtype: DType) -> Parameter {
    let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)
        .unwrap()
        .to_dtype(dtype)
        .unwrap();
    Parameter {
        name: "weight".to_owned(),
        value: Value::variable(tensor),
    }
}

fn values(parameter: &Parameter) -> Vec<f64> {
    parameter
        .value
        .tensor()
        .to_dtype(DType::F64)
        .unwrap()
        .to_vec1()
        .unwrap()
}

fn gradient(values: &[f32]) -> Gradients {
    Gradients::from_tensors(vec![Some(
        Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap(),
    )])
}

/// From PyTorch's definition of Adam in double precision:
/// ```python
/// import math
/// p, m, v = [0.5, -1.0, 2.0], [0] * 3, [0] * 3
/// lr, b1, b2, eps = 0.1, 0.5, 0.999, 1e-8
/// for t in range(1, 4):
///     for i in range(3):
///         g = [0.1 * t, -2.0, 3.0 - t][i]
///         m[i] = b1 * m[i] + (1 - b1) * g
///         v[i] = b2 * v[i] + (1 - b2) * g * g
///         p[i] -= lr / (1 - b1**t) * m[i] / (math.sqrt(v[i]) / math.sqrt(1 - b2**t) + eps)
///     print([round(x, 9) for x in p])
/// ```
const EXPECTED: [[f64; 3]; 3] = [
    [0.400_000_01, -0.9, 1.9],
    [0.294_606_577, -0.800_000_001, 1.815_659_938],
    [0.182_217_694, -0.700_000_002, 1.771_379_549],
];

#[test]
fn adam_follows_its_definition() {
    for dtype in [DType::F32, DType::F64] {
        let parameter = parameter(&[0.5, -1.0, 2.0], dtype);
        let mut adam = Optimiser::new(ADAM, std::slice::from_ref(&parameter)).unwrap();
        for (t, expected) in (1u8..).zip(EXPECTED) {
            let t = f32::from(t);
            adam.step(&gradient(&[0.1 * t, -2.0, 3.0 - t]), 0.1)
                .unwrap();
            for (value, expected) in values(&parameter).iter().zip(expected) {
                assert!(
                    (value - expected).abs() < 1e-6,
                    "{dtype:?}, step {t}: {value} is not {expected}"
                );
            }
        }
        assert_eq!(adam.steps(), 3);
    }
}

#[test]
fn a_restored_optimiser_goes_on_with_the_same_bits() {
    let straight = parameter(&[0.5, -1.0, 2.0], DType::F32);
    let mut adam = Optimiser::new(ADAM, std::slice::from_ref(&straight)).unwrap();
    adam.step(&gradient(&[1.0, 2.0, 3.0]), 0.1).unwrap();

    let resumed = parameter(&[0.0; 3], DType::F32);
    let mut other = Optimiser::new(ADAM, std::slice::from_ref(&resumed)).unwrap();
    resumed
        .value
        .tensor()
        .slice_set(straight.value.tensor(), 0, 0)
        .unwrap();
    for ((name, from), (same, to)) in adam.state().into_iter().zip(other.state()) {
        assert_eq!(name, same);
        to.slice_set(from, 0, 0).unwrap();
    }
    other.set_steps(adam.steps());

    adam.step(&gradient(&[-1.0, 0.5, 3.0]), 0.1).unwrap();
    other.step(&gradient(&[-1.0, 0.5, 3.0]), 0.1).unwrap();
    assert_eq!(values(&straight), values(&resumed));
}

#[test]
fn a_parameter_without_gradient_stays() {
    let parameter = parameter(&[0.5, -1.0], DType::F32);
    let mut adam = Optimiser::new(ADAM, std::slice::from_ref(&parameter)).unwrap();
    adam.step(&Gradients::from_tensors(vec![None]), 0.1)
        .unwrap();
    assert_eq!(values(&parameter), [0.5, -1.0]);
}

#[test]
fn the_gradient_norm_is_over_all_parameters() {
    let tensor =
        |values: &[f32]| Some(Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap());
    let gradients = Gradients::from_tensors(vec![tensor(&[3.0, 0.0]), None, tensor(&[4.0])]);
    assert!((gradients.norm().unwrap() - 5.0).abs() < 1e-12);
    let broken = Gradients::from_tensors(vec![tensor(&[3.0, f32::NAN])]);
    assert!(broken.norm().unwrap().is_nan());
}
