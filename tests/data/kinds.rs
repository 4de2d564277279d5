use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use retake::data::{LabelKind, Pack, Source};
use retake::hash::Digest;
use retake::stage::{
    Artifact, DataSchema, Fault, Format, Input, InputNode, Memo, NewPart, NodeName, Outcome, Part,
    Product, StageConfig, StageCtx, StageError, Status,
};
use retake::worktree::WorkTree;
use serde_json::{Value, json};

/// A memo that holds nothing: data kinds have no parts.
struct NoMemo;

impl Memo for NoMemo {
    fn get(&self, _: &Digest, _: &[&str]) -> Option<Part> {
        None
    }
    fn put(&self, _: &Digest, _: NewPart) -> Result<Part, StageError> {
        Err(StageError::Failed("no parts".to_owned()))
    }
    fn path(&self, _: &Artifact) -> Result<PathBuf, StageError> {
        Err(StageError::Failed("no parts".to_owned()))
    }
    fn forget(&self, _: &Digest, _: &str) -> Result<(), StageError> {
        Ok(())
    }
}

fn config(kind: &str, with: Value) -> StageConfig {
    let mut config = StageConfig::decode(kind, with).unwrap().unwrap();
    config.resolve(&WorkTree::new(Path::new("."))).unwrap();
    config
}

fn faults(kind: &str, with: Value, data: DataSchema) -> Vec<Fault> {
    let inputs = [("data".to_owned(), data)].into();
    config(kind, with).check(&inputs).unwrap_err()
}

fn input(path: &Path, format: Format) -> Input {
    let artifact = Artifact {
        digest: Digest::of_bytes(b""),
        bytes: 0,
        format,
    };
    let node = InputNode {
        node: NodeName::default(),
        status: Status::Ok,
        outputs: [("data".to_owned(), artifact)].into(),
        paths: [("data".to_owned(), path.to_owned())].into(),
        selected: "data".to_owned(),
    };
    Input {
        nodes: vec![node],
        gathered: false,
    }
}

fn run(
    config: &StageConfig,
    inputs: &[(&str, &Path)],
    out: &Path,
    cancelled: bool,
) -> Result<Outcome, StageError> {
    let inputs: BTreeMap<String, Input> = inputs
        .iter()
        .map(|(name, path)| ((*name).to_owned(), input(path, Format::File)))
        .collect();
    let cancel = AtomicBool::new(cancelled);
    config.run(&StageCtx {
        node: NodeName::default(),
        pipeline: "test".to_owned(),
        seed: 7,
        compute: &retake::device::cpu(),
        inputs,
        key: Digest::of_bytes(b""),
        trajectory: Digest::of_bytes(b""),
        out: out.to_owned(),
        project: None,
        memo: &NoMemo,
        shown: Vec::new(),
        command: String::new(),
        pipeline_digest: Digest::of_bytes(b""),
        progress: &|_| {},
        log: &|_| {},
        cancel: &cancel,
    })
}

fn made(outcome: &Outcome, output: &str) -> PathBuf {
    match &outcome.outputs[output] {
        Product::Made(path) => path.clone(),
        other => panic!("{output} is {other:?}"),
    }
}

#[test]
fn a_pipeline_of_data_stages() {
    let dir = tempfile::tempdir().unwrap();
    let out = |name: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let shapes = config(
        "dataset",
        json!({"name": "shapes", "images": 40, "size": 16}),
    );
    let raw = made(&run(&shapes, &[], &out("raw"), false).unwrap(), "data");
    assert_eq!(Pack::open(&raw).unwrap().schema().labels, LabelKind::Multi);

    let with = json!({"steps": [{"resize": 8}, {"channels": 1}], "split": {"validation": 0.25}});
    let split = config("preprocess", with);
    let outputs: Vec<String> = split.outputs().into_iter().map(|o| o.name).collect();
    assert_eq!(outputs, ["train", "validation"]);
    let parts = run(&split, &[("data", &raw)], &out("parts"), false).unwrap();
    let train = made(&parts, "train");
    assert_eq!(Pack::open(&train).unwrap().len(), 30);
    assert_eq!(Pack::open(&train).unwrap().size(), Some((8, 8)));
    assert_eq!(Pack::open(&made(&parts, "validation")).unwrap().len(), 10);

    let offline = config("augment", json!({"steps": [{"hflip": {}}]}));
    let copies = run(&offline, &[("data", &train)], &out("copies"), false).unwrap();
    assert_eq!(Pack::open(&made(&copies, "data")).unwrap().len(), 60);

    let online = config("augment", json!({"steps": [{"hflip": {}}], "online": true}));
    assert_eq!(online.outputs()[0].format, Format::Recipe);
    let recipe = run(&online, &[("data", &train)], &out("recipe"), false).unwrap();
    let source = Source::open(&made(&recipe, "data")).unwrap();
    assert_eq!((source.pack.len(), source.recipe.is_some()), (30, true));
}

#[test]
fn an_interrupt_ends_a_stage() {
    let dir = tempfile::tempdir().unwrap();
    let shapes = config("dataset", json!({"name": "shapes", "images": 40}));
    let ended = run(&shapes, &[], dir.path(), true);
    assert!(matches!(ended, Err(StageError::Cancelled)));
}

#[test]
fn errors_of_data_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken");
    std::fs::write(&path, "no pack").unwrap();
    let resize = config("preprocess", json!({"steps": [{"resize": 8}]}));
    let error = run(&resize, &[("data", &path)], dir.path(), false)
        .unwrap_err()
        .to_string();
    assert!(error.contains("broken: 7 bytes are too few"), "{error}");
}

#[test]
fn leaving_a_default_out_changes_no_setting() {
    let same = [
        (
            "dataset",
            json!({"name": "shapes", "images": 5}),
            json!({"name": "shapes", "images": 5, "size": 64, "objects": [1, 3]}),
        ),
        (
            "dataset",
            json!({"name": "folder"}),
            json!({"name": "folder", "channels": 3}),
        ),
        (
            "dataset",
            json!({"name": "faces", "images": 5}),
            json!({"name": "faces", "images": 5, "size": 128}),
        ),
        (
            "dataset",
            json!({"name": "attributes", "resize": 8}),
            json!({"name": "attributes", "channels": 3, "resize": {"size": [8, 8], "filter": "bilinear"}}),
        ),
        (
            "dataset",
            json!({"name": "cifar"}),
            json!({"name": "cifar", "split": "train"}),
        ),
        (
            "preprocess",
            json!({"steps": [{"resize": 8}]}),
            json!({"steps": [{"resize": {"size": [8, 8], "filter": "bilinear"}}]}),
        ),
        (
            "augment",
            json!({"steps": [{"hflip": {}}]}),
            json!({"steps": [{"hflip": {"p": 0.5}}], "factor": 2, "keep_original": true, "online": false}),
        ),
    ];
    for (kind, short, full) in same {
        assert_eq!(
            config(kind, short).settings(),
            config(kind, full).settings()
        );
    }
}

#[test]
fn schemas_are_known_before_anything_runs() {
    let known = |kind, with, data: DataSchema| {
        let inputs = [("data".to_owned(), data)].into();
        config(kind, with).check(&inputs).unwrap()
    };
    let nothing = DataSchema::default();
    let shapes = known(
        "dataset",
        json!({"name": "shapes", "images": 5}),
        nothing.clone(),
    );
    let expected = DataSchema {
        channels: Some(3),
        size: Some((64, 64)),
        classes: Some(24),
    };
    assert_eq!(shapes, expected);
    let with = json!({"steps": [
        {"pad": [2, 1]}, {"channels": 1}, {"filter": {"drop": ["red cube", "blue cube"]}}
    ]});
    let expected = DataSchema {
        channels: Some(1),
        size: Some((68, 66)),
        classes: Some(22),
    };
    assert_eq!(known("preprocess", with, shapes), expected);
    let faces = known(
        "dataset",
        json!({"name": "faces", "images": 5}),
        nothing.clone(),
    );
    let expected = DataSchema {
        channels: Some(3),
        size: Some((128, 128)),
        classes: Some(15),
    };
    assert_eq!(faces, expected);
    let with = json!({"online": true, "steps": [{"random-crop": {"size": [96, 64]}}]});
    assert_eq!(known("augment", with, faces).size, Some((96, 64)));
    let dogs = known(
        "dataset",
        json!({"name": "folder", "resize": 64, "keep": ["dog"]}),
        nothing.clone(),
    );
    assert_eq!((dogs.size, dogs.classes), (Some((64, 64)), Some(1)));
    let idx = known(
        "dataset",
        json!({"name": "idx", "classes": ["x", "y"]}),
        nothing,
    );
    assert_eq!(
        (idx.channels, idx.size, idx.classes),
        (Some(1), None, Some(2))
    );
}

#[test]
fn settings_out_of_range_are_found_before_anything_runs() {
    let cases = [
        (
            "dataset",
            json!({"name": "shapes"}),
            "",
            "`images` is missing",
        ),
        (
            "dataset",
            json!({"name": "shapes", "images": 0}),
            "images",
            "at least one image",
        ),
        (
            "dataset",
            json!({"name": "shapes", "images": 1, "size": 4}),
            "size",
            "8 to 1024",
        ),
        (
            "dataset",
            json!({"name": "shapes", "images": 1, "objects": [3, 1]}),
            "objects",
            "no range",
        ),
        (
            "dataset",
            json!({"name": "shapes", "images": 1, "limit": 3}),
            "limit",
            "does not apply to `shapes`",
        ),
        (
            "dataset",
            json!({"name": "idx", "classes": ["x", "x"]}),
            "classes",
            "named twice",
        ),
        (
            "dataset",
            json!({"name": "folder", "channels": 2}),
            "channels",
            "1 (grey) or 3 (RGB)",
        ),
        (
            "preprocess",
            json!({"steps": [{"resize": 0}]}),
            "steps.0.resize",
            "0×0 pixels",
        ),
        (
            "preprocess",
            json!({"steps": [{"center-crop": 20}]}),
            "steps.0.center-crop",
            "does not fit into the 16×16",
        ),
        (
            "preprocess",
            json!({"steps": [{"resize": 8}, {"channels": 4}]}),
            "steps.1.channels",
            "4 colour channels",
        ),
        (
            "preprocess",
            json!({"steps": [{"filter": {"keep": ["a"]}}]}),
            "steps.0.filter",
            "carry no labels",
        ),
        (
            "preprocess",
            json!({"split": {"validation": 1.5}}),
            "split.validation",
            "shares are in [0, 1)",
        ),
        (
            "preprocess",
            json!({"split": {"validation": 0.5, "test": 0.5}}),
            "split",
            "leaves none to train",
        ),
        (
            "preprocess",
            json!({"split": {}}),
            "split",
            "sets nothing aside",
        ),
        ("augment", json!({"steps": []}), "steps", "no step"),
        (
            "augment",
            json!({"steps": [{"hflip": {"p": 2}}]}),
            "steps.0.hflip.p",
            "no probability",
        ),
        (
            "augment",
            json!({"steps": [{"rotate": {"degrees": [5, -5]}}]}),
            "steps.0.rotate.degrees",
            "no range",
        ),
        (
            "augment",
            json!({"steps": [{"hflip": {}}], "factor": 0}),
            "factor",
            "1 to 1000",
        ),
        (
            "augment",
            json!({"steps": [{"hflip": {}}], "factor": 1}),
            "factor",
            "changes nothing",
        ),
        (
            "augment",
            json!({"steps": [{"hflip": {}}], "online": true, "factor": 3}),
            "factor",
            "`online: true`",
        ),
    ];
    let data = DataSchema {
        channels: Some(3),
        size: Some((16, 16)),
        classes: Some(0),
    };
    for (kind, with, path, message) in cases {
        let faults = faults(kind, with.clone(), data.clone());
        let expected = Fault::at(path, "").path;
        let found = |fault: &Fault| fault.path == expected && fault.message.contains(message);
        assert!(faults.iter().any(found), "{with}: {faults:?}");
    }
}

#[test]
fn wrong_settings_are_located() {
    let with = json!({"steps": [{"resize": 8}, {"rotate": {}}]});
    let error = StageConfig::decode("preprocess", with)
        .unwrap()
        .unwrap_err();
    assert_eq!(error.path, Fault::at("steps.1", "").path);
    assert!(
        error.message.contains("unknown variant `rotate`"),
        "{}",
        error.message
    );
    let with = json!({"steps": [{"resize": {"size": 8, "filter": "cubic"}}]});
    let error = StageConfig::decode("preprocess", with)
        .unwrap()
        .unwrap_err();
    assert_eq!(
        error.path,
        Fault::at("steps.0.resize.filter", "").path,
        "{}",
        error.message
    );
}
