use std::path::Path;

use proptest::prelude::*;
use retake::model::{Dim, ModelError, ModelRef, ModelSpec};
use retake::worktree::WorkTree;
use serde_json::json;

use super::{complaint, one, read};

fn canonical(spec: &ModelSpec) -> String {
    serde_json::to_string(spec).expect("JSON")
}

#[test]
fn spellings_of_one_meaning_serialise_alike() {
    let short = one("[{conv: {out: width*2, kernel: 3}}, relu, {max-pool: {kernel: 2}}]");
    let long = one(
        "[{conv: {bias: true, groups: 1, padding: [0, 0], stride: [1, 1], kernel: [3, 3], out: 2*width}}, \
         {relu: {}}, {max-pool: {stride: [2, 2], kernel: 2, padding: 0}}]",
    );
    assert_eq!(canonical(&short), canonical(&long));
    let other =
        one("[{conv: {out: width*2, kernel: 3, bias: false}}, relu, {max-pool: {kernel: 2}}]");
    assert_ne!(canonical(&short), canonical(&other));
    let implied = read("networks: {n: {inputs: {z: [latent]}, layers: [relu]}}");
    let stated = read("networks: {n: {layers: [relu], start: z, inputs: {z: [latent]}}}");
    assert_eq!(canonical(&implied), canonical(&stated));
}

#[test]
fn the_order_of_keys_means_nothing() {
    let one_way = read(
        "networks: {a: {start: x, inputs: {x: [1], y: [2]}, layers: [concat: {input: y}]}, b: {inputs: {x: [1]}, layers: []}}",
    );
    let other_way = read(
        "networks: {b: {layers: [], inputs: {x: [1]}}, a: {layers: [concat: {input: y}], inputs: {y: [2], x: [1]}, start: x}}",
    );
    assert_eq!(canonical(&one_way), canonical(&other_way));
}

#[test]
fn every_preset_survives_its_own_serialisation() {
    for name in ModelSpec::presets() {
        let spec = ModelSpec::preset(name).expect("a preset");
        let again: ModelSpec = serde_json::from_str(&canonical(&spec)).expect("a model");
        assert_eq!(spec, again, "{name}");
    }
}

#[test]
fn bad_text_is_explained() {
    let layers = |layers: &str| {
        complaint(&format!(
            "networks:\n  net:\n    inputs: {{image: [3, 8, 8]}}\n    layers:\n{layers}"
        ))
    };
    let near = layers("      - convv: {out: 3, kernel: 1}\n");
    assert!(
        near.contains("unknown layer `convv`: did you mean `conv`?"),
        "{near}"
    );
    assert!(near.starts_with("line 5, column "), "{near}");
    let bare = layers("      - linear\n");
    assert!(
        bare.contains("layer `linear` needs settings: missing field `out`"),
        "{bare}"
    );
    let two = layers("      - relu: {}\n        tanh: {}\n");
    assert!(two.contains("`tanh` follows `relu`"), "{two}");
    let zero = layers("      - conv: {out: 8, kernel: 0}\n");
    assert!(zero.contains("must be at least 1"), "{zero}");
    let symbol = layers("      - linear: {out: classs}\n");
    assert!(
        symbol.contains("unknown size `classs`: did you mean `classes`?"),
        "{symbol}"
    );
    let twice = complaint(
        "networks:\n  a: {inputs: {x: [1]}, layers: []}\n  a: {inputs: {x: [1]}, layers: []}\n",
    );
    assert!(twice.contains("duplicate"), "{twice}");
    let vague = complaint("networks: {n: {inputs: {x: [1], y: [1]}, layers: []}}");
    assert!(vague.contains("several inputs (x, y)"), "{vague}");
}

#[test]
fn a_model_is_named_three_ways() {
    let refer = |value| serde_json::from_value::<ModelRef>(value).expect("a reference");
    assert_eq!(
        refer(json!("cdcgan-64")),
        ModelRef::Preset("cdcgan-64".to_owned())
    );
    assert_eq!(
        refer(json!("file:nets/my.yaml")),
        ModelRef::File("nets/my.yaml".to_owned())
    );
    let inline = refer(json!({"networks": {"n": {"inputs": {"x": [2]}, "layers": ["relu"]}}}));
    assert!(inline.spec().is_some());
}

#[test]
fn a_preset_a_file_and_the_networks_resolve_to_the_same() {
    let root = tempfile::tempdir().expect("a folder");
    let text = include_str!("../../pipelines/models/resnet-8.yaml");
    std::fs::write(root.path().join("my.yaml"), text).expect("written");
    let mut preset = ModelRef::Preset("resnet-8".to_owned());
    let mut file = ModelRef::File("my.yaml".to_owned());
    preset
        .resolve(&WorkTree::new(root.path()))
        .expect("a preset");
    file.resolve(&WorkTree::new(root.path())).expect("a file");
    assert_eq!(preset, file);
    let value = serde_json::to_value(&preset).expect("JSON");
    assert_eq!(
        serde_json::from_value::<ModelRef>(value).expect("a reference"),
        preset
    );
}

#[test]
fn unresolvable_models_say_why() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::write(root.path().join("bad.yaml"), "networks:\n  n: {inputs: [}").expect("written");
    let resolve = |mut model: ModelRef, root: &Path| {
        model.resolve(&WorkTree::new(root)).expect_err("no model")
    };
    let unknown = resolve(ModelRef::Preset("cdgan-64".to_owned()), root.path());
    assert_eq!(
        unknown.to_string(),
        "unknown model `cdgan-64`: did you mean `cdcgan-64`?"
    );
    let missing = resolve(ModelRef::File("none.yaml".to_owned()), root.path());
    assert!(
        matches!(missing, ModelError::MissingFile { .. }),
        "{missing}"
    );
    let bad = resolve(ModelRef::File("bad.yaml".to_owned()), root.path());
    assert!(
        matches!(
            bad,
            ModelError::Text {
                file: Some(_),
                position: Some((2, _)),
                ..
            }
        ),
        "{bad}"
    );
}

proptest! {
    #[test]
    fn a_size_reads_back_what_it_writes(times in 1usize..50, over in 1usize..50, symbols in proptest::collection::vec(0usize..5, 0..4)) {
        let names = ["height", "width", "channels", "latent", "classes"];
        let mut text = times.to_string();
        for symbol in symbols {
            text = format!("{} * {text}", names[symbol]);
        }
        let dim: Dim = format!("{text} / {over}").parse().expect("a size");
        prop_assert_eq!(dim.to_string().parse::<Dim>().expect("a size"), dim.clone());
        let json = serde_json::to_string(&dim).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Dim>(&json).expect("a size"), dim);
    }
}
