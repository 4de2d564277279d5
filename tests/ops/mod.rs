//! Operations: their values against other computations of the same, their derivatives against differences,
//! and the independence of both from the number of threads.

mod conv;
mod derivatives;
mod diff_augment;
mod fallback;
mod golden;
mod instruction_sets;
mod math;
mod norm;
mod penalties;
mod random;
mod style;
mod threads;
mod values;

use candle_core::{DType, Device, Shape, Tensor};
use retake::autograd::{Value, backward};
use retake::rng::Stream;

pub use derivatives::{check_derivatives, check_gradients, compare_with_differences};

/// Standard normal numbers of a shape, from a named stream.
pub fn normal(purpose: &str, shape: impl Into<Shape>, dtype: DType) -> Tensor {
    let shape = shape.into();
    let mut stream = Stream::new(1, purpose, 0);
    let values: Vec<f64> = (0..shape.elem_count()).map(|_| stream.normal()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
        .and_then(|tensor| tensor.to_dtype(dtype))
        .unwrap()
}

/// The elements in row-major order.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensor
        .flatten_all()
        .and_then(|tensor| tensor.to_dtype(DType::F64))
        .and_then(|tensor| tensor.to_vec1())
        .unwrap()
}

/// The number that a scalar holds.
pub fn number(scalar: &Value) -> f64 {
    values(scalar.tensor())[0]
}

/// Variables of these tensors.
pub fn variables(tensors: &[Tensor]) -> Vec<Value> {
    tensors.iter().cloned().map(Value::variable).collect()
}

/// The gradients of a scalar in variables that all take part in it. Consumes its graph.
#[track_caller]
pub fn gradients(scalar: Value, of: &[Value]) -> Vec<Tensor> {
    let of: Vec<&Value> = of.iter().collect();
    let gradients = backward(scalar, &of).unwrap();
    let each = gradients.into_iter().enumerate();
    each.map(|(at, gradient)| gradient.unwrap_or_else(|| panic!("variable {at} takes no part")))
        .collect()
}

/// Two tensors of one shape agree to `tolerance`, relative to the largest element.
#[track_caller]
pub fn assert_close(actual: &Tensor, expected: &Tensor, tolerance: f64) {
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
