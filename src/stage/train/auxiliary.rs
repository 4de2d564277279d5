//! `auxiliary:` of a GAN: the head of its discriminator that learns labels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::range::positive;
use crate::loss::AuxiliaryLoss;
use crate::stage::Fault;
use crate::train::Auxiliary;

/// `auxiliary:`, what the discriminator's head `auxiliary` learns of labels, and the generator from it (ACGAN, Odena
/// et al. 2017).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuxiliarySettings {
    /// its weight in both losses, greater than 0; 1 if not given
    #[serde(default = "one_weight")]
    pub weight: f64,
    /// how its logits are held against labels
    #[serde(default)]
    pub loss: AuxiliaryLossName,
    /// images whose labels the discriminator learns
    #[serde(default)]
    pub on: AuxiliaryOn,
    /// `cross-entropy`: lengths of the groups of labels, of which an image has one each; one group of all labels if
    /// not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<usize>>,
}

/// How label logits are held against labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuxiliaryLossName {
    /// binary cross-entropy of each label
    #[default]
    Bce,
    /// softmax cross-entropy of each group of labels
    CrossEntropy,
}

/// Images whose labels the discriminator learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum AuxiliaryOn {
    /// those of the data
    #[default]
    #[serde(rename = "real")]
    Real,
    /// and generated ones
    #[serde(rename = "real+fake")]
    RealAndFake,
}

fn one_weight() -> f64 {
    1.0
}

impl AuxiliarySettings {
    /// Of data with `classes` labels.
    pub(super) fn auxiliary(&self, classes: usize) -> Auxiliary {
        let groups = || self.groups.clone().unwrap_or_else(|| vec![classes]);
        Auxiliary {
            loss: match self.loss {
                AuxiliaryLossName::Bce => AuxiliaryLoss::Bce,
                AuxiliaryLossName::CrossEntropy => AuxiliaryLoss::CrossEntropy { groups: groups() },
            },
            weight: self.weight,
            on_fake: self.on == AuxiliaryOn::RealAndFake,
        }
    }

    /// What is wrong with it for data with `classes` labels, if that is known.
    pub(super) fn faults(&self, classes: Option<usize>) -> Vec<Fault> {
        let mut faults = Vec::new();
        positive(
            &mut faults,
            "weight",
            "the weight of the auxiliary loss",
            self.weight,
        );
        if let Some(groups) = &self.groups {
            let together: usize = groups.iter().sum();
            let at = |message: String| Fault::at("groups", message);
            if self.loss == AuxiliaryLossName::Bce {
                faults.push(
                    at("binary cross-entropy has no groups".to_owned())
                        .help("set `loss: cross-entropy`"),
                );
            } else if groups.contains(&0) || classes.is_some_and(|classes| classes != together) {
                let classes =
                    classes.map_or("the data's".to_owned(), |classes| classes.to_string());
                faults.push(at(format!(
                    "groups of {groups:?} labels do not make up {classes} labels"
                )));
            }
        }
        faults
    }
}
