//! Adam (Kingma & Ba 2015, algorithm 1) and `AdamW` (Loshchilov & Hutter 2019).

use candle_core::{Result, Tensor};

use super::{Chunk, Rule, penalised, unless_zero};

/// Adam. With g the gradient and t the step:
/// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// decay rates of the two moments, each in [0, 1)
    pub betas: (f64, f64),
    /// added to the denominator
    pub eps: f64,
    /// how weights are drawn towards 0
    pub weight_decay: WeightDecay,
}

/// How weights are drawn towards 0, and how strongly: λ ≥ 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightDecay {
    /// Adam: the gradient of a penalty, g ← g + λθ
    L2(f64),
    /// `AdamW`: apart from the moments, θ ← (1 − lr·λ)θ before the step
    Decoupled(f64),
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: WeightDecay::L2(0.0),
        }
    }
}

impl Adam {
    /// m and v.
    pub(super) const STATE: [&'static str; 2] = ["first", "second"];

    /// The rule of step `step`.
    pub(super) fn at(self, step: u64, lr: f64) -> impl Rule {
        let step = step as f64;
        // libm: the platform's pow may differ in the last bit between systems.
        let correction = |beta: f64| 1.0 - libm::pow(beta, step);
        let (penalty, keep) = match self.weight_decay {
            WeightDecay::L2(decay) => (unless_zero(decay), 1.0),
            WeightDecay::Decoupled(decay) => (None, 1.0 - lr * decay),
        };
        Step {
            betas: self.betas,
            rate: lr / correction(self.betas.0),
            root: correction(self.betas.1).sqrt(),
            eps: self.eps,
            penalty,
            keep,
        }
    }
}

/// The constants of one step.
struct Step {
    betas: (f64, f64),
    /// lr / (1−β₁ᵗ)
    rate: f64,
    /// √(1−β₂ᵗ)
    root: f64,
    eps: f64,
    /// λ of an L2 penalty
    penalty: Option<f64>,
    /// 1 − lr·λ of a decoupled decay
    keep: f64,
}

impl Rule for Step {
    fn update(&self, chunk: Chunk<'_>) {
        let [first, second, _] = chunk.state;
        let (beta1, beta2) = (self.betas.0 as f32, self.betas.1 as f32);
        let (grow1, grow2) = ((1.0 - self.betas.0) as f32, (1.0 - self.betas.1) as f32);
        let (rate, inverse_root, eps) =
            (self.rate as f32, (1.0 / self.root) as f32, self.eps as f32);
        let (penalty, keep) = (self.penalty.map(|decay| decay as f32), self.keep as f32);
        let moments = first.iter_mut().zip(second.iter_mut());
        for ((p, (m, v)), &g) in chunk.parameter.iter_mut().zip(moments).zip(chunk.gradient) {
            let g = penalised(g, *p, penalty);
            *m = beta1 * *m + grow1 * g;
            *v = beta2 * *v + grow2 * g * g;
            *p = keep * *p - rate * *m / (v.sqrt() * inverse_root + eps);
        }
    }

    fn composite(
        &self,
        parameter: &Tensor,
        state: &[Tensor],
        gradient: &Tensor,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let gradient = match self.penalty {
            Some(decay) => (gradient + (parameter * decay)?)?,
            None => gradient.clone(),
        };
        let first = ((&state[0] * self.betas.0)? + (&gradient * (1.0 - self.betas.0))?)?;
        let second = ((&state[1] * self.betas.1)? + (gradient.sqr()? * (1.0 - self.betas.1))?)?;
        let denominator = ((second.sqrt()? / self.root)? + self.eps)?;
        let change = ((&first * self.rate)? / denominator)?;
        Ok((((parameter * self.keep)? - change)?, vec![first, second]))
    }
}
