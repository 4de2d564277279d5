//! The settings of a train stage: defaults, canonical form, faults.

use std::path::Path;

use retake::stage::train::TrainConfig;
use retake::stage::{DataSchema, Fault, InputSchemas, Kind, PathItem};
use serde_json::{Value, json};

use super::harness::{and, classifier, config, gan};

fn faults(with: &Value, data: DataSchema) -> Vec<(String, String)> {
    let inputs = InputSchemas::from([("data".to_owned(), data)]);
    let dotted = |fault: Fault| {
        let items = fault.path.iter().map(|item| match item {
            PathItem::Key(key) => key.clone(),
            PathItem::Index(index) => index.to_string(),
        });
        (items.collect::<Vec<_>>().join("."), fault.message)
    };
    match config(with).check(&inputs) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(dotted).collect(),
    }
}

fn known() -> DataSchema {
    DataSchema {
        channels: Some(1),
        size: Some((4, 4)),
        classes: Some(3),
    }
}

#[test]
fn defaults_are_written_out() {
    let short = serde_json::to_value(config(&gan(3))).unwrap();
    assert_eq!(short["loss"], "bce");
    assert_eq!(
        short["lr"],
        json!({"generator": 0.0002, "discriminator": 0.0002})
    );
    assert_eq!(short["betas"], json!([0.5, 0.999]));
    assert_eq!(short["checkpoint_every"], 1);
    let spelt = and(
        and(gan(3), "loss", "bce"),
        "lr",
        json!({"generator": 0.0002}),
    );
    assert_eq!(serde_json::to_value(config(&spelt)).unwrap(), short);
    assert_eq!(
        serde_json::to_value(config(&classifier(3))).unwrap()["loss"],
        "by-labels"
    );
}

#[test]
fn the_written_form_reads_back() {
    let written = serde_json::to_value(config(&gan(3))).unwrap();
    let read: TrainConfig = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), written);
}

#[test]
fn a_sound_stage_has_no_faults() {
    assert_eq!(faults(&gan(1), known()), []);
    assert_eq!(faults(&classifier(1), known()), []);
    assert_eq!(
        faults(&gan(1), DataSchema::default()),
        [],
        "nothing is known of the data yet"
    );
}

/// The written form of a classifier's optimiser: of `with`, what is not the same without an optimiser.
fn optimiser(constants: &Value) -> Value {
    let mut with = classifier(1);
    for (name, value) in constants.as_object().unwrap() {
        with[name] = value.clone();
    }
    let written = serde_json::to_value(config(&with)).unwrap();
    let read: TrainConfig = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(
        serde_json::to_value(read).unwrap(),
        written,
        "it reads back"
    );
    let names = [
        "alpha",
        "betas",
        "centered",
        "dampening",
        "eps",
        "momentum",
        "nesterov",
        "optimiser",
        "weight_decay",
    ];
    let there = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), written.get(name)?.clone())));
    Value::Object(there.collect())
}

#[test]
fn an_optimiser_is_written_with_its_own_constants() {
    let adam = json!({"optimiser": "adam", "betas": [0.9, 0.999], "eps": 1e-8});
    assert_eq!(optimiser(&json!({})), adam);
    assert_eq!(optimiser(&json!({"weight_decay": 0})), adam);
    let decay = json!({"optimiser": "adamw", "weight_decay": 0});
    let adamw =
        json!({"optimiser": "adamw", "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0});
    assert_eq!(optimiser(&decay), adamw);
    assert_eq!(
        optimiser(&json!({"optimiser": "adamw"}))["weight_decay"],
        0.01
    );
    let rmsprop = json!({"optimiser": "rmsprop", "alpha": 0.99, "eps": 1e-8});
    assert_eq!(
        optimiser(&json!({"optimiser": "rmsprop", "centered": false})),
        rmsprop
    );
    let sgd = json!({"optimiser": "sgd", "momentum": 0.9, "nesterov": true});
    assert_eq!(optimiser(&sgd), sgd);
    assert_eq!(
        optimiser(&json!({"optimiser": "sgd", "momentum": 0})),
        json!({"optimiser": "sgd"})
    );
}

#[test]
fn constants_of_another_optimiser_are_faults() {
    let found = |constants: Value| {
        let mut with = gan(1);
        for (name, value) in constants.as_object().unwrap() {
            with[name] = value.clone();
        }
        faults(&with, known())
    };
    let one = |path: &str, message: &str| vec![(path.to_owned(), message.to_owned())];
    assert_eq!(
        found(json!({"optimiser": "sgd", "betas": [0.5, 2.0]})),
        one("betas", "`sgd` takes no `betas`")
    );
    assert_eq!(
        found(json!({"momentum": 0})),
        one("momentum", "`adam` takes no `momentum`")
    );
    assert_eq!(
        found(json!({"optimiser": "sgd", "nesterov": true})),
        one(
            "nesterov",
            "Nesterov's step needs a momentum, and no dampening"
        )
    );
    assert_eq!(
        found(json!({"optimiser": "sgd", "dampening": 0.1})),
        one("dampening", "there is no momentum to dampen")
    );
    assert_eq!(
        found(json!({"optimiser": "rmsprop", "momentum": 1})),
        one(
            "momentum",
            "momentum must be at least 0 and less than 1, not 1"
        )
    );
    assert_eq!(
        found(json!({"optimiser": "adamw", "weight_decay": -1})),
        one("weight_decay", "weight decay must be at least 0, not -1")
    );
}

#[test]
fn every_value_out_of_range_is_a_fault_of_its_own() {
    let mut with = gan(0);
    for (name, value) in [
        ("batch_size", json!(0)),
        ("checkpoint_every", json!(0)),
        ("latent", json!(0)),
        ("lr", json!({"generator": -1, "critic": 0.1})),
        ("betas", json!([0.5, 1.0])),
        ("eps", json!(0)),
        ("loss", json!("cross-entropy")),
    ] {
        with[name] = value;
    }
    let paths: Vec<String> = faults(&with, DataSchema::default())
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    let expected = [
        "epochs",
        "checkpoint_every",
        "batch_size",
        "latent",
        "lr.critic",
        "lr.generator",
        "betas.1",
        "eps",
        "loss",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn a_model_of_another_task_is_a_fault() {
    let with = and(classifier(1), "model", gan(1)["model"].clone());
    let messages: Vec<String> = faults(&with, known())
        .into_iter()
        .map(|(_, message)| message)
        .collect();
    assert_eq!(
        messages[0],
        "task `classifier` needs a network `classifier`; this model has discriminator, generator"
    );
    assert!(
        messages[1].starts_with("task `classifier` trains no network `discriminator`"),
        "{messages:?}"
    );
}

#[test]
fn shapes_that_do_not_fit_point_into_the_model() {
    let mut with = gan(1);
    with["model"]["networks"]["generator"]["layers"][6] =
        json!({"reshape": ["channels", "height", 3]});
    let [(path, message)] = &faults(&with, known())[..] else {
        panic!("one fault");
    };
    assert!(
        path.starts_with("model.networks.generator.layers.6"),
        "{path}"
    );
    assert!(message.contains("16") && message.contains('3'), "{message}");

    let mut with = classifier(1);
    with["model"]["networks"]["classifier"]["layers"][4] = json!({"linear": {"out": 7}});
    let [(path, message)] = &faults(&with, known())[..] else {
        panic!("one fault");
    };
    assert_eq!(path, "model.networks.classifier");
    assert_eq!(
        message,
        "the classifier gives [7], but must give a score for each of the data's classes: [3]"
    );
}

#[test]
fn conditional_networks_need_labels() {
    let unlabelled = DataSchema {
        classes: Some(0),
        ..known()
    };
    let found = faults(&gan(1), unlabelled);
    assert_eq!(found[0].1, "this model needs labels, but its data has none");
}

#[test]
fn an_unknown_or_missing_model_is_a_fault() {
    let fault = |model: &str| {
        let with = json!({"task": "gan", "epochs": 1, "model": model});
        let mut config: TrainConfig = serde_json::from_value(with).unwrap();
        config.resolve(Path::new("/nowhere")).unwrap_err().remove(0)
    };
    assert_eq!(fault("cdcgan-65").path, [PathItem::Key("model".to_owned())]);
    assert_eq!(
        fault("file:model.yaml").missing_file.as_deref(),
        Some(Path::new("/nowhere/model.yaml"))
    );
}

#[test]
fn unknown_settings_and_odd_rates_are_refused() {
    let refused = |with: Value| {
        serde_json::from_value::<TrainConfig>(with)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(and(gan(1), "epoch", 3)).contains("unknown field `epoch`"));
    assert!(refused(and(gan(1), "lr", "fast")).contains("a learning rate: a number, or a mapping"));
}
