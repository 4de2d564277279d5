//! Networks beside generator and discriminator: heads, mappings, weights from elsewhere.

use std::collections::BTreeMap;

use candle_core::Device;
use retake::data::LabelKind;
use retake::model::SavedModel;
use retake::stage::train::TrainConfig;
use retake::stage::{DataSchema, Kind, Outcome, StageCtx, StageError, Status};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::{Bench, FolderMemo, Watch, and, config, data, gan, plus, table};

/// A GAN whose discriminator also names the class of an image.
fn acgan(epochs: u64) -> Value {
    let mut with = gan(epochs);
    with["model"]["networks"]["discriminator"] = json!({
        "inputs": {"image": ["channels", "height", "width"]},
        "layers": [
            "flatten",
            {"linear": {"out": 16, "spectral_norm": true}},
            {"leaky-relu": {"slope": 0.2}},
            {"head": {"name": "auxiliary", "layers": [{"linear": {"out": "classes"}}]}},
            {"linear": {"out": 1}}
        ]
    });
    with
}

fn run(with: &Value) -> BTreeMap<String, Vec<Option<f32>>> {
    let memo = FolderMemo::new();
    let outcome = Bench::new().run(with, &memo).unwrap();
    assert_eq!(outcome.status, Status::Ok);
    table(&memo, &outcome)
}

/// The model that a run ends with.
fn model(memo: &FolderMemo, outcome: &Outcome) -> SavedModel {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model");
    std::fs::write(&path, &memo.bytes(outcome)["model"]).unwrap();
    SavedModel::load(&path, &Device::Cpu).unwrap()
}

fn weights(model: &SavedModel, network: &str) -> Vec<Vec<f32>> {
    let parameters = model.networks[network].parameters().iter();
    parameters
        .map(|p| p.value.tensor().flatten_all().unwrap().to_vec1().unwrap())
        .collect()
}

#[test]
fn an_auxiliary_head_learns_labels_and_weighs_in_both_losses() {
    for auxiliary in [
        json!({"weight": 3}),
        json!({"weight": 3, "loss": "cross-entropy"}),
    ] {
        let history = run(&plus(
            acgan(30),
            json!({"auxiliary": auxiliary, "lr": 0.01}),
        ));
        let sum = |total: &str, parts: &[&str], auxiliary: &str| {
            for (step, total) in history[total].iter().enumerate() {
                let parts: f32 = parts.iter().map(|part| history[*part][step].unwrap()).sum();
                let expected = parts + 3.0 * history[auxiliary][step].unwrap();
                assert!((total.unwrap() - expected).abs() < 1e-4 * expected.abs().max(1.0));
            }
        };
        sum(
            "loss_d",
            &["loss_d_real", "loss_d_fake"],
            "loss_d_auxiliary",
        );
        sum("loss_g", &["loss_g_adversarial"], "loss_g_auxiliary");
        let learnt = &history["loss_d_auxiliary"];
        let (first, last) = (learnt[0].unwrap(), learnt[learnt.len() - 1].unwrap());
        assert!(last < 0.5 * first, "{first} → {last}");
    }
    // Labels of generated images too: the term is that of both.
    let of = |on: &str| run(&and(acgan(1), "auxiliary", json!({"on": on})));
    let (real, both) = (of("real"), of("real+fake"));
    assert!(both["loss_d_auxiliary"][0] > real["loss_d_auxiliary"][0]);
}

#[test]
fn a_head_that_is_missing_or_does_not_fit_is_a_fault_and_labels_must_suit_a_softmax() {
    let inputs = [(
        "data".to_owned(),
        DataSchema {
            channels: Some(1),
            size: Some((4, 4)),
            classes: Some(3),
        },
    )];
    let fault = |with: &Value| {
        let faults = config(with).check(&inputs.clone().into()).unwrap_err();
        faults[0].message.clone()
    };
    let without = fault(&and(gan(1), "auxiliary", json!({})));
    assert!(without.contains("no head of that name"), "{without}");
    let mut narrow = and(acgan(1), "auxiliary", json!({}));
    narrow["model"]["networks"]["discriminator"]["layers"][3]["head"]["layers"][0]["linear"]["out"] =
        json!(2);
    let narrow = fault(&narrow);
    assert!(
        narrow.contains("gives [2]") && narrow.contains("[3]"),
        "{narrow}"
    );

    let bench = Bench::new();
    let folder = TempDir::new().unwrap();
    let pack = data(folder.path(), LabelKind::Multi);
    let with = and(
        acgan(1),
        "auxiliary",
        json!({"loss": "cross-entropy", "groups": [1, 2]}),
    );
    let memo = FolderMemo::new();
    let watch = Watch::default();
    let run = |config: &TrainConfig, ctx: &StageCtx<'_>| config.run(ctx);
    let refused = bench.with_inputs(&with, &[("data", pack.as_path())], &memo, &watch, run);
    let Err(StageError::Failed(refused)) = refused else {
        panic!("labels that no softmax can learn were taken");
    };
    assert!(
        refused.contains("exactly one label in each of the groups"),
        "{refused}"
    );
}

#[test]
fn a_mapping_is_trained_with_the_generator_that_it_feeds() {
    let mut with = gan(3);
    with["model"]["networks"]["mapping"] = json!({
        "inputs": {"z": ["latent"]},
        "layers": [{"linear": {"out": "latent"}}, {"leaky-relu": {"slope": 0.2}}]
    });
    let generator = &mut with["model"]["networks"]["generator"];
    let shape = generator["inputs"]
        .as_object_mut()
        .unwrap()
        .remove("z")
        .unwrap();
    generator["inputs"]["w"] = shape;
    generator["start"] = json!("w");
    let memo = FolderMemo::new();
    let bench = Bench::new();
    let trained = |with: &Value| model(&memo, &bench.run(with, &memo).unwrap());
    let short = trained(&and(with.clone(), "epochs", 1));
    let long = trained(&with);
    assert_ne!(weights(&short, "mapping"), weights(&long, "mapping"));
    // A rate of its own.
    let still = plus(with, json!({"lr": {"generator": 0.001, "mapping": 1e-30}}));
    let short = trained(&and(still.clone(), "epochs", 1));
    assert_eq!(
        weights(&short, "mapping"),
        weights(&trained(&still), "mapping")
    );
}

#[test]
fn training_starts_from_the_weights_of_another_run() {
    let memo = FolderMemo::new();
    let bench = Bench::new();
    let first = bench.run(&gan(2), &memo).unwrap();
    let source = model(&memo, &first);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("first");
    std::fs::write(&path, &memo.bytes(&first)["model"]).unwrap();
    let pack = data(folder.path(), LabelKind::Class);
    let started = |settings: Value| {
        // A rate too small to move anything shows what training started from.
        let still = json!({"lr": 1e-30, "init": "xavier"});
        let with = plus(plus(gan(1), still), settings);
        let memo = FolderMemo::new();
        let inputs = [("data", pack.as_path()), ("init", path.as_path())];
        let run = |config: &TrainConfig, ctx: &StageCtx<'_>| config.run(ctx);
        let outcome = bench.with_inputs(&with, &inputs, &memo, &Watch::default(), run);
        model(&memo, &outcome.unwrap())
    };
    let all = started(json!({"ema": 0.5}));
    for network in ["generator", "discriminator"] {
        assert_eq!(weights(&all, network), weights(&source, network));
    }
    assert_eq!(
        weights(&all, "generator_ema"),
        weights(&source, "generator")
    );
    let one = started(json!({"weights": {"generator": "exact"}}));
    assert_eq!(weights(&one, "generator"), weights(&source, "generator"));
    assert_ne!(
        weights(&one, "discriminator"),
        weights(&source, "discriminator")
    );
}

#[test]
fn what_the_discriminator_is_shown_can_be_augmented() {
    let plain = run(&gan(2));
    let shown = run(&and(
        gan(2),
        "diff_augment",
        json!(["color", "translation", "cutout"]),
    ));
    assert_ne!(plain["loss_d_real"][0], shown["loss_d_real"][0]);
    assert_ne!(
        plain["grad_norm_generator"][0],
        shown["grad_norm_generator"][0]
    );
    assert!(
        shown["loss_g"]
            .iter()
            .flatten()
            .all(|loss| loss.is_finite())
    );
}

#[test]
fn settings_that_are_seldom_meant_are_warned_of() {
    let warned = |with: &Value| config(with).warnings().join(" ");
    let critic = |layers: Value| {
        let mut with = plus(gan(1), json!({"loss": "wasserstein"}));
        with["model"]["networks"]["discriminator"] =
            json!({"inputs": {"image": ["channels", "height", "width"]}, "layers": layers});
        with
    };
    let normed =
        critic(json!(["flatten", {"linear": {"out": 4}}, "batch-norm", {"linear": {"out": 1}}]));
    assert!(
        warned(&normed).contains("nothing keeps the critic"),
        "{}",
        warned(&normed)
    );
    let penalised = and(normed, "gradient_penalty", 10);
    assert!(
        warned(&penalised).contains("batch norm"),
        "{}",
        warned(&penalised)
    );
    let spectral = critic(json!(["flatten", {"linear": {"out": 1, "spectral_norm": true}}]));
    assert_eq!(warned(&spectral), "");
    assert_eq!(warned(&gan(1)), "");
}
