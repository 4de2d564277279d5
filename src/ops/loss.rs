//! Losses that need care at extreme logits. All return the mean over all elements, a scalar.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

use super::activation::sigmoid;
use super::dispatch::{by_type, elements, has_kernel, if_tracked};
use super::real::Real;
use super::reduce::{CHUNK, sum_of};
use super::softmax::log_softmax;

/// Binary cross-entropy of `logits` against `targets` of the same shape (any real targets, usually in
/// [0, 1]): the mean of max(x, 0) − x·y + ln(1 + e^−|x|), finite at every finite logit.
pub fn bce_with_logits(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    if logits.shape() != targets.shape() {
        candle_core::bail!(
            "bce_with_logits: logits {:?} and targets {:?} differ in shape",
            logits.shape(),
            targets.shape()
        );
    }
    if has_kernel(logits) {
        return logits
            .contiguous()?
            .apply_op2(&targets.contiguous()?, BinaryCrossEntropy);
    }
    let softplus = logits.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?;
    logits
        .relu()?
        .sub(&logits.mul(targets)?)?
        .add(&softplus)?
        .mean_all()
}

/// Cross-entropy of `logits` (N, K) against `classes` (N) of `u32`.
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let classes = classes.unsqueeze(1)?;
    log_softmax(logits)?.gather(&classes, 1)?.mean_all()?.neg()
}

/// Mean squared error.
pub fn mse(x: &Tensor, target: &Tensor) -> Result<Tensor> {
    x.sub(target)?.sqr()?.mean_all()
}

/// Mean absolute error, with derivative 0 where the two are equal.
pub fn l1(x: &Tensor, target: &Tensor) -> Result<Tensor> {
    let difference = x.sub(target)?;
    let zero = difference.zeros_like()?;
    let sign = difference
        .gt(&zero)?
        .to_dtype(x.dtype())?
        .sub(&difference.lt(&zero)?.to_dtype(x.dtype())?)?;
    difference.mul(&sign)?.mean_all()
}

struct BinaryCrossEntropy;

impl CustomOp2 for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "bce-with-logits"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_layout: &Layout,
        targets: &CpuStorage,
        targets_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), logits, T => {
            let logits: &[T] = elements(logits, logits_layout)?;
            let targets: &[T] = elements(targets, targets_layout)?;
            let sums: Vec<f64> = logits
                .par_chunks(CHUNK)
                .zip(targets.par_chunks(CHUNK))
                .map(|(x, y)| sum_of(x, y, term))
                .collect();
            let mean = sums.iter().sum::<f64>() / logits.len() as f64;
            Ok((T::to_cpu_storage_owned(vec![T::from_f64(mean)]), ().into()))
        })
    }

    fn bwd(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        _mean: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let share = (gradient / logits.elem_count() as f64)?;
        let for_logits = if_tracked(logits, || {
            sigmoid(logits)?.sub(targets)?.broadcast_mul(&share)
        })?;
        let for_targets = if_tracked(targets, || logits.neg()?.broadcast_mul(&share))?;
        Ok((for_logits, for_targets))
    }
}

fn term<T: Real>(x: T, y: T) -> T {
    let positive = if x <= T::ZERO { T::ZERO } else { x };
    positive - x * y + (-x.magnitude()).exp().ln_1p()
}
