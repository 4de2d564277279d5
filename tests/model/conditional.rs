//! What conditional networks need beside a plain stack: heads, condition maps, projection.

use candle_core::{Device, Tensor};
use retake::autograd::Value;
use retake::model::{Dims, Init, Inputs, Mode, ModelSpec, Network, outputs};
use retake::rng::Stream;

use super::read;

/// The sizes of report R0: 128 × 128 images with 15 attributes.
const CARTOON: Dims = Dims {
    latent: 128,
    classes: 15,
    channels: 3,
    height: 128,
    width: 128,
};

fn draw(purpose: &str, shape: &[usize]) -> Value {
    let mut values = vec![0.0; shape.iter().product()];
    Stream::new(5, purpose, 0).fill_normal(&mut values);
    Tensor::from_vec(values, shape, &Device::Cpu)
        .expect("a tensor")
        .into()
}

fn build(spec: &ModelSpec, dims: &Dims) -> Network {
    let net = &spec.networks["net"];
    Network::new("net", net, dims, Init::Dcgan, 3, &Device::Cpu).expect("a network")
}

fn numbers(value: &Value) -> Vec<f32> {
    let flat = value.tensor().flatten_all().expect("a tensor");
    flat.to_vec1().expect("f32")
}

/// Trainable numbers and those kept beside them.
fn sizes(spec: &ModelSpec, dims: &Dims) -> (usize, usize) {
    let table = spec.table(dims).expect("shapes fit");
    (table.trainable, table.buffers)
}

/// Report R0's discriminator with spectral norm, with `last` as its layers behind the convolutions.
fn cartoon_discriminator(last: &str) -> ModelSpec {
    let conv = |out| {
        format!(
            "{{conv: {{out: {out}, kernel: 4, stride: 2, padding: 1, spectral_norm: true}}}}, {{leaky-relu: {{slope: 0.2}}}}"
        )
    };
    let convs: Vec<_> = [32, 64, 128, 256, 512].map(conv).to_vec();
    read(&format!(
        "networks: {{net: {{start: image, inputs: {{image: [channels, height, width], condition: [classes]}},
          layers: [{}, flatten,
            {{head: {{name: auxiliary, layers: [linear: {{out: classes, spectral_norm: true}}]}}}},
            {last}]}}}}",
        convs.join(", ")
    ))
}

#[test]
fn the_cartoon_networks_have_the_reports_sizes() {
    let plain = "{concat: {input: condition}}, {linear: {out: 1, spectral_norm: true}}";
    assert_eq!(sizes(&cartoon_discriminator(plain), &CARTOON).0, 2_918_911);
    let projection = "{projection: {input: condition, spectral_norm: true, layers: [linear: {out: 1, spectral_norm: true}]}}";
    let spec = cartoon_discriminator(projection);
    assert_eq!(sizes(&spec, &CARTOON).0, 3_041_776);
    let shapes = outputs(&spec.networks["net"], &CARTOON).expect("shapes fit");
    assert_eq!(shapes.main, [1]);
    assert_eq!(shapes.heads["auxiliary"], [15]);

    let maps = |maps: bool| {
        let mut layers =
            "{concat: {input: condition}}, {linear: {out: 8192}}, {reshape: [512, 4, 4]}"
                .to_owned();
        for (side, out) in [(4, 256), (8, 128), (16, 64), (32, 32), (64, 3)] {
            if maps {
                layers += &format!(
                    ", {{concat: {{input: condition, layers: [expand: [{side}, {side}]]}}}}"
                );
            }
            layers +=
                &format!(", {{conv-transpose: {{out: {out}, kernel: 4, stride: 2, padding: 1}}}}");
            layers += if out == 3 {
                ", tanh"
            } else {
                ", batch-norm, relu"
            };
        }
        read(&format!(
            "networks: {{net: {{start: z, inputs: {{z: [latent], condition: [classes]}}, layers: [{layers}]}}}}"
        ))
    };
    assert_eq!(sizes(&maps(true), &CARTOON).0, 4_083_827);
    assert_eq!(sizes(&maps(false), &CARTOON).0, 3_967_907);
}

#[test]
fn vectors_of_spectral_norm_are_buffers() {
    let spec = read(
        "networks: {net: {inputs: {image: [3, 8, 8]}, layers: [
          {conv: {out: 4, kernel: 3, spectral_norm: true}},
          {conv-transpose: {out: 5, kernel: 2, spectral_norm: true}},
          flatten, {linear: {out: 2, bias: false, spectral_norm: {iterations: 3, eps: 1.0e-8}}}]}}",
    );
    let trainable = (4 * 27 + 4) + (4 * 5 * 4 + 5) + 2 * 245;
    assert_eq!(
        sizes(&spec, &CARTOON),
        (trainable, (4 + 27) + (5 + 16) + (2 + 245))
    );
}

#[test]
fn a_head_leaves_the_main_path_alone() {
    let dims = Dims {
        classes: 3,
        ..CARTOON
    };
    let with = read(
        "networks: {net: {inputs: {image: [6]}, layers: [{linear: {out: 4}}, {head: {name: auxiliary, layers: [relu, linear: {out: classes}]}}, {linear: {out: 1}}]}}",
    );
    let network = build(&with, &dims);
    let inputs = Inputs::new().with("image", draw("image", &[2, 6]));
    let (output, heads) = network
        .forward_with_heads(&inputs, Mode::Train)
        .expect("an output");
    let (frozen, frozen_heads) = network
        .forward_frozen_with_heads(&inputs, Mode::Train)
        .expect("an output");
    assert_eq!(numbers(&output), numbers(&frozen));
    assert_eq!(heads["auxiliary"].dims(), [2, 3]);
    assert_eq!(
        numbers(&heads["auxiliary"]),
        numbers(&frozen_heads["auxiliary"])
    );
    assert!(heads["auxiliary"].is_tracked() && !frozen_heads["auxiliary"].is_tracked());

    let w = |name: &str| {
        let all = network.parameters();
        let found = all.iter().find(|p| p.name == name).expect("a parameter");
        found.value.tensor().clone()
    };
    let x = draw("image", &[2, 6]).into_tensor();
    let linear = |x: &Tensor, layer: &str| {
        let product = x.matmul(&w(&format!("{layer}.weight")).t()?)?;
        product.broadcast_add(&w(&format!("{layer}.bias")))
    };
    let expected = linear(&x, "layers.0").and_then(|h| linear(&h, "layers.2"));
    let expected: Vec<f32> = expected
        .and_then(|y| y.flatten_all()?.to_vec1())
        .expect("f32");
    for (a, b) in numbers(&output).iter().zip(&expected) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

#[test]
fn a_head_of_a_name_that_is_taken_is_a_fault() {
    let spec = read(
        "networks: {net: {inputs: {image: [6]}, layers: [{head: {name: a, layers: [relu]}}, {head: {name: a, layers: [tanh]}}]}}",
    );
    let error = outputs(&spec.networks["net"], &CARTOON).expect_err("two of one name");
    assert_eq!(
        error.to_string(),
        "layers.1: head has the name `a`, which another has too"
    );
}

#[test]
fn expand_repeats_each_number_over_its_map() {
    let spec = read("networks: {net: {inputs: {image: [2]}, layers: [expand: [2, 3]]}}");
    let image = Tensor::new(&[[1f32, 2.0]], &Device::Cpu).expect("a tensor");
    let output = build(&spec, &CARTOON)
        .forward(&Inputs::new().with("image", image), Mode::Eval)
        .expect("an output");
    assert_eq!(output.dims(), [1, 2, 2, 3]);
    assert_eq!(numbers(&output), [[1f32; 6], [2.0; 6]].concat());
}
