//! Networks folded for evaluation.

use candle_core::{Device, Tensor};
use retake::model::{Init, Inputs, Mode, ModelError, Network};
use retake::rng::Stream;

use super::{dims, one};

/// Batch norms after convolutions of all forms, with and without what keeps them from being one.
const LAYERS: &str = "[conv: {out: 4, kernel: 3, padding: 1}, batch-norm, relu, \
    {name: b, block: [{name: c, conv: {out: 6, kernel: 1, bias: false}}, {name: n, batch-norm: {eps: 1e-3}}, relu6]}, \
    branches: [[conv: {out: 2, kernel: 1}, batch-norm: {keras: true}, tanh], [conv: {out: 2, kernel: 1, groups: 2}, relu, batch-norm], []], \
    residual: {layers: [conv: {out: 10, kernel: 3, padding: 1, spectral_norm: true}, batch-norm, {leaky-relu: {slope: 0.2}}], \
        shortcut: [conv: {out: 10, kernel: 1}, batch-norm]}, tap: features, batch-norm, flatten, linear: {out: 3}]";

fn numbers(purpose: &str, shape: &[usize]) -> Tensor {
    let mut values = vec![0.0; shape.iter().product()];
    Stream::new(5, purpose, 0).fill_normal(&mut values);
    Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
}

/// A network that has seen some images.
fn network() -> Network {
    let spec = one(LAYERS);
    let net = &spec.networks["net"];
    let network = Network::new("net", net, &dims(6), Init::He, 1, &Device::Cpu).expect("a network");
    for parameter in network.parameters() {
        let tensor = parameter.value.tensor();
        let moved = (numbers(&parameter.name, tensor.dims()) * 0.2).and_then(|x| tensor + x);
        let moved = moved.expect("numbers");
        tensor.slice_set(&moved, 0, 0).expect("room");
    }
    for _ in 0..3 {
        network.forward(&inputs(), Mode::Train).expect("an output");
    }
    network
}

fn inputs() -> Inputs {
    Inputs::new().with("image", numbers("image", &[4, 3, 6, 6]))
}

/// The output and the features.
fn outputs(network: &Network) -> Vec<f32> {
    let (output, taps) = network
        .forward_with_taps(&inputs(), Mode::Eval)
        .expect("an output");
    let flat = |tensor: &Tensor| -> Vec<f32> {
        let flat = tensor.flatten_all().and_then(|tensor| tensor.to_vec1());
        flat.expect("f32")
    };
    [output.tensor(), taps["features"].tensor()]
        .map(flat)
        .concat()
}

#[test]
fn a_folded_network_gives_the_same_up_to_rounding() {
    let network = network();
    let folded = network.folded().expect("folded");
    let (whole, folded) = (outputs(&network), outputs(&folded));
    assert_eq!(whole.len(), folded.len());
    assert_ne!(whole, folded, "nothing was folded");
    for (a, b) in whole.iter().zip(&folded) {
        assert!((a - b).abs() < 2e-5, "{a}, folded {b}");
    }
}

#[test]
fn a_folded_network_keeps_its_numbers_and_its_names() {
    let network = network();
    let folded = network.folded().expect("folded");
    let before = outputs(&folded);
    let names = |network: &Network| -> Vec<String> {
        let all = network.parameters().iter().chain(network.buffers());
        all.map(|parameter| parameter.name.clone()).collect()
    };
    assert_eq!(names(&network), names(&folded));
    let first = network.parameters()[0].value.tensor();
    let zeros = first.zeros_like().expect("zeros");
    first.slice_set(&zeros, 0, 0).expect("room");
    assert_eq!(outputs(&folded), before);
    assert_ne!(outputs(&network), before);
}

#[test]
fn a_folded_network_is_not_trained() {
    let folded = network().folded().expect("folded");
    let refused = folded
        .forward(&inputs(), Mode::Train)
        .expect_err("training");
    assert!(matches!(refused, ModelError::Folded { .. }), "{refused}");
}
