//! `kind: augment`: random flips, rotations, crops and colours, as copies or while training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::preprocess::LARGEST;
use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Outcome, OutputSpec, Product,
    StageCtx, StageError,
};
use crate::data::colour::ColourJitter;
use crate::data::crop::{RandomCrop, RandomResizedCrop};
use crate::data::recipe::{AugmentStep, Hflip, Recipe, Rotate, Vflip};
use crate::data::size::Size;
use crate::data::{Pack, augment};
use crate::worktree::WorkTree;

/// Copies made offline when `factor` is not given: the images and one augmented copy.
const FACTOR: usize = 2;
/// A larger factor is a mistake: online augmentation costs no space.
const LARGEST_FACTOR: usize = 1000;

/// Settings of an augment stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AugmentConfig {
    /// Random steps applied to every image, in order.
    pub steps: Vec<AugmentStep>,
    /// Draw anew for every sample of every epoch, while training; only `train` accepts the output.
    #[serde(default)]
    pub online: bool,
    /// Offline: how many times the images appear in the output, 1 to 1000; 2 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<usize>,
    /// Offline: whether the first copy is the images as they are; true if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_original: Option<bool>,
}

impl AugmentConfig {
    fn factor(&self) -> usize {
        self.factor.unwrap_or(FACTOR)
    }

    fn keeps_original(&self) -> bool {
        self.keep_original.unwrap_or(true)
    }
}

/// What is wrong with a step: which of its fields, and why.
fn step_fault(step: &AugmentStep) -> Option<(&'static str, String)> {
    let no_probability = |field, p: f64| {
        (!(0.0..=1.0).contains(&p))
            .then(|| (field, format!("{p} is no probability: the range is 0 to 1")))
    };
    let impossible = |field, size: &Size| {
        let possible = |side| (1..=LARGEST).contains(&side);
        (!possible(size.height) || !possible(size.width)).then(|| {
            let message = format!(
                "{}×{} pixels: sides are 1 to {LARGEST}",
                size.height, size.width
            );
            (field, message)
        })
    };
    match step {
        AugmentStep::Hflip(Hflip { p }) => no_probability("hflip.p", *p),
        AugmentStep::Vflip(Vflip { p }) => no_probability("vflip.p", *p),
        AugmentStep::Rotate(Rotate {
            degrees: [low, high],
            ..
        }) => {
            let range = -360.0..=360.0;
            let fits = range.contains(low) && range.contains(high) && low <= high;
            let message = || format!("[{low}, {high}] is no range of degrees within ±360");
            (!fits).then(|| ("rotate.degrees", message()))
        }
        AugmentStep::RandomCrop(RandomCrop { size, padding, .. }) => {
            impossible("random-crop.size", size).or_else(|| {
                (padding.height > LARGEST || padding.width > LARGEST).then(|| {
                    let message = format!(
                        "{}×{} pixels: at most {LARGEST}",
                        padding.height, padding.width
                    );
                    ("random-crop.padding", message)
                })
            })
        }
        AugmentStep::RandomResizedCrop(RandomResizedCrop { size, scale, ratio }) => {
            let [low, high] = *scale;
            let [narrow, wide] = *ratio;
            impossible("random-resized-crop.size", size)
                .or_else(|| {
                    let message =
                        || format!("[{low}, {high}] is no range of shares above 0, up to 1");
                    let fits = 0.0 < low && low <= high && high <= 1.0;
                    (!fits).then(|| ("random-resized-crop.scale", message()))
                })
                .or_else(|| {
                    let message = || format!("[{narrow}, {wide}] is no range of ratios above 0");
                    let fits = 0.0 < narrow && narrow <= wide && wide.is_finite();
                    (!fits).then(|| ("random-resized-crop.ratio", message()))
                })
        }
        AugmentStep::ColourJitter(ColourJitter {
            brightness,
            contrast,
            saturation,
            hue,
        }) => {
            let factors = [
                ("colour-jitter.brightness", brightness),
                ("colour-jitter.contrast", contrast),
                ("colour-jitter.saturation", saturation),
            ];
            let wrong = factors
                .into_iter()
                .find(|(_, amount)| !(**amount >= 0.0 && amount.is_finite()));
            if let Some((field, amount)) = wrong {
                return Some((field, format!("{amount}: amounts are 0 or more")));
            }
            if !(0.0..=0.5).contains(hue) {
                let message = format!("{hue}: shifts are 0 to 0.5 turns");
                return Some(("colour-jitter.hue", message));
            }
            let nothing = [brightness, contrast, saturation, hue]
                .iter()
                .all(|amount| **amount == 0.0);
            nothing.then(|| ("colour-jitter", "changes nothing".to_owned()))
        }
    }
}

impl Kind for AugmentConfig {
    const NAME: &'static str = "augment";
    const VERSION: u32 = 1;

    fn inputs(&self) -> Vec<InputSpec> {
        vec![InputSpec::required("data", &[Format::Data])]
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let format = if self.online {
            Format::Recipe
        } else {
            Format::Data
        };
        vec![OutputSpec::new("data", format)]
    }

    /// Online augmentation draws from the seed of whoever trains.
    fn uses_seed(&self) -> bool {
        !self.online
    }

    fn uses_device(&self) -> bool {
        false
    }

    /// Fills in defaults, so that leaving a setting out and writing its default give one key.
    fn resolve(&mut self, _tree: &WorkTree) -> Result<(), Vec<Fault>> {
        if !self.online {
            self.factor = Some(self.factor());
            self.keep_original = Some(self.keeps_original());
        }
        Ok(())
    }

    fn check(&self, inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let mut faults = Vec::new();
        if self.steps.is_empty() {
            let help = "add one, for example {hflip: {}}";
            faults.push(Fault::at("steps", "no step").help(help));
        }
        for (index, step) in self.steps.iter().enumerate() {
            if let Some((field, message)) = step_fault(step) {
                faults.push(Fault::at(&format!("steps.{index}.{field}"), message));
            }
        }
        if self.online {
            let given = [
                ("factor", self.factor.is_some()),
                ("keep_original", self.keep_original.is_some()),
            ];
            for (setting, _) in given.into_iter().filter(|(_, given)| *given) {
                let message = format!("`{setting}` does not apply with `online: true`");
                let help = "every epoch draws anew: there are no copies";
                faults.push(Fault::at(setting, message).help(help));
            }
        } else if !(1..=LARGEST_FACTOR).contains(&self.factor()) {
            let message = format!(
                "a factor of {}: the range is 1 to {LARGEST_FACTOR}",
                self.factor()
            );
            faults.push(Fault::at("factor", message));
        } else if self.factor() == 1 && self.keeps_original() {
            let help = "raise the factor, or set `keep_original: false`";
            let message = "one copy that is kept as it is changes nothing";
            faults.push(Fault::at("factor", message).help(help));
        }
        let mut schema = inputs.get("data").cloned().unwrap_or_default();
        let recipe = Recipe(self.steps.clone());
        if faults.is_empty() && recipe.fixes_size() {
            let before = schema.size;
            // Of images of unknown size, those without an error have the size of any that fits.
            match recipe.size_after(before.unwrap_or((LARGEST, LARGEST))) {
                Ok(after) => schema.size = Some(after),
                Err(error) => {
                    let help = "crop less, or pad more";
                    faults.push(Fault::at("steps", error.to_string()).help(help));
                }
            }
            if !self.online && self.keeps_original() && before != schema.size {
                let message =
                    "images that are kept as they are would lie beside crops of another size";
                let help = "set `keep_original: false`, or crop with `online: true`";
                faults.push(Fault::at("steps", message).help(help));
            }
        }
        if faults.is_empty() {
            Ok(schema)
        } else {
            Err(faults)
        }
    }

    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        let pack = Pack::open(ctx.input("data")?.path())?;
        let recipe = Recipe(self.steps.clone());
        let out = ctx.out.join("data.pack");
        let watch = |done, total| ctx.go_on(done, total);
        if self.online {
            augment::attach(&pack, recipe, &out, &watch)?;
        } else {
            let (factor, keep) = (self.factor(), self.keeps_original());
            augment::expand(&pack, &recipe, factor, keep, ctx.seed, &out, &watch)?;
        }
        Ok(Outcome {
            outputs: [("data".to_owned(), Product::Made(out))].into(),
            ..Outcome::default()
        })
    }
}
