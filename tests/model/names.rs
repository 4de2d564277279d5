//! Layers with names of their own.

use candle_core::{Device, Tensor};
use retake::model::{Init, Inputs, Mode, ModelSpec, Network, infer};

use super::{complaint, dims, one};

/// A model with names, a block, branches and layers without names in all places.
const LAYERS: &str = "[conv: {out: 2, kernel: 1}, \
    {name: stem, block: [{name: conv, conv: {out: 4, kernel: 1}}, {batch-norm: {}, name: bn}, relu, {conv: {out: 3, kernel: 1}}]}, \
    {name: mixed, branches: [[{name: a, conv: {out: 1, kernel: 1}}], [[{name: b.0, conv: {out: 1, kernel: 1}}]], [conv: {out: 1, kernel: 1}]]}, \
    residual: {layers: [{name: mixed.c, conv: {out: 3, kernel: 1}}]}, \
    {name: way, residual: {layers: [conv: {out: 3, kernel: 1}]}}]";

fn network(spec: &ModelSpec) -> Network {
    let net = &spec.networks["net"];
    Network::new("net", net, &dims(2), Init::Pytorch, 1, &Device::Cpu).expect("a network")
}

/// Why the layers do not fit: where, and what is said.
fn misfit(layers: &str) -> (String, String) {
    let spec = one(layers);
    let fault = infer(&spec.networks["net"], &dims(8)).expect_err("no network");
    (fault.path, fault.message)
}

#[test]
fn tensors_are_called_after_the_named_layers_that_they_lie_in() {
    let network = network(&one(LAYERS));
    let names: Vec<&str> = network
        .parameters()
        .iter()
        .chain(network.buffers())
        .map(|parameter| parameter.name.as_str())
        .filter(|name| !name.ends_with("bias"))
        .collect();
    let expected = [
        "layers.0.weight",
        "stem.conv.weight",
        "stem.bn.weight",
        "stem.3.weight",
        "mixed.a.weight",
        "mixed.b.0.weight",
        "mixed.branches.2.0.weight",
        "mixed.c.weight",
        "way.residual.layers.0.weight",
        "stem.bn.running_mean",
        "stem.bn.running_var",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_table_tells_places_and_names() {
    let rows = infer(&one(LAYERS).networks["net"], &dims(8)).expect("shapes fit");
    let row = |path: &str| {
        let row = rows.iter().find(|row| row.path == path).expect("a row");
        row.name.clone()
    };
    assert_eq!(row("layers.0"), None);
    assert_eq!(row("layers.1.block.0").as_deref(), Some("stem.conv"));
    assert_eq!(row("layers.1.block.3").as_deref(), Some("stem.3"));
    assert_eq!(row("layers.2").as_deref(), Some("mixed"));
    assert_eq!(row("layers.2.branches.1.0.0").as_deref(), Some("mixed.b.0"));
    assert_eq!(row("layers.3"), None);
}

#[test]
fn names_change_nothing_but_names_of_tensors() {
    let plain = one("[conv: {out: 4, kernel: 1}, [conv: {out: 1, kernel: 1}, relu], flatten]");
    let named = one(
        "[{name: a, conv: {out: 4, kernel: 1}}, {name: b, block: [{name: c, conv: {out: 1, kernel: 1}}, relu]}, flatten]",
    );
    let (plain, named) = (network(&plain), network(&named));
    for (from, to) in plain.parameters().iter().zip(named.parameters()) {
        let to = to.value.tensor();
        to.slice_set(from.value.tensor(), 0, 0).expect("room");
    }
    let image = Tensor::arange(0f32, 12.0, &Device::Cpu).and_then(|x| x.reshape((1, 3, 2, 2)));
    let inputs = Inputs::new().with("image", image.expect("an image"));
    let output = |network: &Network| {
        let y = network.forward(&inputs, Mode::Eval).expect("an output");
        y.tensor().to_vec2::<f32>().expect("f32")
    };
    assert_eq!(output(&plain), output(&named));
}

#[test]
fn layers_without_names_serialise_as_before_and_names_come_back() {
    let text =
        |spec: &ModelSpec| serde_json::to_string(&spec.networks["net"].layers).expect("JSON");
    let plain = one("[relu, [tanh], {block: [relu]}, {avg-pool: {kernel: 2}}]");
    assert_eq!(
        text(&plain),
        r#"[{"relu":{}},[{"tanh":{}}],[{"relu":{}}],{"avg-pool":{"kernel":[2,2],"stride":[2,2],"padding":[0,0,0,0]}}]"#
    );
    let named = one(
        "[{relu: {}, name: a}, {name: b, block: [tanh]}, {avg-pool: {kernel: 1, count_padding: false}}]",
    );
    assert_eq!(
        text(&named),
        r#"[{"name":"a","relu":{}},{"name":"b","block":[{"tanh":{}}]},{"avg-pool":{"kernel":[1,1],"stride":[1,1],"padding":[0,0,0,0],"count_padding":false}}]"#
    );
    for layers in [LAYERS, "[branches: [[relu], []]]"] {
        let spec = one(layers);
        let json = serde_json::to_string(&spec).expect("JSON");
        assert_eq!(
            serde_json::from_str::<ModelSpec>(&json).expect("a model"),
            spec
        );
    }
}

#[test]
fn two_tensors_of_one_name_are_refused_where_the_second_stands() {
    let (path, message) = misfit(
        "[{name: a, conv: {out: 2, kernel: 1}}, relu, {name: a, block: [relu, {name: b, bias: {}}, {name: b, bias: {}}]}]",
    );
    assert_eq!(path, "layers.2.block.2");
    assert_eq!(
        message,
        "bias has a tensor `a.b.bias`, and so has the layer at layers.2.block.1"
    );
    let (path, _) =
        misfit("[conv: {out: 2, kernel: 1}, {name: layers.0, conv: {out: 2, kernel: 1}}]");
    assert_eq!(path, "layers.1");
    let (path, message) = misfit("[tap: a, [tap: a]]");
    assert_eq!(path, "layers.1.0");
    assert!(message.contains("`a`, which another has too"), "{message}");
}

#[test]
fn branches_that_do_not_fit_are_refused() {
    let (path, message) = misfit("[relu, branches: [[relu], [max-pool: {kernel: 2}]]]");
    assert_eq!(path, "layers.1");
    assert_eq!(
        message,
        "branches cannot join (3, 8, 8) and (3, 4, 4): they must agree in all but the channels"
    );
    let (_, message) = misfit("[branches: []]");
    assert!(message.contains("at least one list"), "{message}");
    let (path, _) = misfit("[{name: m, branches: [[relu], [relu, {linear: {out: 3}}]]}]");
    assert_eq!(path, "layers.0.branches.1.1");
}

#[test]
fn bad_names_are_explained() {
    let layers = |layers: &str| {
        complaint(&format!(
            "networks:\n  net:\n    inputs: {{image: [3, 8, 8]}}\n    layers:\n{layers}"
        ))
    };
    let alone = layers("      - {name: a}\n");
    assert!(alone.contains("a name alone is no layer"), "{alone}");
    let empty = layers("      - {name: '', relu: {}}\n");
    assert!(empty.contains("must not be empty"), "{empty}");
    let two = layers("      - {name: a, relu: {}, tanh: {}}\n");
    assert!(two.contains("`tanh` follows `relu`"), "{two}");
}

#[test]
fn every_tap_is_read_as_it_is() {
    let spec =
        one("[{avg-pool: {kernel: 1}}, tap: first, {max-pool: {kernel: 2}}, {tap: '2'}, flatten]");
    let network = network(&spec);
    let image = Tensor::arange(0f32, 12.0, &Device::Cpu).and_then(|x| x.reshape((1, 3, 2, 2)));
    let image = image.expect("an image");
    let inputs = Inputs::new().with("image", image.clone());
    let (output, taps) = network
        .forward_with_taps(&inputs, Mode::Eval)
        .expect("an output");
    assert_eq!(taps.keys().collect::<Vec<_>>(), ["2", "first"]);
    let flat = |tensor: &Tensor| {
        tensor
            .flatten_all()
            .and_then(|t| t.to_vec1::<f32>())
            .expect("f32")
    };
    assert_eq!(taps["2"].dims(), [1, 3, 1, 1]);
    assert_eq!(flat(taps["2"].tensor()), [3.0, 7.0, 11.0]);
    assert_eq!(flat(taps["first"].tensor()), flat(&image));
    assert_eq!(output.dims(), [1, 3]);
}
