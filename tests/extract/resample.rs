//! Resampling against torch-fidelity, PyTorch and clean-fid: `tests/golden/resample.py`.

use retake::extract::protocol::Protocol;
use retake::extract::resample::{Resample, Resampler};
use retake::hash::sha256;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    every: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    size: (usize, usize),
    tensorflow_sha256: String,
    tensorflow: Vec<f32>,
    pytorch: Vec<f32>,
    pillow: Vec<f32>,
}

const TO: (usize, usize) = (299, 299);

/// The script's image as planes (3, H, W).
fn planes((height, width): (usize, usize)) -> Vec<Vec<f32>> {
    let pixel =
        |x: usize, y: usize, c: usize| ((x * 7 + y * 13 + c * 31 + (x * y) % 17 * 5) % 256) as f32;
    (0..3)
        .map(|c| {
            let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            rows.map(|(x, y)| pixel(x, y, c)).collect()
        })
        .collect()
}

/// All three planes resampled, one after the other.
fn resampled(resample: Resample, size: (usize, usize)) -> Vec<f32> {
    let resampler = Resampler::new(resample, size, TO);
    let planes = planes(size);
    let made = planes.iter().flat_map(|plane| {
        let mut out = vec![f32::NAN; TO.0 * TO.1];
        resampler.apply(plane, &mut out);
        out
    });
    made.collect()
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/resample.json")).expect("the golden numbers")
}

#[test]
fn tensorflows_bilinear_agrees_with_torch_fidelity_to_the_bit() {
    let golden = golden();
    for case in &golden.cases {
        let ours = resampled(Resample::TensorFlowBilinear, case.size);
        for (at, theirs) in case.tensorflow.iter().enumerate() {
            let ours = ours[at * golden.every];
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{:?} at {at}", case.size);
        }
        let bytes: Vec<u8> = ours.iter().flat_map(|value| value.to_le_bytes()).collect();
        let digest = sha256(&bytes);
        assert_eq!(digest, case.tensorflow_sha256, "{:?}", case.size);
    }
}

#[test]
fn pytorchs_bilinear_and_pillows_bicubic_agree_to_a_hundred_thousandth_of_the_range() {
    let golden = golden();
    for case in &golden.cases {
        for (resample, theirs) in [
            (Resample::TorchBilinear, &case.pytorch),
            (Resample::PillowBicubic, &case.pillow),
        ] {
            let ours = resampled(resample, case.size);
            for (at, theirs) in theirs.iter().enumerate() {
                let mut ours = ours[at * golden.every];
                if resample == Resample::PillowBicubic {
                    ours = ours.clamp(0.0, 255.0); // as clean-fid does
                }
                let apart = (ours - theirs).abs();
                assert!(
                    apart <= 1e-5 * 255.0,
                    "{resample:?} {:?} at {at}: {ours} {theirs}",
                    case.size
                );
            }
        }
    }
}

#[test]
fn protocols_have_one_name() {
    for protocol in Protocol::ALL {
        assert_eq!(protocol.name().parse(), Ok(protocol));
        assert_eq!(serde_json::to_value(protocol).unwrap(), protocol.name());
    }
    assert!("fid".parse::<Protocol>().is_err());
}
