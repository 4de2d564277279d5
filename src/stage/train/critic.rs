//! Settings of what a discriminator's steps are like: `critic_steps`, `weight_clip`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::brief::{Main, count, float};
use super::range::{at_least_one, positive};
use crate::stage::Fault;
use crate::stage::defaults::is_default;
use crate::train::{ClipScope, CriticSteps, WarmUp, WeightClip};

/// `critic_steps:`, discriminator steps for every generator step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CriticStepsSettings {
    /// as a rule, at least 1
    pub steps: u64,
    /// and where the discriminator is to come near its optimum
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUpSettings>,
}

/// Generator steps that the discriminator prepares for more thoroughly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WarmUpSettings {
    /// discriminator steps before such a generator step; 100 if not given
    pub steps: u64,
    /// the first so many generator steps are such; 25 if not given
    pub first: u64,
    /// and every so-many-th; 500 if not given, 0 for none
    pub every: u64,
}

/// `weight_clip:`, limits of the discriminator's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightClipSettings {
    /// weights stay within ± this, greater than 0
    pub limit: f64,
    /// which weights
    #[serde(default, skip_serializing_if = "is_default")]
    pub scope: ClipScopeName,
}

/// Which weights are clipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClipScopeName {
    /// every parameter, those of normalisations and biases among them
    #[default]
    All,
    /// kernels and matrices only
    Weights,
}

impl Main for CriticStepsSettings {
    fn of(number: Number) -> Result<Self, String> {
        Ok(Self {
            steps: count(&number)?,
            warm_up: None,
        })
    }

    fn alone(&self) -> Option<Number> {
        self.warm_up.is_none().then(|| self.steps.into())
    }
}

impl Main for WeightClipSettings {
    fn of(number: Number) -> Result<Self, String> {
        Ok(Self {
            limit: float(&number),
            scope: ClipScopeName::default(),
        })
    }

    fn alone(&self) -> Option<Number> {
        Number::from_f64(self.limit).filter(|_| is_default(&self.scope))
    }
}

impl Default for WarmUpSettings {
    fn default() -> Self {
        Self {
            steps: 100,
            first: 25,
            every: 500,
        }
    }
}

impl CriticStepsSettings {
    /// One step each.
    pub(super) const ONE: Self = Self {
        steps: 1,
        warm_up: None,
    };

    pub(super) fn critic_steps(&self) -> CriticSteps {
        CriticSteps {
            steps: self.steps,
            warm_up: self.warm_up.as_ref().map(|warm_up| WarmUp {
                steps: warm_up.steps,
                first: warm_up.first,
                every: warm_up.every,
            }),
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        at_least_one(&mut faults, "steps", self.steps);
        if let Some(warm_up) = &self.warm_up {
            at_least_one(&mut faults, "warm_up.steps", warm_up.steps);
        }
        faults
    }
}

impl WeightClipSettings {
    pub(super) fn weight_clip(&self) -> WeightClip {
        WeightClip {
            limit: self.limit,
            scope: match self.scope {
                ClipScopeName::All => ClipScope::All,
                ClipScopeName::Weights => ClipScope::Weights,
            },
        }
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        positive(&mut faults, "limit", "the limit of weights", self.limit);
        faults
    }
}
