//! Losses that need care at extreme logits. All return the mean over all elements, a scalar.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

use super::activation::sigmoid;
use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use super::reduce::{CHUNK, sum_of};
use super::softmax::log_softmax;
use crate::autograd::Value;

/// Binary cross-entropy of `logits` against `targets` of the same shape (any real targets, usually in
/// [0, 1]): the mean of max(x, 0) − x·y + ln(1 + e^−|x|), finite at every finite logit.
pub fn bce_with_logits(logits: &Value, targets: &Value) -> Result<Value> {
    if logits.shape() != targets.shape() {
        candle_core::bail!(
            "bce_with_logits: logits {:?} and targets {:?} differ in shape",
            logits.shape(),
            targets.shape()
        );
    }
    let mean = if has_kernel(logits.tensor()) {
        let (logits, targets) = (
            logits.tensor().contiguous()?,
            targets.tensor().contiguous()?,
        );
        logits.apply_op2_no_bwd(&targets, &BinaryCrossEntropy)?
    } else {
        let (x, y) = (logits.tensor(), targets.tensor());
        let softplus = x.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?;
        x.relu()?.sub(&x.mul(y)?)?.add(&softplus)?.mean_all()?
    };
    let (kept_logits, kept_targets) = (logits.kept(), targets.kept_for(logits));
    Ok(Value::record(mean, &[logits, targets], move |back| {
        let logits = back.kept(&kept_logits);
        let share = back
            .gradient()
            .affine(1.0 / logits.elem_count() as f64, 0.0)?;
        let share = share.broadcast_as(logits.shape().clone())?;
        let for_logits = back.with_kept(0, kept_targets.as_ref(), |targets| {
            sigmoid(&logits)?.sub(targets)?.mul(&share)
        })?;
        let for_targets = back.when_wanted(1, || logits.mul(&share)?.neg())?;
        Ok(vec![for_logits, for_targets])
    }))
}

/// Cross-entropy of `logits` (N, K) against `classes` (N) of `u32`.
pub fn cross_entropy(logits: &Value, classes: &Tensor) -> Result<Value> {
    let classes = classes.unsqueeze(1)?;
    log_softmax(logits)?
        .gather_last(&classes)?
        .mean_all()?
        .neg()
}

/// Mean squared error.
pub fn mse(x: &Value, target: &Value) -> Result<Value> {
    x.sub(target)?.sqr()?.mean_all()
}

/// Mean absolute error, with derivative 0 where the two are equal.
pub fn l1(x: &Value, target: &Value) -> Result<Value> {
    x.sub(target)?.abs()?.mean_all()
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
}

fn term<T: Real>(x: T, y: T) -> T {
    let positive = if x <= T::ZERO { T::ZERO } else { x };
    positive - x * y + (-x.magnitude()).exp().ln_1p()
}
