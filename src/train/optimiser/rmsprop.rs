//! `RMSprop` (Tieleman & Hinton 2012, lecture 6.5), centred as in Graves 2013.

use candle_core::{Result, Tensor};

use super::{Chunk, Rule, penalised, unless_zero};

/// `RMSprop`. With g the gradient, plus λθ under weight decay:
/// s ← αs + (1−α)g², d = g / (√s + ε), θ ← θ − lr·d.
///
/// Centred, s is replaced in d by s − ḡ², ḡ ← αḡ + (1−α)g; rounding does not take that below 0 here, which in
/// `PyTorch` gives NaN. With momentum, d is replaced in θ by b ← μb + d.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsProp {
    /// α, decay rate of the averages, in [0, 1)
    pub alpha: f64,
    /// ε, added to the denominator
    pub eps: f64,
    /// whether gradients are scaled by their deviation rather than their size
    pub centered: bool,
    /// μ, share of the last update in the next, in [0, 1)
    pub momentum: f64,
    /// λ of an L2 penalty, at least 0
    pub weight_decay: f64,
}

impl Default for RmsProp {
    fn default() -> Self {
        Self {
            alpha: 0.99,
            eps: 1e-8,
            centered: false,
            momentum: 0.0,
            weight_decay: 0.0,
        }
    }
}

impl RmsProp {
    /// s, and where there is one ḡ and b.
    pub(super) fn state(&self) -> Vec<&'static str> {
        let mean = self.centered.then_some("mean");
        let momentum = unless_zero(self.momentum).map(|_| "momentum");
        ["square"].into_iter().chain(mean).chain(momentum).collect()
    }

    /// The rule of a step.
    pub(super) fn at(self, lr: f64) -> impl Rule {
        Step { rmsprop: self, lr }
    }
}

struct Step {
    rmsprop: RmsProp,
    lr: f64,
}

impl Rule for Step {
    fn update(&self, chunk: Chunk<'_>) {
        let constants = &self.rmsprop;
        let (alpha, grow) = (constants.alpha as f32, (1.0 - constants.alpha) as f32);
        let (eps, lr, mu) = (
            constants.eps as f32,
            self.lr as f32,
            constants.momentum as f32,
        );
        let decay = unless_zero(constants.weight_decay).map(|decay| decay as f32);
        let average = |average: &mut f32, value: f32| {
            *average = alpha * *average + grow * value;
            *average
        };
        let plain = |s: &mut f32, g: f32| g / (average(s, g * g).sqrt() + eps);
        let centred = |s: &mut f32, mean: &mut f32, g: f32| {
            let (square, mean) = (average(s, g * g), average(mean, g));
            g / ((square - mean * mean).max(0.0).sqrt() + eps)
        };
        let carry = |b: &mut f32, d: f32| {
            *b = mu * *b + d;
            *b
        };
        let [square, second, third] = chunk.state;
        let parameter = chunk.parameter.iter_mut();
        let each = parameter.zip(square).zip(chunk.gradient);
        match (constants.centered, unless_zero(constants.momentum)) {
            (false, None) => each.for_each(|((p, s), &g)| {
                *p -= lr * plain(s, penalised(g, *p, decay));
            }),
            (false, Some(_)) => each.zip(second).for_each(|(((p, s), &g), b)| {
                *p -= lr * carry(b, plain(s, penalised(g, *p, decay)));
            }),
            (true, None) => each.zip(second).for_each(|(((p, s), &g), mean)| {
                *p -= lr * centred(s, mean, penalised(g, *p, decay));
            }),
            (true, Some(_)) => each
                .zip(second)
                .zip(third)
                .for_each(|((((p, s), &g), mean), b)| {
                    *p -= lr * carry(b, centred(s, mean, penalised(g, *p, decay)));
                }),
        }
    }

    fn composite(
        &self,
        parameter: &Tensor,
        state: &[Tensor],
        gradient: &Tensor,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let constants = &self.rmsprop;
        let average = |average: &Tensor, value: &Tensor| {
            (average * constants.alpha)? + (value * (1.0 - constants.alpha))?
        };
        let gradient = match unless_zero(constants.weight_decay) {
            Some(decay) => (gradient + (parameter * decay)?)?,
            None => gradient.clone(),
        };
        let mut next = vec![average(&state[0], &gradient.sqr()?)?];
        let mut scale = next[0].clone();
        if constants.centered {
            let mean = average(&state[1], &gradient)?;
            scale = (scale - mean.sqr()?)?.maximum(0.0)?;
            next.push(mean);
        }
        let mut change = (gradient / (scale.sqrt()? + constants.eps)?)?;
        if constants.momentum != 0.0 {
            change = ((&state[next.len()] * constants.momentum)? + change)?;
            next.push(change.clone());
        }
        Ok(((parameter - (change * self.lr)?)?, next))
    }
}
