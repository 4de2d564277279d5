//! Stages to nodes.
//!
//! Stage by stage, inputs first: join the stage's inputs and its matrix to points ([`super::points`]),
//! then make a node of each ([`super::nodes`]).

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use super::files::Files;
use super::inputs::Expanded;
use super::order::{Order, order};
use super::settle::Settled;
use super::stage::Stage;
use super::values::Values;
use super::{Node, Plan, digest, edges, publish};
use crate::spec::load::{load_leniently, load_text};
use crate::spec::place::Findings;
use crate::spec::{Faults, LoadOptions, PipelineSpec};
use crate::stage::DataSchema;

/// Expands every stage into its nodes; all faults of all stages at once.
pub fn expand(spec: &PipelineSpec) -> Result<Plan, Faults> {
    expand_with(spec, Findings::default())
}

/// Loads and expands a pipeline; faults within the files and between the stages at once.
pub fn open(path: &Path, options: &LoadOptions) -> Result<Plan, Faults> {
    let (spec, findings) = load_leniently(path, options)?;
    expand_with(&spec, findings)
}

/// Expands a pipeline that a program has written: `text`, as if it stood in the file `path`, which need not exist.
pub fn open_text(path: &Path, text: &str) -> Result<Plan, Faults> {
    let (spec, findings) = load_text(path, text, &LoadOptions::default())?;
    expand_with(&spec, findings)
}

fn expand_with(spec: &PipelineSpec, findings: Findings) -> Result<Plan, Faults> {
    let mut expander = Expander {
        spec,
        findings,
        values: Values::default(),
        files: Files::new(&spec.root),
        stages: spec
            .stages
            .keys()
            .map(|name| (name.clone(), None))
            .collect(),
        drafts: Vec::new(),
        nodes: Vec::new(),
    };
    let Order { stages, cycles } = expander.order();
    for cycle in &cycles {
        expander.report_cycle(cycle);
    }
    for stage in stages {
        expander.expand_stage(stage);
    }
    publish::check(spec, &expander.nodes, &mut expander.findings);
    if !expander.findings.is_empty() {
        return Err(expander.findings.locate(&spec.sources));
    }
    let ids = |stage: Option<Expanded>| {
        let rows = stage.map(|stage| stage.rows).unwrap_or_default();
        rows.into_iter().map(|(_, id)| id).collect()
    };
    let stages = expander
        .stages
        .into_iter()
        .map(|(name, stage)| (name, ids(stage)));
    Ok(Plan {
        name: spec.name.clone(),
        seed: spec.seed,
        file: spec.file.clone(),
        root: spec.root.clone(),
        tree: Arc::clone(&spec.tree),
        globs: expander.files.globs(),
        profile: spec.profile.clone(),
        sets: spec.sets.clone(),
        stages: stages.collect(),
        digest: digest::of(spec, &expander.nodes),
        nodes: expander.nodes,
    })
}

/// What is known of a node beyond the node itself, while others are being expanded.
pub(super) struct Draft<'a> {
    /// its stage
    pub stage: &'a str,
    /// `None` when its configuration is faulty
    pub settled: Option<Rc<Settled>>,
    /// what is known of its data
    pub schema: DataSchema,
}

/// The work in progress.
pub(super) struct Expander<'a> {
    pub spec: &'a PipelineSpec,
    pub findings: Findings,
    pub values: Values,
    pub files: Files,
    /// declared order; filled in as they are expanded
    pub stages: IndexMap<String, Option<Expanded>>,
    /// one for each node
    pub drafts: Vec<Draft<'a>>,
    /// all nodes so far; of faulty stages only those with a sound configuration
    pub nodes: Vec<Node>,
}

/// Cycles longer than this are shown by their ends.
const SHOWN: usize = 12;

/// A way through stages.
fn walk(path: &[&str]) -> String {
    if path.len() <= SHOWN {
        return path.join(" → ");
    }
    let (start, end) = (&path[..SHOWN / 2], &path[path.len() - SHOWN / 2..]);
    let between = path.len() - SHOWN;
    format!(
        "{} → … {between} more … → {}",
        start.join(" → "),
        end.join(" → ")
    )
}

impl Expander<'_> {
    /// Which stages need which, as far as names say.
    fn order(&mut self) -> Order {
        let names: Vec<&str> = self.spec.stages.keys().map(String::as_str).collect();
        let needs: Vec<BTreeSet<usize>> = self
            .spec
            .stages
            .iter()
            .map(|(name, stage)| edges::sources(self.spec, &Stage::new(name, stage)).stages)
            .collect();
        order(&names, &needs)
    }

    fn report_cycle(&mut self, cycle: &[usize]) {
        let stages = &self.spec.stages;
        let name = |index: &usize| stages.get_index(*index).map_or("", |(name, _)| name);
        let path: Vec<&str> = cycle.iter().map(name).collect();
        let (first, source) = (path[0], path[path.len() - 2]);
        let mut inputs = stages[first].inputs.iter();
        let from = inputs.find(|(_, value)| value.to_string().contains(source));
        let place = stages[first].place(first).key("inputs");
        let place = from.map_or(place.clone(), |(input, _)| place.key(input));
        let message = format!("stages need each other in a cycle: {}", walk(&path));
        let help = "an arrow leads from a stage to one that takes its output";
        self.findings.add_help(place, message, help);
    }

    fn expand_stage(&mut self, index: usize) {
        let Some((name, spec)) = self.spec.stages.get_index(index) else {
            return;
        };
        let mut stage = Stage::new(name, spec);
        self.check_names(&stage);
        let points = self.points(&mut stage);
        let ids = self.make_nodes(&stage, &points);
        let axes = points.axes.into_iter().map(|axis| axis.name).collect();
        let rows = points
            .rows
            .into_iter()
            .map(|row| row.values)
            .zip(ids)
            .collect();
        self.stages[index] = Some(Expanded::new(axes, rows, !stage.broken));
    }

    /// A name stands for one thing: an axis or further value cannot be called like a var.
    fn check_names(&mut self, stage: &Stage<'_>) {
        let place = stage.place.key("matrix");
        let entries = stage.matrix.include.iter().enumerate();
        let further = entries.flat_map(|(index, entry)| {
            let place = place.key("include").index(index);
            let further = entry
                .keys()
                .filter(|name| !stage.matrix.axes.contains_key(*name));
            further.map(move |name| (name, place.key(name)))
        });
        let axes = stage.matrix.axes.keys().map(|name| (name, place.key(name)));
        for (name, place) in axes.chain(further) {
            if self.spec.vars.contains_key(name) {
                let message = format!("`{name}` is an axis and a var");
                let help = "a name stands for one thing: rename one of them";
                self.findings.add_help(place.at_key(), message, help);
            }
        }
    }
}
