//! Penalties on how steep a critic is.

use candle_core::{Result, Tensor, bail};

use crate::autograd::{Value, grad};

/// Added under the root of a slope's square: a slope of zero would have no derivative.
const TINY: f64 = 1e-12;

/// How far the slopes of a critic are from 1: the mean over samples of (‖∇D(x̂)‖₂ − 1)² at points
/// x̂ = ε·`real` + (1 − ε)·`fake`, a scalar that can be differentiated for the critic's parameters (Gulrajani
/// et al. 2017, algorithm 1, without its weight λ).
///
/// `real` and `fake` are (N, …) and taken as constants; `mix` holds ε, one number in [0, 1] for each sample.
/// `critic` gives one number a sample, which must depend on that sample alone for the penalty to mean what it
/// says: a batch norm in the critic mixes samples, and is differentiated with the rest.
pub fn gradient_penalty<E: From<candle_core::Error>>(
    real: &Tensor,
    fake: &Tensor,
    mix: &[f32],
    critic: impl FnOnce(&Value) -> std::result::Result<Value, E>,
) -> std::result::Result<Value, E> {
    let point = Value::variable(between(real, fake, mix)?);
    let output = critic(&point)?;
    let slope = grad(&output.sum_all()?, &[&point])?
        .into_iter()
        .next()
        .flatten();
    let Some(slope) = slope else {
        return Err(candle_core::Error::msg("the critic does not depend on its image").into());
    };
    let squares = slope.flatten_rows()?.sqr()?.sum_last()?;
    let excess = squares.affine(1.0, TINY)?.sqrt()?.affine(1.0, -1.0)?;
    Ok(excess.sqr()?.mean_all()?)
}

/// ε·`real` + (1 − ε)·`fake` with one ε a sample.
fn between(real: &Tensor, fake: &Tensor, mix: &[f32]) -> Result<Tensor> {
    if real.shape() != fake.shape() || real.dim(0)? != mix.len() {
        bail!(
            "gradient_penalty: real {:?} and fake {:?} do not fit {} mixing numbers",
            real.shape(),
            fake.shape(),
            mix.len()
        );
    }
    let mut shape = vec![1; real.rank()];
    shape[0] = mix.len();
    let mix = Tensor::from_slice(mix, shape, real.device())?.to_dtype(real.dtype())?;
    fake.add(&real.sub(fake)?.broadcast_mul(&mix)?)
}
