//! What a report's template is given. Every number of ours in it comes from records; nothing
//! is typed in, but for what others have reported, which is named as such.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ReportError;
use super::comparison::Comparison;
use super::grid::png;
use super::mermaid::Vertex;
use super::plot::{Chart, HistogramChart};
use super::summary::Summary;
use crate::hash::Digest;

/// A whole report.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Document {
    /// the report's title
    pub title: String,
    /// the pipeline's name
    pub pipeline: String,
    /// the summary table; none without evaluations
    pub summary: Option<Summary>,
    /// the runs beside what others have reported
    pub comparison: Option<Comparison>,
    /// sentences that follow from the summary
    pub findings: Vec<String>,
    /// the settings in which runs differ, a table for each stage that has such
    pub differences: Vec<Differences>,
    /// plots of several runs together
    pub figures: Vec<Figure>,
    /// what the user has written, its numbers filled in
    pub prose: Vec<Prose>,
    /// one section a run
    pub sections: Vec<Section>,
    /// tables and images that belong to no run
    pub extras: Vec<Extra>,
    /// settings that all runs of a stage share
    pub settings: Vec<Shared>,
    /// the graph as Mermaid text
    pub graph: String,
    /// the same as data
    pub vertices: Vec<Vertex>,
    /// where everything comes from
    pub provenance: Provenance,
}

impl Document {
    /// All figures, in the order of the text.
    pub fn all_figures(&self) -> impl Iterator<Item = &Figure> {
        let of_runs = self.sections.iter();
        let of_runs = of_runs.flat_map(|section| section.curves.iter().chain(&section.grids));
        let extras = self.extras.iter().filter_map(|extra| extra.figure.as_ref());
        self.figures.iter().chain(of_runs).chain(extras)
    }
}

/// A figure beside the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// its file name, made from its content
    pub file: String,
    /// what it shows
    pub caption: String,
}

/// A section of the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prose {
    /// its heading
    pub title: Option<String>,
    /// Markdown
    pub text: String,
    /// where in the report it stands
    pub place: Place,
}

/// A place for prose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// below the title
    Start,
    /// below tables and findings, before the runs
    #[default]
    Findings,
    /// below the runs, before the appendix
    End,
}

/// The settings in which the runs of a stage differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// the stage
    pub stage: String,
    /// the settings' names
    pub names: Vec<String>,
    /// a row for each group of runs that differ in their seed only
    pub rows: Vec<Differing>,
}

/// A row of [`Differences`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// `stage[axis=value,…]` without the seed
    pub name: String,
    /// in the order of the names; `–` for a setting that it does not have
    pub values: Vec<String>,
}

/// The settings that all runs of a stage share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// the stage
    pub stage: String,
    /// in their order
    pub settings: Vec<Setting>,
}

/// The first sentence of a caption, without its stop: what a figure is called.
pub fn headline(caption: &str) -> &str {
    caption.split(". ").next().unwrap_or(caption)
}

/// A setting and its value as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// dotted path below `with`, or `seed`
    pub name: String,
    /// the value
    pub value: String,
}

/// One run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Section {
    /// `stage[axis=value,…]`
    pub name: String,
    /// the stage's `description:`
    pub description: Option<String>,
    /// `ok`, `diverged @ epoch 37` or `collapsed @ epoch 20`
    pub outcome: String,
    /// settings that differ between runs
    pub settings: Vec<Setting>,
    /// metrics of its evaluations
    pub metrics: Vec<Measured>,
    /// loss curves
    pub curves: Vec<Figure>,
    /// sample grids
    pub grids: Vec<Figure>,
    /// what the frames of animations among the grids are of; only the HTML page says it
    pub series: Vec<Series>,
}

/// An animation whose frames are checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Series {
    /// the animation's file
    pub file: String,
    /// the epoch of each frame
    pub epochs: Vec<u64>,
    /// the file of the images that it ends with, where they stand beside it
    pub still: Option<String>,
}

/// A metric of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// the metric's name
    pub metric: String,
    /// `↓` when less is better, `↑` when more is, nothing when neither
    pub arrow: &'static str,
    /// at the last checkpoint
    pub last: String,
    /// the last checkpoint's epoch
    pub last_epoch: Option<u64>,
    /// at the best checkpoint
    pub best: String,
    /// the best checkpoint's epoch
    pub best_epoch: Option<u64>,
    /// how many images were measured
    pub samples: u64,
}

/// A table or image of a stage that is neither trained, sampled nor evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extra {
    /// the node's name
    pub name: String,
    /// the stage's `description:`
    pub description: Option<String>,
    /// header and rows; empty for an image
    pub table: Vec<Vec<String>>,
    /// rows that were left out of `table`
    pub omitted: usize,
    /// the image
    pub figure: Option<Figure>,
}

/// Where a report's content comes from.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Provenance {
    /// digest of everything upstream as resolved, not of the pipeline's text
    pub pipeline_digest: String,
    /// the command that makes this report
    pub command: String,
    /// every node upstream, in plan order
    pub nodes: Vec<Origin>,
}

/// One node upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// `stage[axis=value,…]`
    pub name: String,
    /// its kind
    pub kind: String,
    /// the kind's version
    pub version: u32,
    /// the first digits of its key
    pub key: String,
    /// its device class, where bytes depend on it
    pub device: Option<String>,
    /// `ok` or `diverged @ epoch 37`
    pub outcome: String,
    /// the stage's `description:`
    pub description: Option<String>,
}

/// How many digits of its digest name a figure's file.
pub const NAME_DIGITS: usize = 12;

/// The files beside a report, by name.
#[derive(Debug, Clone, Default)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    /// Draws `chart` and gives the figure to refer to it by.
    pub fn chart(&mut self, chart: &Chart) -> Figure {
        let svg = chart.svg().into_bytes();
        self.add(svg, "svg", captioned(&chart.title, &chart.about))
    }

    /// Draws a histogram.
    pub fn histogram(&mut self, chart: &HistogramChart) -> Figure {
        let svg = chart.svg().into_bytes();
        self.add(svg, "svg", captioned(&chart.title, &chart.about))
    }

    /// Encodes `image`.
    pub fn image(
        &mut self,
        image: &image::RgbImage,
        caption: String,
    ) -> Result<Figure, ReportError> {
        Ok(self.add(png(image)?, "png", caption))
    }

    /// Adds a file as it is; equal bytes share one.
    pub fn add(&mut self, bytes: Vec<u8>, extension: &str, caption: String) -> Figure {
        let digest = Digest::of_bytes(&bytes).to_string();
        let file = format!("fig-{}.{extension}", &digest[..NAME_DIGITS]);
        self.0.insert(file.clone(), bytes);
        Figure { file, caption }
    }
}

/// A figure's title, and what there is to see in it.
fn captioned(title: &str, about: &str) -> String {
    match about {
        "" => title.to_owned(),
        about => format!("{title}. {about}"),
    }
}
