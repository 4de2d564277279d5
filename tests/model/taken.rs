//! Networks taken from another model.

use std::path::Path;

use retake::model::{ModelError, ModelRef, ModelSpec};
use retake::worktree::WorkTree;
use serde_json::json;

fn refer(model: serde_json::Value) -> ModelRef {
    serde_json::from_value(model).expect("a model")
}

fn resolved(model: serde_json::Value, root: &Path) -> Result<ModelSpec, ModelError> {
    let mut model = refer(model);
    model.resolve(&WorkTree::new(root))?;
    Ok(model.spec().expect("resolved").clone())
}

fn complaint(network: &str, root: &Path) -> String {
    resolved(json!({"networks": {"discriminator": network}}), root)
        .expect_err("not there")
        .to_string()
}

#[test]
fn a_model_may_take_its_networks_from_presets_and_files() {
    let root = tempfile::tempdir().expect("a folder");
    let text = "networks: {small: {inputs: {image: [channels, 4, 4]}, layers: [flatten, linear: {out: 1}]}, other: 'dcgan-32:discriminator'}";
    std::fs::write(root.path().join("my.yaml"), text).expect("a file");
    let preset = |name| ModelSpec::preset(name).expect("a preset");
    let model = json!({"networks": {
        "generator": "dcgan-64:generator",
        "discriminator": "file:my.yaml:small",
        "second": "file:my.yaml:other",
        "here": {"inputs": {"z": [2]}, "layers": ["relu"]},
    }});
    let spec = resolved(model.clone(), root.path()).expect("networks");
    assert_eq!(
        spec.networks["generator"],
        preset("dcgan-64").networks["generator"]
    );
    assert_eq!(
        spec.networks["second"],
        preset("dcgan-32").networks["discriminator"]
    );
    assert_eq!(spec.networks["discriminator"].layers.len(), 2);
    assert_eq!(spec.networks["here"].start, "z");

    // As written before, layers alone afterwards: what stands elsewhere is part of a key by what it is.
    let mut model = refer(model);
    let before = serde_json::to_value(&model).expect("JSON");
    assert_eq!(before["networks"]["second"], "file:my.yaml:other");
    model
        .resolve(&WorkTree::new(root.path()))
        .expect("networks");
    let after = serde_json::to_value(&model).expect("JSON");
    assert!(after["networks"]["second"]["layers"].is_array());
}

#[test]
fn a_model_of_layers_alone_needs_no_resolution() {
    let model = json!({"networks": {"net": {"inputs": {"z": [2]}, "layers": ["relu"]}}});
    assert!(matches!(refer(model), ModelRef::Inline(_)));
}

#[test]
fn a_network_that_cannot_be_taken_says_why() {
    let root = tempfile::tempdir().expect("a folder");
    let circle = "networks: {a: 'file:circle.yaml:a'}";
    std::fs::write(root.path().join("circle.yaml"), circle).expect("a file");
    let root = root.path();
    assert_eq!(
        complaint("dcgan-65:discriminator", root),
        "unknown model `dcgan-65`: did you mean `dcgan-64`?"
    );
    assert_eq!(
        complaint("dcgan-64:discriminatr", root),
        "the model `dcgan-64` has no network `discriminatr`: did you mean `discriminator`?"
    );
    assert_eq!(
        complaint("dcgan-64:critic", root),
        "the model `dcgan-64` has no network `critic` (networks: discriminator, generator)"
    );
    assert_eq!(
        complaint("dcgan-64", root),
        "`dcgan-64` names no network of another model: write `PRESET:NETWORK` or `file:PATH:NETWORK`"
    );
    assert_eq!(
        complaint("file:my.yaml", root),
        "`file:my.yaml` names no network of another model: write `PRESET:NETWORK` or `file:PATH:NETWORK`"
    );
    assert_eq!(
        complaint("file:circle.yaml:a", root),
        "`file:circle.yaml:a` leads back to itself: the files take networks from each other in a circle"
    );
    assert!(matches!(
        resolved(json!({"networks": {"a": "file:none.yaml:a"}}), root),
        Err(ModelError::MissingFile { .. })
    ));
}
