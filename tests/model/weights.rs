//! Weights from `PyTorch` and back (tests/golden/weights.py).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use retake::model::weights::{self, NameMap, Surplus, export};
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
    views: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

fn load_into(network: &Network, path: &Path, names: &NameMap) -> Result<(), ModelError> {
    weights::load_into(network, path, names, Surplus::Refuse)
}

/// A file that the script has written.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn golden() -> (PathBuf, Golden) {
    let json = std::fs::read(file("weights.json")).unwrap();
    (file("weights.pth"), serde_json::from_slice(&json).unwrap())
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
    for path in [path, file("weights-old.pth")] {
        for names in [by_layer(), map(json!("order"))] {
            let network = network(LAYERS);
            load_into(&network, &path, &names).unwrap();
            assert_output(&network, &golden.y);
        }
    }
}

#[test]
fn initialisers_of_an_onnx_file_give_the_same() {
    let (_, golden) = golden();
    let path = file("weights.onnx");
    let whole = network(LAYERS);
    let names = map(json!({"net/*:0": "layers.*"}));
    load_into(&whole, &path, &names).unwrap();
    assert_output(&whole, &golden.y);
    let ordered = load_into(&whole, &path, &map(json!("order")));
    assert_eq!(
        faults(ordered),
        ["safetensors and ONNX files keep no order of layers: give names, or `exact`"]
    );
}

#[test]
fn a_star_stands_for_what_two_names_share() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    let first = network(LAYERS);
    // The longest name counts, and a star is not nothing.
    let names = map(json!({"net/*": "layers.*", "net/5/*": "layers.5.*"}));
    export(&first, &out, &names).unwrap();
    let bytes = std::fs::read(&out).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut theirs = tensors.names();
    theirs.sort_unstable();
    assert_eq!(
        theirs,
        [
            "net/0.bias",
            "net/0.weight",
            "net/1.bias",
            "net/1.running_mean",
            "net/1.running_var",
            "net/1.weight",
            "net/3.weight",
            "net/5/bias",
            "net/5/weight"
        ]
    );
    let second = network(LAYERS);
    load_into(&second, &out, &names).unwrap();
    assert_eq!(output(&first), output(&second));
}

#[test]
fn views_into_larger_tensors_are_read_as_what_they_show() {
    let (_, golden) = golden();
    let layers = "[branches: [\
        [{name: last, linear: {out: 4, bias: false}}, {name: turned, linear: {out: 2}}], \
        [{name: double, linear: {out: 4, bias: false}}, {name: parameter, linear: {out: 3, bias: false}}], \
        [{name: half, linear: {out: 4, bias: false}}], [{name: brain, linear: {out: 4, bias: false}}]]]";
    let yaml = format!("networks: {{net: {{inputs: {{x: [2]}}, layers: {layers}}}}}");
    let spec = super::read(&yaml);
    let names = map(
        json!({"strided": "turned.bias", "last": "last.weight", "turned": "turned.weight",
        "double": "double.weight", "parameter": "parameter.weight", "half": "half.weight", "brain": "brain.weight"}),
    );
    for name in ["views.pth", "views-old.pth"] {
        let net = &spec.networks["net"];
        let network =
            Network::new("net", net, &super::dims(8), Init::Pytorch, 1, &Device::Cpu).unwrap();
        load_into(&network, &file(name), &names).unwrap();
        for parameter in network.parameters() {
            let theirs = match parameter.name.as_str() {
                "turned.bias" => "strided",
                name => name.trim_end_matches(".weight"),
            };
            let (shape, values) = &golden.views[theirs];
            let tensor = parameter.value.tensor();
            assert_eq!(tensor.dims(), shape, "{name}: {theirs}");
            let found: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(&found, values, "{name}: {theirs}");
        }
    }
}

#[test]
fn what_a_network_lacks_may_be_ignored_but_what_a_file_lacks_may_not() {
    let (path, _) = golden();
    let features = LAYERS.replace(", flatten, linear: {out: 5}", "");
    let network = network(&features);
    for names in [by_layer(), map(json!("order"))] {
        load_into(&network, &path, &names).unwrap_err();
        weights::load_into(&network, &path, &names, Surplus::Ignore).unwrap();
    }
    let more = self::network(&format!(
        "{}, linear: {{out: 2}}]",
        LAYERS.trim_end_matches(']')
    ));
    let lacking = weights::load_into(&more, &path, &by_layer(), Surplus::Ignore);
    assert_eq!(
        faults(lacking),
        ["missing in the file: `layers.6.weight`, `layers.6.bias`"]
    );
    let lacking = weights::load_into(&more, &path, &map(json!("order")), Surplus::Ignore);
    assert_eq!(
        faults(lacking),
        ["the network has 9 parameters, the file 7"]
    );
}

/// Every kind of file, with its name.
fn files(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let names = [
        "weights.pth",
        "weights-old.pth",
        "views.pth",
        "views-old.pth",
        "weights.onnx",
    ];
    let mut files: Vec<_> = names
        .map(|name| (name, std::fs::read(file(name)).unwrap()))
        .into();
    let out = folder.join("out.safetensors");
    export(&network(LAYERS), &out, &NameMap::default()).unwrap();
    files.push(("safetensors", std::fs::read(out).unwrap()));
    files
}

/// What reading `bytes` as a file named `cut-file` comes to.
fn read_bytes(network: &Network, bytes: &[u8], names: &NameMap) -> Result<(), ModelError> {
    weights::load_bytes_into(
        network,
        bytes,
        Path::new("cut-file"),
        names,
        Surplus::Ignore,
    )
}

#[test]
fn a_file_cut_off_anywhere_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let network = network(LAYERS);
    for (name, whole) in files(folder.path()) {
        for length in 0..whole.len() {
            let refused = read_bytes(&network, &whole[..length], &NameMap::default()).unwrap_err();
            assert!(
                refused.to_string().contains("cut-file"),
                "{name}: {refused}"
            );
            // Of ONNX, a message may end after any field: then tensors are missing.
            let damaged = matches!(refused, ModelError::Damaged { .. });
            assert!(
                damaged || name == "weights.onnx",
                "{name} of {length} bytes: {refused}"
            );
        }
    }
}

#[test]
fn a_file_with_wrong_bytes_is_read_or_refused_but_never_crashes() {
    let folder = tempfile::tempdir().unwrap();
    let network = network(LAYERS);
    for (name, whole) in files(folder.path()) {
        let mut refused = 0;
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let read = read_bytes(&network, &bytes, &NameMap::default());
                refused += usize::from(matches!(read, Err(ModelError::Damaged { .. })));
            }
        }
        assert!(refused > 0, "{name}");
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
