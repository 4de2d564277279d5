//! What the pipeline language means, through plans.

mod inputs;
mod matrix;
mod properties;
mod scale;
mod schema;
mod vars;

use std::path::PathBuf;

use retake::plan::{Node, Plan, Source, open};
use retake::spec::{LoadOptions, render};
use tempfile::TempDir;

/// A project folder; the pipeline is `pipelines/p.yaml`.
struct Project(TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, profile: Option<&str>, sets: &[(&str, &str)]) -> Result<Plan, String> {
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        let options = LoadOptions {
            profile: profile.map(str::to_owned),
            sets: sets.iter().map(own).collect(),
        };
        open(&self.path("pipelines/p.yaml"), &options).map_err(|faults| render(&faults, false))
    }
}

/// The plan of a sound pipeline.
fn plan(text: &str) -> Plan {
    let project = Project::new(&[("pipelines/p.yaml", text)]);
    project
        .open(None, &[])
        .unwrap_or_else(|faults| panic!("{faults}"))
}

/// The rendered faults of a bad pipeline.
fn faults(text: &str) -> String {
    let project = Project::new(&[("pipelines/p.yaml", text)]);
    project.open(None, &[]).expect_err("a bad pipeline")
}

/// A node by its name.
fn node<'a>(plan: &'a Plan, name: &str) -> &'a Node {
    let found = plan.nodes.iter().find(|node| node.name.to_string() == name);
    found.unwrap_or_else(|| panic!("no node {name}: {:?}", names(plan)))
}

/// The names of all nodes, in plan order.
fn names(plan: &Plan) -> Vec<String> {
    plan.nodes
        .iter()
        .map(|node| node.name.to_string())
        .collect()
}

/// The names of a stage's nodes, in matrix order.
fn names_of(plan: &Plan, stage: &str) -> Vec<String> {
    let ids = &plan.stages[stage];
    ids.iter()
        .map(|id| plan.nodes[*id].name.to_string())
        .collect()
}

/// What a command stage runs at a node.
fn run(plan: &Plan, name: &str) -> String {
    node(plan, name).settings["run"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The names of the nodes behind an input.
fn behind(plan: &Plan, name: &str, input: &str) -> Vec<String> {
    match &node(plan, name).inputs[input] {
        Source::Nodes { nodes, .. } => nodes
            .iter()
            .map(|id| plan.nodes[*id].name.to_string())
            .collect(),
        Source::Files { paths, .. } => panic!("files: {paths:?}"),
    }
}
