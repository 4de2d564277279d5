//! What runs where there is no kernel: half precision on the CPU takes the path that other devices take.

use candle_core::{DType, Result, Tensor};
use retake::autograd::Value;

use super::{assert_close, gradients, normal, variables};

/// Checks that half precision gives what single precision gives, value and gradients.
///
/// The arguments' elements are rounded to integers, and so are those of the gradient that goes back: sums of
/// small integers are exact in either precision.
#[track_caller]
pub fn check_fallback(arguments: &[Tensor], function: impl Fn(&[Value]) -> Result<Value>) {
    check_fallback_to(0.0, arguments, function);
}

/// The same for what is not exact even so, to `tolerance`.
#[track_caller]
pub fn check_fallback_to(
    tolerance: f64,
    arguments: &[Tensor],
    function: impl Fn(&[Value]) -> Result<Value>,
) {
    let results = |dtype: DType| -> Result<Vec<Tensor>> {
        let arguments = arguments
            .iter()
            .map(|argument| argument.round()?.to_dtype(dtype))
            .collect::<Result<Vec<_>>>()?;
        let arguments = variables(&arguments);
        let y = function(&arguments)?;
        let weights = normal("weights", y.shape().clone(), DType::F32);
        let weighted = y.mul(&weights.round()?.to_dtype(dtype)?.into())?;
        let mut results = vec![y.tensor().clone()];
        results.extend(gradients(weighted.sum_all()?, &arguments));
        Ok(results)
    };
    let plain = results(DType::F16).unwrap();
    for (plain, kernel) in plain.iter().zip(results(DType::F32).unwrap()) {
        assert_close(plain, &kernel, tolerance);
    }
}
