//! Networks of every layer against PyTorch's (tests/golden/layers.py): values, first and second derivatives, buffers.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor};
use retake::autograd::{Value, backward, grad};
use retake::model::{Dims, Init, Inputs, LayerSpec, Mode, Network, NetworkSpec};
use serde::Deserialize;

/// Of the largest number of a tensor.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    cases: BTreeMap<String, Case>,
    steps: Vec<SpectralStep>,
}

#[derive(Deserialize)]
struct Case {
    network: serde_json::Value,
    train: bool,
    inputs: BTreeMap<String, (Vec<usize>, usize)>,
    tensors: BTreeMap<String, (Vec<usize>, usize, String)>,
    value: Vec<f64>,
    heads: BTreeMap<String, Vec<f64>>,
    gradients: BTreeMap<String, Vec<f64>>,
    buffers: BTreeMap<String, Vec<f64>>,
    second: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct SpectralStep {
    weight: Vec<f64>,
    u: Vec<f64>,
    v: Vec<f64>,
    sigma: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/layers.json")).expect("golden numbers")
}

/// The script's `numbers`.
fn numbers(salt: usize, shape: &[usize]) -> Vec<f32> {
    (0..shape.iter().product())
        .map(|k: usize| ((k * 7919 + salt * 104_729) % 2048) as f32 / 1024.0 - 1.0)
        .collect()
}

fn tensor(salt: usize, shape: &[usize]) -> Tensor {
    Tensor::from_vec(numbers(salt, shape), shape, &Device::Cpu).expect("a tensor")
}

/// The script's `filled`.
fn filled(salt: usize, shape: &[usize], kind: &str) -> Tensor {
    let numbers = numbers(salt, shape);
    let length = numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
    let of = |x: f32| match kind {
        "weight" => x / 2.0,
        "large" => x * 8.0,
        "factor" => 1.0 + x / 2.0,
        "unit" => x / length,
        other => panic!("no numbers of the kind {other}"),
    };
    Tensor::from_vec(numbers.into_iter().map(of).collect(), shape, &Device::Cpu).expect("a tensor")
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>());
    flat.expect("f32").into_iter().map(f64::from).collect()
}

#[track_caller]
fn assert_near(what: &str, computed: &[f64], recorded: &[f64], tolerance: f64) {
    assert_eq!(computed.len(), recorded.len(), "{what}");
    let largest = recorded.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    for (at, (a, b)) in computed.iter().zip(recorded).enumerate() {
        // What is 0 in f64 is 0 up to the rounding of numbers around 1.
        let error = (a - b).abs();
        assert!(
            error <= tolerance * largest || (largest < 1e-9 && error < 1e-5),
            "{what}, number {at}: {a}, PyTorch has {b}"
        );
    }
}

/// A network whose parameters and buffers hold the script's numbers.
fn network(case: &Case, name: &str) -> Network {
    let text = case.network.to_string();
    let spec: NetworkSpec = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
    let dims = Dims {
        latent: 1,
        classes: 1,
        channels: 1,
        height: 1,
        width: 1,
    };
    let network = Network::new("net", &spec, &dims, Init::Pytorch, 1, &Device::Cpu)
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let own = network.parameters().iter().chain(network.buffers());
    let names: BTreeSet<_> = own.clone().map(|p| p.name.as_str()).collect();
    assert_eq!(
        names,
        case.tensors.keys().map(String::as_str).collect(),
        "{name}"
    );
    for parameter in own {
        let (shape, salt, kind) = &case.tensors[&parameter.name];
        let numbers = filled(*salt, shape, kind);
        let stored = parameter.value.tensor();
        assert_eq!(stored.dims(), shape, "{name}: {}", parameter.name);
        stored.slice_set(&numbers, 0, 0).expect("room");
    }
    network
}

fn check(name: &str, case: &Case) {
    let network = network(case, name);
    let mode = if case.train { Mode::Train } else { Mode::Eval };
    let variables: BTreeMap<&str, Value> = case
        .inputs
        .iter()
        .map(|(input, (shape, salt))| (input.as_str(), Value::variable(tensor(*salt, shape))))
        .collect();
    let inputs = variables.iter().fold(Inputs::new(), |inputs, (input, x)| {
        inputs.with(input, x.clone())
    });
    let (y, heads) = network
        .forward_with_heads(&inputs, mode)
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_near(
        &format!("{name}: value"),
        &flat(y.tensor()),
        &case.value,
        TOLERANCE,
    );
    assert_eq!(
        heads.keys().collect::<Vec<_>>(),
        case.heads.keys().collect::<Vec<_>>()
    );
    let weighted = |y: &Value, salt| {
        y.mul(&tensor(salt, y.dims()).into())
            .and_then(|y| y.sum_all())
            .expect("a sum")
    };
    let mut loss = weighted(&y, 99);
    for (head, h) in &heads {
        assert_near(
            &format!("{name}: {head}"),
            &flat(h.tensor()),
            &case.heads[head],
            TOLERANCE,
        );
        loss = loss.add(&weighted(h, 98)).expect("a sum");
    }
    for buffer in network.buffers() {
        let recorded = &case.buffers[&buffer.name];
        let what = format!("{name}: {}", buffer.name);
        assert_near(&what, &flat(buffer.value.tensor()), recorded, TOLERANCE);
    }
    let mut leaves: Vec<(&str, &Value)> = variables.iter().map(|(name, x)| (*name, x)).collect();
    leaves.extend(
        network
            .parameters()
            .iter()
            .map(|p| (p.name.as_str(), &p.value)),
    );
    let of: Vec<&Value> = leaves.iter().map(|(_, value)| *value).collect();
    let start = case.network["start"].as_str().expect("a name");
    let slope = grad(&loss, &[&variables[start]]).expect("a gradient");
    let slope = slope.into_iter().next().flatten().expect("a gradient");
    let penalty = slope.sqr().and_then(|s| s.sum_all()).expect("a sum");
    drop(slope);
    let second = backward(penalty, &of);
    // A second pass through what is consumed is an error: the first derivatives are of a pass of their own.
    let second = second.unwrap_or_else(|e| panic!("{name}: {e}"));
    let compare =
        |found: Vec<Option<Tensor>>, recorded: &BTreeMap<String, Vec<f64>>, what: &str| {
            for ((leaf, value), gradient) in leaves.iter().zip(found) {
                let gradient = gradient.map_or_else(|| vec![0.0; value.elem_count()], |g| flat(&g));
                let what = format!("{name}: {what} {leaf}");
                assert_near(&what, &gradient, &recorded[*leaf], TOLERANCE);
            }
        };
    compare(second, &case.second, "second derivative in");
    let again = self::network(case, name);
    let parameters: Vec<Value> = again.parameters().iter().map(|p| p.value.clone()).collect();
    let (y, heads) = again.forward_with_heads(&inputs, mode).expect("an output");
    let loss = heads.values().fold(weighted(&y, 99), |loss, h| {
        loss.add(&weighted(h, 98)).expect("a sum")
    });
    drop((y, heads));
    let of: Vec<&Value> = variables.values().chain(&parameters).collect();
    let first = backward(loss, &of).unwrap_or_else(|e| panic!("{name}: {e}"));
    compare(first, &case.gradients, "derivative in");
}

#[test]
fn networks_of_every_layer_agree_with_pytorch() {
    for (name, case) in &golden().cases {
        check(name, case);
    }
}

#[test]
fn every_layer_has_golden_numbers() {
    let golden = golden();
    let mut seen = BTreeSet::new();
    for case in golden.cases.values() {
        names(&case.network["layers"], &mut seen);
    }
    for layer in LayerSpec::NAMES {
        assert!(seen.contains(*layer), "no case has the layer `{layer}`");
    }
}

/// All names and keys in JSON.
fn names(json: &serde_json::Value, seen: &mut BTreeSet<String>) {
    match json {
        serde_json::Value::String(name) => _ = seen.insert(name.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| names(item, seen)),
        serde_json::Value::Object(entries) => {
            for (name, entry) in entries {
                seen.insert(name.clone());
                names(entry, seen);
            }
        }
        _ => {}
    }
}

#[test]
fn spectral_norm_keeps_pytorchs_vectors_over_several_steps() {
    let golden = golden();
    let case = Case {
        network: serde_json::json!({"start": "x", "inputs": {"x": [2, 4, 4]}, "layers": [
            {"conv": {"out": 3, "kernel": 3, "bias": false, "spectral_norm": true}}, "tanh"]}),
        train: true,
        inputs: BTreeMap::new(),
        tensors: BTreeMap::from([
            (
                "layers.0.weight".to_owned(),
                (vec![3, 2, 3, 3], 11, "weight".to_owned()),
            ),
            (
                "layers.0.weight_u".to_owned(),
                (vec![3], 12, "unit".to_owned()),
            ),
            (
                "layers.0.weight_v".to_owned(),
                (vec![18], 13, "unit".to_owned()),
            ),
        ]),
        value: Vec::new(),
        heads: BTreeMap::new(),
        gradients: BTreeMap::new(),
        buffers: BTreeMap::new(),
        second: BTreeMap::new(),
    };
    let network = network(&case, "steps");
    let weight = &network.parameters()[0].value;
    let pass = |salt| {
        let inputs = Inputs::new().with("x", tensor(salt, &[2, 2, 4, 4]));
        network.forward(&inputs, Mode::Train).expect("an output")
    };
    for (at, recorded) in golden.steps.iter().enumerate() {
        let (real, fake) = (pass(2 * at), pass(2 * at + 1));
        let weighted = |y: Value, salt| {
            let weights = tensor(salt, y.dims());
            y.mul(&weights.into())
                .and_then(|y| y.sum_all())
                .expect("a sum")
        };
        let loss = weighted(real, 99).add(&weighted(fake, 98)).expect("a sum");
        let [u, v] = [0, 1].map(|at: usize| flat(network.buffers()[at].value.tensor()));
        let before = flat(weight.tensor());
        let sigma: f64 = (0..54).map(|k| u[k / 18] * before[k] * v[k % 18]).sum();
        let gradient = backward(loss, &[weight]).expect("gradients");
        let gradient = gradient.into_iter().next().flatten().expect("a gradient");
        let moved = (weight.tensor() - (gradient * 0.1).expect("a step")).expect("a step");
        weight.tensor().slice_set(&moved, 0, 0).expect("room");
        for (what, computed, recorded) in [
            ("u", u, &recorded.u),
            ("v", v, &recorded.v),
            ("weight", flat(weight.tensor()), &recorded.weight),
            ("sigma", vec![sigma], &vec![recorded.sigma]),
        ] {
            assert_near(&format!("step {at}: {what}"), &computed, recorded, 1e-5);
        }
    }
}
