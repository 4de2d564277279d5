//! What others have reported of experiments, as a pipeline states it.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::comparison::{HistoryFigure, HistoryPick};
use super::number::significant;
use super::runs::Pick;

/// What others have reported of experiments that the runs repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// the axis whose values name the experiments; `row` if not given
    #[serde(default = "row")]
    pub axis: String,
    /// who has reported it, and on which data
    pub source: String,
    /// on which data the runs were made
    pub here: String,
    /// value of the axis → what was reported of it: text, or numbers by metric (`{text: …, figures: {fid: 89.276}}`)
    pub rows: BTreeMap<String, ReportedRow>,
    /// figures of the runs' histories that answer what was reported
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryFigure>,
}

fn row() -> String {
    "row".to_owned()
}

/// What was reported of one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ReportedRow {
    /// in words
    Text(String),
    /// in numbers
    Figures(ReportedFigures),
}

/// What was reported of one experiment, with numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedFigures {
    /// in words
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// who has reported it, where that is not who has reported the others
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// metric, or column of the runs' histories → the number; any name where `metric` says what it is
    pub figures: IndexMap<String, Figure>,
}

/// A reported number.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Figure {
    /// the number alone
    Value(f64),
    /// with how it was come by
    Full(FullFigure),
}

/// A reported number with how it was come by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FullFigure {
    /// the number
    pub value: f64,
    /// the metric, or column of the runs' histories; its name under `figures` if not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// the evaluate stage that measures the same; all that measure the metric if not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// of which epoch
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// which of a run's values it is: `best` (if not given) or `last` of a metric's; `max`, `min`, `mean` or `last` of a
    /// history's, as `history` lists it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pick: Option<FigurePick>,
    /// how it was measured: words of our protocol where it was measured alike, as in `torch-fidelity`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// on how many images
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
}

/// Which of a run's values a reported number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FigurePick {
    /// at the checkpoint where the metric is best
    Best,
    /// at the last checkpoint, or in the last step
    Last,
    /// the largest of a history
    Max,
    /// the smallest of a history
    Min,
    /// the mean of a history
    Mean,
}

impl FigurePick {
    /// Its name in YAML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Last => "last",
            Self::Max => "max",
            Self::Min => "min",
            Self::Mean => "mean",
        }
    }

    /// The pick of a metric that it is, if it is one.
    pub const fn of_metric(self) -> Option<Pick> {
        match self {
            Self::Best => Some(Pick::Best),
            Self::Last => Some(Pick::Last),
            Self::Max | Self::Min | Self::Mean => None,
        }
    }

    /// The pick of a history that it is, if it is one.
    pub const fn of_history(self) -> Option<HistoryPick> {
        match self {
            Self::Best => None,
            Self::Last => Some(HistoryPick::Last),
            Self::Max => Some(HistoryPick::Max),
            Self::Min => Some(HistoryPick::Min),
            Self::Mean => Some(HistoryPick::Mean),
        }
    }
}

impl ReportedRow {
    /// In words; numbers where there are none.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Figures(row) => row.text.clone().unwrap_or_else(|| {
                let said = row.figures.iter().map(|(metric, figure)| {
                    let epoch = figure.epoch().map(|epoch| format!(" @ {epoch}"));
                    format!(
                        "{metric} {}{}",
                        significant(figure.value()),
                        epoch.unwrap_or_default()
                    )
                });
                said.collect::<Vec<_>>().join(", ")
            }),
        }
    }

    /// Who has reported it, where that is said.
    pub fn source(&self) -> Option<String> {
        match self {
            Self::Text(_) => None,
            Self::Figures(row) => row.source.clone(),
        }
    }

    /// Its numbers by metric.
    pub fn figures(&self) -> impl Iterator<Item = (&str, &Figure)> {
        let figures = match self {
            Self::Text(_) => None,
            Self::Figures(row) => Some(&row.figures),
        };
        let figures = figures.into_iter().flatten();
        figures.map(|(metric, figure)| (metric.as_str(), figure))
    }
}

impl Figure {
    /// The number.
    pub const fn value(&self) -> f64 {
        match self {
            Self::Value(value) => *value,
            Self::Full(full) => full.value,
        }
    }

    /// What it is of, where it is called `name`.
    pub fn metric<'a>(&'a self, name: &'a str) -> &'a str {
        match self {
            Self::Value(_) => name,
            Self::Full(full) => full.metric.as_deref().unwrap_or(name),
        }
    }

    /// Whether what `stage` measures is what it is of.
    pub fn is_of(&self, stage: &str) -> bool {
        match self {
            Self::Value(_) => true,
            Self::Full(full) => full.stage.as_deref().is_none_or(|own| own == stage),
        }
    }

    /// The epoch it is of.
    pub const fn epoch(&self) -> Option<u64> {
        match self {
            Self::Value(_) => None,
            Self::Full(full) => full.epoch,
        }
    }

    /// Which of a run's values it is.
    pub const fn pick(&self) -> Option<FigurePick> {
        match self {
            Self::Value(_) => None,
            Self::Full(full) => full.pick,
        }
    }

    /// Whether it was measured as ours, by `protocol` on `samples` images (none: of no number): `same`, `differs: …` or `not stated`.
    pub fn protocol_beside(&self, protocol: &str, samples: Option<u64>) -> String {
        let Self::Full(full) = self else {
            return "not stated".to_owned();
        };
        let mut differs = Vec::new();
        let stated = full
            .protocol
            .as_ref()
            .filter(|stated| !stated.trim().is_empty());
        if let Some(stated) = stated
            && !protocol.to_lowercase().contains(&stated.to_lowercase())
        {
            differs.push(format!("reported by {stated}, here by {protocol}"));
        }
        if let (Some(stated), Some(samples)) = (full.samples, samples)
            && stated != samples
        {
            differs.push(format!("reported on {stated} images, here on {samples}"));
        }
        if !differs.is_empty() {
            format!("differs: {}", differs.join("; "))
        } else if stated.is_some() {
            "same".to_owned()
        } else {
            "not stated".to_owned()
        }
    }
}

/// Text or a map, without the "did not match any variant" of serde's own.
impl<'de> Deserialize<'de> for ReportedRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Row;
        impl<'de> Visitor<'de> for Row {
            type Value = ReportedRow;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or a map with `figures`")
            }
            fn visit_str<E>(self, text: &str) -> Result<ReportedRow, E> {
                Ok(ReportedRow::Text(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ReportedRow, A::Error> {
                ReportedFigures::deserialize(MapAccessDeserializer::new(map))
                    .map(ReportedRow::Figures)
            }
        }
        deserializer.deserialize_any(Row)
    }
}

/// A number or a map.
impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl<'de> Visitor<'de> for Number {
            type Value = Figure;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a map with `value`")
            }
            fn visit_f64<E>(self, value: f64) -> Result<Figure, E> {
                Ok(Figure::Value(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Figure, E> {
                Ok(Figure::Value(value as f64))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Figure, E> {
                Ok(Figure::Value(value as f64))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Figure, A::Error> {
                FullFigure::deserialize(MapAccessDeserializer::new(map)).map(Figure::Full)
            }
        }
        deserializer.deserialize_any(Number)
    }
}
