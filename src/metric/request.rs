//! What a stage asks for: a metric, and whose features it is to be computed on.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::Metric;

/// `fid` (on the features of the stage's extractor) or `fid-judge` (on those of a judge that was trained in the
/// pipeline).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Request {
    /// what is measured
    pub metric: Metric,
    /// by the judge, not by the extractor
    pub judge: bool,
}

const JUDGE: &str = "-judge";

impl Request {
    /// All that can be asked for, by name.
    pub fn names() -> Vec<String> {
        let own = Metric::ALL.map(|metric| metric.name().to_owned());
        let judged = Metric::ALL
            .into_iter()
            .filter(|metric| metric.takes_sides());
        let judged = judged.map(|metric| format!("{}{JUDGE}", metric.name()));
        own.into_iter().chain(judged).collect()
    }
}

impl Metric {
    /// Whether it is computed on features of the extractor or of the judge, whichever is asked.
    pub const fn takes_sides(self) -> bool {
        !matches!(self, Self::Accuracy | Self::DiscriminatorAccuracy)
    }
}

impl From<Request> for String {
    fn from(request: Request) -> Self {
        let suffix = if request.judge && request.metric.takes_sides() {
            JUDGE
        } else {
            ""
        };
        format!("{}{suffix}", request.metric.name())
    }
}

impl FromStr for Request {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, judge) = match text.strip_suffix(JUDGE) {
            Some(name) => (name, true),
            None => (text, false),
        };
        let found = Metric::ALL.into_iter().find(|metric| metric.name() == name);
        match found {
            Some(metric) if !judge || metric.takes_sides() => Ok(Self { metric, judge }),
            _ => Err(format!(
                "unknown metric `{text}`: expected one of {}",
                Self::names().join(", ")
            )),
        }
    }
}

impl TryFrom<String> for Request {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl JsonSchema for Request {
    fn schema_name() -> Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A metric, on the features of the stage's extractor; NAME-judge on those of a judge trained in the pipeline.",
            "type": "string",
            "enum": Self::names(),
        })
    }
}
