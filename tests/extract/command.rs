//! `retake metrics A B`, as a user of `fidelity` or `pytorch_fid` would try it.

use candle_core::Device;
use retake::data::files::decode;
use retake::data::image::Image;
use retake::extract::{Extractor, Protocol};
use retake::metric::frechet::frechet_distance;
use retake::metric::stats::Moments;
use serde_json::Value;

use super::{SPEC, images, spec, values, weights};
use crate::support::{Project, Said};

const ALL: &str =
    "fid,kid,is,precision,recall,density,coverage,diversity,rank,memorisation,fid-infinity";

fn project() -> Project {
    let project = Project::new("name: none\nstages: {}\n");
    project.write("eye.yaml", SPEC);
    weights(&project.path("."), 3);
    images(&project.path("a"), 60, 1, 40);
    images(&project.path("b"), 70, 2, 0);
    project
}

fn metrics(project: &Project, args: &[&str]) -> Said {
    let mut all = vec!["metrics"];
    all.extend(args);
    all.extend([
        "--extractor",
        "file:eye.yaml",
        "--weights",
        "small.safetensors",
    ]);
    project.retake(&all)
}

#[test]
fn two_folders_give_every_metric_and_a_second_look_costs_nothing() {
    let project = project();
    let args = [
        "a",
        "b",
        "-m",
        ALL,
        "--subset-size",
        "20",
        "--bootstrap",
        "20",
        "--format",
        "json",
    ];
    let first = metrics(&project, &args);
    let values = values(&first);
    let names: Vec<&str> = values.keys().map(String::as_str).collect();
    insta::assert_debug_snapshot!(names);
    assert!(values.values().all(|value| value.is_finite()), "{values:?}");
    assert!(values["fid-small-low"] <= values["fid-small"]);
    assert!(values["fid-small"] <= values["fid-small-high"]);

    let moments = |folder: &str| {
        let path = project.path("small.safetensors");
        let extractor =
            Extractor::open(&spec(), Protocol::TorchFidelity, &path, &Device::Cpu).unwrap();
        let mut files: Vec<_> = std::fs::read_dir(project.path(folder))
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        files.sort();
        let images: Vec<Image> = files.iter().map(|file| decode(file).unwrap()).collect();
        let views: Vec<_> = images.iter().map(Image::view).collect();
        let seen = extractor.look(&views).unwrap();
        let mut moments = Moments::new(seen.dimensions);
        moments.extend(&seen.features).unwrap();
        moments
    };
    let expected = frechet_distance(&moments("a"), &moments("b")).unwrap();
    assert!((values["fid-small"] - expected).abs() <= 1e-9 * expected);

    let again = metrics(&project, &args);
    assert_eq!(again.out, first.out);
    assert!(again.err.contains("1 cached"), "{}", again.err);
}

#[test]
fn a_folder_is_no_distance_from_itself_and_all_of_it_is_near() {
    let project = project();
    let said = metrics(
        &project,
        &[
            "a",
            "a",
            "-m",
            "fid,precision,recall,coverage,memorisation",
            "--format",
            "json",
        ],
    );
    let values = values(&said);
    assert!(values["fid-small"] < 1e-5, "{values:?}");
    for near in ["precision-small", "recall-small", "coverage-small"] {
        assert_eq!(values[near], 1.0);
    }
    assert!(values["memorisation-small"] < 1e-3, "{values:?}");
}

#[test]
fn protocols_and_features_are_told_apart() {
    let project = project();
    let mut seen = Vec::new();
    for args in [
        &["--protocol", "torch-fidelity"],
        &["--protocol", "pytorch-fid"],
        &["--protocol", "clean-fid"],
        &["--features", "early"],
    ] {
        let mut all = vec!["a", "b", "--format", "json"];
        all.extend(args);
        let said = metrics(&project, &all);
        let rows: Vec<Value> = serde_json::from_str(&said.out).expect("JSON");
        seen.push((
            rows[0]["metric"].clone(),
            rows[0]["protocol"].clone(),
            rows[0]["value"].to_string(),
        ));
    }
    for (index, one) in seen.iter().enumerate() {
        assert!(
            seen[..index]
                .iter()
                .all(|other| other.1 != one.1 && other.2 != one.2),
            "{seen:?}"
        );
    }
    assert_eq!(seen[3].0, "fid-small-early");
}

#[test]
fn an_artifact_of_a_pipeline_can_be_measured() {
    let project = project();
    project.write(
        "shapes.yaml",
        "name: shapes\nstages: {raw: {kind: dataset, with: {name: shapes, images: 40, size: 16}}}\n",
    );
    let args = ["shapes.yaml:raw", "b", "--format", "json"];
    let missing = metrics(&project, &args);
    assert!(
        missing
            .err
            .contains("raw is not in the store: `retake run` it first"),
        "{missing:?}"
    );
    assert_eq!(project.retake(&["run", "shapes.yaml"]).code, Some(0));
    assert!(values(&metrics(&project, &args))["fid-small"] > 0.0);
}

#[test]
fn bad_input_is_refused_with_what_to_do() {
    let project = project();
    std::fs::create_dir(project.path("empty")).unwrap();
    images(&project.path("one"), 1, 5, 0);
    std::fs::create_dir(project.path("broken")).unwrap();
    std::fs::copy(project.path("a/000.png"), project.path("broken/000.png")).unwrap();
    std::fs::write(project.path("broken/001.png"), b"no image").unwrap();
    let refused = |args: &[&str], parts: &[&str], code: i32| {
        let said = metrics(&project, args);
        assert_eq!(said.code, Some(code), "{said:?}");
        for part in parts {
            assert!(said.err.contains(part), "{part}: {}", said.err);
        }
    };
    refused(
        &["a", "nowhere"],
        &[
            "nowhere: there is no such folder or file",
            "PIPELINE.yaml:STAGE",
        ],
        2,
    );
    refused(
        &["a", "empty"],
        &["empty: holds no .png, .jpg or .jpeg file"],
        1,
    );
    refused(
        &["a", "one"],
        &[
            "fid",
            "1 image(s) of the reference are too few: at least 2 are needed",
        ],
        1,
    );
    refused(&["broken", "a"], &["001.png"], 1);
    refused(
        &["a", "b", "-m", "kid"],
        &[
            "kid",
            "subsets of 1000",
            "take more images or smaller subsets",
        ],
        1,
    );
    refused(
        &["a", "b", "-m", "fidd"],
        &["unknown metric `fidd`", "expected one of fid"],
        2,
    );
    refused(&["a", "b", "-m", "fid-judge"], &["judge"], 2);
    let none = project
        .command(&["metrics", "a", "b"])
        .env("TORCH_HOME", project.path("torch"))
        .output()
        .unwrap();
    let text = String::from_utf8(none.stderr).unwrap();
    assert_eq!(none.status.code(), Some(2));
    for part in [
        "no weights of inception-v3",
        "6726825d0af5f729",
        "https://",
        "vgg16, efficientnet-lite0",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let other = project.retake(&["metrics", "a", "b", "--weights", "small.safetensors"]);
    assert_eq!(other.code, Some(1));
    assert!(other.err.contains("`weights_sha256`"), "{}", other.err);
}

#[test]
fn missing_weights_block_their_node_alone_and_say_where_they_are() {
    let project = Project::new(
        "name: blocked\nstages:\n  raw: {kind: dataset, with: {name: shapes, images: 40, size: 16}}\n  \
         scores:\n    kind: evaluate\n    inputs: {data: raw, reference: raw, weights: \"file:weights/pt_inception-2015-12-05-6726825d.pth\"}\n    \
         with: {metrics: [fid], extractor: inception-v3}\n",
    );
    let plan = project.retake(&["plan", "pipeline.yaml"]);
    assert_eq!(plan.code, Some(0), "{plan:?}");
    for part in ["blocked", "6726825d0af5f729", "https://"] {
        assert!(plan.out.contains(part), "{part}: {}", plan.out);
    }
    assert_eq!(
        project.retake(&["run", "pipeline.yaml", "raw"]).code,
        Some(0)
    );
    let run = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2));
    assert!(
        run.err.contains("missing file") && run.err.contains("6726825d0af5f729"),
        "{}",
        run.err
    );
}

#[test]
fn show_says_why_values_do_not_compare() {
    let project = project();
    let stage = |name: &str, samples: u64| {
        format!(
            "  {name}: {{kind: evaluate, inputs: {{data: raw, reference: raw, weights: \"file:small.safetensors\"}}, \
             with: {{metrics: [fid], extractor: \"file:eye.yaml\", samples: {samples}}}}}\n"
        )
    };
    let text = format!(
        "name: two\nstages:\n  raw: {{kind: dataset, with: {{name: shapes, images: 40, size: 16}}}}\n{}{}",
        stage("few", 10),
        stage("many", 40)
    );
    project.write("two.yaml", &text);
    let run = project.retake(&["run", "two.yaml"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let show = project.retake(&["show", "two.yaml"]);
    let notes: Vec<&str> = show
        .err
        .lines()
        .filter(|line| line.contains("do not compare"))
        .collect();
    assert_eq!(notes.len(), 2, "{}", show.err);
    assert!(
        notes[0].contains("10 samples") && notes[1].contains("40 samples"),
        "{notes:?}"
    );
}

#[test]
fn weights_are_checked_against_their_digest_though_values_are_stored() {
    let project = project();
    assert_eq!(metrics(&project, &["a", "b"]).code, Some(0));
    let other = "0".repeat(64);
    let said = metrics(&project, &["a", "b", "--weights-sha256", &other]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let no_digest = metrics(&project, &["a", "b", "--weights-sha256", "abc"]);
    assert_eq!(no_digest.code, Some(2));
    assert!(
        no_digest.err.contains("`abc` is no SHA-256"),
        "{}",
        no_digest.err
    );
}

#[test]
fn one_metric_that_cannot_be_computed_costs_the_others_nothing() {
    let project = project();
    let both = metrics(&project, &["a", "b", "-m", "kid,fid"]);
    assert_eq!(both.code, Some(1));
    assert!(
        both.err.contains("kid: kernel distances of subsets"),
        "{}",
        both.err
    );
    // What was computed is there, though the images are gone.
    let again = metrics(&project, &["a", "b", "-m", "fid"]);
    assert!(again.err.contains("1 cached"), "{}", again.err);
}

#[test]
fn a_store_does_not_lie_in_what_is_measured() {
    let project = project();
    std::fs::create_dir(project.path("a/.git")).unwrap();
    std::fs::copy(
        project.path("small.safetensors"),
        project.path("a/small.safetensors"),
    )
    .unwrap();
    std::fs::copy(project.path("eye.yaml"), project.path("a/eye.yaml")).unwrap();
    let run = |args: &[&str]| {
        let mut command = project.command(&[
            "metrics",
            ".",
            "../b",
            "-q",
            "-e",
            "file:eye.yaml",
            "-w",
            "small.safetensors",
        ]);
        let output = command
            .args(args)
            .current_dir(project.path("a"))
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, err) = run(&[]);
    assert_eq!(code, Some(0), "{err}");
    assert!(!project.path("a/.retake").exists());
    let (code, err) = run(&["--store", "here"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("lies in a folder that is to be measured"),
        "{err}"
    );
}
