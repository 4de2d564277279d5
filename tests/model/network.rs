use candle_core::{DType, Device, Tensor};
use retake::autograd::{self, Value};
use retake::model::{Dims, Init, Inputs, Mode, ModelError, ModelSpec, Network};
use retake::ops;
use retake::rng::Stream;

use super::{dims, one, read};

fn draw(purpose: &str, shape: &[usize]) -> Tensor {
    let mut values = vec![0.0; shape.iter().product()];
    Stream::new(5, purpose, 0).fill_normal(&mut values);
    Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
}

fn build(spec: &ModelSpec, network: &str, dims: &Dims, init: Init) -> Network {
    Network::new(
        network,
        &spec.networks[network],
        dims,
        init,
        3,
        &Device::Cpu,
    )
    .expect("a network")
}

fn values<T: Clone + Into<Value>>(of: &T) -> Vec<f32> {
    let tensor = of.clone().into().into_tensor();
    tensor.flatten_all().and_then(|t| t.to_vec1()).expect("f32")
}

fn mean_and_deviation(values: &[f32]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = values
        .iter()
        .map(|v| (f64::from(*v) - mean).powi(2))
        .sum::<f64>()
        / n;
    (mean, variance.sqrt())
}

#[test]
fn every_preset_gives_what_inference_said() {
    for name in ModelSpec::presets() {
        let side = super::presets::side(name);
        let spec = ModelSpec::preset(name).expect("a preset");
        for (network, net) in &spec.networks {
            let built = build(&spec, network, &dims(side), Init::Dcgan);
            let inputs = Inputs::new()
                .with("z", draw("z", &[2, 100]))
                .with("w", draw("w", &[2, 100]))
                .with("condition", draw("condition", &[2, 24]))
                .with("image", draw("image", &[2, 3, side, side]))
                .noise(1, 0);
            let output = built.forward(&inputs, Mode::Train).expect("an output");
            let shape = retake::model::output_shape(net, &dims(side)).expect("shapes fit");
            assert_eq!(output.dims()[0], 2);
            assert_eq!(output.dims()[1..], shape, "{name} {network}");
            assert!(
                values(&output).iter().all(|value| value.is_finite()),
                "{name} {network}"
            );
        }
    }
}

#[test]
fn enlarging_layers_compute_what_they_are_named_for() {
    let x = draw("image", &[2, 8, 5, 3]);
    let check = |layers: &str, expected: candle_core::Result<Value>| {
        let spec = read(&format!(
            "networks: {{net: {{inputs: {{image: [8, 5, 3]}}, layers: {layers}}}}}"
        ));
        let built = build(&spec, "net", &dims(8), Init::Dcgan);
        let inputs = Inputs::new().with("image", &x);
        let output = built.forward(&inputs, Mode::Eval).expect("an output");
        let expected = expected.expect("an output");
        assert_eq!(output.dims(), expected.dims());
        assert_eq!(values(&output), values(&expected));
    };
    let x = Value::from(&x);
    check("[upsample: {scale: 3}]", ops::upsample_nearest2d(&x, 3));
    let blended = ops::upsample_bilinear2d(&x, 2);
    check("[upsample: {mode: bilinear}]", blended);
    check("[pixel-shuffle]", ops::pixel_shuffle(&x, 2));
}

#[test]
fn the_condition_changes_the_output() {
    let spec = ModelSpec::preset("cdcgan-32").expect("a preset");
    for network in ["generator", "discriminator"] {
        let built = build(&spec, network, &dims(32), Init::Dcgan);
        assert!(built.takes("condition"));
        let output = |purpose: &str| {
            let inputs = Inputs::new()
                .with("z", draw("z", &[2, 100]))
                .with("image", draw("image", &[2, 3, 32, 32]))
                .with("condition", draw(purpose, &[2, 24]));
            values(&built.forward(&inputs, Mode::Eval).expect("an output"))
        };
        assert_ne!(output("one"), output("another"), "{network}");
    }
}

#[test]
fn initial_values_follow_the_rule_and_the_seed() {
    let spec =
        one("[{conv: {out: 64, kernel: 4}}, batch-norm, {conv-transpose: {out: 32, kernel: 4}}]");
    let start = |init, seed| {
        let built = Network::new(
            "net",
            &spec.networks["net"],
            &dims(8),
            init,
            seed,
            &Device::Cpu,
        );
        let built = built.expect("a network");
        let parameters = built.parameters().iter();
        parameters
            .map(|p| (p.name.clone(), values(&p.value)))
            .collect::<Vec<_>>()
    };
    let names: Vec<_> = start(Init::Dcgan, 1)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "layers.0.weight",
            "layers.0.bias",
            "layers.1.weight",
            "layers.1.bias",
            "layers.2.weight",
            "layers.2.bias"
        ]
    );
    assert_eq!(start(Init::Dcgan, 1), start(Init::Dcgan, 1));
    assert_ne!(start(Init::Dcgan, 1)[0], start(Init::Dcgan, 2)[0]);

    let dcgan = start(Init::Dcgan, 1);
    let (mean, deviation) = mean_and_deviation(&dcgan[2].1);
    assert!(
        (mean - 1.0).abs() < 0.01 && (deviation - 0.02).abs() < 0.006,
        "{mean} {deviation}"
    );
    let (mean, deviation) = mean_and_deviation(&dcgan[4].1);
    assert!(
        mean.abs() < 0.001 && (deviation - 0.02).abs() < 0.001,
        "{mean} {deviation}"
    );

    // Uniform in ±1/√fan-in: 3·16 for the convolution, 32·16 for the transposed one.
    let pytorch = start(Init::Pytorch, 1);
    for (index, fan_in) in [(0, 48.0f64), (4, 512.0)] {
        let bound = 1.0 / fan_in.sqrt();
        let largest = pytorch[index]
            .1
            .iter()
            .fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(
            f64::from(largest) <= bound && f64::from(largest) > 0.98 * bound,
            "{largest} {bound}"
        );
    }
    assert!(
        pytorch[2]
            .1
            .iter()
            .all(|value| value.to_bits() == 1f32.to_bits())
    );
    assert!(pytorch[3].1.iter().all(|value| value.to_bits() == 0));

    let (_, deviation) = mean_and_deviation(&start(Init::Kaiming, 1)[0].1);
    let expected = (2.0f64 / (64.0 * 16.0)).sqrt();
    assert!(
        (deviation / expected - 1.0).abs() < 0.05,
        "{deviation} {expected}"
    );
}

#[test]
fn running_statistics_move_in_training_only() {
    let spec = one("[batch-norm]");
    let built = build(
        &spec,
        "net",
        &Dims {
            channels: 1,
            ..dims(1)
        },
        Init::Pytorch,
    );
    let batch =
        Tensor::new(&[1f32, 3., 5., 7.], &Device::Cpu).and_then(|t| t.reshape((4, 1, 1, 1)));
    let inputs = Inputs::new().with("image", batch.expect("a tensor"));
    let statistics = || -> Vec<f32> {
        built
            .buffers()
            .iter()
            .flat_map(|b| values(&b.value))
            .collect()
    };
    built.forward(&inputs, Mode::Eval).expect("an output");
    assert_eq!(statistics(), [0.0, 1.0]);
    built
        .forward_frozen(&inputs, Mode::Train)
        .expect("an output");
    // mean 4, unbiased variance 20/3: 0.1·4 and 0.9 + 0.1·20/3
    let moved = statistics();
    assert!(
        (moved[0] - 0.4).abs() < 1e-6 && (moved[1] - 1.566_666_7).abs() < 1e-6,
        "{moved:?}"
    );
    let output = values(&built.forward(&inputs, Mode::Eval).expect("an output"));
    let expected = (1.0 - 0.4) / (1.566_666_7f32 + 1e-5).sqrt();
    assert!((output[0] - expected).abs() < 1e-5, "{output:?} {expected}");
}

#[test]
fn a_batch_of_one_value_has_no_variance() {
    let spec = one("[batch-norm]");
    let built = build(&spec, "net", &dims(1), Init::Pytorch);
    let inputs = Inputs::new().with("image", draw("image", &[1, 3, 1, 1]));
    let error = built.forward(&inputs, Mode::Train).expect_err("one value");
    assert!(
        matches!(&error, ModelError::Layer { path, .. } if path == "layers.0"),
        "{error}"
    );
}

#[test]
fn a_frozen_network_passes_gradients_to_its_input_alone() {
    let spec = ModelSpec::preset("dcgan-32").expect("a preset");
    let built = build(&spec, "discriminator", &dims(32), Init::Dcgan);
    let image = Value::variable(draw("image", &[2, 3, 32, 32]));
    let inputs = Inputs::new().with("image", &image);
    let mut of = vec![&image];
    of.extend(built.parameters().iter().map(|parameter| &parameter.value));
    let gradients = |output: Value| {
        output
            .sum_all()
            .and_then(|sum| autograd::backward(sum, &of))
            .expect("gradients")
    };
    let open = gradients(built.forward(&inputs, Mode::Train).expect("an output"));
    let frozen = gradients(
        built
            .forward_frozen(&inputs, Mode::Train)
            .expect("an output"),
    );
    for (place, parameter) in (1..).zip(built.parameters()) {
        assert!(open[place].is_some(), "{}", parameter.name);
        assert!(frozen[place].is_none(), "{}", parameter.name);
    }
    let of_image =
        |gradients: &[Option<Tensor>]| values(gradients[0].as_ref().expect("a gradient"));
    assert_eq!(of_image(&open), of_image(&frozen));
}

#[test]
fn features_are_what_the_head_sees() {
    let spec = ModelSpec::preset("resnet-8").expect("a preset");
    let built = build(&spec, "classifier", &dims(32), Init::Kaiming);
    let inputs = Inputs::new().with("image", draw("image", &[2, 3, 32, 32]));
    let (features, logits) = built.features(&inputs, Mode::Eval).expect("features");
    assert_eq!(features.dims(), [2, 64]);
    let [.., weight, bias] = built.parameters() else {
        panic!("a head")
    };
    let head = features
        .tensor()
        .matmul(&weight.value.tensor().t().expect("transposed"))
        .and_then(|y| y.broadcast_add(bias.value.tensor()))
        .expect("logits");
    for (ours, theirs) in values(&head).iter().zip(values(&logits)) {
        assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
    }
    let gan = build(
        &ModelSpec::preset("dcgan-32").expect("a preset"),
        "discriminator",
        &dims(32),
        Init::Dcgan,
    );
    assert!(matches!(
        gan.features(&inputs, Mode::Eval),
        Err(ModelError::NoTap { .. })
    ));
}

#[test]
fn dropout_draws_by_sample_not_by_batch() {
    let spec = one("[dropout: {p: 0.25}]");
    let built = build(&spec, "net", &dims(16), Init::Pytorch);
    let ones = |n: usize| Tensor::ones((n, 3, 16, 16), DType::F32, &Device::Cpu).expect("ones");
    let drop = |n, first| {
        let inputs = Inputs::new().with("image", ones(n)).noise(9, first);
        values(&built.forward(&inputs, Mode::Train).expect("an output"))
    };
    let four = drop(4, 0);
    assert_eq!([drop(2, 0), drop(2, 2)].concat(), four);
    let kept = four.iter().filter(|value| **value != 0.0);
    assert!(kept.clone().all(|value| (value - 4.0 / 3.0).abs() < 1e-6));
    let share = kept.count() as f64 / four.len() as f64;
    assert!((share - 0.75).abs() < 0.03, "{share}");
    let bare = Inputs::new().with("image", ones(1));
    assert!(
        built.forward(&bare, Mode::Train).is_err(),
        "no noise was named"
    );
    assert_eq!(
        values(&built.forward(&bare, Mode::Eval).expect("an output")),
        values(&ones(1))
    );
}

#[test]
fn wrong_inputs_are_named() {
    let spec = read("networks: {net: {inputs: {z: [latent]}, layers: [relu]}}");
    let built = build(&spec, "net", &dims(8), Init::Pytorch);
    let missing = built
        .forward(&Inputs::new(), Mode::Eval)
        .expect_err("no input");
    assert_eq!(
        missing.to_string(),
        "network `net` needs the input `z`, which it was not given"
    );
    let wrong = Inputs::new().with("z", draw("z", &[2, 99]));
    let wrong = built.forward(&wrong, Mode::Eval).expect_err("wrong shape");
    assert_eq!(
        wrong.to_string(),
        "network `net`: input `z` has the shape [2, 99], expected a batch of [100]"
    );
}

#[test]
fn norms_within_a_sample_do_not_see_the_batch() {
    let dims = Dims {
        channels: 6,
        ..dims(5)
    };
    let images = draw("image", &[3, 6, 5, 5]);
    for (norm, parameters) in [
        ("instance-norm", 0),
        ("instance-norm: {affine: true}", 2 * 6),
        ("group-norm: {groups: 2}", 2 * 6),
        ("layer-norm", 2 * 150),
        ("layer-norm: {affine: false}", 0),
    ] {
        let built = build(&one(&format!("[{norm}]")), "net", &dims, Init::Pytorch);
        let numbers: usize = built
            .parameters()
            .iter()
            .map(|parameter| parameter.value.elem_count())
            .sum();
        assert_eq!(numbers, parameters, "{norm}");
        let of = |images: &Tensor| {
            let inputs = Inputs::new().with("image", images);
            values(&built.forward(&inputs, Mode::Train).expect("an output"))
        };
        let all = of(&images);
        assert_eq!(all[..150], of(&images.narrow(0, 0, 1).expect("a sample")));
        let (mean, deviation) = mean_and_deviation(&all);
        assert!(
            mean.abs() < 1e-5 && (deviation - 1.0).abs() < 1e-3,
            "{norm}: {mean} {deviation}"
        );
    }
}

#[test]
fn an_activation_is_computed_with_the_layer_before_it() {
    // Within a list of its own it stands alone.
    for (layer, activation) in [
        ("batch-norm", "relu"),
        ("layer-norm", "leaky-relu: {slope: 0.2}"),
        ("instance-norm", "tanh"),
        ("group-norm: {groups: 3}", "sigmoid"),
        ("conv: {out: 4, kernel: 3}", "leaky-relu"),
        ("conv-transpose: {out: 4, kernel: 3, bias: false}", "relu"),
        ("flatten, linear: {out: 5}", "leaky-relu"),
        ("conv: {out: 4, kernel: 8}", "tanh"),
    ] {
        let image = draw("image", &[3, 3, 8, 8]);
        let results = [
            format!("[{layer}, {activation}]"),
            format!("[{layer}, [{activation}]]"),
        ]
        .map(|layers| {
            let built = build(&one(&layers), "net", &dims(8), Init::Dcgan);
            let variable = Value::variable(image.clone());
            let inputs = Inputs::new().with("image", &variable);
            let output = built.forward(&inputs, Mode::Train).expect("an output");
            let mut of = vec![&variable];
            of.extend(built.parameters().iter().map(|parameter| &parameter.value));
            let sum = output.sqr().and_then(|squares| squares.sum_all());
            let gradients = sum.and_then(|sum| autograd::backward(sum, &of));
            let mut results = vec![values(&output)];
            results.extend(
                gradients
                    .expect("gradients")
                    .iter()
                    .map(|gradient| values(gradient.as_ref().expect("a gradient"))),
            );
            results
        });
        let [together, apart] = results;
        for (together, apart) in together.iter().zip(&apart) {
            for (a, b) in together.iter().zip(apart) {
                assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{layer}: {a} {b}");
            }
        }
    }
}
