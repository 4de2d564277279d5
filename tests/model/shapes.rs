use retake::model::{ModelSpec, infer, output_shape};

use super::{dims, one, read};

/// The complaint about the network `net` of images with `side` pixels.
fn misfit(spec: &ModelSpec, side: usize) -> String {
    infer(&spec.networks["net"], &dims(side))
        .expect_err("shapes do not fit")
        .to_string()
}

fn shape(layers: &str, side: usize) -> Vec<usize> {
    output_shape(&one(layers).networks["net"], &dims(side)).expect("shapes fit")
}

#[test]
fn windows_are_counted_as_pytorch_counts_them() {
    assert_eq!(
        shape("[conv: {out: 8, kernel: 4, stride: 2, padding: 1}]", 33),
        [8, 16, 16]
    );
    assert_eq!(
        shape("[conv: {out: 8, kernel: 4, padding: [1, 2, 1, 2]}]", 16),
        [8, 16, 16]
    );
    assert_eq!(
        shape(
            "[conv-transpose: {out: 8, kernel: 5, stride: 2, padding: 2, output_padding: 1}]",
            16
        ),
        [8, 32, 32]
    );
    assert_eq!(
        shape("[max-pool: {kernel: 3, stride: 2, padding: 1}]", 32),
        [3, 16, 16]
    );
    assert_eq!(shape("[[upsample, flatten]]", 4), [3 * 64]);
    assert_eq!(
        shape("[upsample: {scale: 3, mode: bilinear}]", 4),
        [3, 12, 12]
    );
    assert_eq!(
        shape("[conv: {out: 18, kernel: 1}, pixel-shuffle: {scale: 3}]", 4),
        [2, 12, 12]
    );
    assert_eq!(
        shape("[[upsample, conv: {out: 8, kernel: 1}, pixel-shuffle]]", 4),
        [2, 16, 16]
    );
    assert_eq!(
        shape("[instance-norm, {group-norm: {groups: 3}}, layer-norm]", 4),
        [3, 4, 4]
    );
    assert_eq!(shape("[reshape: [auto, height, width]]", 4), [3, 4, 4]);
    assert_eq!(shape("[adaptive-avg-pool: [4, 2]]", 7), [3, 4, 2]);
    assert_eq!(
        shape(
            "[conv-transpose: {out: 8, kernel: [3, 4], stride: [2, 3], output_padding: [1, 2]}]",
            4
        ),
        [8, 10, 15]
    );
    assert_eq!(shape("[flatten, expand: [2, height]]", 4), [48, 2, 4]);
    assert_eq!(shape("[minibatch-stddev: {features: 3}]", 4), [6, 4, 4]);
}

#[test]
fn same_padding_is_counted_as_keras_counts_it() {
    for (kernel, stride, side, conv, transposed) in [
        (4, 1, 16, 16, 16),
        (4, 2, 15, 8, 30),
        (2, 3, 10, 4, 30),
        (5, 2, 1, 1, 2),
    ] {
        let settings = format!("{{out: 2, kernel: {kernel}, stride: {stride}, padding: same}}");
        assert_eq!(shape(&format!("[conv: {settings}]"), side), [2, conv, conv]);
        let up = format!("[conv-transpose: {settings}]");
        assert_eq!(shape(&up, side), [2, transposed, transposed]);
    }
    assert_eq!(
        shape("[conv: {out: 2, kernel: 4, padding: valid}]", 16),
        [2, 13, 13]
    );
}

#[test]
fn a_misfit_of_a_conditional_or_styled_layer_names_both_shapes() {
    let net = |inputs: &str, layers: &str| {
        read(&format!(
            "networks: {{net: {{start: image, inputs: {{image: [6, height, width], {inputs}}}, layers: {layers}}}}}"
        ))
    };
    let cases = [
        (
            "condition: [classes]",
            "[projection: {input: condition, layers: [flatten, linear: {out: 1}]}]",
            "layers.0: projection needs vectors, but gets (6, 8, 8) and `condition` of (24)",
        ),
        (
            "condition: [classes]",
            "[flatten, projection: {input: condition, layers: [linear: {out: 2}]}]",
            "layers.1: projection adds one number to what its layers give of (384), which must be (1), but is (2)",
        ),
        (
            "w: [latent]",
            "[flatten, adain: {input: w}]",
            "layers.1: adain needs an input of (channels, height, width), but gets (384)",
        ),
        (
            "w: [2, latent]",
            "[adain: {input: w}]",
            "layers.0: adain needs a vector as its style, but `w` is (2, 100)",
        ),
        (
            "w: [latent]",
            "[conv: {out: 4, kernel: 8}, adain: {input: w}]",
            "layers.1: adain needs more than one number to normalise together, but gets (4, 1, 1)",
        ),
        (
            "w: [latent]",
            "[modulated-conv: {input: w, out: 4, kernel: 9}]",
            "layers.0: modulated-conv has a kernel of (9, 9), larger than its padded input (8, 8); the input is (6, 8, 8)",
        ),
        (
            "w: [latent]",
            "[modulated-conv: {input: style, out: 4, kernel: 3}]",
            "layers.0: modulated-conv takes the input `style`, which is not declared (inputs: image, w)",
        ),
    ];
    for (inputs, layers, expected) in cases {
        assert_eq!(misfit(&net(inputs, layers), 8), expected);
    }
    let alone = [
        (
            "[self-attention]",
            "layers.0: self-attention cannot reduce the 3 channels of (3, 8, 8) 8 times",
        ),
        (
            "[minibatch-stddev: {features: 2}]",
            "layers.0: minibatch-stddev cannot make 2 features of the 3 channels of (3, 8, 8)",
        ),
        (
            "[expand: [4, 4]]",
            "layers.0: expand needs an input of (features), but gets (3, 8, 8)",
        ),
        (
            "[flatten, adaptive-avg-pool: 2]",
            "layers.1: adaptive-avg-pool needs an input of (channels, height, width), but gets (192)",
        ),
        (
            "[reshape: [3, 64], pixel-norm]",
            "layers.1: pixel-norm needs an input of (features) or (channels, height, width), but gets (3, 64)",
        ),
    ];
    for (layers, expected) in alone {
        assert_eq!(misfit(&one(layers), 8), expected);
    }
}

#[test]
fn a_misfit_names_the_layer_and_both_shapes() {
    let nested = one("[residual: {layers: [{conv: {out: 8, kernel: 3}}, linear: {out: 2}]}]");
    assert_eq!(
        misfit(&nested, 8),
        "layers.0.residual.layers.1: linear needs an input of (features), but gets (8, 6, 6) (a `flatten` before it would do)"
    );
    let sum = one("[relu, residual: {layers: [conv: {out: 8, kernel: 3}]}]");
    assert_eq!(
        misfit(&sum, 8),
        "layers.1: residual cannot add its layers' (8, 6, 6) and its shortcut's (3, 8, 8)"
    );
    let reshape = one("[reshape: [5, auto]]");
    assert_eq!(
        misfit(&reshape, 8),
        "layers.0: reshape cannot give its input (3, 8, 8), 192 numbers, the shape (5, auto)"
    );
    assert_eq!(
        misfit(&one("[pixel-shuffle]"), 8),
        "layers.0: pixel-shuffle cannot make blocks of 2 × 2 pixels of the channels of (3, 8, 8)"
    );
    assert_eq!(
        misfit(&one("[group-norm: {groups: 2}]"), 8),
        "layers.0: group-norm cannot cut 3 channels into 2 groups"
    );
    assert_eq!(
        misfit(&one("[conv: {out: 4, kernel: 8}, instance-norm]"), 8),
        "layers.1: instance-norm needs more than one number to normalise together, but gets (4, 1, 1)"
    );
    let plane = read(
        "networks: {net: {start: image, inputs: {image: [3, height, width], condition: [classes]},
          layers: [concat: {input: condition, layers: [reshape: [auto, 1, 1]]}]}}",
    );
    assert_eq!(
        misfit(&plane, 8),
        "layers.0: concat cannot append `condition` of (24, 1, 1) to its input of (3, 8, 8): they must agree in all but the channels"
    );
}

#[test]
fn a_discriminator_for_larger_images_says_so() {
    let spec = ModelSpec::preset("dcgan-64").expect("a preset");
    let error = infer(&spec.networks["discriminator"], &dims(32)).expect_err("too small");
    assert_eq!(error.path, "layers.11");
    assert!(
        error
            .message
            .contains("kernel of (4, 4), larger than its padded input (2, 2)"),
        "{error}"
    );
}

#[test]
fn unlabelled_data_cannot_feed_a_conditional_network() {
    let spec = ModelSpec::preset("cdcgan-64").expect("a preset");
    let unlabelled = retake::model::Dims {
        classes: 0,
        ..dims(64)
    };
    let error = infer(&spec.networks["generator"], &unlabelled).expect_err("no labels");
    assert_eq!(error.path, "inputs.condition");
    assert!(error.message.contains("`classes` is 0"), "{error}");
}

#[test]
fn an_input_that_no_layer_takes_is_a_fault() {
    let spec = read(
        "networks: {net: {start: image, inputs: {image: [3, 4, 4], condition: [2]}, layers: [relu]}}",
    );
    assert_eq!(
        misfit(&spec, 4),
        "inputs.condition: no layer takes the input `condition` (a `concat` layer would)"
    );
}

#[test]
fn absurd_sizes_are_faults_not_crashes() {
    for layers in [
        "[flatten, linear: {out: 18446744073709551615}]",
        "[upsample: {scale: 18446744073709551615}]",
        "[upsample: {scale: 0, mode: bilinear}]",
        "[pixel-shuffle: {scale: 18446744073709551615}]",
        "[pixel-shuffle: {scale: 0}]",
        "[conv: {out: 1, kernel: 60000}]",
        "[conv-transpose: {out: 9000000000, kernel: 60000, stride: 60000}]",
        "[conv: {out: 4, kernel: 1, groups: 0}]",
        "[dropout: {p: 1.5}]",
        "[batch-norm: {momentum: -1}]",
        "[layer-norm: {eps: -1}]",
        "[group-norm: {groups: 0}]",
        "[avg-pool: {kernel: 1, padding: 3}]",
        "[conv: {out: 4, kernel: 1, spectral_norm: {iterations: 0}}]",
        "[conv: {out: 4, kernel: 1, spectral_norm: {eps: -1}}]",
        "[conv: {out: 4, kernel: 1, equalised: {gain: 0}}]",
        "[conv-transpose: {out: 4, kernel: 3, stride: [1, 3], output_padding: 1}]",
        "[adaptive-avg-pool: [60000, 60000]]",
        "[batch-norm: {keras: true, momentum: 2}]",
        "[self-attention: {reduction: 0}]",
        "[minibatch-stddev: {group: 0}]",
        "[flatten, expand: [4000000000, 4000000000]]",
        "[pixel-norm: {eps: -1}]",
    ] {
        misfit(&one(layers), 8);
    }
}
