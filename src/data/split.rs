//! Splitting images at random into train, validation and test.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::DataError;
use crate::rng::Stream;

/// Which share of the images is set aside; the rest is `train`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// share of `validation`, in [0, 1); no such output when 0
    pub validation: f64,
    /// share of `test`, in [0, 1); no such output when 0
    pub test: f64,
}

impl Split {
    /// (part, share) of each part that gets images, `train` first.
    pub fn parts(&self) -> Vec<(&'static str, f64)> {
        let rest = 1.0 - self.validation - self.test;
        [
            ("train", rest),
            ("validation", self.validation),
            ("test", self.test),
        ]
        .into_iter()
        .filter(|(_, share)| *share > 0.0)
        .collect()
    }

    /// Divides `items` among the parts, by the stream `("split", 0)`; each part keeps their order.
    /// Errors when a part would get nothing.
    pub fn divide(
        &self,
        items: &[usize],
        seed: u64,
    ) -> Result<Vec<(&'static str, Vec<usize>)>, DataError> {
        let mut order = Stream::new(seed, "split", 0).permutation(items.len());
        let mut divided = Vec::new();
        // Backwards, so that `train` takes what rounding leaves.
        for (part, share) in self.parts().into_iter().rev() {
            let wanted = (items.len() as f64 * share).round() as usize;
            let size = match part {
                "train" => order.len(),
                _ => wanted.min(order.len()),
            };
            let mut places = order.split_off(order.len() - size);
            if places.is_empty() {
                let reason = format!(
                    "split: `{part}` gets none of {} images: give it a larger share",
                    items.len()
                );
                return Err(DataError::Unfit(reason));
            }
            places.sort_unstable();
            let images = places.into_iter().map(|place| items[place as usize]);
            divided.push((part, images.collect()));
        }
        divided.reverse();
        Ok(divided)
    }
}
