//! What can be wrong with a dataset's settings.

use super::config::{DatasetConfig, DatasetName};
use crate::data::resize::Resize;
use crate::stage::Fault;
use crate::stage::preprocess::{LARGEST, twice};

/// Pixels that a drawn image may measure.
const SIZES: std::ops::RangeInclusive<usize> = 8..=1024;
/// Most objects in a drawn image: more would hide each other.
const MOST_OBJECTS: usize = 8;

impl DatasetConfig {
    /// What is wrong with the settings.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let given = [
            ("images", self.images.is_some()),
            ("size", self.size.is_some()),
            ("objects", self.objects.is_some()),
            ("classes", self.classes.is_some()),
            ("channels", self.channels.is_some()),
            ("split", self.split.is_some()),
            ("limit", self.limit.is_some()),
            ("keep", self.keep.is_some()),
            ("resize", self.resize.is_some()),
        ];
        let apply = self.name.settings();
        let mut faults: Vec<Fault> = given
            .into_iter()
            .filter(|(setting, given)| *given && !apply.contains(setting))
            .map(|(setting, _)| {
                let message = format!("`{setting}` does not apply to `{}`", self.name.text());
                Fault::at(setting, message).help(format!("it takes `{}`", apply.join("`, `")))
            })
            .collect();
        if self.name.is_drawn() {
            match self.images {
                None => faults
                    .push(Fault::at("", "`images` is missing").help("say how many images to draw")),
                Some(0) => faults.push(Fault::at("images", "at least one image must be drawn")),
                Some(_) => {}
            }
        }
        if let Some(size) = self.size.filter(|size| !SIZES.contains(size)) {
            let message = format!("images of {size} pixels: the range is 8 to 1024");
            faults.push(Fault::at("size", message));
        }
        if let Some([fewest, most]) = self.objects
            && !(1 <= fewest && fewest <= most && most <= MOST_OBJECTS)
        {
            let message = format!("[{fewest}, {most}] is no range within 1 to {MOST_OBJECTS}");
            faults.push(Fault::at("objects", message).help("write [fewest, most], as in [1, 3]"));
        }
        if let Some(channels) = self.channels.filter(|channels| !matches!(channels, 1 | 3)) {
            let message = format!("{channels} colour channels: 1 (grey) or 3 (RGB)");
            faults.push(Fault::at("channels", message));
        }
        if let Some(keep) = &self.keep {
            if keep.is_empty() {
                faults.push(Fault::at("keep", "names no class").help("list at least one"));
            } else if let Some(twice) = twice(keep) {
                faults.push(Fault::at("keep", format!("names `{twice}` twice")));
            }
        }
        if let Some(Resize { size, .. }) = &self.resize
            && ![size.height, size.width]
                .iter()
                .all(|side| (1..=LARGEST).contains(side))
        {
            let message = format!(
                "{}×{} pixels: sides are 1 to {LARGEST}",
                size.height, size.width
            );
            faults.push(Fault::at("resize", message));
        }
        if self.limit == Some(0) {
            faults.push(Fault::at("limit", "a limit of 0 leaves no image"));
        }
        if let Some(classes) = &self.classes {
            let schema = crate::data::PackSchema {
                channels: 1,
                labels: crate::data::LabelKind::Class,
                classes: classes.clone(),
            };
            if let Err(error) = schema.validate() {
                faults.push(Fault::at("classes", error.to_string()));
            }
        }
        if self.name == DatasetName::MnistDir && !cfg!(feature = "candle-datasets") {
            let message = "this program was built without `mnist-dir`";
            let help = "build with the feature `candle-datasets`, or use `idx`";
            faults.push(Fault::at("name", message).help(help));
        }
        faults
    }
}
