//! Optimisers against PyTorch's (tests/golden/optimisers.py), and what a resumed run relies on.

use candle_core::{DType, Device, Tensor};
use retake::stage::train::{Constants, OptimiserName};
use retake::train::{Adam, Gradients, Optimiser, OptimiserSpec, RmsProp, Sgd, WeightDecay};
use serde::Deserialize;

/// Each optimiser with all the state it can have.
const ALL: [OptimiserSpec; 4] = [
    OptimiserSpec::Adam(Adam {
        betas: (0.5, 0.999),
        eps: 1e-8,
        weight_decay: WeightDecay::L2(0.01),
    }),
    OptimiserSpec::Adam(Adam {
        betas: (0.9, 0.999),
        eps: 1e-8,
        weight_decay: WeightDecay::Decoupled(0.01),
    }),
    OptimiserSpec::RmsProp(RmsProp {
        alpha: 0.9,
        eps: 1e-8,
        centered: true,
        momentum: 0.9,
        weight_decay: 0.01,
    }),
    OptimiserSpec::Sgd(Sgd {
        momentum: 0.9,
        dampening: 0.1,
        nesterov: false,
        weight_decay: 0.01,
    }),
];

/// The script's `numbers`.
fn numbers(salt: usize, shape: &[usize], dtype: DType) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count)
        .map(|k| ((k * 7919 + salt * 104_729) % 2048) as f64 / 1024.0 - 1.0)
        .collect();
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    tensor.to_dtype(dtype).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.to_dtype(DType::F64).unwrap().flatten_all();
    flat.unwrap().to_vec1().unwrap()
}

fn optimiser(spec: OptimiserSpec, parameters: &[Tensor]) -> Optimiser {
    Optimiser::new(spec, parameters.iter().map(|tensor| ("weight", tensor))).unwrap()
}

/// One of PyTorch's runs.
#[derive(Deserialize)]
struct Golden {
    name: String,
    optimiser: OptimiserName,
    settings: Settings,
    start: Start,
    gradients: Vec<usize>,
    after: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Start {
    salt: usize,
    shape: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    lr: f64,
    betas: Option<(f64, f64)>,
    alpha: Option<f64>,
    eps: Option<f64>,
    centered: Option<bool>,
    momentum: Option<f64>,
    dampening: Option<f64>,
    nesterov: Option<bool>,
    weight_decay: Option<f64>,
}

impl Settings {
    /// As a train stage reads them, with Adam's own betas by default.
    fn spec(&self, optimiser: OptimiserName) -> OptimiserSpec {
        let constants = Constants {
            betas: self.betas,
            alpha: self.alpha,
            eps: self.eps,
            centered: self.centered,
            momentum: self.momentum,
            dampening: self.dampening,
            nesterov: self.nesterov,
            weight_decay: self.weight_decay,
        };
        let filled = constants.filled(optimiser, Adam::default().betas);
        assert_eq!(filled.faults(optimiser), []);
        filled.spec(optimiser)
    }
}

#[test]
fn optimisers_agree_with_pytorch() {
    let golden: Vec<Golden> =
        serde_json::from_str(include_str!("../golden/optimisers.json")).unwrap();
    for case in golden {
        let spec = case.settings.spec(case.optimiser);
        // The fused pass, and the same in candle's operations.
        for (dtype, tolerance) in [(DType::F32, 2e-6), (DType::F64, 1e-12)] {
            let parameter = numbers(case.start.salt, &case.start.shape, dtype);
            let mut optimiser = optimiser(spec, std::slice::from_ref(&parameter));
            for (salt, expected) in case.gradients.iter().zip(&case.after) {
                let gradient = numbers(*salt, &case.start.shape, dtype);
                let gradients = Gradients::from_tensors(vec![Some(gradient)]);
                optimiser.step(&gradients, case.settings.lr).unwrap();
                for (value, expected) in values(&parameter).iter().zip(expected) {
                    assert!(
                        (value - expected).abs() < tolerance,
                        "{}, {dtype:?}, step {}: {value} is not {expected}",
                        case.name,
                        optimiser.steps()
                    );
                }
            }
        }
    }
}

/// Parameters from a single number to several tasks' worth.
const SHAPES: [&[usize]; 4] = [&[], &[7], &[40, 1000], &[3, 5, 4, 4]];

/// A gradient for each of [`SHAPES`].
fn gradients(step: usize) -> Gradients {
    let each = SHAPES.iter().enumerate();
    let each = each.map(|(at, shape)| Some(numbers(10 * step + at, shape, DType::F32)));
    Gradients::from_tensors(each.collect())
}

fn parameters() -> Vec<Tensor> {
    let each = SHAPES.iter().enumerate();
    each.map(|(at, shape)| numbers(at, shape, DType::F32))
        .collect()
}

fn bits(tensors: &[Tensor]) -> Vec<u64> {
    tensors.iter().flat_map(values).map(f64::to_bits).collect()
}

/// Gives `to` the values of `from`, in place.
fn restore(to: &Tensor, from: &Tensor) {
    let flat = |tensor: &Tensor| tensor.reshape(tensor.elem_count()).unwrap();
    flat(to).slice_set(&flat(from), 0, 0).unwrap();
}

#[test]
fn a_restored_optimiser_goes_on_with_the_same_bits() {
    for spec in ALL {
        let straight = parameters();
        let mut first = optimiser(spec, &straight);
        for step in 0..3 {
            first.step(&gradients(step), 0.01).unwrap();
        }
        let resumed: Vec<Tensor> = straight.iter().map(|p| p.copy().unwrap()).collect();
        let mut second = optimiser(spec, &resumed);
        for ((name, from), (same, to)) in first.state().into_iter().zip(second.state()) {
            assert_eq!(name, same);
            restore(to, from);
        }
        second.set_steps(first.steps());
        for step in 3..6 {
            first.step(&gradients(step), 0.01).unwrap();
            second.step(&gradients(step), 0.01).unwrap();
        }
        assert_eq!(bits(&straight), bits(&resumed), "{spec:?}");
    }
}

#[test]
fn threads_change_nothing() {
    let run = |spec: OptimiserSpec, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let parameters = parameters();
            let mut optimiser = optimiser(spec, &parameters);
            for step in 0..3 {
                optimiser.step(&gradients(step), 0.01).unwrap();
            }
            bits(&parameters)
        })
    };
    for spec in ALL {
        assert_eq!(run(spec, 1), run(spec, 5), "{spec:?}");
    }
}

#[test]
fn a_parameter_without_gradient_stays() {
    for spec in ALL {
        let parameters = [numbers(1, &[4], DType::F32), numbers(2, &[4], DType::F32)];
        let before = parameters.clone().map(|parameter| values(&parameter));
        let mut optimiser = optimiser(spec, &parameters);
        let gradients = vec![None, Some(numbers(3, &[4], DType::F32))];
        let gradients = Gradients::from_tensors(gradients);
        optimiser.step(&gradients, 0.1).unwrap();
        assert_eq!(values(&parameters[0]), before[0]);
        assert_ne!(values(&parameters[1]), before[1]);
    }
}

#[test]
fn a_gradient_that_does_not_fit_changes_nothing() {
    let parameters = [numbers(1, &[4], DType::F32), numbers(2, &[4], DType::F32)];
    let before = bits(&parameters);
    let sound = Some(numbers(3, &[4], DType::F32));
    for (wrong, complaint) in [
        (
            numbers(3, &[2, 2], DType::F32),
            "`weight` is [4], its gradient [2, 2]",
        ),
        (
            parameters[0].clone(),
            "shares its elements with a parameter",
        ),
    ] {
        let mut optimiser = optimiser(ALL[0], &parameters);
        let gradients = Gradients::from_tensors(vec![sound.clone(), Some(wrong)]);
        let error = optimiser.step(&gradients, 0.1).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
        assert_eq!(bits(&parameters), before);
    }
}

#[test]
fn state_is_named_after_its_parameter() {
    let names = |spec| {
        let optimiser = optimiser(spec, &[numbers(1, &[2], DType::F32)]);
        let state = optimiser.state().into_iter();
        state.map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names(ALL[0]), ["first.weight", "second.weight"]);
    assert_eq!(
        names(ALL[2]),
        ["square.weight", "mean.weight", "momentum.weight"]
    );
    assert_eq!(
        names(OptimiserSpec::RmsProp(RmsProp::default())),
        ["square.weight"]
    );
    assert!(names(OptimiserSpec::Sgd(Sgd::default())).is_empty());
}

/// Rounding takes s − ḡ² below zero sooner or later when the gradient never changes.
#[test]
fn a_constant_gradient_leaves_centred_rmsprop_finite() {
    let parameter = numbers(1, &[64], DType::F32);
    let mut optimiser = optimiser(ALL[2], std::slice::from_ref(&parameter));
    let gradients = Gradients::from_tensors(vec![Some(numbers(2, &[64], DType::F32))]);
    for _ in 0..300 {
        optimiser.step(&gradients, 1e-9).unwrap();
    }
    assert!(values(&parameter).iter().all(|value| value.is_finite()));
}

#[test]
fn the_gradient_norm_is_over_all_parameters() {
    let tensor =
        |values: &[f32]| Some(Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap());
    let gradients = Gradients::from_tensors(vec![tensor(&[3.0, 0.0]), None, tensor(&[4.0])]);
    assert!((gradients.squares().unwrap() - 25.0).abs() < 1e-12);
    let broken = Gradients::from_tensors(vec![tensor(&[3.0, f32::NAN])]);
    assert!(broken.squares().unwrap().is_nan());
}
