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
    ] {
        misfit(&one(layers), 8);
    }
}
