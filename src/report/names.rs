//! What tells runs apart, for a legend.

use indexmap::IndexMap;
use serde_json::Value;

use super::runs::{STAGE, text};
use super::summary::SEED;

/// A point in the matrix of a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place<'a> {
    /// the stage's name
    pub stage: &'a str,
    /// axis → value, in declared order
    pub axes: &'a IndexMap<String, Value>,
}

/// A stage and its axes as pairs of name and value.
pub type Words = Vec<(String, String)>;

impl Place<'_> {
    /// Its stage and its axes as pairs of words, the axis `seed` left out.
    pub fn words(&self) -> Words {
        let stage = (STAGE.to_owned(), self.stage.to_owned());
        let axes = self.axes.iter().filter(|(axis, _)| *axis != SEED);
        let axes = axes.map(|(axis, value)| (axis.clone(), text(value)));
        [stage].into_iter().chain(axes).collect()
    }
}

/// Short names for `places`, each a list of [`Place::words`]: what all of them share is left out, and where one axis
/// alone tells them apart its values stand for themselves. A place that nothing tells apart goes by its stage.
pub fn distinct(places: &[Words]) -> Vec<String> {
    let shared = |pair: &(String, String)| {
        places.len() > 1 && places.iter().all(|place| place.contains(pair))
    };
    let own: Vec<Vec<&(String, String)>> = places
        .iter()
        .map(|place| place.iter().filter(|pair| !shared(pair)).collect())
        .collect();
    let mut axes: Vec<&str> = own
        .iter()
        .flatten()
        .map(|(axis, _)| axis.as_str())
        .collect();
    axes.sort_unstable();
    axes.dedup();
    let plain = axes.len() == 1 && places.len() > 1;
    let named = |(place, own): (&Words, Vec<&(String, String)>)| {
        let whole = if places.len() > 1 {
            own
        } else {
            place.iter().collect()
        };
        let word = |(axis, value): &&(String, String)| match axis.as_str() {
            STAGE => value.clone(),
            _ if plain => value.clone(),
            axis => format!("{axis}={value}"),
        };
        let words: Vec<String> = whole.iter().map(word).collect();
        match words.as_slice() {
            [] => place
                .first()
                .map(|(_, stage)| stage.clone())
                .unwrap_or_default(),
            words => words.join(", "),
        }
    };
    places.iter().zip(own).map(named).collect()
}
