//! Learning rates that change while training goes on, in closed form: the rate of an epoch or step depends on its
//! number alone, so a run that is resumed needs to remember nothing.

use libm::{cos, pow};

/// How a learning rate changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// what becomes of the rate
    pub decay: Decay,
    /// the rate never falls below this (where it starts above)
    pub floor: f64,
    /// over so many units the rate rises linearly to its full height: unit t gets (t + 1) / (`warm_up` + 1) of it
    pub warm_up: u64,
    /// what is counted
    pub unit: Unit,
}

/// What a schedule counts, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// epochs: all steps of an epoch have one rate
    #[default]
    Epoch,
    /// steps on batches of the data
    Step,
}

/// The course of a rate, as a factor of t units.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Decay {
    /// 1
    #[default]
    Constant,
    /// `factor` to the power ⌊t / `every`⌋ (`PyTorch`'s `StepLR`)
    Step {
        /// units between two steps, at least 1
        every: u64,
        /// what the rate is multiplied with
        factor: f64,
    },
    /// `factor`ᵗ (`ExponentialLR`)
    Exponential {
        /// what the rate is multiplied with
        factor: f64,
    },
    /// from 1 to 0 along half a cosine: ½(1 + cos(πt / `horizon`)) (Loshchilov & Hutter 2017, without restarts; `PyTorch`'s
    /// `CosineAnnealingLR`, with the floor as its `eta_min`). Stays at the floor after that.
    Cosine {
        /// units until the floor is reached, at least 1
        horizon: u64,
    },
    /// 1 until `start`, then in a line to 0 at `horizon` (Zhu et al. 2017)
    Linear {
        /// units before the rate begins to fall
        start: u64,
        /// units until the floor is reached, more than `start`
        horizon: u64,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            decay: Decay::Constant,
            floor: 0.0,
            warm_up: 0,
            unit: Unit::Epoch,
        }
    }
}

impl Schedule {
    /// The rate after `epochs` whole epochs and `steps` steps of a run that starts at `rate`.
    pub fn at(&self, rate: f64, epochs: u64, steps: u64) -> f64 {
        let t = match self.unit {
            Unit::Epoch => epochs,
            Unit::Step => steps,
        };
        let floor = self.floor.min(rate);
        let decayed = match self.decay {
            Decay::Constant => rate,
            Decay::Step { every, factor } => rate * pow(factor, (t / every.max(1)) as f64),
            Decay::Exponential { factor } => rate * pow(factor, t as f64),
            Decay::Cosine { horizon } => {
                let way = share(t, horizon);
                floor + (rate - floor) * 0.5 * (1.0 + cos(std::f64::consts::PI * way))
            }
            Decay::Linear { start, horizon } => {
                rate * (1.0 - share(t.saturating_sub(start), horizon.saturating_sub(start)))
            }
        };
        let warm = if t < self.warm_up {
            (t + 1) as f64 / (self.warm_up + 1) as f64
        } else {
            1.0
        };
        decayed.max(floor) * warm
    }
}

/// t of `of`, at most 1.
fn share(t: u64, of: u64) -> f64 {
    (t as f64 / of.max(1) as f64).min(1.0)
}
