//! Optimisers under schedules, clipped gradients and averages against PyTorch's (`tests/golden/schedules.py`).

use candle_core::{Device, Tensor};
use proptest::prelude::*;
use retake::autograd::Value;
use retake::model::{Dims, ModelSpec, Network};
use retake::train::{
    AVERAGE, Adam, Average, CriticSteps, Decay, GradientClip, Learner, OptimiserSpec, RmsProp,
    Schedule, Sgd, Training, Unit, WarmUp, WeightDecay,
};
use serde::Deserialize;

use super::harness::{learner, put};

/// Largest error, relative to the largest number of what is compared.
const TOLERANCE: f64 = 1e-5;
const LR: f64 = 0.05;
const STEPS: u64 = 20;
const STEPS_AN_EPOCH: u64 = 4;

/// One of PyTorch's runs.
#[derive(Deserialize)]
struct Golden {
    optimiser: String,
    schedule: String,
    unit: String,
    clip: Option<Clip>,
    average: Option<Averaged>,
    rates: Vec<f64>,
    after: Vec<f64>,
    averaged: Option<Vec<f64>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Clip {
    Norm(f64),
    Value(f64),
}

#[derive(Deserialize, Clone, Copy)]
struct Averaged {
    decay: f64,
    start: u64,
}

impl Golden {
    /// What the script's names stand for.
    fn training(&self) -> Training {
        let unit = match self.unit.as_str() {
            "step" => Unit::Step,
            _ => Unit::Epoch,
        };
        let units = match unit {
            Unit::Step => STEPS,
            Unit::Epoch => STEPS / STEPS_AN_EPOCH,
        };
        let (decay, floor, warm_up) = match self.schedule.as_str() {
            "constant" => (Decay::Constant, 0.0, 0),
            "step" => {
                let (every, factor) = (2, 0.5);
                (Decay::Step { every, factor }, 0.01, 0)
            }
            "exponential" => (Decay::Exponential { factor: 0.8 }, 0.0, 0),
            "cosine" => (Decay::Cosine { horizon: units }, 0.002, 0),
            "linear" => {
                let (start, horizon) = (2, units);
                (Decay::Linear { start, horizon }, 0.0, 0)
            }
            "warm-up" => (Decay::Constant, 0.0, 3),
            "warm-up, exponential" => (Decay::Exponential { factor: 0.8 }, 0.0, 3),
            other => panic!("no schedule `{other}`"),
        };
        Training {
            optimiser: match self.optimiser.as_str() {
                "adam" => OptimiserSpec::Adam(Adam {
                    betas: (0.5, 0.999),
                    eps: 1e-8,
                    weight_decay: WeightDecay::L2(0.0),
                }),
                "rmsprop" => OptimiserSpec::RmsProp(RmsProp::default()),
                _ => OptimiserSpec::Sgd(Sgd {
                    momentum: 0.9,
                    ..Sgd::default()
                }),
            },
            lr: LR,
            schedule: Schedule {
                decay,
                floor,
                warm_up,
                unit,
            },
            clip: self.clip.map(|clip| match clip {
                Clip::Norm(limit) => GradientClip::Norm(limit),
                Clip::Value(limit) => GradientClip::Value(limit),
            }),
        }
    }
}

/// The script's `numbers`.
fn numbers(salt: u64, shape: &[usize], scale: f64) -> Tensor {
    let count: usize = shape.iter().product();
    let number = |k: u64| ((k * 7919 + salt * 104_729) % 2048) as f64 / 1024.0 - 1.0;
    let values: Vec<f32> = (0..count as u64)
        .map(|k| (number(k) * scale) as f32)
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The weight and bias of the linear layer, flat.
fn parameters(network: &Network) -> Vec<f64> {
    let parameters = network.parameters().iter().take(2);
    let flat = parameters.flat_map(|p| {
        let flat = p.value.tensor().flatten_all().unwrap();
        flat.to_vec1::<f32>().unwrap()
    });
    flat.map(f64::from).collect()
}

/// A network of the script's weight and bias, and a batch norm for its buffers; and its average.
fn prepared(training: Training) -> Learner {
    let spec =
        "networks: {generator: {inputs: {z: [latent]}, layers: [{linear: {out: 3}}, batch-norm]}}";
    let mut spec = ModelSpec::from_yaml(spec).unwrap();
    let own = spec.networks["generator"].clone();
    spec.networks.insert(format!("generator{AVERAGE}"), own);
    let dims = Dims {
        latent: 4,
        classes: 0,
        channels: 1,
        height: 1,
        width: 1,
    };
    let learner = learner(spec, dims, training);
    for network in learner.model.networks.values() {
        for (parameter, salt) in network.parameters().iter().take(2).zip(1..) {
            let values = numbers(salt, parameter.value.dims(), 1.0);
            put(&parameter.value, &values);
        }
    }
    learner
}

#[track_caller]
fn assert_close(what: &str, actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    for (at, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (actual - expected).abs() <= TOLERANCE * scale,
            "{what}, element {at}: {actual}, expected {expected}"
        );
    }
}

#[test]
fn twenty_steps_under_schedules_agree_with_pytorch() {
    let golden: Vec<Golden> =
        serde_json::from_str(include_str!("../golden/schedules.json")).unwrap();
    assert!(golden.len() > 50);
    for case in golden {
        let what = format!("{}, {}, {}", case.optimiser, case.schedule, case.unit);
        let mut learner = prepared(case.training());
        let mut rates = Vec::new();
        for step in 0..STEPS {
            (learner.steps, learner.epochs) = (step, step / STEPS_AN_EPOCH);
            rates.push(learner.lr("generator"));
            // A loss whose gradient is the script's.
            let network = learner.network("generator").unwrap();
            let scale = (step + 1) as f64 / 10.0;
            let terms = network.parameters().iter().zip([10, 50]);
            let loss = terms.map(|(parameter, salt)| {
                let gradient = numbers(salt + step, parameter.value.dims(), scale);
                let product = parameter.value.mul(&gradient.into()).unwrap();
                product.sum_all().unwrap()
            });
            let loss = loss.reduce(|a, b| a.add(&b).unwrap()).unwrap();
            for buffer in network.buffers() {
                put(&buffer.value, &numbers(90 + step, buffer.value.dims(), 1.0));
            }
            learner.descend(&["generator"], loss).unwrap();
            if let Some(Averaged { decay, start }) = case.average {
                let average = Average { decay, start };
                learner.move_averages(&["generator"], average).unwrap();
            }
        }
        assert_close(&format!("{what}, rates"), &rates, &case.rates);
        let network = learner.network("generator").unwrap();
        assert_close(&what, &parameters(network), &case.after);
        if let Some(expected) = &case.averaged {
            let average = learner.optional("generator_ema").unwrap();
            let averaged = format!("{what}, average");
            assert_close(&averaged, &parameters(average), expected);
            for (average, own) in average.buffers().iter().zip(network.buffers()) {
                let values = |value: &Value| value.tensor().flatten_all().unwrap().to_vec1::<f32>();
                assert_eq!(
                    values(&average.value).unwrap(),
                    values(&own.value).unwrap(),
                    "{averaged}: buffers are copied"
                );
            }
        }
    }
}

#[test]
fn a_rate_stays_at_its_floor_and_a_floor_above_it_changes_nothing() {
    let at = |decay, floor, t| {
        let schedule = Schedule {
            decay,
            floor,
            ..Schedule::default()
        };
        schedule.at(0.1, t, 0)
    };
    for decay in [
        Decay::Step {
            every: 1,
            factor: 0.5,
        },
        Decay::Exponential { factor: 0.5 },
        Decay::Cosine { horizon: 10 },
        Decay::Linear {
            start: 2,
            horizon: 10,
        },
    ] {
        for t in [10, 11, 1000] {
            assert!((at(decay, 0.02, t) - 0.02).abs() < 1e-12, "{decay:?}, {t}");
            assert!((at(decay, 0.5, t) - 0.1).abs() < 1e-12, "{decay:?}, {t}");
        }
    }
}

/// Discriminator steps before each of `count` generator steps.
fn critic_schedule(steps: CriticSteps, count: u64) -> Vec<u64> {
    let (mut discriminator, mut last) = (0, 0);
    let each = (0..count).map(|generator| {
        discriminator += 1;
        while !steps.due(discriminator, generator) {
            discriminator += 1;
        }
        let made = discriminator - last;
        last = discriminator;
        made
    });
    each.collect()
}

/// The loop of Arjovsky's code: `Diters = 100 if gen_iterations < 25 or gen_iterations % 500 == 0 else n`.
fn literal(steps: u64, warm_up: WarmUp, count: u64) -> Vec<u64> {
    let thorough = |generator: u64| {
        generator < warm_up.first || (warm_up.every > 0 && generator.is_multiple_of(warm_up.every))
    };
    (0..count)
        .map(|generator| {
            if thorough(generator) {
                warm_up.steps
            } else {
                steps
            }
        })
        .collect()
}

#[test]
fn a_critic_makes_the_steps_of_the_original_code() {
    let warm_up = WarmUp {
        steps: 100,
        first: 25,
        every: 500,
    };
    let steps = CriticSteps {
        steps: 5,
        warm_up: Some(warm_up),
    };
    let made = critic_schedule(steps, 4000);
    assert_eq!(made, literal(5, warm_up, 4000));
    assert_eq!((made[24], made[25], made[500], made[501]), (100, 5, 100, 5));
    let plain = CriticSteps {
        steps: 3,
        warm_up: None,
    };
    assert_eq!(critic_schedule(plain, 50), [3; 50]);
}

proptest! {
    #[test]
    fn any_warm_up_is_the_literal_rule(
        steps in 1_u64..6, thorough in 1_u64..12, first in 0_u64..40, every in 0_u64..30,
    ) {
        let warm_up = WarmUp { steps: thorough, first, every };
        let made = critic_schedule(CriticSteps { steps, warm_up: Some(warm_up) }, 200);
        prop_assert_eq!(made, literal(steps, warm_up, 200));
    }
}
