use std::path::Path;

use candle_core::Device;
use indexmap::IndexMap;
use retake::model::weights::{NameMap, Surplus, load_into};
use retake::model::{Init, Inputs, Mode, ModelError, ModelHeader, ModelSpec, Network, SavedModel};

use super::dims;

fn model(order: [&str; 2]) -> SavedModel {
    let spec = ModelSpec::preset("cdcgan-32").expect("a preset");
    let build = |name: &str| {
        let network = Network::new(
            name,
            &spec.networks[name],
            &dims(32),
            Init::Dcgan,
            4,
            &Device::Cpu,
        );
        (name.to_owned(), network.expect("a network"))
    };
    SavedModel {
        networks: order.into_iter().map(build).collect::<IndexMap<_, _>>(),
        header: ModelHeader {
            task: "gan".to_owned(),
            dims: dims(32),
            classes: (0..24).map(|class| format!("class {class}")).collect(),
            multi_label: true,
            spec,
        },
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file")
}

#[test]
fn a_model_comes_back_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("a"), folder.path().join("b"));
    let model = model(["generator", "discriminator"]);
    let z = candle_core::Tensor::ones((2, 100), candle_core::DType::F32, &Device::Cpu).expect("z");
    let condition = z.narrow(1, 0, 24).expect("a condition");
    let inputs = Inputs::new().with("z", &z).with("condition", &condition);
    // Moves the running statistics, which are part of the model.
    model.networks["generator"]
        .forward(&inputs, Mode::Train)
        .expect("an output");
    model.save(&first).expect("saved");
    let loaded = SavedModel::load(&first, &Device::Cpu).expect("loaded");
    assert_eq!(loaded.header, model.header);
    assert_eq!(
        SavedModel::load_header(&first).expect("a header"),
        model.header
    );
    let image = |model: &SavedModel| {
        let output = model.networks["generator"]
            .forward(&inputs, Mode::Eval)
            .expect("an output");
        output
            .into_tensor()
            .flatten_all()
            .and_then(|t| t.to_vec1::<f32>())
            .expect("f32")
    };
    assert_eq!(image(&loaded), image(&model));
    loaded.save(&second).expect("saved");
    assert_eq!(bytes(&first), bytes(&second));
}

#[test]
fn equal_models_give_equal_bytes_whatever_the_order_of_networks() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("a"), folder.path().join("b"));
    model(["generator", "discriminator"])
        .save(&first)
        .expect("saved");
    model(["discriminator", "generator"])
        .save(&second)
        .expect("saved");
    assert_eq!(bytes(&first), bytes(&second));
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    model(["generator", "discriminator"])
        .save(&path)
        .expect("saved");
    let whole = bytes(&path);
    for damaged in [
        &whole[..0],
        &whole[..9],
        &whole[..whole.len() / 2],
        b"not a model at all",
    ] {
        std::fs::write(&path, damaged).expect("written");
        let error = SavedModel::load(&path, &Device::Cpu)
            .err()
            .expect("damaged");
        assert!(matches!(error, ModelError::Damaged { .. }), "{error}");
    }
    let gone = SavedModel::load(&folder.path().join("none"), &Device::Cpu)
        .err()
        .expect("missing");
    assert!(matches!(gone, ModelError::Io { .. }), "{gone}");
}

#[test]
fn a_network_takes_the_weights_of_its_namesake_in_a_saved_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    let saved = model(["generator", "discriminator"]);
    saved.save(&path).expect("saved");
    let spec = &saved.header.spec.networks["generator"];
    let device = Device::Cpu;
    let other = Network::new("generator", spec, &dims(32), Init::Dcgan, 5, &device).expect("one");
    let weights = |network: &Network| {
        let weight = network.parameters()[0].value.tensor().flatten_all();
        weight
            .and_then(|tensor| tensor.to_vec1::<f32>())
            .expect("f32")
    };
    assert_ne!(weights(&other), weights(&saved.networks["generator"]));
    load_into(&other, &path, &NameMap::default(), Surplus::Refuse).expect("it fits");
    assert_eq!(weights(&other), weights(&saved.networks["generator"]));
}
