//! Weights from `PyTorch` and back (tests/golden/weights.py).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use retake::model::weights::{NameMap, export, load_into};
use retake::model::{Dims, Init, Inputs, Mode, ModelError, Network};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::{Value, json};

use super::one;

/// The layers of the script's network, and those places of it that have weights.
const LAYERS: &str = "[conv: {out: 4, kernel: 3, stride: 2, padding: 1}, batch-norm, leaky-relu: {slope: 0.2}, \
    conv-transpose: {out: 2, kernel: 4, stride: 2, padding: 1, bias: false}, flatten, linear: {out: 5}]";
const PLACES: [&str; 4] = ["0", "1", "3", "5"];

#[derive(Deserialize)]
struct Golden {
    names: BTreeMap<String, Vec<usize>>,
    y: Vec<f32>,
}

fn golden() -> (PathBuf, Golden) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let json = std::fs::read(folder.join("weights.json")).unwrap();
    (
        folder.join("weights.pth"),
        serde_json::from_slice(&json).unwrap(),
    )
}

fn network(layers: &str) -> Network {
    let dims = Dims {
        latent: 1,
        classes: 1,
        channels: 3,
        height: 8,
        width: 8,
    };
    let spec = one(layers);
    Network::new(
        "net",
        &spec.networks["net"],
        &dims,
        Init::Pytorch,
        1,
        &Device::Cpu,
    )
    .unwrap()
}

fn map(names: Value) -> NameMap {
    serde_json::from_value(names).unwrap()
}

fn by_layer() -> NameMap {
    map(PLACES
        .iter()
        .map(|place| ((*place).to_owned(), json!(format!("layers.{place}"))))
        .collect())
}

fn output(network: &Network) -> Vec<f32> {
    let pixels: Vec<f32> = (0..2 * 3 * 8 * 8)
        .map(|k| ((k * 7919 + 50 * 104_729) % 2048) as f32 / 1024.0 - 1.0)
        .collect();
    let image = Tensor::from_vec(pixels, (2, 3, 8, 8), &Device::Cpu).unwrap();
    let inputs = Inputs::new().with("image", image);
    let y = network.forward(&inputs, Mode::Eval).unwrap().into_tensor();
    y.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn assert_output(network: &Network, expected: &[f32]) {
    let y = output(network);
    assert_eq!(y.len(), expected.len());
    for (a, b) in y.iter().zip(expected) {
        assert!((a - b).abs() < 1e-5, "{y:?}, expected {expected:?}");
    }
}

fn faults(result: Result<(), ModelError>) -> Vec<String> {
    match result.unwrap_err() {
        ModelError::Weights { faults, .. } => faults,
        other => panic!("{other}"),
    }
}

#[test]
fn a_state_dict_gives_the_outputs_it_gives_in_pytorch() {
    let (path, golden) = golden();
    for names in [by_layer(), map(json!("order"))] {
        let network = network(LAYERS);
        load_into(&network, &path, &names).unwrap();
        assert_output(&network, &golden.y);
    }
}

#[test]
fn names_that_do_not_fit_are_all_listed_and_nothing_is_set() {
    let (path, _) = golden();
    let whole = network(LAYERS);
    let before = output(&whole);
    insta::assert_debug_snapshot!(faults(load_into(&whole, &path, &NameMap::default())), @r#"
    [
        "missing in the file: `layers.0.weight`, `layers.0.bias`, `layers.1.weight`, `layers.1.bias`, `layers.3.weight`, `layers.5.weight`, `layers.5.bias`, `layers.1.running_mean` and 1 more",
        "not in the network: `0.bias`, `0.weight`, `1.bias`, `1.running_mean`, `1.running_var`, `1.weight`, `3.weight`, `5.bias` and 1 more",
    ]
    "#);
    assert_eq!(output(&whole), before);
    let other = LAYERS
        .replace("out: 4", "out: 6")
        .replace("batch-norm, ", "");
    let other = network(&other);
    let names =
        map(json!({"0": "layers.0", "3": "layers.2", "5": "layers.4", "5.bias": "layers.0.bias"}));
    insta::assert_debug_snapshot!(faults(load_into(&other, &path, &names)), @r#"
    [
        "given twice: `layers.0.bias`",
        "missing in the file: `layers.4.bias`",
        "not in the network: `1.bias`, `1.running_mean`, `1.running_var`, `1.weight`",
        "of another shape: `layers.0.weight` is (6, 3, 3, 3), the file has (4, 3, 3, 3), `layers.0.bias` is (6), the file has (5), `layers.2.weight` is (6, 2, 4, 4), the file has (4, 2, 4, 4)",
    ]
    "#);
    insta::assert_debug_snapshot!(faults(load_into(&other, &path, &map(json!("order")))), @r#"
    [
        "the network has 5 parameters, the file 7",
        "the network has 0 buffers, the file 2",
        "of another shape: `layers.0.weight` is (6, 3, 3, 3), the file has (4, 3, 3, 3), `layers.0.bias` is (6), the file has (4), `layers.2.weight` is (6, 2, 4, 4), the file has (4), `layers.4.weight` is (5, 128), the file has (4), `layers.4.bias` is (5), the file has (4, 2, 4, 4)",
    ]
    "#);
}

#[test]
fn what_is_exported_under_their_names_is_their_state_dict_and_comes_back() {
    let (path, golden) = golden();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    let first = network(LAYERS);
    load_into(&first, &path, &by_layer()).unwrap();
    export(&first, &out, &by_layer()).unwrap();

    let bytes = std::fs::read(&out).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut shapes: BTreeMap<String, Vec<usize>> = tensors
        .iter()
        .map(|(name, view)| (name.to_owned(), view.shape().to_vec()))
        .collect();
    // PyTorch makes its counter anew where a file has none.
    shapes.insert("1.num_batches_tracked".to_owned(), Vec::new());
    assert_eq!(shapes, golden.names);

    let second = network(LAYERS);
    load_into(&second, &out, &by_layer()).unwrap();
    assert_output(&second, &golden.y);
    let again = folder.path().join("again.safetensors");
    export(&second, &again, &by_layer()).unwrap();
    assert_eq!(std::fs::read(&again).unwrap(), bytes);

    let clash =
        map(json!({"a": "layers.0.bias", "layers.5.bias": "layers.5.bias", "0": "layers.0"}));
    export(&first, &out, &clash).unwrap();
    let clash = map(json!({"layers.5.bias": "layers.0.bias"}));
    assert_eq!(
        faults(export(&first, &out, &clash)),
        ["two tensors would have the name `layers.5.bias`"]
    );
}

#[test]
fn files_that_hold_no_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let (weights, _) = golden();
    let whole = std::fs::read(weights).unwrap();
    let network = network(LAYERS);
    for bytes in [
        &b"text"[..],
        &[0x80, 2, 0x8a, 10],
        &whole[..whole.len() / 2],
        b"PK",
        &[],
    ] {
        std::fs::write(&path, bytes).unwrap();
        let refused = load_into(&network, &path, &NameMap::default()).unwrap_err();
        assert!(matches!(refused, ModelError::Damaged { .. }), "{refused}");
    }
    let gone = load_into(&network, &folder.path().join("none"), &NameMap::default());
    assert!(matches!(gone.unwrap_err(), ModelError::Io { .. }));
    let unknown = serde_json::from_value::<NameMap>(json!("names")).unwrap_err();
    assert!(
        unknown
            .to_string()
            .contains("`exact`, `order` or a mapping"),
        "{unknown}"
    );
}
