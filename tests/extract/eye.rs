//! Extractors as such: what they see, what they refuse.

use candle_core::Device;
use retake::data::image::Image;
use retake::extract::{ExtractError, Extractor, ExtractorSpec, Protocol};
use retake::rng::Stream;
use retake::worktree::WorkTree;

use super::{spec, weights};

fn noise(count: u64) -> Vec<Image> {
    let image = |index| {
        let mut stream = Stream::new(1, "noise", index);
        let channels = if index % 3 == 0 { 1 } else { 3 };
        let (height, width) = if index % 2 == 0 { (16, 24) } else { (40, 21) };
        let mut image = Image::filled(height, width, channels, 0);
        for pixel in &mut image.pixels {
            *pixel = stream.below(256) as u8;
        }
        image
    };
    (0..count).map(image).collect()
}

fn look(extractor: &Extractor, images: &[Image]) -> Vec<u32> {
    let views: Vec<_> = images.iter().map(Image::view).collect();
    let seen = extractor.look(&views).unwrap();
    let values = seen.features.iter().chain(&seen.scores);
    values.map(|value| value.to_bits()).collect()
}

#[test]
fn features_do_not_depend_on_what_stands_beside_an_image_nor_on_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = weights(folder.path(), 3);
    for protocol in Protocol::ALL {
        let extractor = Extractor::open(&spec(), protocol, &path, &Device::Cpu).unwrap();
        let images = noise(37);
        let views: Vec<_> = images.iter().map(Image::view).collect();
        let all = extractor.look(&views).unwrap();
        assert_eq!((all.dimensions, all.classes), (5, 4));
        assert_eq!(all.features.len(), 37 * 5);
        for index in [0, 7, 8, 36] {
            let one = extractor.look(&views[index..=index]).unwrap();
            assert_eq!(one.features, all.features[index * 5..][..5]);
            assert_eq!(one.scores, all.scores[index * 4..][..4]);
        }
        let expected = look(&extractor, &images);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            assert_eq!(
                pool.install(|| look(&extractor, &images)),
                expected,
                "{threads} threads"
            );
        }
    }
}

#[test]
fn grey_images_are_seen_as_colour_with_equal_channels() {
    let folder = tempfile::tempdir().unwrap();
    let extractor = Extractor::open(
        &spec(),
        Protocol::CleanFid,
        &weights(folder.path(), 3),
        &Device::Cpu,
    )
    .unwrap();
    let grey = noise(1).remove(0);
    let colour = Image {
        channels: 3,
        pixels: grey.pixels.iter().flat_map(|value| [*value; 3]).collect(),
        ..grey.clone()
    };
    assert_eq!(grey.channels, 1);
    assert_eq!(look(&extractor, &[grey]), look(&extractor, &[colour]));
}

#[test]
fn a_tap_with_pixels_gives_their_mean_and_one_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = weights(folder.path(), 3);
    let mut early = spec();
    early.features = "early".to_owned();
    let extractor = Extractor::open(&early, Protocol::TorchFidelity, &path, &Device::Cpu).unwrap();
    let images = noise(2);
    let views: Vec<_> = images.iter().map(Image::view).collect();
    assert_eq!(extractor.look(&views).unwrap().dimensions, 6);
    early.features = "late".to_owned();
    let extractor = Extractor::open(&early, Protocol::TorchFidelity, &path, &Device::Cpu).unwrap();
    let error = extractor.look(&views).unwrap_err().to_string();
    assert_eq!(
        error,
        "the extractor has no layer `tap: late` (it has early, features, logits)"
    );
}

#[test]
fn weights_of_another_digest_are_refused_with_both_digests_and_where_the_right_ones_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = weights(folder.path(), 3);
    let mut inception = ExtractorSpec::preset("inception-v3").unwrap();
    inception.resolve(&WorkTree::new(folder.path())).unwrap();
    let error = Extractor::open(&inception, Protocol::TorchFidelity, &path, &Device::Cpu).err();
    let Some(ExtractError::OtherWeights { found, wanted, .. }) = &error else {
        panic!("{error:?}");
    };
    assert!(found.len() == 64 && wanted.starts_with("6726825d"));
    let text = error.unwrap().to_string();
    for part in [
        found_in(&text),
        "`weights_sha256`",
        "pt_inception-2015-12-05-6726825d.pth",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

fn found_in(text: &str) -> &str {
    let at = text.find("sha256 ").expect("a digest") + 7;
    &text[at..at + 64]
}

#[test]
fn truncated_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = weights(folder.path(), 3);
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 1, 9, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = Extractor::open(&spec(), Protocol::TorchFidelity, &path, &Device::Cpu).err();
        let text = error.expect("an error").to_string();
        assert!(text.contains("small.safetensors"), "{length}: {text}");
    }
}

#[test]
fn what_comes_with_retake_has_its_taps_and_says_where_its_weights_are() {
    for name in ExtractorSpec::presets() {
        let mut spec = ExtractorSpec::preset(name).unwrap();
        spec.resolve(&WorkTree::new(std::path::Path::new("")))
            .unwrap();
        assert_eq!(spec.name, name);
        let layers = serde_json::to_string(spec.layers().unwrap()).unwrap();
        for tap in [Some(&spec.features), spec.scores.as_ref()]
            .into_iter()
            .flatten()
        {
            assert!(
                layers.contains(&format!("{{\"tap\":\"{tap}\"}}")),
                "{name} {tap}"
            );
        }
        let digest = spec.weights.sha256.as_ref().unwrap();
        assert!(spec.how_to_get().contains(digest));
        assert!(spec.weights.bytes.is_some() && spec.weights.licence.is_some());
        let usual = spec.metric_name("fid");
        assert_eq!(usual == "fid", name == "inception-v3", "{usual}");
    }
    let mut early = ExtractorSpec::preset("inception-v3").unwrap();
    early
        .resolve(&WorkTree::new(std::path::Path::new("")))
        .unwrap();
    early.take_features("64".to_owned()).unwrap();
    assert_eq!(early.metric_name("kid"), "kid-inception-v3-64");
    let error = ExtractorSpec::preset("resnet").unwrap_err().to_string();
    assert!(
        error.contains("expected one of inception-v3, vgg16"),
        "{error}"
    );
}

#[test]
fn an_extractor_whose_numbers_make_no_sense_is_refused_before_anything_runs() {
    let refused = |from: &str, to: &str| {
        assert!(super::SPEC.contains(from));
        let mut spec = ExtractorSpec::from_yaml(&super::SPEC.replace(from, to)).unwrap();
        spec.resolve(&WorkTree::new(std::path::Path::new("")))
            .unwrap_err()
            .to_string()
    };
    insta::assert_debug_snapshot!([
        refused("name: small", "name: a b"),
        refused("name: small", "name: judge"),
        refused("name: small", "name: inception-v3"),
        refused("size: 21", "size: 0"),
        refused("size: 21", "size: 2"),
        refused("size: 21", "size: 100000"),
        refused(
            "scale: [32, 32, 32]}\nranges",
            "scale: [32, 0, 32]}\nranges"
        ),
        refused("features: features", "features: nope"),
        refused("weights: {}", "weights: {sha256: abc}"),
    ]);
}
