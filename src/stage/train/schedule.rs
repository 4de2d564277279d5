//! `schedule:` of a train stage: how the learning rate changes.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use crate::stage::Fault;
use crate::train::{Decay, Schedule, Unit};

/// The course of a learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSettings {
    /// what becomes of the rate
    pub kind: ScheduleKind,
    /// `step`: units between two steps, at least 1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// `step`, `exponential`: what the rate is multiplied with, in (0, 1]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// `linear`: units before the rate begins to fall; 0 if not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// `cosine`, `linear`: units until the rate is at its floor; the number of epochs if not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<u64>,
    /// the rate does not fall below this; 0 if not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
    /// units over which the rate rises linearly at first; 0 if not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<u64>,
    /// what is counted
    #[serde(default, skip_serializing_if = "is_epoch")]
    pub unit: ScheduleUnit,
}

/// A course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// the same all the time, after a warm-up
    Constant,
    /// multiplied with `factor` every so many units (`PyTorch`'s `StepLR`)
    Step,
    /// multiplied with `factor` every unit (`ExponentialLR`)
    Exponential,
    /// half a cosine down to the floor (`CosineAnnealingLR`)
    Cosine,
    /// in a line down to the floor
    Linear,
}

/// What a schedule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleUnit {
    /// epochs
    #[default]
    Epoch,
    /// steps on batches of the data
    Step,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_epoch(unit: &ScheduleUnit) -> bool {
    *unit == ScheduleUnit::Epoch
}

impl ScheduleKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Step => "step",
            Self::Exponential => "exponential",
            Self::Cosine => "cosine",
            Self::Linear => "linear",
        }
    }

    /// The settings it takes, besides `warm_up` and `unit`.
    const fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Constant => &[],
            Self::Step => &["every", "factor", "floor"],
            Self::Exponential => &["factor", "floor"],
            Self::Cosine => &["horizon", "floor"],
            Self::Linear => &["start", "horizon", "floor"],
        }
    }
}

impl ScheduleSettings {
    /// With a horizon of `epochs` put in where one is needed: a run of another length is then another run.
    #[must_use]
    pub(super) fn filled(mut self, epochs: u64) -> Self {
        if self.kind.takes().contains(&"horizon") && self.unit == ScheduleUnit::Epoch {
            self.horizon.get_or_insert(epochs);
        }
        self.floor = self.floor.filter(|floor| *floor != 0.0);
        self.warm_up = self.warm_up.filter(|units| *units != 0);
        self.start = self.start.filter(|units| *units != 0);
        self
    }

    /// Whether it is what there is without a schedule.
    fn says_nothing(&self) -> bool {
        let warm_up = self.warm_up.is_some();
        self.kind == ScheduleKind::Constant
            && !warm_up
            && self.given().iter().all(|(_, given)| !given)
    }

    /// The settings of some kinds only, and whether they are there.
    fn given(&self) -> [(&'static str, bool); 5] {
        [
            ("every", self.every.is_some()),
            ("factor", self.factor.is_some()),
            ("start", self.start.is_some()),
            ("horizon", self.horizon.is_some()),
            ("floor", self.floor.is_some()),
        ]
    }

    /// The schedule.
    pub(super) fn schedule(&self) -> Schedule {
        let (factor, horizon) = (self.factor.unwrap_or(1.0), self.horizon.unwrap_or(1));
        Schedule {
            decay: match self.kind {
                ScheduleKind::Constant => Decay::Constant,
                ScheduleKind::Step => Decay::Step {
                    every: self.every.unwrap_or(1),
                    factor,
                },
                ScheduleKind::Exponential => Decay::Exponential { factor },
                ScheduleKind::Cosine => Decay::Cosine { horizon },
                ScheduleKind::Linear => Decay::Linear {
                    start: self.start.unwrap_or(0),
                    horizon,
                },
            },
            floor: self.floor.unwrap_or(0.0),
            warm_up: self.warm_up.unwrap_or(0),
            unit: match self.unit {
                ScheduleUnit::Epoch => Unit::Epoch,
                ScheduleUnit::Step => Unit::Step,
            },
        }
    }

    fn faults(&self, path: &str) -> Vec<Fault> {
        let (name, takes) = (self.kind.name(), self.kind.takes());
        let foreign = self
            .given()
            .into_iter()
            .filter(|(setting, given)| *given && !takes.contains(setting));
        let mut faults: Vec<Fault> = foreign
            .map(|(setting, _)| {
                let message = format!("a schedule of kind `{name}` takes no `{setting}`");
                Fault::at(&format!("{path}.{setting}"), message)
            })
            .collect();
        let mut require = |holds: bool, setting: &str, message: &str| {
            if !holds {
                let path = match setting {
                    "" => path.to_owned(),
                    setting => format!("{path}.{setting}"),
                };
                faults.push(Fault::at(&path, message));
            }
        };
        if takes.contains(&"factor") {
            require(
                self.factor.is_some(),
                "",
                "`factor` is missing: what to multiply the rate with",
            );
            let factor = self.factor.unwrap_or(1.0);
            require(
                factor > 0.0 && factor <= 1.0,
                "factor",
                "a factor must be greater than 0 and at most 1",
            );
        }
        if takes.contains(&"every") {
            require(
                self.every.is_some(),
                "",
                "`every` is missing: after how many units the rate steps down",
            );
            require(self.every != Some(0), "every", "must be at least 1");
        }
        if takes.contains(&"horizon") {
            require(
                self.horizon.is_some(),
                "",
                "`horizon` is missing: after how many steps the rate is at its floor",
            );
            let start = self.start.unwrap_or(0);
            require(
                self.horizon.is_none_or(|horizon| horizon > start),
                "horizon",
                "must be at least 1, and beyond `start`",
            );
        }
        let floor = self.floor.unwrap_or(0.0);
        require(
            floor.is_finite() && floor >= 0.0,
            "floor",
            "must be at least 0",
        );
        faults
    }
}

/// `schedule:` as written and kept: one for all networks, or one a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Schedules {
    /// of all networks
    Same(ScheduleSettings),
    /// by network
    Each(BTreeMap<String, ScheduleSettings>),
}

impl Schedules {
    /// See [`ScheduleSettings::filled`]; `None` if it is what there is without a schedule.
    pub(super) fn filled(self, epochs: u64) -> Option<Self> {
        match self {
            Self::Same(schedule) => {
                let filled = schedule.filled(epochs);
                (!filled.says_nothing()).then_some(Self::Same(filled))
            }
            Self::Each(each) if each.is_empty() => None,
            Self::Each(each) => Some(Self::Each(
                each.into_iter()
                    .map(|(network, schedule)| (network, schedule.filled(epochs)))
                    .collect(),
            )),
        }
    }

    /// Whether a network has one of its own.
    pub(super) fn names(&self, network: &str) -> bool {
        matches!(self, Self::Each(each) if each.contains_key(network))
    }

    /// That of a network; where it has none, that of the network which `leads` it.
    pub(super) fn of(&self, network: &str, leads: Option<&str>) -> Schedule {
        match self {
            Self::Same(schedule) => Some(schedule),
            Self::Each(each) => each.get(network).or_else(|| each.get(leads?)),
        }
        .map_or_else(Schedule::default, ScheduleSettings::schedule)
    }

    pub(super) fn faults(&self, networks: &[&str]) -> Vec<Fault> {
        match self {
            Self::Same(schedule) => schedule.faults("schedule"),
            Self::Each(each) => {
                let of = |(network, schedule): (&String, &ScheduleSettings)| {
                    let path = format!("schedule.{network}");
                    if networks.contains(&network.as_str()) {
                        return schedule.faults(&path);
                    }
                    let message = format!(
                        "no network `{network}` is trained, only {}",
                        networks.join(" and ")
                    );
                    vec![Fault::at(&path, message)]
                };
                each.iter().flat_map(of).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Schedules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `kind` is no network, so it tells the two forms apart.
        let value = Value::deserialize(deserializer)?;
        let one = value.get("kind").is_some();
        if one {
            serde_json::from_value(value).map(Self::Same)
        } else {
            serde_json::from_value(value).map(Self::Each)
        }
        .map_err(de::Error::custom)
    }
}

impl JsonSchema for Schedules {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Schedules".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<ScheduleSettings>();
        json_schema!({
            "description": "A schedule, or one a network.",
            "anyOf": [one.clone(), {"type": "object", "additionalProperties": one}]
        })
    }
}
