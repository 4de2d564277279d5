//! `retake diff`: between revisions, lock files and pipelines.

use std::process::Command;

use serde_json::Value;

use crate::support::Project;

/// Tables made by programs, quick to change.
const PIPELINE: &str = "\
name: tables
vars: {n: 3}
stages:
  shapes: {kind: dataset, with: {name: shapes, images: \"${n}\", size: 8}}
  small: {kind: preprocess, inputs: {data: shapes}, with: {steps: [{resize: 8}]}}
  count:
    kind: command
    inputs: {shapes: {from: small, as: folder}}
    with: {run: wc -l < in/shapes/labels.csv > out/n.txt, outputs: {n: n.txt}}
";

fn git(project: &Project, args: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(project.path("."));
    command.args([
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "init.defaultBranch=main",
    ]);
    let output = command.args(args).output().expect("git runs");
    assert!(output.status.success(), "{output:?}");
}

fn nodes(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn a_revision_is_compared_with_the_work_tree_and_with_another() {
    let project = Project::new(PIPELINE);
    git(&project, &["init", "-q"]);
    project.run(&[]);
    git(&project, &["add", "pipeline.yaml", "pipeline.lock"]);
    git(&project, &["commit", "-qm", "three"]);
    project.edit("n: 3", "n: 4");
    project.run(&[]);

    let said = project.retake(&["diff", "pipeline.yaml", "HEAD"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    insta::assert_snapshot!(said.out);

    let json = project.retake(&["diff", "pipeline.yaml", "HEAD", "--json"]);
    let changed = nodes(&json.out);
    let names: Vec<&str> = changed
        .iter()
        .map(|node| node["node"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["count", "shapes", "small"]);
    assert_eq!(changed[1]["settings"][0], "with.images: 3 → 4");

    git(&project, &["commit", "-qam", "four"]);
    let same = project.retake(&["diff", "pipeline.yaml", "HEAD"]);
    assert_eq!(same.out, "HEAD → pipeline.lock\n3 the same\n");
    let two = project.retake(&["diff", "pipeline.yaml", "HEAD", "HEAD~1"]);
    assert!(two.out.contains("with.images: 4 → 3"), "{two:?}");
}

#[test]
fn two_lock_files_are_compared_and_a_stage_may_be_new_or_gone() {
    let project = Project::new(PIPELINE);
    project.run(&[]);
    std::fs::copy(project.path("pipeline.lock"), project.path("old.lock")).unwrap();
    project.edit("  count:", "  sum:");
    project.run(&[]);
    let said = project.retake(&["diff", "pipeline.yaml", "old.lock"]);
    assert_eq!(
        said.out,
        "old.lock → pipeline.lock\ncount: gone\nsum: new\n1 new, 1 gone, 2 the same\n"
    );
}

#[test]
fn two_pipelines_are_compared_by_settings_and_results() {
    let project = Project::new(PIPELINE);
    project.write("other.yaml", &PIPELINE.replace("n: 3", "n: 5"));
    project.run(&["shapes"]);
    let said = project.retake(&["diff", "pipeline.yaml", "other.yaml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains("shapes: changed\n  with.images: 3 → 5\n"),
        "{said:?}"
    );
    assert!(said.out.ends_with("1 changed, 2 the same\n"), "{said:?}");
    let third = project.retake(&["diff", "pipeline.yaml", "other.yaml", "HEAD"]);
    assert_eq!(third.code, Some(2), "{third:?}");
}

#[test]
fn what_is_neither_file_nor_revision_is_said() {
    let project = Project::new(PIPELINE);
    git(&project, &["init", "-q"]);
    let said = project.retake(&["diff", "pipeline.yaml", "nowhere"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("`nowhere` is no file here"), "{said:?}");
    // An option in place of a revision is no option of git's.
    let said = project.retake(&["diff", "pipeline.yaml", "--", "--output=stolen"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(!project.path("stolen").exists());
}

#[test]
fn a_class_of_device_more_is_new_and_the_other_stays_what_it_was() {
    let project = Project::new(PIPELINE);
    let block = |class: &str, digit: char| {
        let digest = digit.to_string().repeat(64);
        format!(
            "  \"{class}\":\n    \"shapes\":\n      key: {digest}\n      outputs:\n        \"data\": {digest}\n"
        )
    };
    let lock = |blocks: &str| format!("lock: 1\n\"default\":\n{blocks}");
    project.write("old.lock", &lock(&block("cpu-avx2", 'a')));
    project.write(
        "pipeline.lock",
        &lock(&(block("cpu-avx2", 'a') + &block("cuda-sm90", 'b'))),
    );
    let said = project.retake(&["diff", "pipeline.yaml", "old.lock"]);
    assert_eq!(
        said.out,
        "old.lock → pipeline.lock\nshapes on cuda-sm90: new\n1 new, 1 the same\n"
    );
}
