//! `kind: preprocess`: filter, resize, crop, pad, change channels, split; deterministic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Outcome, OutputSpec, Product,
    StageCtx, StageError,
};
use crate::data::Pack;
use crate::data::resize::Resize;
use crate::data::select::Filter;
use crate::data::size::Size;
use crate::data::split::Split;
use crate::data::transform::{Pad, Step, Transform};

/// Largest side of an image that a step may make.
pub(super) const LARGEST: usize = 8192;

/// Settings of a preprocess stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreprocessConfig {
    /// Steps applied to every image, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Divides the images at random: outputs `train`, `validation`, `test` instead of `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

impl PreprocessConfig {
    /// The faults of step `index`; moves `schema` on to what it makes of the images.
    fn check_step(
        &self,
        index: usize,
        step: &Step,
        schema: &mut DataSchema,
        faults: &mut Vec<Fault>,
    ) {
        let mut fault = |field: &str, message: String, help: &str| {
            let fault = Fault::at(&format!("steps.{index}.{field}"), message);
            faults.push(if help.is_empty() {
                fault
            } else {
                fault.help(help)
            });
        };
        let measure = |size: &Size| format!("{}×{}", size.height, size.width);
        let possible = |size: &Size| {
            (1..=LARGEST).contains(&size.height) && (1..=LARGEST).contains(&size.width)
        };
        match step {
            Step::Resize(Resize { size, .. }) => {
                if !possible(size) {
                    let message = format!("{} pixels: sides are 1 to {LARGEST}", measure(size));
                    fault("resize", message, "");
                }
                schema.size = Some((size.height, size.width));
            }
            Step::CenterCrop(size) => {
                if !possible(size) {
                    let message = format!("{} pixels: sides are 1 to {LARGEST}", measure(size));
                    fault("center-crop", message, "");
                } else if let Some((height, width)) = schema.size
                    && (size.height > height || size.width > width)
                {
                    let message = format!(
                        "{} does not fit into the {height}×{width} pixels before it",
                        measure(size)
                    );
                    fault("center-crop", message, "crop less, or `resize` first");
                }
                schema.size = Some((size.height, size.width));
            }
            Step::Pad(Pad { margin, .. }) => {
                if margin.height > LARGEST || margin.width > LARGEST {
                    let message = format!("{} pixels: at most {LARGEST}", measure(margin));
                    fault("pad", message, "");
                }
                schema.size = schema.size.map(|(height, width)| {
                    (
                        height.saturating_add(margin.height.saturating_mul(2)),
                        width.saturating_add(margin.width.saturating_mul(2)),
                    )
                });
            }
            Step::Channels(channels) => {
                if !matches!(channels, 1 | 3) {
                    let message = format!("{channels} colour channels: 1 (grey) or 3 (RGB)");
                    fault("channels", message, "");
                }
                schema.channels = Some(*channels);
            }
            Step::Filter(filter) => {
                if schema.classes == Some(0) {
                    let help = "give the dataset labels, or drop the step";
                    fault("filter", "the images carry no labels".to_owned(), help);
                } else if filter.names().is_empty() {
                    fault("filter", "names no class".to_owned(), "list at least one");
                } else if let Some(twice) = twice(filter.names()) {
                    fault("filter", format!("names `{twice}` twice"), "");
                }
                // Later filters may name classes that earlier ones took away.
                let first = !self.steps[..index]
                    .iter()
                    .any(|step| matches!(step, Step::Filter(_)));
                schema.classes = match filter {
                    Filter::Keep(names) if first => Some(names.len()),
                    Filter::Drop(names) if first => schema
                        .classes
                        .map(|classes| classes.saturating_sub(names.len())),
                    _ => None,
                };
            }
        }
    }
}

/// The first name that appears again later.
pub(super) fn twice(names: &[String]) -> Option<&String> {
    let later = |(at, name): &(usize, &String)| names[at + 1..].contains(name);
    names.iter().enumerate().find(later).map(|(_, name)| name)
}

impl Kind for PreprocessConfig {
    const NAME: &'static str = "preprocess";
    const VERSION: u32 = 1;

    fn inputs(&self) -> Vec<InputSpec> {
        vec![InputSpec::required("data", &[Format::Data])]
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        match &self.split {
            None => vec![OutputSpec::new("data", Format::Data)],
            Some(split) => split
                .parts()
                .into_iter()
                .map(|(part, _)| OutputSpec::new(part, Format::Data))
                .collect(),
        }
    }

    fn uses_seed(&self) -> bool {
        self.split.is_some()
    }

    fn uses_device(&self) -> bool {
        false
    }

    fn check(&self, inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let mut schema = inputs.get("data").cloned().unwrap_or_default();
        let mut faults = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            self.check_step(index, step, &mut schema, &mut faults);
        }
        if let Some(split) = self.split {
            for (part, share) in [("validation", split.validation), ("test", split.test)] {
                if !(0.0..1.0).contains(&share) {
                    let message = format!("a share of {share}: shares are in [0, 1)");
                    faults.push(Fault::at(&format!("split.{part}"), message));
                }
            }
            let aside = split.validation + split.test;
            if aside >= 1.0 {
                let message = format!("sets {aside} of the images aside and leaves none to train");
                faults.push(Fault::at("split", message));
            } else if aside == 0.0 {
                let help = "write for example {validation: 0.1, test: 0.1}";
                faults.push(Fault::at("split", "sets nothing aside").help(help));
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
        let transform = Transform::new(&pack, &self.steps)?;
        let selected = transform.selected()?;
        let total = selected.len() as u64;
        let parts = match &self.split {
            None => vec![("data", selected)],
            Some(split) => split.divide(&selected, ctx.seed)?,
        };
        let mut outcome = Outcome::default();
        let mut before = 0;
        for (part, indices) in parts {
            let out = ctx.out.join(format!("{part}.pack"));
            transform.write(&indices, &out, &|done, _| ctx.go_on(before + done, total))?;
            before += indices.len() as u64;
            outcome.outputs.insert(part.to_owned(), Product::Made(out));
        }
        Ok(outcome)
    }
}
