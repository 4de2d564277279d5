//! `retake verify`: work is done again beside the store, and what differs is named to the place.

use std::fs;

use serde_json::Value;

use crate::support::{Project, Said, files};

/// Verifies with `args`; one JSON object a node.
fn verify(project: &Project, args: &[&str]) -> (Said, Vec<Value>) {
    let mut all = vec!["verify", "pipeline.yaml", "--json"];
    all.extend(args);
    let said = project.retake(&all);
    let nodes = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    (said, nodes)
}

/// `stage` → result.
fn results(nodes: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    nodes
        .iter()
        .map(|node| (text(&node["stage"]), text(&node["result"])))
        .collect()
}

/// Digests of everything that a verify must leave as it is.
fn kept(project: &Project) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let folders = ["objects", "records", "parts", "seen"].map(|folder| format!(".retake/{folder}"));
    let all = folders
        .iter()
        .flat_map(|folder| files(&project.path(folder)));
    all.map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

/// Every kind but `download`, small.
const ALL_KINDS: &str = "\
name: all
vars: {epochs: 2}
stages:
  raw: {kind: dataset, with: {name: shapes, images: 24, size: 16}}
  scaled: {kind: preprocess, inputs: {data: raw}, with: {steps: [{resize: 12}]}}
  turned: {kind: augment, inputs: {data: scaled}, with: {steps: [{rotate: {degrees: [-9, 9]}}]}}
  judge:
    kind: train
    inputs: {data: turned}
    with:
      task: classifier
      model:
        networks:
          classifier:
            inputs: {image: [channels, height, width]}
            layers: [{conv: {out: 4, kernel: 3, stride: 2}}, relu, global-avg-pool, {tap: features}, {linear: {out: classes}}]
      epochs: \"${epochs}\"
      batch_size: 8
      checkpoint_every: 1
  scores:
    kind: evaluate
    inputs: {data: turned, reference: scaled, judge: judge}
    with: {metrics: [fid, accuracy], samples: 16}
  count:
    kind: command
    inputs: {data: {from: scaled, as: folder}}
    with: {run: \"ls in/data | wc -l > out/count\", outputs: {count: count}}
  report:
    kind: report
    inputs: {runs: judge, scores: scores}
    with: {title: All, out: reports/all}
";

#[test]
fn every_kind_comes_out_the_same_and_the_store_stays_as_it_is() {
    let project = Project::new(ALL_KINDS);
    project.run(&[]);
    // An extended training is done again from nothing.
    project.run(&["--set", "epochs=3"]);
    let before = kept(&project);
    let (said, nodes) = verify(&project, &["--set", "epochs=3"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(nodes.len(), 7);
    assert!(
        results(&nodes).iter().all(|(_, result)| result == "same"),
        "{nodes:?}"
    );
    assert_eq!(kept(&project), before);
    assert!(project.run(&["--set", "epochs=3"]).ran().is_empty());
}

/// A stage that writes what `FILE` outside the project says, each time another way.
fn unstable(outputs: &str, run: &str) -> Project {
    let project = Project::new("");
    let flag = project.path("flag");
    project.write(
        "pipeline.yaml",
        &format!(
            "name: unstable\nstages:\n  first:\n    kind: command\n    with:\n      hermetic: false\n      run: |\n        again=$(test -e {0} && echo yes); touch {0}\n        {run}\n      outputs: {outputs}\n",
            flag.display()
        ),
    );
    project.run(&[]);
    project
}

/// Where the outputs of the one node begin to differ.
fn first(project: &Project) -> Vec<String> {
    let (said, nodes) = verify(project, &[]);
    assert_eq!(said.code, Some(5), "{said:?}");
    let differences = nodes[0]["differences"].as_array().expect("differences");
    differences
        .iter()
        .map(|difference| {
            let what = difference["what"].as_str().expect("text");
            format!("{what}: {}", difference["first"].as_str().expect("text"))
        })
        .collect()
}

#[test]
fn of_documents_the_first_path_cell_line_and_byte_is_named() {
    let project = unstable(
        "{bytes: bytes, json: a.json, table: t.csv, text: text}",
        "printf '\\200\\201\\202'\"$again\" > out/bytes; \
         echo '{\"a\": [1, {\"b\": \"'$again'\"}]}' > out/a.json; \
         printf 'x,y\\n1,2\\n3,%s\\n' \"$again\" > out/t.csv; \
         printf 'one\\ntwo%s\\n' \"$again\" > out/text",
    );
    let first = first(&project);
    assert_eq!(first[0], "output bytes: its length: 3 → 6 bytes");
    assert_eq!(first[1], "output json: a.1.b: \"\" → \"yes\"");
    assert_eq!(first[2], "output table: row 2, column y:  → yes");
    assert_eq!(first[3], "output text: line 2: two → twoyes");
}

#[test]
fn of_folders_the_first_file_is_named() {
    let project = unstable(
        "{folder: folder}",
        "mkdir -p out/folder/deep; echo same > out/folder/a; echo \"$again\" > out/folder/deep/b; echo \"$again\" > out/folder/z",
    );
    assert_eq!(first(&project), ["output folder: deep/b: line 1:  → yes"]);
    let project = unstable(
        "{folder: folder}",
        "mkdir out/folder; echo same > out/folder/a; test -n \"$again\" || echo gone > out/folder/b",
    );
    assert_eq!(first(&project), ["output folder: b: it is missing now"]);
}

#[test]
fn of_tensors_the_first_element_is_named_with_both_values() {
    let project = Project::new("");
    let tensors = |value: f32| {
        let values: Vec<u8> = [0.5, 1.0, value, 2.0]
            .iter()
            .flat_map(|v: &f32| v.to_le_bytes())
            .collect();
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 2], &values)
                .unwrap();
        safetensors::serialize([("w", view)], None).unwrap()
    };
    fs::write(project.path("no"), tensors(7.0)).unwrap();
    fs::write(project.path("yes"), tensors(7.25)).unwrap();
    let folder = project.path("").display().to_string();
    project.write(
        "pipeline.yaml",
        &format!(
            "name: unstable\nstages:\n  first:\n    kind: command\n    with:\n      hermetic: false\n      run: |\n        which=$(test -e {folder}flag && echo yes || echo no); touch {folder}flag\n        cp {folder}$which out/tensors\n      outputs: {{tensors: tensors}}\n"
        ),
    );
    project.run(&[]);
    assert_eq!(
        first(&project),
        ["output tensors: tensor w: element [1, 0]: 7.0 → 7.25 (1 of 4 differ)"]
    );
}

#[test]
fn work_that_fails_now_is_said_and_exits_with_1() {
    let project = unstable(
        "{a: a}",
        "echo made > out/a; test -z \"$again\" || { echo no more >&2; exit 3; }",
    );
    let (said, nodes) = verify(&project, &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(results(&nodes), [("first".to_owned(), "failed".to_owned())]);
    let said = project.retake(&["verify", "pipeline.yaml"]);
    assert!(said.out.contains("no more"), "{said:?}");
    assert!(project.run(&[]).ran().is_empty());
}

#[test]
fn what_is_not_cached_is_left_out_and_an_error_when_it_is_named() {
    let project = Project::new(ALL_KINDS);
    project.run(&["scaled"]);
    let (said, nodes) = verify(&project, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let same = |stage: &str| (stage.to_owned(), "same".to_owned());
    assert_eq!(results(&nodes), [same("raw"), same("scaled")]);
    assert!(
        said.err.contains("left out  turned: it is not cached"),
        "{said:?}"
    );
    let (said, nodes) = verify(&project, &["scaled", "judge"]);
    assert_eq!((said.code, nodes.len()), (Some(1), 0), "{said:?}");
    assert!(said.err.contains("judge"), "{said:?}");
    let (_, nodes) = verify(&project, &["scaled"]);
    assert_eq!(results(&nodes), [same("scaled")], "not what it needs");
}

#[test]
fn a_training_that_diverges_diverges_again() {
    let project = Project::new(&ALL_KINDS.replace(
        "      batch_size: 8\n",
        "      batch_size: 8\n      lr: 1.0e+30\n",
    ));
    project.run(&["judge"]);
    let status = project.retake(&["status", "pipeline.yaml", "judge"]);
    assert!(status.out.contains("diverged"), "{status:?}");
    let (said, nodes) = verify(&project, &["judge"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(results(&nodes), [("judge".to_owned(), "same".to_owned())]);
}
