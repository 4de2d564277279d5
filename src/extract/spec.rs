//! What an extractor is, as data: a network, its weights, and what it reads.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::ExtractError;
use super::protocol::Protocol;
use crate::hash::Digest;
use crate::model::weights::NameMap;
use crate::model::{Dims, ModelError, ModelRef, NetworkSpec, outputs};
use crate::worktree::WorkTree;

/// A network that turns images into features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtractorSpec {
    /// its name in results: `fid-NAME`
    pub name: String,
    /// what it is, for people
    #[serde(default, skip_serializing)]
    pub title: String,
    /// where its layers stand: a preset, `file:PATH`, or the networks themselves
    #[serde(serialize_with = "by_content")]
    pub model: ModelRef,
    /// which of the model's networks
    pub network: String,
    /// height and width of the images it takes; others are resampled
    pub size: usize,
    /// the tap whose values are features, where they have height and width their mean over pixels
    pub features: String,
    /// the tap whose values are logits, for the inception score
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<String>,
    /// what pixels of 0 … 255 become
    pub range: Range,
    /// the same where a protocol has it otherwise
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ranges: BTreeMap<Protocol, Range>,
    /// the file of weights
    pub weights: WeightsSpec,
}

/// x → (x − mean) / scale, by colour channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// in the order in which the network takes channels
    pub mean: [f32; 3],
    /// in the order in which the network takes channels
    pub scale: [f32; 3],
    /// whether channels are blue, green, red
    #[serde(default)]
    pub bgr: bool,
}

/// A file of weights: what is in it, and for people where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightsSpec {
    /// names of tensors in the file → in the network
    #[serde(default, skip_serializing_if = "is_exact")]
    pub names: NameMap,
    /// the digest that the file must have; none: any
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// names under which the file is found
    #[serde(default, skip_serializing)]
    pub files: Vec<String>,
    /// size in bytes
    #[serde(default, skip_serializing)]
    pub bytes: Option<u64>,
    /// where it is published
    #[serde(default, skip_serializing)]
    pub source: Option<String>,
    /// SPDX identifier
    #[serde(default, skip_serializing)]
    pub licence: Option<String>,
    /// how to get it
    #[serde(default, skip_serializing)]
    pub get: Option<String>,
}

/// Layers are many: in settings their digest stands for them.
fn by_content<S: Serializer>(model: &ModelRef, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::to_value(model) {
        Ok(layers) => Digest::of_value(&layers).serialize(serializer),
        Err(error) => Err(serde::ser::Error::custom(error)),
    }
}

fn is_exact(names: &NameMap) -> bool {
    *names == NameMap::default()
}

/// Names that would be taken for something else in `fid-NAME`.
const RESERVED: [&str; 5] = ["judge", "sd", "top", "low", "high"];

/// Sizes of images, in pixels.
const SIZES: std::ops::RangeInclusive<usize> = 1..=4096;

/// An error unless `text` is a SHA-256.
pub fn check_digest(text: &str) -> Result<(), ExtractError> {
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest {
        return Ok(());
    }
    Err(ExtractError::Text(format!(
        "`{text}` is no SHA-256: it has 64 hexadecimal digits"
    )))
}

/// Extractors that come with retake: name and text.
const PRESETS: [(&str, &str); 3] = [
    (
        "inception-v3",
        include_str!("../../pipelines/extractors/inception-v3.yaml"),
    ),
    (
        "vgg16",
        include_str!("../../pipelines/extractors/vgg16.yaml"),
    ),
    (
        "efficientnet-lite0",
        include_str!("../../pipelines/extractors/efficientnet-lite0.yaml"),
    ),
];

impl ExtractorSpec {
    /// The names of those that come with retake.
    pub fn presets() -> [&'static str; 3] {
        PRESETS.map(|(name, _)| name)
    }

    /// The one of this name that comes with retake.
    ///
    /// # Errors
    /// [`ExtractError::Unknown`] when there is none.
    pub fn preset(name: &str) -> Result<Self, ExtractError> {
        let found = PRESETS.iter().find(|(preset, _)| *preset == name);
        let (_, text) = found.ok_or_else(|| ExtractError::Unknown {
            name: name.to_owned(),
            known: Self::presets().join(", "),
        })?;
        Self::from_yaml(text)
    }

    /// The one that comes with retake and has its weights in a file of this name.
    pub fn for_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let mut all = PRESETS
            .iter()
            .filter_map(|(_, text)| Self::from_yaml(text).ok());
        all.find(|spec| spec.weights.files.iter().any(|file| file == name))
    }

    /// Reads one from YAML text.
    ///
    /// # Errors
    /// [`ExtractError::Text`] when it is none.
    pub fn from_yaml(text: &str) -> Result<Self, ExtractError> {
        serde_yaml::from_str(text)
            .map_err(|error| ExtractError::Text(format!("this describes no extractor: {error}")))
    }

    /// Puts the model's layers in the place of its name; paths are relative to the root of `tree`.
    ///
    /// # Errors
    /// When there is no such model, network or tap, when layers do not fit the images, or a number makes no sense.
    pub fn resolve(&mut self, tree: &WorkTree) -> Result<(), ExtractError> {
        let preset = Self::preset(&self.name).is_ok_and(|preset| preset == *self);
        self.check(preset)?;
        self.model.resolve(tree)?;
        self.taps().map(|_| ())
    }

    /// The network's layers, once resolved.
    ///
    /// # Errors
    /// [`ExtractError::NoNetwork`] when the model has no such network.
    pub fn layers(&self) -> Result<&NetworkSpec, ExtractError> {
        let networks = self.model.spec().map(|spec| &spec.networks);
        let network = networks.and_then(|networks| networks.get(&self.network));
        network.ok_or_else(|| ExtractError::NoNetwork {
            name: self.network.clone(),
            known: networks
                .into_iter()
                .flat_map(|networks| networks.keys())
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// What pixels become under `protocol`.
    pub fn range(&self, protocol: Protocol) -> &Range {
        self.ranges.get(&protocol).unwrap_or(&self.range)
    }

    /// What a metric on its features is called in results: the bare name belongs to the usual features of
    /// Inception, which is what people mean by it.
    pub fn metric_name(&self, metric: &str) -> String {
        match self.name.as_str() {
            "inception-v3" => metric.to_owned(),
            name => format!("{metric}-{name}"),
        }
    }

    /// Takes the tap `features` of the resolved extractor in place of the usual one, which shows in its name.
    ///
    /// # Errors
    /// [`ExtractError::NoTap`] when there is none.
    pub fn take_features(&mut self, features: String) -> Result<(), ExtractError> {
        if features != self.features {
            self.name = format!("{}-{features}", self.name);
            self.features = features;
        }
        self.taps().map(|_| ())
    }

    /// How many features it gives, once resolved.
    pub fn dimensions(&self) -> Option<usize> {
        self.taps().ok()?.get(&self.features)?.first().copied()
    }

    /// An error unless its name can stand in the name of a metric and is its own, and its numbers are ones to compute
    /// with.
    fn check(&self, preset: bool) -> Result<(), ExtractError> {
        let bad = |reason: String| Err(ExtractError::Text(reason));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let name = &self.name;
        if name.is_empty() || !name.chars().all(plain) {
            return bad(format!(
                "`name: {name}`: lower-case letters, digits, `-`, `_` and `.` may stand in it"
            ));
        }
        if RESERVED.contains(&name.as_str())
            || (!preset && Self::presets().contains(&name.as_str()))
        {
            return bad(format!(
                "`name: {name}` means something else: choose another"
            ));
        }
        if !SIZES.contains(&self.size) {
            return bad(format!(
                "`size: {}`: the range is {} to {}",
                self.size,
                SIZES.start(),
                SIZES.end()
            ));
        }
        for range in std::iter::once(&self.range).chain(self.ranges.values()) {
            let usable = range
                .scale
                .iter()
                .all(|scale| scale.is_finite() && *scale != 0.0);
            if !usable || !range.mean.iter().all(|mean| mean.is_finite()) {
                return bad("`range`: a scale is not 0, and numbers are finite".to_owned());
            }
        }
        if let Some(digest) = &self.weights.sha256 {
            check_digest(digest)?;
        }
        Ok(())
    }

    /// The shapes of what flows through its taps; an error where its layers do not fit its images, or a tap that it names
    /// is not there.
    fn taps(&self) -> Result<BTreeMap<String, Vec<usize>>, ExtractError> {
        let outputs =
            outputs(self.layers()?, &self.dims()).map_err(|source| ModelError::Shape {
                network: self.network.clone(),
                source,
            })?;
        for tap in std::iter::once(&self.features).chain(&self.scores) {
            if !outputs.taps.contains_key(tap) {
                return Err(ExtractError::NoTap {
                    name: tap.clone(),
                    known: outputs.taps.keys().cloned().collect::<Vec<_>>().join(", "),
                });
            }
        }
        Ok(outputs.taps)
    }

    /// The sizes of its images.
    pub fn dims(&self) -> Dims {
        Dims {
            latent: 0,
            classes: 0,
            channels: 3,
            height: self.size,
            width: self.size,
        }
    }

    /// Where the weights are to be had, in words.
    pub fn how_to_get(&self) -> String {
        let WeightsSpec { get, sha256, .. } = &self.weights;
        let get = get.as_deref().unwrap_or("see whoever made the extractor");
        match sha256 {
            Some(digest) => format!("{} (sha256 {digest})", get.trim()),
            None => get.trim().to_owned(),
        }
    }
}
