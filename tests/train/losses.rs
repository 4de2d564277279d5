//! Losses, penalties and whole steps against PyTorch's (`tests/golden/losses.py`), in single precision.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Error, Result, Tensor};
use indexmap::IndexMap;
use retake::autograd::{Value, backward};
use retake::data::Batch;
use retake::loss::{
    AuxiliaryLoss, GanLoss, Reconstruction, Reduction, Steepness, around, as_printed, between,
    gradient_penalty, kl_divergence, reparameterise, slope_penalty,
};
use retake::model::{Dims, ModelSpec};
use retake::ops::{self, Conv, Padding};
use retake::rng::Stream;
use retake::train::{Gan, Learner, OptimiserSpec, Penalty, Points, Sgd, Step, Task as _, Training};
use serde::Deserialize;

use super::harness::{learner, put};

/// Largest error, relative to the largest number of what is compared.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    terms: BTreeMap<String, Term>,
    steps: BTreeMap<String, Whole>,
}

/// A term of a loss.
#[derive(Deserialize)]
struct Term {
    inputs: IndexMap<String, Input>,
    value: Vec<f64>,
    gradients: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct Input {
    salt: usize,
    shape: Vec<usize>,
    scale: f64,
    shift: f64,
}

/// A step of a critic and its generator.
#[derive(Deserialize)]
struct Whole {
    value: BTreeMap<String, f64>,
    critic: IndexMap<String, Vec<f64>>,
    generator: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/losses.json")).unwrap()
}

/// The script's `numbers`.
fn numbers(salt: usize, shape: &[usize], scale: f64, shift: f64) -> Tensor {
    let count: usize = shape.iter().product();
    let number = |k: usize| ((k * 7919 + salt * 104_729) % 2048) as f64 / 1024.0 - 1.0;
    let values: Vec<f64> = (0..count).map(|k| number(k) * scale + shift).collect();
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    tensor.to_dtype(DType::F32).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.to_dtype(DType::F64).unwrap().flatten_all();
    flat.unwrap().to_vec1().unwrap()
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

/// Compares `term` of the inputs recorded under `name`: its value, and its gradients in all that are no data.
#[track_caller]
fn check(name: &str, term: impl Fn(&[Value]) -> Result<Value>) {
    let golden = golden();
    let recorded = &golden.terms[name];
    let inputs: Vec<Value> = recorded
        .inputs
        .iter()
        .map(|(argument, input)| {
            let tensor = numbers(input.salt, &input.shape, input.scale, input.shift);
            if recorded.gradients.contains_key(argument) {
                Value::variable(tensor)
            } else {
                tensor.into()
            }
        })
        .collect();
    let value = term(&inputs).unwrap();
    assert_close(name, &flat(value.tensor()), &recorded.value);
    let scalar = if value.rank() == 0 {
        value
    } else {
        let weights = numbers(99, value.dims(), 1.0, 0.0).into();
        value.mul(&weights).and_then(|y| y.sum_all()).unwrap()
    };
    let arguments = recorded.inputs.keys().zip(&inputs);
    let (names, variables): (Vec<_>, Vec<_>) = arguments
        .filter(|(argument, _)| recorded.gradients.contains_key(*argument))
        .unzip();
    let gradients = backward(scalar, &variables).unwrap();
    for ((argument, variable), gradient) in names.iter().zip(&variables).zip(gradients) {
        let gradient = gradient.unwrap_or_else(|| variable.tensor().zeros_like().unwrap());
        let expected = &recorded.gradients[*argument];
        assert_close(&format!("{name}, {argument}"), &flat(&gradient), expected);
    }
}

#[test]
fn losses_of_a_gan_agree_with_pytorch() {
    let losses = [
        ("bce", GanLoss::Bce),
        ("minimax", GanLoss::Minimax),
        ("lsgan", GanLoss::LeastSquares),
        ("hinge", GanLoss::Hinge),
        ("wasserstein", GanLoss::Wasserstein),
    ];
    for (name, loss) in losses {
        check(&format!("{name} real"), |i| loss.real(&i[0], None));
        check(&format!("{name} fake"), |i| loss.fake(&i[0], None));
        check(&format!("{name} generator"), |i| loss.generator(&i[0]));
        if loss.has_labels() {
            let real = format!("{name} real labels");
            check(&real, |i| loss.real(&i[0], Some(&i[1])));
            let fake = format!("{name} fake labels");
            check(&fake, |i| loss.fake(&i[0], Some(&i[1])));
        }
    }
}

#[test]
fn auxiliary_losses_agree_with_pytorch() {
    let labels = |rows: [[f32; 7]; 4]| Tensor::new(&rows, &Device::Cpu);
    check("auxiliary bce", |i| {
        let labels = labels([
            [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0],
            [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
            [0.0; 7],
        ])?;
        AuxiliaryLoss::Bce.value(&i[0], &labels)
    });
    check("auxiliary cross-entropy", |i| {
        let labels = labels([
            [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0],
        ])?;
        let groups = vec![3, 4];
        AuxiliaryLoss::CrossEntropy { groups }.value(&i[0], &labels)
    });
}

#[test]
fn terms_of_a_vae_agree_with_pytorch() {
    for (reduced, reduction) in [("mean", Reduction::Mean), ("sum", Reduction::Sum)] {
        check(&format!("mse {reduced}"), |i| {
            Reconstruction::Mse.value(&i[0], &i[1], reduction)
        });
        check(&format!("l1 {reduced}"), |i| {
            Reconstruction::L1.value(&i[0], &i[1], reduction)
        });
        check(&format!("kl {reduced}"), |i| {
            kl_divergence(&i[0], &i[1], reduction)
        });
    }
    check("reparameterise", |i| reparameterise(&i[0], &i[1], &i[2]));
}

/// The script's critic, with its weights `p`: one number a sample.
fn judge(p: &[Value], x: &Value) -> Result<Value> {
    let down = Conv {
        stride: (2, 2),
        padding: Padding::symmetric(1, 1),
        groups: 1,
    };
    let h = ops::tanh(&ops::conv2d(x, &p[0], Some(&p[1]), &down)?)?;
    let h = ops::leaky_relu(&ops::conv2d(&h, &p[2], Some(&p[3]), &down)?, 0.2)?;
    ops::linear(&h.flatten_rows()?, &p[4], Some(&p[5]))
}

/// Compares the penalty recorded under `name`, by what `steepness` makes of slopes at the points that are made of
/// real and fake images, mixing numbers and noise.
#[track_caller]
fn check_penalty(
    name: &str,
    steepness: Steepness,
    points: impl Fn(&Tensor, &Tensor, &[f32], Option<&Value>) -> Result<Tensor>,
) {
    check(&format!("penalty {name}"), |i| {
        let (real, fake) = (i[6].tensor(), i[7].tensor());
        let mix = i.get(8).map(|mix| mix.tensor().flatten_all()?.to_vec1());
        let mix: Vec<f32> = mix.transpose()?.unwrap_or_default();
        let points = points(real, fake, &mix, i.get(9))?;
        slope_penalty::<Error>(points, steepness, |x| judge(i, x))
    });
}

#[test]
fn penalties_and_their_second_derivatives_agree_with_pytorch() {
    let two = Steepness::TwoSided;
    check_penalty("two-sided", two, |real, fake, mix, _| {
        between(real, fake, mix)
    });
    check("penalty two-sided", |i| {
        let mix: Vec<f32> = i[8].tensor().flatten_all()?.to_vec1()?;
        gradient_penalty::<Error>(i[6].tensor(), i[7].tensor(), &mix, |x| judge(i, x))
    });
    check_penalty("one-sided", Steepness::OneSided, |real, fake, mix, _| {
        between(real, fake, mix)
    });
    check_penalty("as printed", two, |real, fake, mix, _| {
        as_printed(real, fake, mix)
    });
    check_penalty("dragan", two, |real, _, mix, noise| {
        around(real, noise.unwrap().tensor(), mix)
    });
    check_penalty("r1", Steepness::Power(2), |real, _, _, _| Ok(real.clone()));
    check_penalty("r2", Steepness::Power(2), |_, fake, _, _| Ok(fake.clone()));
    for p in [6, 3, 1] {
        let name = format!("divergence {p}");
        check_penalty(&name, Steepness::Power(p), |real, fake, mix, _| {
            between(real, fake, mix)
        });
    }
}

/// The script's networks: a critic with its weights, and a generator that makes one image of any z.
const NETWORKS: &str = "
networks:
  generator:
    inputs: {z: [latent]}
    layers: [{linear: {out: channels*height*width}}, {reshape: [channels, height, width]}]
  discriminator:
    inputs: {image: [channels, height, width]}
    layers:
      - {conv: {out: 4, kernel: 3, stride: 2, padding: 1}}
      - tanh
      - {conv: {out: 5, kernel: 3, stride: 2, padding: 1}}
      - {leaky-relu: {slope: 0.2}}
      - flatten
      - {linear: {out: 1}}
";

const SEED: u64 = 0;

/// Scale of the critic's weights by name, in the script's order.
const WEIGHTS: [(&str, f64); 6] = [
    ("layers.0.weight", 0.35),
    ("layers.0.bias", 0.1),
    ("layers.2.weight", 0.35),
    ("layers.2.bias", 0.1),
    ("layers.5.weight", 1.0),
    ("layers.5.bias", 0.1),
];

/// A learner whose steps of plain SGD at a rate of 1 subtract the gradient.
fn prepared() -> Learner {
    let dims = Dims {
        latent: 2,
        classes: 0,
        channels: 2,
        height: 8,
        width: 8,
    };
    let sgd = Training::new(OptimiserSpec::Sgd(Sgd::default()), 1.0);
    let learner = learner(ModelSpec::from_yaml(NETWORKS).unwrap(), dims, sgd);
    let critic = learner.network("discriminator").unwrap().parameters();
    for (salt, (name, scale)) in WEIGHTS.iter().enumerate() {
        let parameter = critic.iter().find(|p| p.name == *name).unwrap();
        let values = numbers(salt + 1, parameter.value.dims(), *scale, 0.0);
        put(&parameter.value, &values);
    }
    for parameter in learner.network("generator").unwrap().parameters() {
        let values = match parameter.value.rank() {
            1 => numbers(8, parameter.value.dims(), 0.6, 0.1),
            _ => parameter.value.tensor().zeros_like().unwrap(),
        };
        put(&parameter.value, &values);
    }
    learner
}

fn parameters(learner: &Learner, network: &'static str) -> BTreeMap<String, Vec<f64>> {
    let parameters = learner.network(network).unwrap().parameters().iter();
    parameters
        .map(|p| (p.name.clone(), flat(p.value.tensor())))
        .collect()
}

/// Compares a step of `task` with what is recorded under `name`.
#[track_caller]
fn check_step(name: &str, task: &Gan) {
    let golden = golden();
    let recorded = &golden.steps[name];
    let mut learner = prepared();
    let batch = Batch {
        images: numbers(7, &[3 * 2 * 8 * 8], 0.9, 0.0).to_vec1().unwrap(),
        shape: (3, 2, 8, 8),
        labels: Vec::new(),
        classes: Vec::new(),
        indices: vec![0, 1, 2],
    };
    let networks = ["discriminator", "generator"];
    let before = networks.map(|network| parameters(&learner, network));
    let Step::Done(figures) = task.step(&mut learner, &batch).unwrap() else {
        panic!("{name} diverged");
    };
    let figures: BTreeMap<_, _> = task.columns().into_iter().zip(figures).collect();
    for (column, expected) in &recorded.value {
        let actual = figures[column.as_str()].unwrap();
        assert_close(&format!("{name}, {column}"), &[actual.into()], &[*expected]);
    }
    let after = networks.map(|network| parameters(&learner, network));
    let descent = |network: usize, parameter: &str| -> Vec<f64> {
        let pairs = before[network][parameter]
            .iter()
            .zip(&after[network][parameter]);
        pairs.map(|(before, after)| before - after).collect()
    };
    for (parameter, expected) in &recorded.critic {
        let what = format!("{name}, {parameter}");
        assert_close(&what, &descent(0, parameter), expected);
    }
    let image = descent(1, "layers.0.bias");
    assert_close(&format!("{name}, generator"), &image, &recorded.generator);
}

fn penalty(steepness: Steepness, points: Points, weight: f64, column: &'static str) -> Penalty {
    Penalty {
        steepness,
        points,
        weight,
        every: 1,
        column,
    }
}

#[test]
fn steps_agree_with_pytorch() {
    let plain = |loss| Gan::new(loss, SEED);
    check_step("bce", &plain(GanLoss::Bce));
    check_step("minimax", &plain(GanLoss::Minimax));
    check_step("lsgan", &plain(GanLoss::LeastSquares));

    let with = |loss, penalties: &[Penalty]| Gan {
        penalties: penalties.to_vec(),
        ..plain(loss)
    };
    let square = Steepness::Power(2);
    let r1 = |weight| penalty(square, Points::Real, weight, "r1");
    let r2 = penalty(square, Points::Fake, 0.3, "r2");
    check_step("hinge, r1 and r2", &with(GanLoss::Hinge, &[r1(0.1), r2]));
    check_step("bce and r1", &with(GanLoss::Bce, &[r1(0.5)]));
    let divergence = |points| {
        let penalty = penalty(Steepness::Power(6), points, 2.0, "divergence");
        with(GanLoss::Wasserstein, &[penalty])
    };
    check_step("wgan-div at both", &divergence(Points::RealAndFake));

    // The script holds these numbers too.
    let drawn = [0, 1, 2].map(|k| Stream::new(SEED, "gradient-penalty", k).unit());
    assert_eq!(
        drawn,
        [
            0.969_190_419_103_194,
            0.036_616_698_549_758_8,
            0.105_983_853_710_949_54
        ]
    );
    check_step("wgan-div between", &divergence(Points::Between));
    let two_sided = penalty(
        Steepness::TwoSided,
        Points::Between,
        10.0,
        "gradient_penalty",
    );
    let wgan_gp = with(GanLoss::Wasserstein, &[two_sided]);
    check_step("wgan-gp", &wgan_gp);
    let half = Gan {
        discriminator_weight: 0.5,
        ..wgan_gp
    };
    check_step("wgan-gp, half the critic", &half);
}
