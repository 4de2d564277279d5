//! Operations: their values against the references, their derivatives against differences, and the
//! independence of both from the number of threads.

mod conv;
mod golden;
mod math;
mod second_order;
mod threads;
mod values;

use candle_core::{DType, Device, Result, Tensor, Var};
use retake::rng::Stream;

/// Standard normal numbers of a shape, from a named stream.
fn normal(purpose: &str, shape: impl Into<candle_core::Shape>, dtype: DType) -> Tensor {
    let shape = shape.into();
    let mut stream = Stream::new(1, purpose, 0);
    let values: Vec<f64> = (0..shape.elem_count()).map(|_| stream.normal()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
        .and_then(|tensor| tensor.to_dtype(dtype))
        .unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor
        .flatten_all()
        .and_then(|tensor| tensor.to_dtype(DType::F64))
        .and_then(|tensor| tensor.to_vec1())
        .unwrap()
}

/// Two tensors of one shape agree to `tolerance`, relative to the largest element.
#[track_caller]
fn assert_close(actual: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(actual.dims(), expected.dims());
    let (actual, expected) = (values(actual), values(expected));
    let scale = expected
        .iter()
        .fold(1.0_f64, |scale, value| scale.max(value.abs()));
    for (at, (a, e)) in actual.iter().zip(&expected).enumerate() {
        assert!(
            (a - e).abs() <= tolerance * scale,
            "element {at}: {a}, expected {e}"
        );
    }
}

/// Checks the gradients of Σ `function`(arguments) · weights, with fixed weights, in every element of
/// every argument (f64), against central differences.
#[track_caller]
fn check_gradients(arguments: &[Tensor], function: impl Fn(&[Tensor]) -> Result<Tensor>) {
    const STEP: f64 = 1e-5;
    let scalar = |arguments: &[Tensor]| -> Result<Tensor> {
        let result = function(arguments)?;
        let weights = normal("weights", result.shape().clone(), DType::F64);
        result.mul(&weights)?.sum_all()
    };
    let variables: Vec<Var> = arguments
        .iter()
        .map(|x| Var::from_tensor(x).unwrap())
        .collect();
    let tracked: Vec<Tensor> = variables
        .iter()
        .map(|var| var.as_tensor().clone())
        .collect();
    let gradients = scalar(&tracked).unwrap().backward().unwrap();
    for (number, argument) in arguments.iter().enumerate() {
        let gradient = gradients
            .get(&tracked[number])
            .expect("a tracked argument has a gradient");
        assert_eq!(gradient.dims(), argument.dims());
        let gradient = values(gradient);
        let base = values(argument);
        for at in 0..base.len() {
            let moved = |by: f64| {
                let mut values = base.clone();
                values[at] += by;
                let mut arguments = arguments.to_vec();
                arguments[number] =
                    Tensor::from_vec(values, argument.shape(), &Device::Cpu).unwrap();
                scalar(&arguments).unwrap().to_scalar::<f64>().unwrap()
            };
            let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            let error = (gradient[at] - difference).abs();
            assert!(
                error <= 1e-6 * difference.abs().max(1.0),
                "argument {number}, element {at}: {}, by differences {difference}",
                gradient[at]
            );
        }
    }
}
