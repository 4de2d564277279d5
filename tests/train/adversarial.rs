//! What the settings of a GAN do to its training.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use candle_core::{Device, Tensor};
use retake::data::{Batch, LabelKind, Source};
use retake::loss::GanLoss;
use retake::model::{Dims, Inputs, Mode, ModelSpec, Network, SavedModel};
use retake::rng::Stream;
use retake::stage::{Kind, Outcome, StageError, Status};
use retake::train::{Gan, LabelNoise, Learner, OptimiserSpec, Row, Sgd, Step, Task as _, Training};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::{Bench, FolderMemo, Watch, and, data, gan, learner, plus, put, table};

/// The models of a run's checkpoints by epoch.
fn models(memo: &FolderMemo, outcome: &Outcome) -> BTreeMap<String, SavedModel> {
    let folder = TempDir::new().unwrap();
    let files = memo.bytes(outcome).into_iter();
    files
        .filter(|(name, _)| name.starts_with("checkpoints/"))
        .map(|(name, bytes)| {
            let path = folder.path().join("model");
            std::fs::write(&path, bytes).unwrap();
            (name, SavedModel::load(&path, &Device::Cpu).unwrap())
        })
        .collect()
}

/// Runs `with`; its history and its last model.
fn run(with: &Value) -> (BTreeMap<String, Vec<Option<f32>>>, SavedModel) {
    let memo = FolderMemo::new();
    let outcome = Bench::new().run(with, &memo).unwrap();
    assert_eq!(outcome.status, Status::Ok);
    let (_, model) = models(&memo, &outcome).pop_last().unwrap();
    (table(&memo, &outcome), model)
}

fn values(network: &Network) -> BTreeMap<String, Vec<f32>> {
    let all = network.parameters().iter();
    all.map(|p| (p.name.clone(), flat(p.value.tensor())))
        .collect()
}

fn buffers(network: &Network) -> Vec<Vec<f32>> {
    let all = network.buffers().iter();
    all.map(|buffer| flat(buffer.value.tensor())).collect()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The steps (from 1) at which `column` was measured.
fn measured(column: &[Option<f32>]) -> Vec<usize> {
    let steps = column.iter().enumerate();
    steps
        .filter_map(|(at, figure)| figure.map(|_| at + 1))
        .collect()
}

#[test]
fn the_generator_makes_a_step_when_the_critic_has_made_its_own() {
    let (history, _) = run(&and(gan(4), "critic_steps", 3));
    assert_eq!(measured(&history["loss_g"]), [3, 6, 9, 12]);
    assert_eq!(measured(&history["grad_norm_generator"]), [3, 6, 9, 12]);
    assert_eq!(measured(&history["loss_d"]).len(), 12);
    let warm_up = json!({"steps": 1, "warm_up": {"steps": 4, "first": 1, "every": 3}});
    let (history, _) = run(&and(gan(4), "critic_steps", warm_up));
    assert_eq!(measured(&history["loss_g"]), [4, 5, 6, 10, 11, 12]);
}

#[test]
fn clipped_weights_stay_within_their_limit() {
    const LIMIT: f32 = 0.01;
    let largest = |with: Value| -> BTreeMap<String, Vec<f32>> {
        let memo = FolderMemo::new();
        let outcome = Bench::new().run(&with, &memo).unwrap();
        let models = models(&memo, &outcome);
        assert_eq!(models.len(), 3);
        let mut largest: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        for model in models.values() {
            for (name, values) in values(&model.networks["discriminator"]) {
                let value = values.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
                largest.entry(name).or_default().push(value);
            }
            let generator = values(&model.networks["generator"]);
            assert!(generator.values().flatten().any(|x| x.abs() > LIMIT));
        }
        largest
    };
    let with = plus(gan(3), json!({"loss": "wasserstein", "weight_clip": LIMIT}));
    for (name, largest) in largest(with.clone()) {
        assert!(
            largest.iter().all(|&value| value <= LIMIT),
            "{name}: {largest:?}"
        );
        assert!(largest.contains(&LIMIT), "{name} would be larger");
    }
    let scope = json!({"limit": LIMIT, "scope": "weights"});
    for (name, largest) in largest(and(with, "weight_clip", scope)) {
        let within = largest.iter().all(|&value| value <= LIMIT);
        assert_eq!(within, name.ends_with("weight"), "{name}: {largest:?}");
    }
}

/// Networks of one linear layer each; the discriminator gives 0 whatever it sees.
fn indifferent() -> Learner {
    let spec = "
networks:
  generator: {inputs: {z: [latent]}, layers: [{linear: {out: 4}}, {reshape: [1, 2, 2]}]}
  discriminator: {inputs: {image: [1, 2, 2]}, layers: [flatten, {linear: {out: 1}}]}";
    let dims = Dims {
        latent: 2,
        classes: 0,
        channels: 1,
        height: 2,
        width: 2,
    };
    // At a rate of 0 it stays so.
    let still = Training::new(OptimiserSpec::Sgd(Sgd::default()), 0.0);
    let learner = learner(ModelSpec::from_yaml(spec).unwrap(), dims, still);
    for parameter in learner.network("discriminator").unwrap().parameters() {
        put(
            &parameter.value,
            &parameter.value.tensor().zeros_like().unwrap(),
        );
    }
    learner
}

/// The squares of the labels, the mean over `count` samples from `first` on, that real and generated images get:
/// of least squares, twice the loss where logits are 0.
fn squared_labels(task: &Gan, learner: &mut Learner, first: u64, count: usize) -> [f64; 2] {
    let batch = Batch {
        images: vec![0.5; count * 4],
        shape: (count, 1, 2, 2),
        labels: Vec::new(),
        classes: Vec::new(),
        indices: (0..count as u32).collect(),
    };
    learner.samples = first;
    let Step::Done(figures) = task.step(learner, &batch).unwrap() else {
        panic!("it diverged");
    };
    let columns = task.columns();
    let figure = |name: &str| {
        let at = columns.iter().position(|column| *column == name).unwrap();
        f64::from(figures[at].unwrap())
    };
    [figure("loss_d_real") * 2.0, figure("loss_d_fake") * 2.0]
}

#[test]
fn labels_are_drawn_in_their_ranges_and_flipped_at_their_rate() {
    const SAMPLES: u64 = 1500;
    let mut learner = indifferent();
    let task = Gan {
        labels: LabelNoise {
            real: (0.8, 1.2),
            fake: (0.0, 0.2),
            flip: 0.25,
        },
        ..Gan::new(GanLoss::LeastSquares, 3)
    };
    let each = (0..SAMPLES).map(|sample| squared_labels(&task, &mut learner, sample, 1));
    let squares: Vec<[f64; 2]> = each.collect();
    for kind in [0, 1] {
        let labels: Vec<f64> = squares.iter().map(|labels| labels[kind].sqrt()).collect();
        let (real, fake): (Vec<f64>, Vec<f64>) = labels.iter().partition(|&&label| label > 0.5);
        let within = |labels: &[f64], low: f64, high: f64| {
            let edge = (high - low) / 20.0;
            assert!(labels.iter().all(|l| (low - 1e-6..high + 1e-6).contains(l)));
            assert!(labels.iter().any(|&label| label < low + edge), "{low}");
            assert!(labels.iter().any(|&label| label > high - edge), "{high}");
        };
        within(&real, 0.8, 1.2);
        within(&fake, 0.0, 0.2);
        let flipped = if kind == 0 { fake.len() } else { real.len() };
        let rate = flipped as f64 / SAMPLES as f64;
        // Four standard deviations.
        assert!((rate - 0.25).abs() < 0.045, "{rate}");
    }
    assert_ne!(
        squares.iter().map(|l| l[0] > 0.25).collect::<Vec<_>>(),
        squares.iter().map(|l| l[1] < 0.25).collect::<Vec<_>>(),
        "images of either kind are flipped on their own"
    );

    // A sample's label is its own, whatever batch it is in.
    for (first, count) in [(0, 40), (7, 13)] {
        let together = squared_labels(&task, &mut learner, first, count);
        let alone = &squares[first as usize..][..count];
        for kind in [0, 1] {
            let mean = alone.iter().map(|labels| labels[kind]).sum::<f64>() / count as f64;
            assert!((together[kind] - mean).abs() < 1e-5);
        }
    }
}

#[test]
fn fresh_noise_changes_the_generators_step_alone() {
    let (shared, _) = run(&gan(1));
    let (fresh, _) = run(&and(gan(1), "fresh_noise", true));
    for column in [
        "loss_d",
        "loss_d_real",
        "loss_d_fake",
        "accuracy_real",
        "grad_norm_discriminator",
    ] {
        assert_eq!(shared[column][0], fresh[column][0], "{column}");
    }
    for column in ["loss_g", "grad_norm_generator"] {
        assert_ne!(shared[column][0], fresh[column][0], "{column}");
    }
}

#[test]
fn an_average_is_saved_beside_what_it_averages_and_changes_nothing_else() {
    let (plain_history, plain) = run(&gan(3));
    let (history, model) = run(&and(gan(3), "ema", 0.9));
    assert_eq!(plain_history, history);
    for name in ["generator", "discriminator"] {
        let (own, other) = (&plain.networks[name], &model.networks[name]);
        assert_eq!(values(own), values(other), "{name}");
    }
    let names: Vec<&str> = model.networks.keys().map(String::as_str).collect();
    assert_eq!(names, ["discriminator", "generator", "generator_ema"]);
    assert_eq!(
        model.header.spec.networks["generator"],
        model.header.spec.networks["generator_ema"]
    );
    let (own, average) = (
        &model.networks["generator"],
        &model.networks["generator_ema"],
    );
    for ((name, own), average) in values(own).iter().zip(values(average).values()) {
        assert_ne!(own, average, "{name}");
    }
    assert_eq!(buffers(own), buffers(average));
    assert!(!buffers(own).is_empty());

    // Until its start it follows.
    let late = json!({"decay": 0.9, "start": 9});
    let (_, model) = run(&and(gan(3), "ema", late));
    assert_eq!(
        values(&model.networks["generator"]),
        values(&model.networks["generator_ema"])
    );
}

/// Everything that a resumed run must not forget, at once.
fn everything(epochs: u64) -> Value {
    plus(
        gan(epochs),
        json!({
            "optimiser": "rmsprop",
            "momentum": 0.5,
            "optimisers": {"generator": {"optimiser": "adam", "weight_decay": 0.01}},
            "lr": {"generator": 0.003, "discriminator": 0.002},
            "schedule": {
                "generator": {"kind": "cosine", "horizon": 15, "unit": "step", "floor": 0.0001, "warm_up": 2},
                "discriminator": {"kind": "step", "every": 2, "factor": 0.5},
            },
            "gradient_clip": {"norm": 0.5},
            "gradient_penalty": {"weight": 0.5, "points": "dragan", "sides": "one"},
            "r1": {"weight": 0.2, "every": 4},
            "divergence": {"k": 0.1, "p": 3, "points": "real-and-fake"},
            "critic_steps": {"steps": 1, "warm_up": {"steps": 3, "first": 1, "every": 4}},
            "weight_clip": 0.5,
            "labels": {"real": [0.8, 1.2], "fake": [0, 0.2], "flip": 0.1},
            "adversarial_weight": {"discriminator": 0.5},
            "fresh_noise": true,
            "ema": {"decay": 0.9, "start": 2},
        }),
    )
}

fn with_validation(
    with: &Value,
    pack: &Path,
    memo: &FolderMemo,
    watch: &Watch,
) -> Result<Outcome, StageError> {
    let inputs = [("data", pack), ("validation", pack)];
    Bench::new().with_inputs(with, &inputs, memo, watch, Kind::run)
}

#[test]
fn a_run_with_everything_goes_on_to_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let pack = data(folder.path(), LabelKind::Class);
    let run = |epochs, memo: &FolderMemo| {
        with_validation(&everything(epochs), &pack, memo, &Watch::default())
    };
    let straight = FolderMemo::new();
    let outcome = run(5, &straight).unwrap();
    assert_eq!(outcome.status, Status::Ok);
    let expected = straight.bytes(&outcome);
    let history = table(&straight, &outcome);
    assert_eq!(measured(&history["r1"]), [1, 5, 9, 13]);
    assert!(measured(&history["loss_g"]).len() > 5);
    assert_eq!(measured(&history["accuracy_validation"]), [3, 6, 9, 12, 15]);

    for length in 1..5 {
        let extended = FolderMemo::new();
        run(length, &extended).unwrap();
        let watch = Watch::default();
        let outcome = with_validation(&everything(5), &pack, &extended, &watch).unwrap();
        assert_eq!(extended.bytes(&outcome), expected, "extended from {length}");
        assert_eq!(
            watch.log.into_inner().unwrap()[0],
            format!("continuing from epoch {length}")
        );
    }
    for puts in 0..6 {
        let killed = FolderMemo::new();
        killed.puts_left.store(puts, Ordering::Relaxed);
        assert!(run(5, &killed).is_err(), "killed after {puts} writes");
        killed.puts_left.store(usize::MAX, Ordering::Relaxed);
        let outcome = run(5, &killed).unwrap();
        assert_eq!(killed.bytes(&outcome), expected, "after {puts} writes");
    }
    for threads in [1, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let memo = FolderMemo::new();
        let bytes = pool
            .unwrap()
            .install(|| memo.bytes(&run(5, &memo).unwrap()));
        assert_eq!(bytes, expected, "{threads} threads");
    }
}

#[test]
fn each_network_has_its_optimiser_and_its_schedule() {
    let bytes = |settings: Value| {
        let (_, model) = run(&plus(gan(2), settings));
        ["generator", "discriminator"].map(|name| values(&model.networks[name]))
    };
    let sgd = json!({"optimiser": "sgd", "momentum": 0.9});
    let adam = json!({"optimiser": "adam", "betas": [0.5, 0.99]});
    let mixed = bytes(plus(
        sgd.clone(),
        json!({"optimisers": {"generator": adam}}),
    ));
    let other_way = bytes(plus(
        adam.clone(),
        json!({"optimisers": {"discriminator": sgd}}),
    ));
    assert_eq!(mixed, other_way);
    assert_ne!(mixed, bytes(sgd));
    assert_ne!(mixed, bytes(adam));

    let settings = json!({
        "lr": {"generator": 0.04, "discriminator": 0.02},
        "schedule": {
            "generator": {"kind": "exponential", "factor": 0.5},
            "discriminator": {"kind": "linear", "start": 1, "horizon": 5, "unit": "step"},
        },
    });
    let (history, _) = run(&plus(gan(2), settings));
    let close = |column: &str, expected: [f32; 6]| {
        for (rate, expected) in history[column].iter().zip(expected) {
            assert!(
                (rate.unwrap() - expected).abs() < 1e-7,
                "{column}: {rate:?}"
            );
        }
    };
    close("lr_generator", [0.04, 0.04, 0.04, 0.02, 0.02, 0.02]);
    close("lr_discriminator", [0.02, 0.02, 0.015, 0.01, 0.005, 0.0]);
}

#[test]
fn the_critics_loss_is_the_weighted_sum_of_its_columns() {
    let settings = json!({
        "loss": "wgan-gp",
        "adversarial_weight": {"discriminator": 0.5},
        "r1": 3,
        "r2": {"weight": 0.5, "every": 2},
        "divergence": {"k": 0.25, "p": 4},
        "critic_steps": 1,
    });
    let (history, _) = run(&plus(gan(2), settings));
    for (step, loss) in history["loss_d"].iter().enumerate() {
        let figure = |column: &str| f64::from(history[column][step].unwrap_or(0.0));
        let adversarial = f64::midpoint(figure("loss_d_real"), figure("loss_d_fake"));
        let zero = 1.5 * figure("r1") + 2.0 * 0.25 * figure("r2");
        let slopes = 10.0 * figure("gradient_penalty") + 0.25 * figure("divergence");
        let expected = adversarial + zero + slopes;
        let difference = (f64::from(loss.unwrap()) - expected).abs();
        assert!(difference < 1e-5 * expected.abs(), "step {step}");
        assert!(figure("gradient_penalty") > 0.0 && figure("r1") > 0.0);
    }
    assert_eq!(measured(&history["r2"]), [1, 3, 5]);
}

#[test]
fn validation_is_of_both_networks_as_they_are_after_training() {
    const SEED: u64 = 11;
    let folder = TempDir::new().unwrap();
    let pack = data(folder.path(), LabelKind::Class);
    let source = Arc::new(Source::open(&pack).unwrap());
    let images = source.pack.len();
    let spec: ModelSpec = serde_json::from_value(gan(1)["model"].clone()).unwrap();
    let dims = Dims {
        latent: 5,
        classes: 3,
        channels: 1,
        height: 4,
        width: 4,
    };
    let mut learner = learner(
        spec,
        dims,
        Training::new(OptimiserSpec::Sgd(Sgd::default()), 0.1),
    );
    let all = Batch::of(&source.pack, &(0..images as u32).collect::<Vec<_>>()).unwrap();
    // Running statistics other than what they start from.
    let step = Gan::new(GanLoss::Bce, SEED).step(&mut learner, &all);
    assert!(matches!(step, Ok(Step::Done(_))));

    let validate = |loss: GanLoss, batch_size: usize| {
        let task = Gan {
            validation: Some(Arc::clone(&source)),
            batch_size,
            ..Gan::new(loss, SEED)
        };
        let mut row = Row {
            step: 1,
            epoch: 1,
            figures: vec![None; task.columns().len()],
        };
        task.finish_epoch(&learner, &mut row).unwrap();
        let columns = task.columns();
        assert_eq!(
            columns[columns.len() - 3..],
            [
                "loss_d_validation",
                "loss_g_validation",
                "accuracy_validation"
            ]
        );
        assert_eq!(row.figures.len(), columns.len());
        row.figures.split_off(columns.len() - 3)
    };
    // The definition, in one go.
    let mut z = vec![0.0; images * 5];
    for (row, sample) in z.chunks_exact_mut(5).zip(0..) {
        Stream::new(SEED, "z-validation", sample).fill_normal(row);
    }
    let condition = Tensor::from_slice(&all.labels, (images, 3), &Device::Cpu).unwrap();
    let real = Tensor::from_slice(&all.images, (images, 1, 4, 4), &Device::Cpu).unwrap();
    let z = Tensor::from_vec(z, (images, 5), &Device::Cpu).unwrap();
    let pass = |network: &'static str, name: &str, value: &Tensor| {
        let inputs = Inputs::new()
            .with(name, value.clone())
            .with("condition", condition.clone());
        let network = learner.network(network).unwrap();
        let value = network.forward_frozen(&inputs, Mode::Eval).unwrap();
        value.tensor().clone()
    };
    let fake = pass("generator", "z", &z);
    let [real, fake] = [&real, &fake].map(|images| flat(&pass("discriminator", "image", images)));
    let mean = |logits: &[f32], of: &dyn Fn(f64) -> f64| {
        let sum: f64 = logits.iter().map(|&logit| of(f64::from(logit))).sum();
        sum / images as f64
    };
    let softplus = |x: f64| x.exp().ln_1p();
    let loss_d = mean(&real, &|x| softplus(-x)) + mean(&fake, &softplus);
    let loss_g = mean(&fake, &|x| softplus(-x));
    let right = |holds: bool| f64::from(u8::from(holds));
    let of_real = mean(&real, &|x| right(x > 0.0));
    let of_fake = mean(&fake, &|x| right(x <= 0.0));
    let accuracy = f64::midpoint(of_real, of_fake);
    for batch_size in [1, 7, 16, 40, 64] {
        let figures = validate(GanLoss::Bce, batch_size);
        for (figure, expected) in figures.iter().zip([loss_d, loss_g, accuracy]) {
            let difference = (f64::from(figure.unwrap()) - expected).abs();
            assert!(difference < 1e-5, "batches of {batch_size}: {figures:?}");
        }
    }
    let critic = validate(GanLoss::Wasserstein, 16);
    let expected = mean(&fake, &|x| x) - mean(&real, &|x| x);
    assert!((f64::from(critic[0].unwrap()) - expected).abs() < 1e-5);
    assert_eq!(critic[2], None, "a critic takes nothing for real");
}

#[test]
fn validation_changes_no_weight() {
    let folder = TempDir::new().unwrap();
    let pack = data(folder.path(), LabelKind::Class);
    let (memo, bare) = (FolderMemo::new(), FolderMemo::new());
    let with = with_validation(&gan(2), &pack, &memo, &Watch::default()).unwrap();
    let without = Bench::new().run(&gan(2), &bare).unwrap();
    assert_eq!(memo.bytes(&with)["model"], bare.bytes(&without)["model"]);
}

#[test]
fn divergence_names_the_penalty_that_overflowed() {
    let term = |settings: Value| {
        let critic = json!({
            "critic_steps": 5,
            "lr": {"generator": 1e-4, "discriminator": 1e15},
        });
        let with = plus(plus(gan(3), critic), settings);
        let outcome = Bench::new().run(&with, &FolderMemo::new()).unwrap();
        match outcome.status {
            Status::Diverged { term, step, .. } => (term, step),
            Status::Ok => panic!("it is finite"),
        }
    };
    // Logits of 1e32 are finite, their slope's square is not.
    let found = |settings: Value, name: &str| {
        let (term, step) = term(settings);
        assert_eq!((term.as_str(), step), (name, 2));
    };
    found(json!({"loss": "wgan-gp"}), "gradient_penalty");
    found(json!({"loss": "hinge", "r1": 1}), "r1");
    found(json!({"loss": "hinge", "r2": 1}), "r2");
    found(
        json!({"loss": "wasserstein", "divergence": {}}),
        "divergence",
    );
}
