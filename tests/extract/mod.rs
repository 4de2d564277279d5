//! From images to features.

mod command;
mod eye;
mod fidelity;
mod resample;
mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Device;
use retake::extract::ExtractorSpec;
use retake::model::weights::{NameMap, export};
use retake::model::{Dims, Init, Network};
use retake::rng::Stream;
use retake::worktree::WorkTree;
use serde_json::Value;

use crate::support::Said;

/// A small extractor: spatial features, logits, another range for one protocol.
pub const SPEC: &str = "
name: small
model:
  networks:
    eye:
      inputs: {image: [channels, height, width]}
      layers:
        - {name: conv, conv: {out: 6, kernel: 3, stride: 2}}
        - relu
        - tap: early
        - {name: second, conv: {out: 5, kernel: 3}}
        - tap: features
        - global-avg-pool
        - {name: fc, linear: {out: 4, bias: false}}
        - tap: logits
network: eye
size: 21
features: features
scores: logits
range: {mean: [128, 128, 128], scale: [32, 32, 32]}
ranges:
  pytorch-fid: {mean: [127.5, 127.5, 127.5], scale: [32, 32, 32]}
weights: {}
";

/// The extractor, resolved.
pub fn spec() -> ExtractorSpec {
    let mut spec = ExtractorSpec::from_yaml(SPEC).expect("an extractor");
    spec.resolve(&WorkTree::new(Path::new("")))
        .expect("its layers are here");
    spec
}

/// Weights of the extractor, drawn from `seed`, in `folder`.
pub fn weights(folder: &Path, seed: u64) -> PathBuf {
    let dims = Dims {
        latent: 0,
        classes: 0,
        channels: 3,
        height: 21,
        width: 21,
    };
    let spec = spec();
    let layers = spec.layers().expect("a resolved model");
    let network = Network::new("eye", layers, &dims, Init::Pytorch, seed, &Device::Cpu);
    let path = folder.join("small.safetensors");
    export(&network.expect("shapes fit"), &path, &NameMap::default()).expect("a written file");
    path
}

/// `count` PNGs in `folder`: noise around a brightness that `shift` moves; every third is grey, every fourth of
/// another size.
pub fn images(folder: &Path, count: u64, seed: u64, shift: u8) {
    std::fs::create_dir_all(folder).expect("a folder");
    for index in 0..count {
        let mut stream = Stream::new(seed, "image", index);
        let side = if index % 4 == 0 { 30 } else { 16 };
        let base = stream.below(120) as u8 + shift;
        let path = folder.join(format!("{index:03}.png"));
        let mut pixel = || base + stream.below(60) as u8;
        let saved = if index % 3 == 0 {
            image::GrayImage::from_fn(side, side, |_, _| image::Luma([pixel()])).save(path)
        } else {
            image::RgbImage::from_fn(side, side, |_, _| image::Rgb([pixel(), pixel(), pixel()]))
                .save(path)
        };
        saved.expect("a written image");
    }
}

/// Metric → value.
pub fn values(said: &Said) -> BTreeMap<String, f64> {
    assert_eq!(said.code, Some(0), "{said:?}");
    let rows: Vec<Value> = serde_json::from_str(&said.out).expect("JSON");
    rows.iter()
        .map(|row| {
            (
                row["metric"].as_str().unwrap().to_owned(),
                row["value"].as_f64().unwrap(),
            )
        })
        .collect()
}
