//! What a report's template is given. Every number of ours in it comes from records; nothing
//! is typed in, but for what others have reported, which is named as such.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ReportError;
use super::comparison::Comparison;
use super::grid::png;
use super::plot::Chart;
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
    /// plots of several runs together
    pub figures: Vec<Figure>,
    /// settings that all runs share
    pub shared: Vec<Setting>,
    /// one section a run
    pub sections: Vec<Section>,
    /// tables and images that belong to no run
    pub extras: Vec<Extra>,
    /// the graph as Mermaid text
    pub graph: String,
    /// where everything comes from
    pub provenance: Provenance,
}

/// A figure beside the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// its file name, made from its content
    pub file: String,
    /// what it shows
    pub caption: String,
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
    /// `ok` or `diverged @ epoch 37`
    pub outcome: String,
    /// settings that differ between runs
    pub settings: Vec<Setting>,
    /// metrics of its evaluations
    pub metrics: Vec<Measured>,
    /// loss curves
    pub curves: Vec<Figure>,
    /// sample grids
    pub grids: Vec<Figure>,
}

/// A metric of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// the metric's name
    pub metric: String,
    /// `↓` when less is better, else `↑`
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

/// The files beside a report, by name.
#[derive(Debug, Clone, Default)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    /// Draws `chart` and gives the figure to refer to it by.
    pub fn chart(&mut self, chart: &Chart) -> Result<Figure, ReportError> {
        let svg = chart.svg()?;
        Ok(self.add(svg.into_bytes(), "svg", chart.title.clone()))
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
        let file = format!("fig-{}.{extension}", &digest[..8]);
        self.0.insert(file.clone(), bytes);
        Figure { file, caption }
    }
}
