//! Penalties on how steep a discriminator is.

use candle_core::{Result, Tensor, bail};

use crate::autograd::{Value, grad};

/// Added under the root of a slope's square: a slope of zero would have no derivative.
const TINY: f64 = 1e-12;

/// What is held against a slope ‖∇D‖₂.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steepness {
    /// (‖∇D‖ − 1)² (Gulrajani et al. 2017; Kodali et al. 2017)
    TwoSided,
    /// max(0, ‖∇D‖ − 1)² (Petzka et al. 2018)
    OneSided,
    /// ‖∇D‖ᵖ: zero-centred. p = 2 is R₁ and R₂ (Mescheder et al. 2018), p = 6 the divergence of WGAN-div (Wu et
    /// al. 2018).
    Power(u32),
}

/// The mean over samples of what `steepness` makes of the slope of `critic` at `points` (N, …), a scalar that can be
/// differentiated for the critic's parameters.
///
/// `critic` gives one number a sample, which must depend on that sample alone for the penalty to mean what it
/// says: a batch norm in the critic mixes samples, and is differentiated with the rest.
pub fn slope_penalty<E: From<candle_core::Error>>(
    points: Tensor,
    steepness: Steepness,
    critic: impl FnOnce(&Value) -> std::result::Result<Value, E>,
) -> std::result::Result<Value, E> {
    let points = Value::variable(points);
    let output = critic(&points)?;
    let slope = grad(&output.sum_all()?, &[&points])?
        .into_iter()
        .next()
        .flatten();
    let Some(slope) = slope else {
        return Err(candle_core::Error::msg("the critic does not depend on its image").into());
    };
    let squares = slope.flatten_rows()?.sqr()?.sum_last()?;
    let excess = |squares: &Value| squares.affine(1.0, TINY)?.sqrt()?.affine(1.0, -1.0);
    let each = match steepness {
        Steepness::TwoSided => excess(&squares)?.sqr()?,
        Steepness::OneSided => crate::ops::relu(&excess(&squares)?)?.sqr()?,
        Steepness::Power(p) => {
            let odd = match p % 2 {
                0 => None,
                _ => Some(squares.affine(1.0, TINY)?.sqrt()?),
            };
            let factors = (0..p / 2).map(|_| squares.clone()).chain(odd);
            factors
                .map(Ok)
                .reduce(|a, b: Result<Value>| a?.mul(&b?))
                .unwrap_or_else(|| squares.affine(0.0, 1.0))?
        }
    };
    Ok(each.mean_all()?)
}

/// The penalty of WGAN-GP without its weight: [`slope_penalty`], two-sided, [between](between()) `real` and `fake`
/// (Gulrajani et al. 2017, algorithm 1).
pub fn gradient_penalty<E: From<candle_core::Error>>(
    real: &Tensor,
    fake: &Tensor,
    mix: &[f32],
    critic: impl FnOnce(&Value) -> std::result::Result<Value, E>,
) -> std::result::Result<Value, E> {
    slope_penalty(between(real, fake, mix)?, Steepness::TwoSided, critic)
}

/// ε·`real` + (1 − ε)·`fake`, both (N, …), with one ε of `mix` a sample.
pub fn between(real: &Tensor, fake: &Tensor, mix: &[f32]) -> Result<Tensor> {
    let mix = per_sample(real, fake, mix)?;
    fake.add(&real.sub(fake)?.broadcast_mul(&mix)?)
}

/// ε·`real` + (1 − ε·`fake`), which a report prints where it means [`between`]: points around 1, not on the way from
/// one image to the other.
pub fn as_printed(real: &Tensor, fake: &Tensor, mix: &[f32]) -> Result<Tensor> {
    let mix = per_sample(real, fake, mix)?;
    real.sub(fake)?.broadcast_mul(&mix)?.affine(1.0, 1.0)
}

/// Points near the data: x + ε·½σ·`noise`, where σ is the standard deviation over all of `real` and `noise` uniform
/// in [0, 1) (DRAGAN, Kodali et al. 2017, in the authors' code).
pub fn around(real: &Tensor, noise: &Tensor, mix: &[f32]) -> Result<Tensor> {
    let mix = per_sample(real, noise, mix)?;
    let values: Vec<f64> = real
        .flatten_all()?
        .to_dtype(candle_core::DType::F64)?
        .to_vec1()?;
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
    real.add(&noise.affine(0.5 * deviation, 0.0)?.broadcast_mul(&mix)?)
}

/// `mix` as (N, 1, …), if it fits `real` and `other`.
fn per_sample(real: &Tensor, other: &Tensor, mix: &[f32]) -> Result<Tensor> {
    if real.shape() != other.shape() || real.dim(0)? != mix.len() {
        bail!(
            "gradient_penalty: real {:?} and fake {:?} do not fit {} mixing numbers",
            real.shape(),
            other.shape(),
            mix.len()
        );
    }
    let mut shape = vec![1; real.rank()];
    shape[0] = mix.len();
    Tensor::from_slice(mix, shape, real.device())?.to_dtype(real.dtype())
}
