//! Derivatives against central differences, in double precision.

use candle_core::{DType, Device, Result, Tensor};
use retake::autograd::{Value, backward, grad};

use super::{gradients, normal, number, values, variables};

/// Checks first and second derivatives in every element of every argument (f64).
#[track_caller]
pub fn check_derivatives(arguments: &[Tensor], function: impl Fn(&[Value]) -> Result<Value>) {
    check_gradients(arguments, &function);
    check_second_order(arguments, &function);
}

/// Checks the gradients of Σ weights · `function`(arguments), with fixed weights, to 1e-6.
#[track_caller]
pub fn check_gradients(arguments: &[Tensor], function: impl Fn(&[Value]) -> Result<Value>) {
    let scalar = |arguments: &[Value]| weighted(&function(arguments).unwrap(), "weights").unwrap();
    let tracked = variables(arguments);
    let gradients = gradients(scalar(&tracked), &tracked);
    compare_with_differences(arguments, &gradients, 1e-6, |arguments| {
        let constants: Vec<Value> = arguments.iter().map(Value::from).collect();
        number(&scalar(&constants))
    });
}

/// Checks the gradients of a scalar that is made of the first gradients of all arguments, to 1e-5.
///
/// With y = `function`(arguments) and fixed weights u, v and w, it is Σ v · ∂L/∂arguments of
/// L = Σ u · y + Σ (w · y)²: by the square, also what is linear has a second derivative.
#[track_caller]
fn check_second_order(arguments: &[Tensor], function: impl Fn(&[Value]) -> Result<Value>) {
    let scalar = |arguments: &[Value]| -> Result<Value> {
        let y = function(arguments)?;
        let weights = normal("square", y.shape().clone(), DType::F64);
        let squares = y.mul(&weights.into())?.sqr()?.sum_all()?;
        let loss = weighted(&y, "slope")?.add(&squares)?;
        let of: Vec<&Value> = arguments.iter().collect();
        let mut total = Value::constant(Tensor::zeros((), DType::F64, &Device::Cpu)?);
        for (at, gradient) in grad(&loss, &of)?.into_iter().enumerate() {
            let gradient = gradient.expect("every argument has a gradient");
            total = total.add(&weighted(&gradient, &format!("direction {at}"))?)?;
        }
        Ok(total)
    };
    let tracked = variables(arguments);
    let of: Vec<&Value> = tracked.iter().collect();
    let gradients: Vec<Tensor> = backward(scalar(&tracked).unwrap(), &of)
        .unwrap()
        .into_iter()
        .zip(arguments)
        .map(|(gradient, argument)| gradient.unwrap_or_else(|| argument.zeros_like().unwrap()))
        .collect();
    compare_with_differences(arguments, &gradients, 1e-5, |arguments| {
        number(&scalar(&variables(arguments)).unwrap())
    });
}

/// Σ y · weights, with weights from a named stream.
fn weighted(y: &Value, purpose: &str) -> Result<Value> {
    let weights = normal(purpose, y.shape().clone(), DType::F64);
    y.mul(&weights.into())?.sum_all()
}

/// Compares gradients of `scalar` with its central differences, to `tolerance` times the larger of 1 and the
/// difference.
#[track_caller]
pub fn compare_with_differences(
    arguments: &[Tensor],
    gradients: &[Tensor],
    tolerance: f64,
    scalar: impl Fn(&[Tensor]) -> f64,
) {
    const STEP: f64 = 1e-5;
    for (number, (argument, gradient)) in arguments.iter().zip(gradients).enumerate() {
        assert_eq!(gradient.dims(), argument.dims());
        let (base, gradient) = (values(argument), values(gradient));
        for at in 0..base.len() {
            let moved = |by: f64| {
                let mut values = base.clone();
                values[at] += by;
                let mut arguments = arguments.to_vec();
                arguments[number] =
                    Tensor::from_vec(values, argument.shape(), &Device::Cpu).unwrap();
                scalar(&arguments)
            };
            let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            let error = (gradient[at] - difference).abs();
            assert!(
                error <= tolerance * difference.abs().max(1.0),
                "argument {number}, element {at}: {}, by differences {difference}",
                gradient[at]
            );
        }
    }
}
