//! Forms of weights and conventions: how they are written, and what moves when.

use candle_core::{Device, Tensor};
use retake::model::{Init, Inputs, Mode, ModelSpec, Network};
use serde_json::json;

use super::{complaint, dims, one};

fn written(layers: &str) -> serde_json::Value {
    let json = serde_json::to_value(one(layers)).expect("JSON");
    json["networks"]["net"]["layers"].clone()
}

#[test]
fn settings_that_are_off_leave_no_trace() {
    for (with, without) in [
        (
            "[conv: {out: 4, kernel: 3, spectral_norm: false, equalised: false, padding: valid}]",
            "[conv: {out: 4, kernel: 3}]",
        ),
        ("[batch-norm: {keras: false}]", "[batch-norm]"),
        (
            "[conv-transpose: {out: 4, kernel: 3, stride: 2, output_padding: [1, 1]}]",
            "[conv-transpose: {out: 4, kernel: 3, stride: 2, output_padding: 1}]",
        ),
    ] {
        assert_eq!(written(with), written(without));
    }
    // The form that keys of earlier versions have.
    assert_eq!(
        written("[conv-transpose: {out: 4, kernel: 3}, batch-norm, flatten, linear: {out: 1}]"),
        json!([
            {"conv-transpose": {"out": 4, "kernel": [3, 3], "stride": [1, 1], "padding": [0, 0, 0, 0],
                "output_padding": 0, "groups": 1, "bias": true}},
            {"batch-norm": {"eps": 1e-5, "momentum": 0.1}},
            {"flatten": {}},
            {"linear": {"out": 1, "bias": true}},
        ])
    );
}

#[test]
fn short_forms_are_written_in_full() {
    assert_eq!(
        written("[linear: {out: 1, spectral_norm: true}]")[0]["linear"]["spectral_norm"],
        json!({"iterations": 1, "eps": 1e-12})
    );
    assert_eq!(
        written("[batch-norm: {keras: true}]")[0]["batch-norm"],
        json!({"eps": 1e-3, "momentum": 0.99, "keras": true})
    );
    let same = written("[conv: {out: 4, kernel: 4, padding: same}]");
    assert_eq!(same[0]["conv"]["padding"], "same");
    for layers in [
        "[conv: {out: 4, kernel: 4, padding: same, spectral_norm: {iterations: 2}, equalised: {gain: 1.5}}]",
        "[conv-transpose: {out: 4, kernel: 4, stride: 3, output_padding: [1, 2]}]",
        "[batch-norm: {keras: true, eps: 0.1}]",
    ] {
        let spec = one(layers);
        let json = serde_json::to_string(&spec).expect("JSON");
        assert_eq!(ModelSpec::from_yaml(&json).expect("a model"), spec);
    }
}

#[test]
fn words_that_are_none_are_explained() {
    let conv = |setting: &str| {
        complaint(&format!(
            "networks: {{net: {{inputs: {{image: [3, 8, 8]}}, layers: [conv: {{out: 4, kernel: 3, {setting}}}]}}}}"
        ))
    };
    let padding = conv("padding: full");
    assert!(padding.contains("`same` or `valid`"), "{padding}");
    let negative = conv("padding: -1");
    assert!(negative.contains("whole number"), "{negative}");
    let norm = conv("spectral_norm: yes please");
    assert!(norm.contains("true, false, or settings"), "{norm}");
    let settings = conv("spectral_norm: {iteration: 2}");
    assert!(settings.contains("unknown field `iteration`"), "{settings}");
}

fn network(layers: &str) -> Network {
    let spec = one(layers);
    let net = &spec.networks["net"];
    Network::new("net", net, &dims(4), Init::Pytorch, 3, &Device::Cpu).expect("a network")
}

fn images() -> Inputs {
    let numbers: Vec<f32> = (0..96).map(|k| (k * 37 % 96) as f32 / 48.0 - 1.0).collect();
    let images = Tensor::from_vec(numbers, (2, 3, 4, 4), &Device::Cpu).expect("a tensor");
    Inputs::new().with("image", images)
}

fn buffer(network: &Network, name: &str) -> Vec<f32> {
    let all = network.buffers();
    let found = all.iter().find(|b| b.name == name).expect("a buffer");
    let flat = found.value.tensor().flatten_all();
    flat.and_then(|t| t.to_vec1()).expect("f32")
}

#[test]
fn singular_vectors_move_in_training_only_frozen_or_not() {
    let network = network("[conv: {out: 4, kernel: 3, spectral_norm: true}]");
    let u = || buffer(&network, "layers.0.weight_u");
    let length: f32 = u().iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-6, "{length}");
    let start = u();
    network.forward(&images(), Mode::Eval).expect("an output");
    assert_eq!(u(), start);
    network
        .forward_frozen(&images(), Mode::Train)
        .expect("an output");
    let frozen = u();
    assert_ne!(frozen, start);
    network.forward(&images(), Mode::Train).expect("an output");
    assert_ne!(u(), frozen);
}

#[test]
fn rules_for_initial_values_leave_run_time_scales_alone() {
    let spec = one("[conv: {out: 64, kernel: 4, equalised: true}]");
    let start = |init| {
        let network = Network::new(
            "net",
            &spec.networks["net"],
            &dims(8),
            init,
            3,
            &Device::Cpu,
        );
        let network = network.expect("a network");
        let values = |at: usize| -> Vec<f32> {
            let flat = network.parameters()[at].value.tensor().flatten_all();
            flat.and_then(|t| t.to_vec1()).expect("f32")
        };
        (values(0), values(1))
    };
    let (weight, bias) = start(Init::Dcgan);
    assert_eq!(start(Init::Xavier).0, weight);
    let variance = weight.iter().map(|x| x * x).sum::<f32>() / weight.len() as f32;
    assert!((variance - 1.0).abs() < 0.1, "{variance}");
    assert!(bias.iter().all(|b| b.to_bits() == 0));
}

#[test]
fn styles_start_as_no_change() {
    let spec = super::read(
        "networks: {net: {start: image, inputs: {image: [3, 4, 4], w: [5]}, layers: [adain: {input: w}, modulated-conv: {input: w, out: 2, kernel: 3}]}}",
    );
    let net = &spec.networks["net"];
    let network = Network::new("net", net, &dims(4), Init::Dcgan, 3, &Device::Cpu);
    for parameter in network.expect("a network").parameters() {
        let flat = parameter.value.tensor().flatten_all();
        let values: Vec<f32> = flat.and_then(|t| t.to_vec1()).expect("f32");
        let expected = match parameter.name.as_str() {
            "layers.0.scale.bias" | "layers.1.affine.bias" => 1.0f32,
            "layers.0.shift.bias" => 0.0,
            _ => continue,
        };
        assert!(values.iter().all(|v| v.to_bits() == expected.to_bits()));
    }
}

#[test]
fn a_deviation_for_all_weights_can_be_given() {
    let init: Init = serde_json::from_value(json!({"normal": 0.5})).expect("a rule");
    assert_eq!(init, Init::Normal(0.5));
    let spec = one("[flatten, linear: {out: 64}]");
    let network = Network::new(
        "net",
        &spec.networks["net"],
        &dims(8),
        init,
        3,
        &Device::Cpu,
    );
    let network = network.expect("a network");
    let flat = network.parameters()[0].value.tensor().flatten_all();
    let values: Vec<f32> = flat.and_then(|t| t.to_vec1()).expect("f32");
    let variance = values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32;
    assert!((variance - 0.25).abs() < 0.01, "{variance}");
}
