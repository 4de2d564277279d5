//! Initial values: bounds and moments by name, orthogonality.

use candle_core::Device;
use retake::model::{Init, Network};

use super::{dims, one};

/// A convolution (3 → 64), a transposed one (64 → 32, two groups) and a linear layer (8192 → 24), with the fans
/// that PyTorch's `_calculate_fan_in_and_fan_out` finds for their weights.
const FANS: [(&str, f64, f64); 3] = [
    ("layers.0.weight", 48.0, 1024.0),
    ("layers.2.weight", 256.0, 1024.0),
    ("layers.4.weight", 8192.0, 24.0),
];

const LAYERS: &str = "[{conv: {out: 64, kernel: 4, stride: 4}}, batch-norm,
    {conv-transpose: {out: 32, kernel: 4, stride: 2, padding: 1, groups: 2}}, flatten,
    {linear: {out: 24}}]";

/// Every parameter by name, in order.
fn start(init: Init, seed: u64) -> Vec<(String, Vec<f32>)> {
    let spec = &one(LAYERS).networks["net"];
    let built = Network::new("net", spec, &dims(32), init, seed, &Device::Cpu).unwrap();
    let parameters = built.parameters().iter();
    parameters
        .map(|p| {
            let values = p.value.tensor().flatten_all().unwrap().to_vec1().unwrap();
            (p.name.clone(), values)
        })
        .collect()
}

fn weight(parameters: &[(String, Vec<f32>)], name: &str) -> Vec<f64> {
    let (_, values) = parameters.iter().find(|(it, _)| it == name).unwrap();
    values.iter().map(|&x| f64::from(x)).collect()
}

fn deviation(values: &[f64]) -> f64 {
    (values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64).sqrt()
}

#[test]
fn deviations_follow_the_fans() {
    for (name, fan_in, fan_out) in FANS {
        for (init, variance, bound) in [
            (Init::Xavier, 2.0 / (fan_in + fan_out), Some(3.0f64)),
            (Init::XavierNormal, 2.0 / (fan_in + fan_out), None),
            (Init::He, 2.0 / fan_in, None),
            (Init::HeUniform, 2.0 / fan_in, Some(3.0)),
        ] {
            let values = weight(&start(init, 1), name);
            let relative = deviation(&values) / variance.sqrt();
            assert!((relative - 1.0).abs() < 0.04, "{init:?} {name}: {relative}");
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            assert!(
                mean.abs() < 0.05 * variance.sqrt(),
                "{init:?} {name}: {mean}"
            );
            // Uniform numbers end at √3 deviations, of normal ones some are beyond three.
            let largest = values.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            let largest = largest / variance.sqrt();
            match bound {
                Some(square) => assert!((0.99..1.000_001).contains(&(largest / square.sqrt()))),
                None => assert!((3.0..6.0).contains(&largest), "{init:?} {name}: {largest}"),
            }
        }
    }
}

#[test]
fn orthogonal_weights_are_orthonormal_along_their_shorter_side() {
    let parameters = start(Init::Orthogonal, 1);
    for (name, rows) in [
        ("layers.0.weight", 64),
        ("layers.2.weight", 64),
        ("layers.4.weight", 24),
    ] {
        let values = weight(&parameters, name);
        let columns = values.len() / rows;
        let at = |vector: usize, element: usize| {
            if rows <= columns {
                values[vector * columns + element]
            } else {
                values[element * columns + vector]
            }
        };
        let (count, length) = (rows.min(columns), rows.max(columns));
        for i in 0..count {
            for j in 0..=i {
                let product: f64 = (0..length).map(|k| at(i, k) * at(j, k)).sum();
                let expected = f64::from(u8::from(i == j));
                assert!(
                    (product - expected).abs() < 1e-6,
                    "{name} {i} {j}: {product}"
                );
            }
        }
    }
}

/// The diagonal of R is positive: otherwise some directions would be likelier than others.
#[test]
fn orthogonal_weights_keep_the_direction_of_their_first_vector() {
    let (orthogonal, he) = (start(Init::Orthogonal, 1), start(Init::He, 1));
    let first = |parameters: &[(String, Vec<f32>)]| {
        let values = weight(parameters, "layers.4.weight")[..8192].to_vec();
        let length = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        values
            .into_iter()
            .map(move |x| x / length)
            .collect::<Vec<_>>()
    };
    let cosine: f64 = first(&orthogonal)
        .iter()
        .zip(first(&he))
        .map(|(a, b)| a * b)
        .sum();
    assert!((cosine - 1.0).abs() < 1e-6, "{cosine}");
}

#[test]
fn biases_and_norms_start_as_nothing() {
    for init in [
        Init::Xavier,
        Init::XavierNormal,
        Init::He,
        Init::HeUniform,
        Init::Orthogonal,
    ] {
        let parameters = start(init, 1);
        for name in [
            "layers.0.bias",
            "layers.1.bias",
            "layers.2.bias",
            "layers.4.bias",
        ] {
            assert!(
                weight(&parameters, name).iter().all(|&x| x == 0.0),
                "{init:?} {name}"
            );
        }
        assert!(
            weight(&parameters, "layers.1.weight")
                .iter()
                .all(|&x| x == 1.0)
        );
    }
}

#[test]
fn the_seed_alone_decides() {
    let with = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| start(Init::Orthogonal, seed))
    };
    assert_eq!(with(1, 1), with(3, 1));
    assert_ne!(with(1, 1)[0], with(1, 2)[0]);
}
