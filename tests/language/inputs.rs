//! Files, globs, forms, the project root, and what a plan knows of a graph.

use retake::plan::Source;
use retake::spec::LoadOptions;

use super::{Project, names, node, plan};

const FILES: &str = r#"
stages:
  one: {kind: command, inputs: {x: "file:data/a.csv"}, with: {run: c, outputs: {o: o}}}
  many: {kind: command, inputs: {x: "glob:data/**/*.csv"}, with: {run: c, outputs: {o: o}}}
  none: {kind: command, inputs: {x: "glob:data/*.png"}, with: {run: c, outputs: {o: o}}}
  below: {kind: command, inputs: {x: none}, with: {run: c, outputs: {o: o}}}
  lost:
    kind: dataset
    inputs: {images: "file:data/train-images-idx3-ubyte.gz"}
    with: {name: idx}
"#;

#[test]
fn files_are_relative_to_the_project_root() {
    let project = Project::new(&[
        ("pipelines/p.yaml", FILES),
        ("data/a.csv", ""),
        ("data/deep/b.csv", ""),
        ("data/.retake/c.csv", ""),
        ("data/notes.txt", ""),
    ]);
    let plan = project.open(None, &[]).unwrap();
    let paths = |name: &str| match &node(&plan, name).inputs["x"] {
        Source::Files { paths, gathered } => (paths.clone(), *gathered),
        Source::Nodes { .. } => panic!("nodes"),
    };
    assert_eq!(paths("one"), (vec![project.path("data/a.csv")], false));
    let found = vec![project.path("data/a.csv"), project.path("data/deep/b.csv")];
    assert_eq!(paths("many"), (found, true));
}

#[test]
fn the_name_of_the_root_is_no_pattern() {
    let project = Project::new(&[
        (
            "odd[1]*/p.yaml",
            "stages: {a: {kind: command, inputs: {x: \"glob:./d/*.csv\"}, with: {run: c, outputs: {o: o}}}}",
        ),
        ("odd[1]*/d/a.csv", ""),
        ("odd1/d/a.csv", ""),
    ]);
    let plan =
        retake::plan::open(&project.path("odd[1]*/p.yaml"), &LoadOptions::default()).unwrap();
    let Source::Files { paths, .. } = &node(&plan, "a").inputs["x"] else {
        panic!("nodes");
    };
    assert_eq!(paths, &[project.path("odd[1]*/d/a.csv")]);
}

#[test]
fn a_missing_file_blocks_its_node_and_nothing_else() {
    let project = Project::new(&[("pipelines/p.yaml", FILES), ("data/a.csv", "")]);
    let plan = project.open(None, &[]).unwrap();
    assert!(node(&plan, "one").missing.is_empty());
    assert_eq!(node(&plan, "none").missing.len(), 1);
    assert!(node(&plan, "below").missing.is_empty());
    let lost = &node(&plan, "lost").missing[0];
    assert!(lost.path.ends_with("data/train-images-idx3-ubyte.gz"));
    assert!(
        lost.help
            .as_ref()
            .unwrap()
            .contains("dataset-fashion-mnist"),
        "{lost:?}"
    );
}

#[test]
fn the_root_is_the_nearest_marked_folder_else_the_parent_of_pipelines() {
    let text = "stages: {a: {kind: command, with: {run: c, outputs: {o: o}}}}";
    let marked = Project::new(&[("pipelines/p.yaml", text), ("pipelines/Cargo.toml", "")]);
    assert_eq!(
        marked.open(None, &[]).unwrap().root,
        marked.path("pipelines")
    );
    let unmarked = Project::new(&[("pipelines/p.yaml", text), ("plain/q.yaml", text)]);
    assert_eq!(unmarked.open(None, &[]).unwrap().root, unmarked.path(""));
    assert_eq!(
        retake::spec::root::of(&unmarked.path("plain/q.yaml")),
        unmarked.path("plain")
    );
}

#[test]
fn data_comes_as_a_folder_when_asked() {
    let plan = plan(
        r"
stages:
  raw: {kind: dataset, with: {name: shapes, images: 10, size: 8}}
  a: {kind: command, inputs: {x: {from: raw, as: folder}}, with: {run: c, outputs: {o: o}}}
  b: {kind: dataset, inputs: {files: {from: raw, as: folder}}, with: {name: folder}}
",
    );
    for (name, input) in [("a", "x"), ("b", "files")] {
        let source = &node(&plan, name).inputs[input];
        assert!(
            matches!(
                source,
                Source::Nodes {
                    as_folder: true,
                    ..
                }
            ),
            "{source:?}"
        );
    }
}

#[test]
fn the_graph_follows_inputs_and_upstream_is_closed() {
    let plan = plan(
        r#"
stages:
  z: {kind: command, inputs: {x: "y[*]"}, with: {run: c, outputs: {o: o}}}
  y: {kind: command, inputs: {x: a}, matrix: {n: [1, 2]}, with: {run: "n ${n}", outputs: {o: o}}}
  b: {kind: command, with: {run: c, outputs: {o: o}}}
  a: {kind: command, with: {run: c, outputs: {o: o}}}
"#,
    );
    assert_eq!(names(&plan), ["a", "b", "y[n=1]", "y[n=2]", "z"]);
    let declared: Vec<&str> = plan.stages.keys().map(String::as_str).collect();
    assert_eq!(declared, ["z", "y", "b", "a"]);
    assert_eq!(plan.graph().edge_count(), 4);
    let z = plan.find("z").unwrap();
    assert_eq!(plan.upstream(&z), [0, 2, 3, 4]);
}
