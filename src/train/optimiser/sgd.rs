//! Stochastic gradient descent, with momentum (Sutskever et al. 2013, in `PyTorch`'s form).

use candle_core::{Result, Tensor};

use super::{Chunk, Rule, penalised, unless_zero};

/// Stochastic gradient descent. With g the gradient, plus λθ under weight decay: θ ← θ − lr·g.
///
/// With momentum, g is replaced in θ by b ← μb + (1−τ)g, which starts as the first g; Nesterov's way, by g + μb.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sgd {
    /// μ, share of the last update in the next, in [0, 1)
    pub momentum: f64,
    /// τ, what momentum takes off the gradient, in [0, 1]
    pub dampening: f64,
    /// whether the step looks ahead of its momentum
    pub nesterov: bool,
    /// λ of an L2 penalty, at least 0
    pub weight_decay: f64,
}

impl Sgd {
    /// b, where there is one.
    pub(super) fn state(&self) -> Vec<&'static str> {
        unless_zero(self.momentum)
            .map(|_| "momentum")
            .into_iter()
            .collect()
    }

    /// The rule of step `step`.
    pub(super) fn at(self, step: u64, lr: f64) -> impl Rule {
        Step {
            grow: if step == 1 { 1.0 } else { 1.0 - self.dampening },
            sgd: self,
            lr,
        }
    }
}

struct Step {
    sgd: Sgd,
    /// what of the gradient enters b, which is 0 before the first step
    grow: f64,
    lr: f64,
}

impl Rule for Step {
    fn update(&self, chunk: Chunk<'_>) {
        let (lr, grow) = (self.lr as f32, self.grow as f32);
        let decay = unless_zero(self.sgd.weight_decay).map(|decay| decay as f32);
        let each = chunk.parameter.iter_mut().zip(chunk.gradient);
        let Some(momentum) = unless_zero(self.sgd.momentum) else {
            return each.for_each(|(p, &g)| *p -= lr * penalised(g, *p, decay));
        };
        let mu = momentum as f32;
        let [carried, ..] = chunk.state;
        each.zip(carried).for_each(|((p, &g), b)| {
            let g = penalised(g, *p, decay);
            *b = mu * *b + grow * g;
            *p -= lr * if self.sgd.nesterov { g + mu * *b } else { *b };
        });
    }

    fn composite(
        &self,
        parameter: &Tensor,
        state: &[Tensor],
        gradient: &Tensor,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let mut change = match unless_zero(self.sgd.weight_decay) {
            Some(decay) => (gradient + (parameter * decay)?)?,
            None => gradient.clone(),
        };
        let mut next = Vec::new();
        if let Some(momentum) = unless_zero(self.sgd.momentum) {
            let carried = ((&state[0] * momentum)? + (&change * self.grow)?)?;
            change = if self.sgd.nesterov {
                (change + (&carried * momentum)?)?
            } else {
                carried.clone()
            };
            next.push(carried);
        }
        Ok(((parameter - (change * self.lr)?)?, next))
    }
}
