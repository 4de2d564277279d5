//! `DiffAugment` against the authors' definitions in `PyTorch` (`tests/golden/diff_augment.py`).

use candle_core::{DType, Device, Result, Tensor};
use retake::autograd::Value;
use retake::ops::{Draw, Policy, diff_augment};
use retake::rng::Stream;
use serde::Deserialize;

use super::golden::numbers;
use super::{assert_close, check_derivatives, gradients, normal, values, variables};

#[derive(Deserialize)]
struct Case {
    shape: Vec<usize>,
    policy: Vec<String>,
    draws: Vec<Numbers>,
    y: Vec<f32>,
    gradient: Vec<f32>,
}

#[derive(Deserialize)]
struct Numbers {
    brightness: f64,
    saturation: f64,
    contrast: f64,
    translation: [f64; 2],
    cutout: [f64; 2],
}

impl Numbers {
    fn draw(&self) -> Draw {
        Draw {
            brightness: self.brightness,
            saturation: self.saturation,
            contrast: self.contrast,
            translation: self.translation,
            cutout: self.cutout,
        }
    }
}

const ALL: [Policy; 3] = [Policy::Color, Policy::Translation, Policy::Cutout];

fn drawn(samples: u64) -> Vec<Draw> {
    (0..samples)
        .map(|k| {
            let mut stream = Stream::new(3, "diff-augment", k);
            Draw::new(|| stream.unit())
        })
        .collect()
}

#[test]
fn values_and_gradients_agree_with_the_authors_definitions() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../golden/diff_augment.json")).unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let policy: Vec<Policy> = case
            .policy
            .iter()
            .map(|name| match name.as_str() {
                "color" => Policy::Color,
                "translation" => Policy::Translation,
                "cutout" => Policy::Cutout,
                other => panic!("no policy {other}"),
            })
            .collect();
        let draws: Vec<Draw> = case.draws.iter().map(Numbers::draw).collect();
        let images = variables(&[numbers(1, &case.shape)]);
        let y = diff_augment(&images[0], &draws, &policy).unwrap();
        let expect = |recorded: &[f32]| {
            Tensor::from_slice(recorded, case.shape.as_slice(), &Device::Cpu).unwrap()
        };
        assert_close(y.tensor(), &expect(&case.y), 1e-5);
        let weighted = y.mul(&numbers(99, &case.shape).into()).unwrap();
        let gradient = gradients(weighted.sum_all().unwrap(), &images);
        assert_close(&gradient[0], &expect(&case.gradient), 1e-5);
    }
}

#[test]
fn first_and_second_derivatives_pass_through() {
    let images = normal("images", (2, 3, 4, 5), DType::F64);
    let draws = drawn(2);
    let function = |x: &[Value]| -> Result<Value> { diff_augment(&x[0].sqr()?, &draws, &ALL) };
    check_derivatives(&[images], function);
}

#[test]
fn the_middle_of_every_range_changes_nothing_but_what_is_cut_out() {
    let images: Value = normal("images", (1, 3, 16, 16), DType::F32).into();
    let middle = [Draw::new(|| 0.5)];
    let same = diff_augment(&images, &middle, &ALL[..2]).unwrap();
    assert_close(same.tensor(), images.tensor(), 1e-6);
    let cut = diff_augment(&images, &middle, &ALL[2..]).unwrap();
    let zeros = values(cut.tensor()).iter().filter(|x| **x == 0.0).count();
    assert_eq!(zeros, 3 * 8 * 8);
}

#[test]
fn each_sample_has_draws_of_its_own() {
    let images: Value = normal("images", (3, 1, 8, 8), DType::F32).into();
    let draws = drawn(3);
    let together = diff_augment(&images, &draws, &ALL).unwrap();
    for (k, draw) in draws.iter().enumerate() {
        let one = images.narrow(0, k, 1).unwrap();
        let alone = diff_augment(&one, &[*draw], &ALL).unwrap();
        let of_all = together.tensor().narrow(0, k, 1).unwrap();
        assert_eq!(values(alone.tensor()), values(&of_all));
    }
    assert!(diff_augment(&images, &draws[..2], &ALL).is_err());
}
