//! Normalisation composed of differentiable operations: where there is no kernel, and what is differentiated
//! when a second derivative is asked for.

use candle_core::Result;

use super::{Normalisation, Statistics};
use crate::autograd::Value;

/// Without an activation.
pub(super) fn normalise(
    norm: &Normalisation,
    x: &Value,
    gamma: &Value,
    beta: &Value,
) -> Result<(Value, Statistics)> {
    let groups = norm.groups;
    let (view, one_each) = groups.views();
    let whole = x.reshape(view.clone())?;
    let spread = |of_groups: &Value| of_groups.broadcast_as(view.clone());
    let (mean, var) = if let Some(Statistics { mean, var }) = &norm.given {
        (
            Value::constant(mean.reshape(&one_each)?),
            Value::constant(var.reshape(&one_each)?),
        )
    } else {
        let mean_of = |x: &Value| {
            x.sum_to(one_each.clone())?
                .affine(1.0 / groups.size() as f64, 0.0)
        };
        let mean = mean_of(&whole)?;
        let var = mean_of(&whole.sub(&spread(&mean)?)?.sqr()?)?;
        (mean, var)
    };
    let std = var.affine(1.0, norm.eps)?.sqrt()?;
    let normalised = whole.sub(&spread(&mean)?)?.div(&spread(&std)?)?;

    let planes = groups.planes;
    let by_channel = (planes.samples, planes.channels, planes.pixels);
    let per_channel = |vector: &Value| {
        vector
            .reshape((1, planes.channels, 1))?
            .broadcast_as(by_channel)
    };
    let y = normalised
        .reshape(by_channel)?
        .mul(&per_channel(gamma)?)?
        .add(&per_channel(beta)?)?
        .reshape(x.shape().clone())?;
    let statistics = Statistics {
        mean: mean.tensor().flatten_all()?,
        var: var.tensor().flatten_all()?,
    };
    Ok((y, statistics))
}
