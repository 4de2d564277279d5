use std::collections::BTreeMap;

use candle_core::Device;
use retake::model::{Dims, Init, ModelSpec, Network, NetworkTable, infer, output_shape, outputs};

use super::dims;

/// Trainable parameters of a preset's network at `side` pixels.
fn trainable(preset: &str, network: &str, side: usize) -> usize {
    let spec = ModelSpec::preset(preset).expect("a preset");
    let table = spec.table(&dims(side)).expect("shapes fit");
    table.networks[network].trainable
}

#[test]
fn the_published_parameter_counts_are_met() {
    assert_eq!(trainable("cdcgan-64", "generator", 64), 3_773_312);
    assert_eq!(trainable("cdcgan-64", "discriminator", 64), 2_868_992);
    assert_eq!(trainable("dcgan-64", "generator", 64), 3_576_704);
    assert_eq!(trainable("dcgan-64", "discriminator", 64), 2_765_568);
}

/// The pixels of a side of the images that a preset is for.
pub fn side(preset: &str) -> usize {
    match preset {
        "inception-v3" => 299,
        "vgg16" | "efficientnet-lite0" => 224,
        "r0" => 128,
        "r1" | "r3" | "r4" => 64,
        name if name.ends_with("-64") => 64,
        _ => 32,
    }
}

/// Trainable parameters of every network of a report's library, with z and labels as the report has them.
fn library(
    preset: &str,
    (latent, classes, side): (usize, usize, usize),
) -> BTreeMap<String, usize> {
    let dims = Dims {
        latent,
        classes,
        channels: 3,
        height: side,
        width: side,
    };
    let spec = ModelSpec::preset(preset).expect("a preset");
    let table = spec.table(&dims).expect("shapes fit");
    let count = |(name, table): (&String, &NetworkTable)| (name.clone(), table.trainable);
    table.networks.iter().map(count).collect()
}

#[test]
fn the_reports_networks_have_the_reports_parameter_counts() {
    let r0 = library("r0", (128, 15, 128));
    assert_eq!(r0["generator"], 4_083_827);
    assert_eq!(r0["generator-without-maps"], 3_967_907);
    assert_eq!(r0["discriminator"], 2_920_831);
    assert_eq!(r0["discriminator-sn"], 2_918_911);
    assert_eq!(r0["discriminator-projection"], 3_041_776);
    let r1 = library("r1", (100, 24, 64));
    assert_eq!(r1["generator"], 3_773_312);
    assert_eq!(r1["generator-plain"], 3_771_392);
    assert_eq!(r1["discriminator"], 2_868_992);
    assert_eq!(r1["discriminator-plain"], 2_867_200);
    let r3 = library("r3", (100, 0, 64));
    assert_eq!(r3["generator"], 5_142_083);
    for discriminator in [
        "discriminator",
        "discriminator-sn",
        "discriminator-sn-dropout",
    ] {
        assert_eq!(r3[discriminator], 4_316_545);
    }
    let r4 = library("r4", (100, 0, 64));
    assert_eq!(r4["mapping"], 40_400);
    assert_eq!(r4["generator"], 3_576_704);
}

/// A preset's network as (trainable, buffers), at its own size.
fn sizes(preset: &str, network: &str) -> (usize, usize) {
    let spec = ModelSpec::preset(preset).expect("a preset");
    let table = spec.table(&dims(32)).expect("shapes fit");
    let table = &table.networks[network];
    (table.trainable, table.buffers)
}

#[test]
fn extractors_have_pytorchs_parameter_counts() {
    assert_eq!(sizes("inception-v3", "inception"), (23_850_960, 34_432));
    assert_eq!(sizes("vgg16", "vgg16"), (14_714_688, 0));
    assert_eq!(
        sizes("efficientnet-lite0", "efficientnet"),
        (4_652_008, 42_016)
    );
}

#[test]
fn extractors_have_the_taps_that_are_asked_of_them() {
    let taps = |preset: &str, network: &str| {
        let spec = ModelSpec::preset(preset).expect("a preset");
        let shapes = outputs(&spec.networks[network], &dims(32)).expect("shapes fit");
        shapes.taps.into_iter().collect::<Vec<_>>()
    };
    let named = |expected: &[(&str, &[usize])]| {
        let pair = |(name, shape): &(&str, &[usize])| ((*name).to_owned(), shape.to_vec());
        expected.iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(
        taps("inception-v3", "inception"),
        named(&[
            ("192", &[192, 35, 35]),
            ("2048", &[2048]),
            ("64", &[64, 73, 73]),
            ("768", &[768, 17, 17]),
            ("logits-unbiased", &[1008]),
        ])
    );
    assert_eq!(
        taps("vgg16", "vgg16"),
        named(&[
            ("block1", &[64, 112, 112]),
            ("block2", &[128, 56, 56]),
            ("block3", &[256, 28, 28]),
            ("block4", &[512, 14, 14]),
            ("block5", &[512, 7, 7]),
        ])
    );
    assert_eq!(
        taps("efficientnet-lite0", "efficientnet"),
        named(&[("features", &[1280])])
    );
}

#[test]
fn inference_counts_what_the_network_holds() {
    for name in ModelSpec::presets() {
        let side = side(name);
        let spec = ModelSpec::preset(name).expect("a preset");
        for (network, spec) in &spec.networks {
            let rows = infer(spec, &dims(side)).expect("shapes fit");
            let built = Network::new(network, spec, &dims(side), Init::Pytorch, 1, &Device::Cpu)
                .expect("a network");
            let count = |tensors: &[retake::model::Parameter]| -> usize {
                tensors.iter().map(|tensor| tensor.value.elem_count()).sum()
            };
            let rows = rows.iter();
            assert_eq!(
                rows.clone().map(|row| row.trainable).sum::<usize>(),
                count(built.parameters()),
                "{name} {network}"
            );
            assert_eq!(
                rows.map(|row| row.buffers).sum::<usize>(),
                count(built.buffers()),
                "{name} {network}"
            );
        }
    }
}

#[test]
fn presets_give_images_logits_and_classes() {
    let shape = |preset: &str, network: &str, side| {
        let spec = ModelSpec::preset(preset).expect("a preset");
        output_shape(&spec.networks[network], &dims(side)).expect("shapes fit")
    };
    for (preset, side) in [
        ("dcgan-64", 64),
        ("cdcgan-64", 64),
        ("dcgan-32", 32),
        ("cdcgan-32", 32),
    ] {
        assert_eq!(shape(preset, "generator", side), [3, side, side]);
        assert_eq!(shape(preset, "discriminator", side), [1]);
    }
    assert_eq!(shape("judge-64", "classifier", 64), [24]);
    for side in [28, 32, 64] {
        assert_eq!(shape("resnet-18-small", "classifier", side), [24]);
        assert_eq!(shape("resnet-8", "classifier", side), [24]);
    }
}

#[test]
fn a_table_lists_layers_and_totals() {
    let spec = ModelSpec::preset("resnet-8").expect("a preset");
    let table = spec.table(&dims(32)).expect("shapes fit");
    let classifier = &table.networks["classifier"];
    assert_eq!(classifier.layers[0].path, "layers.0");
    assert_eq!(classifier.layers[0].layer, "conv");
    assert_eq!(classifier.layers[0].output_shape, [16, 32, 32]);
    let inside = &classifier.layers[3];
    assert_eq!(inside.path, "layers.3.residual.layers.0");
    assert_eq!(inside.trainable, 16 * 16 * 9);
    let container = classifier.layers.iter().find(|row| row.layer == "residual");
    assert_eq!(container.expect("a residual").trainable, 0);
    assert_eq!(
        table.buffers,
        2 * (16 * 3 + 32 * 3 + 64 * 3),
        "mean and variance of nine batch norms"
    );
    let json = serde_json::to_value(&table).expect("JSON");
    assert_eq!(
        json["networks"]["classifier"]["layers"][1]["layer"],
        "batch-norm"
    );
}
