//! The optimisers of a train stage: which constants each takes, their defaults, and what can be wrong with them.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::stage::Fault;
use crate::train::{Adam, OptimiserSpec, RmsProp, Sgd, WeightDecay};

/// A rule of parameter updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserName {
    /// Kingma & Ba 2015, as `PyTorch` defines it; takes `betas`, `eps`, `weight_decay` (an L2 penalty).
    #[default]
    Adam,
    /// Loshchilov & Hutter 2019: Adam with decoupled weight decay; takes the same.
    AdamW,
    /// Tieleman & Hinton 2012, as `PyTorch` defines it; takes `alpha`, `eps`, `centered`, `momentum`,
    /// `weight_decay`.
    RmsProp,
    /// Stochastic gradient descent; takes `momentum`, `dampening`, `nesterov`, `weight_decay`.
    Sgd,
}

impl OptimiserName {
    /// The name in YAML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::AdamW => "adamw",
            Self::RmsProp => "rmsprop",
            Self::Sgd => "sgd",
        }
    }

    /// The constants it takes besides the learning rate.
    const fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Adam | Self::AdamW => &["betas", "eps", "weight_decay"],
            Self::RmsProp => &["alpha", "eps", "centered", "momentum", "weight_decay"],
            Self::Sgd => &["momentum", "dampening", "nesterov", "weight_decay"],
        }
    }
}

/// `AdamW`'s weight decay, as `PyTorch` has it.
const ADAMW_DECAY: f64 = 0.01;

/// Constants that some optimisers take. Once [`filled`](Constants::filled), what is absent is off: 0 or false.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Constants {
    /// decay rates of Adam's two moments
    #[serde(skip_serializing_if = "Option::is_none")]
    pub betas: Option<(f64, f64)>,
    /// decay rate of `RMSprop`'s averages
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// added to the denominator
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// whether `RMSprop` scales by the gradients' deviation
    #[serde(skip_serializing_if = "Option::is_none")]
    pub centered: Option<bool>,
    /// share of the last update in the next
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// what momentum takes off the gradient
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dampening: Option<f64>,
    /// whether the step looks ahead of its momentum
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nesterov: Option<bool>,
    /// how strongly weights are drawn towards 0
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// An optimiser with its constants, of one network.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OtherOptimiser {
    /// how parameters are updated
    pub optimiser: OptimiserName,
    /// its constants
    #[serde(flatten)]
    pub constants: Constants,
}

impl<'de> Deserialize<'de> for OtherOptimiser {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut written = serde_json::Map::deserialize(deserializer)?;
        let name = written.remove("optimiser");
        let name = name.ok_or_else(|| de::Error::missing_field("optimiser"))?;
        Ok(Self {
            optimiser: serde_json::from_value(name).map_err(de::Error::custom)?,
            constants: serde_json::from_value(written.into()).map_err(de::Error::custom)?,
        })
    }
}

impl OtherOptimiser {
    /// See [`Constants::filled`].
    #[must_use]
    pub fn filled(self, betas: (f64, f64)) -> Self {
        Self {
            constants: self.constants.filled(self.optimiser, betas),
            optimiser: self.optimiser,
        }
    }
}

impl Constants {
    /// With the defaults of `optimiser` put in, and without what is off by default and not switched on, so
    /// that two spellings of one optimiser are the same. `betas` are the task's.
    #[must_use]
    pub fn filled(self, optimiser: OptimiserName, betas: (f64, f64)) -> Self {
        let number = |value: Option<f64>, default: f64| value.or(Some(default));
        let on = |value: Option<bool>| value.filter(|&on| on);
        let nonzero = |value: Option<f64>| value.filter(|&value| value != 0.0);
        match optimiser {
            OptimiserName::Adam => Self {
                betas: self.betas.or(Some(betas)),
                eps: number(self.eps, Adam::default().eps),
                weight_decay: nonzero(self.weight_decay),
                ..self
            },
            OptimiserName::AdamW => Self {
                betas: self.betas.or(Some(betas)),
                eps: number(self.eps, Adam::default().eps),
                weight_decay: number(self.weight_decay, ADAMW_DECAY),
                ..self
            },
            OptimiserName::RmsProp => Self {
                alpha: number(self.alpha, RmsProp::default().alpha),
                eps: number(self.eps, RmsProp::default().eps),
                centered: on(self.centered),
                momentum: nonzero(self.momentum),
                weight_decay: nonzero(self.weight_decay),
                ..self
            },
            OptimiserName::Sgd => Self {
                momentum: nonzero(self.momentum),
                dampening: nonzero(self.dampening),
                nesterov: on(self.nesterov),
                weight_decay: nonzero(self.weight_decay),
                ..self
            },
        }
    }

    /// The optimiser with these constants.
    pub fn spec(&self, optimiser: OptimiserName) -> OptimiserSpec {
        let weight_decay = self.weight_decay.unwrap_or(0.0);
        let momentum = self.momentum.unwrap_or(0.0);
        let adam = |weight_decay: WeightDecay| {
            let default = Adam::default();
            OptimiserSpec::Adam(Adam {
                betas: self.betas.unwrap_or(default.betas),
                eps: self.eps.unwrap_or(default.eps),
                weight_decay,
            })
        };
        match optimiser {
            OptimiserName::Adam => adam(WeightDecay::L2(weight_decay)),
            OptimiserName::AdamW => adam(WeightDecay::Decoupled(weight_decay)),
            OptimiserName::RmsProp => {
                let default = RmsProp::default();
                OptimiserSpec::RmsProp(RmsProp {
                    alpha: self.alpha.unwrap_or(default.alpha),
                    eps: self.eps.unwrap_or(default.eps),
                    centered: self.centered.unwrap_or(false),
                    momentum,
                    weight_decay,
                })
            }
            OptimiserName::Sgd => OptimiserSpec::Sgd(Sgd {
                momentum,
                dampening: self.dampening.unwrap_or(0.0),
                nesterov: self.nesterov.unwrap_or(false),
                weight_decay,
            }),
        }
    }

    /// What is wrong with them for `optimiser`.
    pub fn faults(&self, optimiser: OptimiserName) -> Vec<Fault> {
        let takes = optimiser.takes();
        let foreign = self
            .written()
            .into_iter()
            .filter(|name| !takes.contains(name))
            .map(|name| {
                let name_of = optimiser.name();
                Fault::at(name, format!("`{name_of}` takes no `{name}`"))
                    .help(format!("its constants are {}", takes.join(", ")))
            });
        foreign.chain(self.out_of_range(takes)).collect()
    }

    /// The names of those that are there.
    fn written(&self) -> Vec<&'static str> {
        [
            ("betas", self.betas.is_some()),
            ("alpha", self.alpha.is_some()),
            ("eps", self.eps.is_some()),
            ("centered", self.centered.is_some()),
            ("momentum", self.momentum.is_some()),
            ("dampening", self.dampening.is_some()),
            ("nesterov", self.nesterov.is_some()),
            ("weight_decay", self.weight_decay.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect()
    }

    /// Faults of the values of those that `takes` names.
    fn out_of_range(&self, takes: &[&str]) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut require = |holds: bool, path: &str, message: String| {
            let constant = path.split('.').next().unwrap_or(path);
            if takes.contains(&constant) && !holds {
                faults.push(Fault::at(path, message));
            }
        };
        let betas = self
            .betas
            .map_or([None; 2], |(first, second)| [Some(first), Some(second)]);
        let rates = [
            ("betas.0", betas[0]),
            ("betas.1", betas[1]),
            ("alpha", self.alpha),
        ];
        for (path, rate) in rates {
            let rate = rate.unwrap_or(0.0);
            require(
                (0.0..1.0).contains(&rate),
                path,
                format!("a decay rate must be at least 0 and less than 1, not {rate}"),
            );
        }
        let eps = self.eps.unwrap_or(1.0);
        require(
            eps.is_finite() && eps > 0.0,
            "eps",
            format!("must be greater than 0, not {eps}"),
        );
        let momentum = self.momentum.unwrap_or(0.0);
        require(
            (0.0..1.0).contains(&momentum),
            "momentum",
            format!("momentum must be at least 0 and less than 1, not {momentum}"),
        );
        let dampening = self.dampening.unwrap_or(0.0);
        require(
            (0.0..=1.0).contains(&dampening),
            "dampening",
            format!("dampening must be at least 0 and at most 1, not {dampening}"),
        );
        require(
            dampening == 0.0 || momentum != 0.0,
            "dampening",
            "there is no momentum to dampen".to_owned(),
        );
        require(
            self.nesterov.is_none() || (momentum != 0.0 && dampening == 0.0),
            "nesterov",
            "Nesterov's step needs a momentum, and no dampening".to_owned(),
        );
        let decay = self.weight_decay.unwrap_or(0.0);
        require(
            decay.is_finite() && decay >= 0.0,
            "weight_decay",
            format!("weight decay must be at least 0, not {decay}"),
        );
        faults
    }
}
