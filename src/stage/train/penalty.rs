//! Settings of penalties on a discriminator's slope: `gradient_penalty`, `r1`, `r2`, `divergence`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::brief::{Main, float};
use super::range::{at_least_one, positive};
use crate::loss::Steepness;
use crate::stage::Fault;
use crate::stage::defaults::{is_default, is_one, one};
use crate::train::{Penalty, Points};

/// `gradient_penalty:`, λ·E(‖∇D‖ − 1)².
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GradientPenalty {
    /// λ, greater than 0
    #[serde(default = "ten")]
    pub weight: f64,
    /// slopes that are held against the discriminator
    #[serde(default, skip_serializing_if = "is_default")]
    pub sides: Sides,
    /// where slopes are taken
    #[serde(default, skip_serializing_if = "is_default")]
    pub points: PenaltyPoints,
    /// in every so many steps only, at so many times the weight; 1 if not given
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub every: u64,
}

/// Slopes that are held against the discriminator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sides {
    /// those that are not 1 (Gulrajani et al. 2017)
    #[default]
    Two,
    /// those above 1 (Petzka et al. 2018)
    One,
}

/// Where slopes are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PenaltyPoints {
    /// between a real and a generated image: αx + (1 − α)x̂
    #[default]
    Between,
    /// at αx + (1 − αx̂), a misprint that is kept for the sake of who printed it
    AsPrinted,
    /// around real images (DRAGAN, Kodali et al. 2017)
    Dragan,
}

/// `r1:` and `r2:`, γ/2 · E‖∇D‖² at real and at generated images (Mescheder et al. 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZeroPenalty {
    /// γ, greater than 0
    pub weight: f64,
    /// in every so many steps only, at so many times the weight; 1 if not given
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub every: u64,
}

/// `divergence:`, the term k·E‖∇D‖ᵖ of WGAN-div (Wu et al. 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Divergence {
    /// k, greater than 0
    pub k: f64,
    /// p, a whole number of at least 1
    pub p: u32,
    /// where slopes are taken
    pub points: DivergencePoints,
}

/// Where WGAN-div takes slopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DivergencePoints {
    /// between a real and a generated image, as in the paper
    #[default]
    Between,
    /// at real and at generated images, the mean of both
    RealAndFake,
}

fn ten() -> f64 {
    10.0
}

impl Main for GradientPenalty {
    fn of(number: Number) -> Result<Self, String> {
        Ok(Self {
            weight: float(&number),
            sides: Sides::default(),
            points: PenaltyPoints::default(),
            every: 1,
        })
    }

    fn alone(&self) -> Option<Number> {
        let plain = is_default(&self.sides) && is_default(&self.points) && self.every == 1;
        Number::from_f64(self.weight).filter(|_| plain)
    }
}

impl Main for ZeroPenalty {
    fn of(number: Number) -> Result<Self, String> {
        Ok(Self {
            weight: float(&number),
            every: 1,
        })
    }

    fn alone(&self) -> Option<Number> {
        Number::from_f64(self.weight).filter(|_| self.every == 1)
    }
}

impl Default for Divergence {
    fn default() -> Self {
        Self {
            k: 2.0,
            p: 6,
            points: DivergencePoints::default(),
        }
    }
}

impl GradientPenalty {
    pub(super) fn penalty(&self) -> Penalty {
        Penalty {
            steepness: match self.sides {
                Sides::Two => Steepness::TwoSided,
                Sides::One => Steepness::OneSided,
            },
            points: match self.points {
                PenaltyPoints::Between => Points::Between,
                PenaltyPoints::AsPrinted => Points::AsPrinted,
                PenaltyPoints::Dragan => Points::AroundReal,
            },
            weight: self.weight,
            every: self.every,
            column: "gradient_penalty",
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let what = "the weight of the gradient penalty";
        lazy(what, self.weight, self.every)
    }
}

impl ZeroPenalty {
    pub(super) fn penalty(&self, points: Points, column: &'static str) -> Penalty {
        Penalty {
            steepness: Steepness::Power(2),
            points,
            weight: self.weight / 2.0,
            every: self.every,
            column,
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        lazy("the weight of a penalty", self.weight, self.every)
    }
}

/// Higher powers of a slope are a slip.
const MOST_POWER: u32 = 16;

impl Divergence {
    pub(super) fn penalty(&self) -> Penalty {
        Penalty {
            steepness: Steepness::Power(self.p),
            points: match self.points {
                DivergencePoints::Between => Points::Between,
                DivergencePoints::RealAndFake => Points::RealAndFake,
            },
            weight: self.k,
            every: 1,
            column: "divergence",
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        positive(&mut faults, "k", "the weight of the divergence", self.k);
        if !(1..=MOST_POWER).contains(&self.p) {
            let message = format!("must be 1 to {MOST_POWER}, not {}", self.p);
            faults.push(Fault::at("p", message));
        }
        faults
    }
}

/// Faults of a penalty that some steps may leave out.
fn lazy(what: &str, weight: f64, every: u64) -> Vec<Fault> {
    let mut faults = Vec::new();
    positive(&mut faults, "weight", what, weight);
    at_least_one(&mut faults, "every", every);
    faults
}
