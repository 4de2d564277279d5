//! The settings of a train stage: defaults, canonical form, faults.

use std::path::Path;

use retake::stage::train::TrainConfig;
use retake::stage::{DataSchema, Fault, InputSchemas, Kind, PathItem};
use retake::worktree::WorkTree;
use serde_json::{Value, json};

use super::harness::{and, classifier, config, gan, plus, vae};

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

/// Where the faults are of `with` and one more setting, for data of three classes and unknown size.
fn paths(with: &Value, name: &str, value: &Value) -> Vec<String> {
    let data = DataSchema {
        classes: Some(3),
        ..DataSchema::default()
    };
    let faults = faults(&and(with.clone(), name, value.clone()), data);
    faults.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn every_setting_of_a_gan_is_checked_where_it_stands() {
    for (name, value, path) in [
        ("gradient_penalty", json!(0), "gradient_penalty.weight"),
        (
            "gradient_penalty",
            json!({"weight": -1, "sides": "one"}),
            "gradient_penalty.weight",
        ),
        (
            "gradient_penalty",
            json!({"every": 0}),
            "gradient_penalty.every",
        ),
        ("r1", json!(-1), "r1.weight"),
        ("r1", json!({"weight": 1, "every": 0}), "r1.every"),
        ("r2", json!(0), "r2.weight"),
        ("r2", json!({"weight": 1, "every": 0}), "r2.every"),
        ("divergence", json!({"k": 0}), "divergence.k"),
        ("divergence", json!({"p": 0}), "divergence.p"),
        ("critic_steps", json!(0), "critic_steps.steps"),
        (
            "critic_steps",
            json!({"steps": 1, "warm_up": {"steps": 0}}),
            "critic_steps.warm_up.steps",
        ),
        ("weight_clip", json!(0), "weight_clip.limit"),
        (
            "weight_clip",
            json!({"limit": -0.1, "scope": "weights"}),
            "weight_clip.limit",
        ),
        ("labels", json!({"real": [1.2, 0.8]}), "labels.real"),
        ("labels", json!({"fake": [0.2, 0]}), "labels.fake"),
        ("labels", json!({"flip": 1}), "labels.flip"),
        ("labels", json!({"flip": -0.1}), "labels.flip"),
        ("auxiliary", json!({"weight": 0}), "auxiliary.weight"),
        ("auxiliary", json!({"groups": [3]}), "auxiliary.groups"),
        (
            "auxiliary",
            json!({"loss": "cross-entropy", "groups": [1, 3]}),
            "auxiliary.groups",
        ),
        (
            "auxiliary",
            json!({"loss": "cross-entropy", "groups": [3, 0]}),
            "auxiliary.groups",
        ),
        ("adversarial_weight", json!(0), "adversarial_weight"),
        (
            "adversarial_weight",
            json!({"generator": -1}),
            "adversarial_weight.generator",
        ),
        (
            "adversarial_weight",
            json!({"discriminator": 0}),
            "adversarial_weight.discriminator",
        ),
        ("ema", json!(1), "ema.decay"),
        ("ema", json!({"decay": -0.1, "start": 5}), "ema.decay"),
        ("beta", json!(1), "beta"),
        ("kl_reduction", json!("mean"), "kl_reduction"),
        (
            "reconstruction_reduction",
            json!("sum"),
            "reconstruction_reduction",
        ),
    ] {
        assert_eq!(paths(&gan(1), name, &value), [path], "{name}: {value}");
    }
    let critic = and(gan(1), "loss", "wasserstein");
    assert_eq!(
        paths(&critic, "labels", &json!({"flip": 0.1})),
        ["labels"],
        "a critic has none"
    );
    assert_eq!(paths(&vae(1), "beta", &json!(-1)), ["beta"]);
    assert_eq!(paths(&vae(1), "beta", &json!(0)), [""; 0]);
    assert_eq!(paths(&vae(1), "loss", &json!("bce")), ["loss"]);
    for (name, value) in [
        ("gradient_penalty", json!(10)),
        ("r1", json!(1)),
        ("r2", json!(1)),
        ("divergence", json!({})),
        ("critic_steps", json!(2)),
        ("weight_clip", json!(0.1)),
        ("labels", json!({"real": 0.9})),
        ("auxiliary", json!({})),
        ("adversarial_weight", json!(2)),
        ("fresh_noise", json!(true)),
        ("ema", json!(0.9)),
    ] {
        assert_eq!(paths(&gan(1), name, &value), [""; 0], "{name}");
        assert_eq!(paths(&vae(1), name, &value), [name], "of a GAN: {name}");
        assert_eq!(paths(&classifier(1), name, &value), [name], "{name}");
    }
}

#[test]
fn every_setting_of_schedules_clipping_and_optimisers_is_checked_where_it_stands() {
    let step = json!({"kind": "step", "every": 2, "factor": 0.5});
    let of = |name: &str, value: Value| and(step.clone(), name, value);
    for (schedule, path) in [
        (of("every", json!(0)), "schedule.every"),
        (of("factor", json!(0)), "schedule.factor"),
        (of("factor", json!(1.5)), "schedule.factor"),
        (of("floor", json!(-1)), "schedule.floor"),
        (of("horizon", json!(3)), "schedule.horizon"),
        (of("start", json!(3)), "schedule.start"),
        (json!({"kind": "step", "factor": 0.5}), "schedule"),
        (json!({"kind": "exponential"}), "schedule"),
        (json!({"kind": "constant", "floor": 0.1}), "schedule.floor"),
        (json!({"kind": "cosine", "horizon": 0}), "schedule.horizon"),
        (json!({"kind": "cosine", "unit": "step"}), "schedule"),
        (
            json!({"kind": "linear", "start": 5, "horizon": 5}),
            "schedule.horizon",
        ),
        (
            json!({"generator": of("every", json!(0))}),
            "schedule.generator.every",
        ),
        (json!({"critic": step}), "schedule.critic"),
    ] {
        assert_eq!(paths(&gan(1), "schedule", &schedule), [path], "{schedule}");
    }
    for (name, value, path) in [
        ("gradient_clip", json!({"norm": 0}), "gradient_clip.norm"),
        ("gradient_clip", json!({"value": -1}), "gradient_clip.value"),
        (
            "optimisers",
            json!({"critic": {"optimiser": "sgd"}}),
            "optimisers.critic",
        ),
        (
            "optimisers",
            json!({"generator": {"optimiser": "sgd", "momentum": 1}}),
            "optimisers.generator.momentum",
        ),
        (
            "optimisers",
            json!({"generator": {"optimiser": "sgd", "betas": [0, 0.9]}}),
            "optimisers.generator.betas",
        ),
    ] {
        assert_eq!(paths(&gan(1), name, &value), [path], "{value}");
    }
}

/// The written form of `with` and more settings; it reads back to itself.
#[track_caller]
fn written(with: Value, settings: Value) -> Value {
    let written = serde_json::to_value(config(&plus(with, settings))).unwrap();
    let read: TrainConfig = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), written);
    written
}

#[test]
fn two_spellings_of_one_run_have_one_written_form() {
    let same = |one: Value, other: Value| {
        assert_eq!(written(gan(2), one), written(gan(2), other));
    };
    let gulrajani = json!({"loss": "wasserstein", "gradient_penalty": 10, "critic_steps": 5, "lr": 1e-4, "betas": [0, 0.9]});
    same(json!({"loss": "wgan-gp"}), gulrajani);
    same(
        json!({"loss": "wgan-gp"}),
        json!({"loss": "wgan-gp", "gradient_penalty": {"weight": 10, "sides": "two", "points": "between", "every": 1}}),
    );
    same(
        json!({"loss": "wgan-gp"}),
        json!({"loss": "wgan-gp", "gradient_penalty": {}}),
    );
    same(
        json!({"loss": "wasserstein"}),
        json!({"loss": "wasserstein", "critic_steps": 1}),
    );
    same(json!({"loss": "non-saturating"}), json!({}));
    for settings in [
        json!({"critic_steps": 1}),
        json!({"critic_steps": {"steps": 1}}),
        json!({"labels": {}}),
        json!({"labels": {"real": [1, 1], "fake": 0, "flip": 0}}),
        json!({"adversarial_weight": 1}),
        json!({"adversarial_weight": {"generator": 1}}),
        json!({"fresh_noise": false}),
        json!({"schedule": {"kind": "constant"}}),
        json!({"schedule": {"kind": "constant", "warm_up": 0, "unit": "step"}}),
        json!({"optimisers": {"generator": {"optimiser": "adam"}}}),
        json!({"optimisers": {"discriminator": {"optimiser": "adam", "betas": [0.5, 0.999], "weight_decay": 0}}}),
    ] {
        same(settings, json!({}));
    }
    for (brief, full) in [
        (json!({"r1": 2}), json!({"r1": {"weight": 2, "every": 1}})),
        (json!({"r2": 2}), json!({"r2": {"weight": 2}})),
        (
            json!({"divergence": {}}),
            json!({"divergence": {"k": 2, "p": 6, "points": "between"}}),
        ),
        (
            json!({"critic_steps": 3}),
            json!({"critic_steps": {"steps": 3}}),
        ),
        (
            json!({"critic_steps": {"steps": 5, "warm_up": {}}}),
            json!({"critic_steps": {"steps": 5, "warm_up": {"steps": 100, "first": 25, "every": 500}}}),
        ),
        (
            json!({"weight_clip": 0.1}),
            json!({"weight_clip": {"limit": 0.1, "scope": "all"}}),
        ),
        (
            json!({"labels": {"real": 0.9}}),
            json!({"labels": {"real": [0.9, 0.9], "fake": [0, 0]}}),
        ),
        (
            json!({"auxiliary": {}}),
            json!({"auxiliary": {"weight": 1, "loss": "bce", "on": "real"}}),
        ),
        (
            json!({"adversarial_weight": 0.5}),
            json!({"adversarial_weight": {"generator": 0.5, "discriminator": 0.5}}),
        ),
        (
            json!({"ema": 0.999}),
            json!({"ema": {"decay": 0.999, "start": 0}}),
        ),
        (
            json!({"schedule": {"kind": "cosine"}}),
            json!({"schedule": {"kind": "cosine", "horizon": 2, "floor": 0, "warm_up": 0, "unit": "epoch"}}),
        ),
        (
            json!({"optimisers": {"generator": {"optimiser": "sgd"}}}),
            json!({"optimisers": {"generator": {"optimiser": "sgd", "momentum": 0, "nesterov": false}}}),
        ),
    ] {
        same(brief.clone(), full);
        assert_ne!(written(gan(2), brief), written(gan(2), json!({})));
    }
    let vae_defaults =
        json!({"loss": "mse", "beta": 1, "kl_reduction": "sum", "reconstruction_reduction": "sum"});
    assert_eq!(written(vae(2), vae_defaults), written(vae(2), json!({})));
}

#[test]
fn what_is_not_asked_for_is_not_written() {
    let names = |with: Value| -> Vec<String> {
        let written = written(with, json!({}));
        let mut names: Vec<String> = written.as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        names
    };
    let common = [
        "batch_size",
        "betas",
        "checkpoint_every",
        "drop_last",
        "epochs",
        "eps",
        "init",
        "loss",
        "lr",
        "model",
        "optimiser",
        "precision",
        "task",
    ];
    let and_these = |more: &[&'static str]| {
        let mut all: Vec<&'static str> = common.iter().chain(more).copied().collect();
        all.sort_unstable();
        all
    };
    assert_eq!(names(classifier(1)), and_these(&[]));
    assert_eq!(names(gan(1)), and_these(&["latent"]));
    assert_eq!(
        names(and(gan(1), "loss", "wgan-gp")),
        and_these(&["critic_steps", "gradient_penalty", "latent"])
    );
    let wgan_gp = written(gan(1), json!({"loss": "wgan-gp"}));
    assert_eq!(wgan_gp["critic_steps"], 5);
    assert_eq!(wgan_gp["gradient_penalty"], 10.0);
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
        config
            .resolve(&WorkTree::new(Path::new("/nowhere")))
            .unwrap_err()
            .remove(0)
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
