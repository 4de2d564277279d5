//! Normalisations within each sample, the same in training and afterwards.

use candle_core::{Result, Shape, Tensor, bail};

use super::Normalisation;
use super::groups::Groups;
use crate::autograd::Value;
use crate::ops::activation::Activation;

/// A factor and an offset that are learned.
#[derive(Debug, Clone, Copy)]
pub struct Scaling<'a> {
    /// the factor
    pub gamma: &'a Value,
    /// the offset
    pub beta: &'a Value,
}

/// Group normalisation (Wu and He 2018) of `x` (N, C, …): each of `groups` equal groups of successive channels of
/// a sample, over channels and pixels; then `scaling` per channel (C), if there is any, and `activation`.
pub fn group_norm(
    x: &Value,
    groups: usize,
    scaling: Option<Scaling<'_>>,
    eps: f64,
    activation: Activation,
) -> Result<Value> {
    let norm = Normalisation {
        groups: Groups::of_sample(x.shape(), groups)?,
        eps,
        given: None,
    };
    let channels = norm.groups.planes.channels;
    let (gamma, beta) = if let Some(Scaling { gamma, beta }) = scaling {
        (gamma.clone(), beta.clone())
    } else {
        let ones = Tensor::ones(channels, x.dtype(), x.device())?;
        let zeros = ones.zeros_like()?;
        (ones.into(), zeros.into())
    };
    Ok(norm.apply(x, &gamma, &beta, activation)?.0)
}

/// Instance normalisation (Ulyanov et al. 2016) of `x` (N, C, …): each channel of a sample, over its pixels; then
/// `scaling` per channel (C), if there is any, and `activation`.
///
/// # Errors
/// If a channel has a single pixel, which would be normalised to nothing.
pub fn instance_norm(
    x: &Value,
    scaling: Option<Scaling<'_>>,
    eps: f64,
    activation: Activation,
) -> Result<Value> {
    let [_, channels, pixels @ ..] = x.dims() else {
        bail!("instance_norm: expected (N, C, …), got {:?}", x.shape());
    };
    if pixels.iter().product::<usize>() == 1 {
        bail!(
            "instance_norm: channels of a single pixel, shape {:?}",
            x.shape()
        );
    }
    group_norm(x, *channels, scaling, eps, activation)
}

/// Layer normalisation (Ba et al. 2016) of `x` (…, `shape`): over the last dimensions, which are `shape`; then
/// `scaling` element by element (`shape`), if there is any, and `activation`.
pub fn layer_norm(
    x: &Value,
    shape: impl Into<Shape>,
    scaling: Option<Scaling<'_>>,
    eps: f64,
    activation: Activation,
) -> Result<Value> {
    let shape = shape.into();
    let size = shape.elem_count();
    if size == 0 || !x.dims().ends_with(shape.dims()) {
        bail!("layer_norm: {:?} does not end in {shape:?}", x.shape());
    }
    let flat = |vector: &Value| {
        if vector.shape() == &shape {
            vector.reshape(size)
        } else {
            bail!(
                "layer_norm: a parameter of shape {:?} for {shape:?}",
                vector.shape()
            )
        }
    };
    let scaling = match scaling {
        Some(Scaling { gamma, beta }) => Some((flat(gamma)?, flat(beta)?)),
        None => None,
    };
    let scaling = scaling
        .as_ref()
        .map(|(gamma, beta)| Scaling { gamma, beta });
    let rows = x.reshape((x.elem_count() / size, size))?;
    group_norm(&rows, 1, scaling, eps, activation)?.reshape(x.shape().clone())
}
