//! `kind: sample` beyond plain grids: the way between samples, animations, prompts, reconstructions.

use std::path::Path;

use image::RgbImage;
use retake::report::animation::gif;
use retake::rng::Stream;
use retake::stage::sample::SampleConfig;
use retake::stage::{
    DataSchema, Format, InputSchemas, Kind, Memo, Outcome, Product, StageError, Status,
};
use retake::worktree::WorkTree;
use serde_json::{Value, json};

use crate::evaluate::{GENERATOR, UNCONDITIONAL, bench, grid, model_of, pack, sample, tile};
use crate::stage_support::{Bench, name};

/// z as it is, 192 numbers, as an image.
const IDENTITY: &str = "
networks:
  generator:
    inputs: {z: [latent]}
    layers: [reshape: [channels, height, width]]
";
const MAPPED: &str = "
networks:
  mapping:
    inputs: {z: [latent]}
    layers: [linear: {out: latent}, tanh, linear: {out: latent}]
  generator:
    inputs: {w: [latent]}
    start: w
    layers: [linear: {out: channels*height*width}, reshape: [channels, height, width], tanh]
";
const AVERAGED: &str = "
networks:
  generator: &g
    inputs: {z: [latent]}
    layers: [linear: {out: channels*height*width}, reshape: [channels, height, width], tanh]
  generator_ema: *g
";
/// The means are the image itself.
const VAE: &str = "
networks:
  encoder:
    inputs: {image: [channels, height, width]}
    layers: [concat: {input: image}, flatten]
  decoder:
    inputs: {z: [latent]}
    layers: [reshape: [channels, height, width]]
";

/// A stage that draws with one model file.
fn with_model(latent: usize, spec: &str) -> Bench {
    let mut bench = Bench::new();
    let folder = bench.folder.path().to_owned();
    let file = model_of(latent, &folder, "model.safetensors", spec, 3);
    let outputs: [(&str, Format, &Path); 1] = [("model", Format::Model, &file)];
    bench.add("model", name("gan", &[]), Status::Ok, &outputs);
    bench
}

fn bytes(bench: &Bench, outcome: &Outcome, output: &str) -> Vec<u8> {
    let Some(Product::Stored(artifact)) = outcome.outputs.get(output) else {
        panic!("`{output}` is a stored object");
    };
    std::fs::read(bench.memo.path(artifact).unwrap()).unwrap()
}

/// Frames and delays (1/100 s) of a GIF.
fn frames(bytes: &[u8]) -> Vec<(RgbImage, u16)> {
    let mut options = ::gif::DecodeOptions::new();
    options.set_color_output(::gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(bytes).expect("a GIF");
    let mut frames = Vec::new();
    while let Some(frame) = decoder.read_next_frame().expect("a frame") {
        let rgb = frame.buffer.chunks_exact(4).flat_map(|rgba| &rgba[..3]);
        let (width, height) = (u32::from(frame.width), u32::from(frame.height));
        let image = RgbImage::from_raw(width, height, rgb.copied().collect());
        frames.push((image.expect("whole rows"), frame.delay));
    }
    frames
}

fn refusal(result: Result<RgbImage, StageError>) -> String {
    result.map(drop).unwrap_err().to_string()
}

/// z of a sample of seed 7.
fn z(sample: u64) -> Vec<f32> {
    let mut z = vec![0.0; 192];
    Stream::new(7, "z", sample).fill_normal(&mut z);
    z
}

/// The first channel of the first row of 8 pixels, from a tile enlarged four times.
fn first_row(tile: &[u8]) -> Vec<u8> {
    (0..8).map(|x| tile[x * 4 * 3]).collect()
}

fn to_bytes(z: &[f64]) -> Vec<u8> {
    z[..8]
        .iter()
        .map(|value| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8)
        .collect()
}

#[test]
fn an_interpolation_begins_and_ends_at_the_samples_of_a_grid() {
    let bench = with_model(5, UNCONDITIONAL);
    let samples = grid(&bench, &sample(json!({"images": 8}))).unwrap();
    let config =
        sample(json!({"mode": "interpolate", "endpoints": [5, 0, 3], "frames": 9, "fps": 10}));
    let strip = grid(&bench, &config).unwrap();
    assert_eq!(strip.dimensions(), (10 * 34 + 2, 2 * 34 + 2));
    for (column, row, of) in [(0, 0, 5), (9, 0, 0), (0, 1, 0), (9, 1, 3)] {
        assert_eq!(
            tile(&strip, column, row),
            tile(&samples, of, 0),
            "sample {of}"
        );
    }
    assert_ne!(tile(&strip, 4, 0), tile(&strip, 5, 0));

    let outcome = config.run(&bench.ctx(7)).unwrap();
    let frames = frames(&bytes(&bench, &outcome, "animation"));
    assert_eq!(frames.len(), 9);
    assert!(
        frames
            .iter()
            .all(|(frame, delay)| frame.dimensions() == (36, 36) && *delay == 10)
    );
    // A palette of 256 colours is near enough to tell which frame is which sample.
    let distance = |frame: &RgbImage, of: u32| -> u64 {
        let (frame, sample) = (tile(frame, 0, 0), tile(&samples, of, 0));
        let pairs = frame.iter().zip(&sample);
        pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum()
    };
    for (frame, of) in [(0, 5), (4, 0), (8, 3)] {
        let nearest = (0..8).min_by_key(|sample| distance(&frames[frame].0, *sample));
        assert_eq!(nearest, Some(of), "frame {frame}");
    }
}

#[test]
fn lerp_and_slerp_are_the_formulas() {
    let bench = with_model(192, IDENTITY);
    let (a, b): (Vec<f32>, Vec<f32>) = (z(0), z(1));
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let angle = (dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()).acos();
    let t = 2.0 / 5.0;
    for (path, from, to) in [
        ("lerp", 1.0 - t, t),
        (
            "slerp",
            ((1.0 - t) * angle).sin() / angle.sin(),
            (t * angle).sin() / angle.sin(),
        ),
    ] {
        let config =
            sample(json!({"mode": "interpolate", "path": path, "columns": 6, "frames": 2}));
        let strip = grid(&bench, &config).unwrap();
        let mixed: Vec<f64> = a
            .iter()
            .zip(&b)
            .map(|(a, b)| from * f64::from(*a) + to * f64::from(*b))
            .collect();
        assert_eq!(first_row(&tile(&strip, 2, 0)), to_bytes(&mixed), "{path}");
    }
}

#[test]
fn w_is_made_by_the_mapping_network_and_moved_in_instead_of_z() {
    let bench = with_model(5, MAPPED);
    let strip = |space: &str| {
        let config =
            sample(json!({"mode": "interpolate", "space": space, "columns": 5, "frames": 2}));
        grid(&bench, &config).unwrap()
    };
    let (z, w) = (strip("z"), strip("w"));
    assert_eq!(tile(&z, 0, 0), tile(&w, 0, 0));
    assert_eq!(tile(&z, 4, 0), tile(&w, 4, 0));
    assert_ne!(tile(&z, 2, 0), tile(&w, 2, 0));

    let plain = with_model(5, UNCONDITIONAL);
    let config = sample(json!({"mode": "interpolate", "space": "w"}));
    let refused = refusal(grid(&plain, &config));
    assert!(refused.contains("no network `mapping`"), "{refused}");
    let lost = MAPPED.replace("mapping:", "other:");
    let refused = refusal(grid(&with_model(5, &lost), &sample(json!({}))));
    assert!(refused.contains("takes `w`"), "{refused}");
}

#[test]
fn the_condition_of_an_interpolation_is_held_still() {
    let bench = bench(1, Status::Ok);
    let of = |classes: Value| {
        let config =
            json!({"mode": "interpolate", "columns": 2, "frames": 2, "condition": classes});
        grid(&bench, &sample(config)).unwrap()
    };
    let (a, b) = (of(json!(["a"])), of(json!(["b"])));
    let plain = grid(&bench, &sample(json!({"classes": "each", "images": 2}))).unwrap();
    assert_eq!(tile(&a, 0, 0), tile(&plain, 0, 0));
    assert_eq!(tile(&b, 1, 0), tile(&plain, 1, 0));
    assert_ne!(tile(&a, 1, 0), tile(&plain, 1, 0));
    let refused = refusal(grid(
        &bench,
        &sample(json!({"mode": "interpolate", "condition": ["A"]})),
    ));
    assert!(
        refused.contains("unknown class `A`: did you mean `a`?"),
        "{refused}"
    );
}

#[test]
fn an_animation_of_checkpoints_draws_only_what_a_longer_run_adds() {
    let mut bench = bench(2, Status::Ok);
    let config = sample(json!({"mode": "checkpoints", "classes": "each", "images": 6, "fps": 4}));
    assert!(config.recall(&bench.ctx(7), &bench.memo).unwrap().is_none());
    let outcome = config.run(&bench.ctx(7)).unwrap();
    // Two grids, the animation and the sheet.
    assert_eq!(bench.memo.len(), 4);
    let first = frames(&bytes(&bench, &outcome, "animation"));
    assert_eq!((first.len(), first[0].1), (2, 25));
    assert_ne!(first[0].0, first[1].0);
    let last = grid(&bench, &sample(json!({"classes": "each", "images": 6}))).unwrap();
    let shown = image::load_from_memory(&bytes(&bench, &outcome, "images")).unwrap();
    assert_eq!(shown.to_rgb8(), last);
    assert_eq!(bench.memo.len(), 4, "a frame is the grid of its checkpoint");
    let again = config.recall(&bench.ctx(7), &bench.memo).unwrap().unwrap();
    assert_eq!(
        bytes(&bench, &again, "animation"),
        bytes(&bench, &outcome, "animation")
    );

    let checkpoints = bench.folder.path().join("checkpoints");
    let third = model_of(5, &checkpoints, "epoch-0003.safetensors", GENERATOR, 3);
    let longer = bench.inputs.get_mut("model").unwrap();
    longer.nodes[0].paths.insert("model".to_owned(), third);
    assert!(config.recall(&bench.ctx(7), &bench.memo).unwrap().is_none());
    let outcome = config.run(&bench.ctx(7)).unwrap();
    assert_eq!(bench.memo.len(), 7);
    assert_eq!(frames(&bytes(&bench, &outcome, "animation")).len(), 3);

    let some = sample(
        json!({"mode": "checkpoints", "checkpoints": [1, 3], "classes": "each", "images": 6}),
    );
    let outcome = some.run(&bench.ctx(7)).unwrap();
    assert_eq!(frames(&bytes(&bench, &outcome, "animation")).len(), 2);
    assert_eq!(bench.memo.len(), 9);
}

#[test]
fn prompts_give_one_image_each_and_unknown_classes_are_named() {
    let mut bench = bench(1, Status::Ok);
    let file = bench.folder.path().join("test.json");
    std::fs::write(&file, r#"[["a"], ["b", "c"], ["b"], "c", []]"#).unwrap();
    let outputs: [(&str, Format, &Path); 1] = [("file", Format::File, &file)];
    bench.add("prompts", name("", &[]), Status::Ok, &outputs);
    let prompted = grid(&bench, &sample(json!({"columns": 5, "labels": false}))).unwrap();
    assert_eq!(prompted.dimensions(), (5 * 34 + 2, 34 + 2));
    let one = |k: u32, classes: Value| {
        let config = sample(json!({"columns": 5, "images": 5, "condition": classes}));
        tile(&grid(&bench, &config).unwrap(), k, 0)
    };
    assert_eq!(tile(&prompted, 0, 0), one(0, json!(["a"])));
    assert_eq!(tile(&prompted, 1, 0), one(1, json!(["c", "b"])));
    assert_eq!(tile(&prompted, 3, 0), one(3, json!(["c"])));
    assert_ne!(tile(&prompted, 1, 0), one(1, json!(["b"])));

    // Other prompts are another input, and so another unit of work.
    let other = bench.folder.path().join("other.json");
    std::fs::write(&other, r#"[["red cube"]]"#).unwrap();
    let outputs: [(&str, Format, &Path); 1] = [("file", Format::File, &other)];
    bench.inputs.remove("prompts");
    bench.add("prompts", name("", &[]), Status::Ok, &outputs);
    let refused = refusal(grid(&bench, &sample(json!({"columns": 5}))));
    assert!(
        refused.contains("other.json: prompt 1: unknown class `red cube` (classes: a, b, c)"),
        "{refused}"
    );
    let mut plain = with_model(5, UNCONDITIONAL);
    plain.add("prompts", name("", &[]), Status::Ok, &outputs);
    let refused = refusal(grid(&plain, &sample(json!({}))));
    assert!(refused.contains("not told what to draw"), "{refused}");
}

#[test]
fn the_moving_average_draws_unless_told_not_to() {
    let both = with_model(5, AVERAGED);
    let averaged = grid(&both, &sample(json!({"images": 2}))).unwrap();
    let plain = grid(&both, &sample(json!({"images": 2, "average": false}))).unwrap();
    assert_ne!(averaged, plain);
    let alone = grid(&with_model(5, UNCONDITIONAL), &sample(json!({"images": 2}))).unwrap();
    assert_eq!(plain, alone);
}

#[test]
fn a_vae_shows_images_above_their_reconstructions() {
    let mut bench = with_model(192, VAE);
    let data = pack(bench.folder.path(), "data", 5);
    let outputs: [(&str, Format, &Path); 1] = [("data", Format::Data, &data)];
    bench.add("data", name("data", &[]), Status::Ok, &outputs);
    let config = sample(json!({"mode": "reconstruct", "images": 5, "columns": 3}));
    let sheet = grid(&bench, &config).unwrap();
    assert_eq!(sheet.dimensions(), (3 * 34 + 2, 4 * 34 + 2));
    for (column, row) in [(0, 0), (2, 0), (1, 2)] {
        // The means are the image itself, so the reconstruction is exact.
        assert_eq!(tile(&sheet, column, row), tile(&sheet, column, row + 1));
    }
    assert_ne!(tile(&sheet, 0, 0), tile(&sheet, 1, 0));
    let white = tile(&sheet, 2, 2);
    assert!(white.iter().all(|byte| *byte == 255) && white == tile(&sheet, 2, 3));
    // The decoder draws from noise like any generator.
    let drawn = grid(&bench, &sample(json!({"images": 1}))).unwrap();
    let noise: Vec<f64> = z(0).iter().copied().map(f64::from).collect();
    assert_eq!(first_row(&tile(&drawn, 0, 0)), to_bytes(&noise));

    let mut gan = with_model(5, UNCONDITIONAL);
    gan.add("data", name("data", &[]), Status::Ok, &outputs);
    let refused = refusal(grid(&gan, &config));
    assert!(refused.contains("no network `encoder`"), "{refused}");
}

#[test]
fn a_gif_of_few_colours_is_exact_and_of_many_close() {
    let few: Vec<RgbImage> = (0..3)
        .map(|frame| {
            RgbImage::from_fn(20, 10, |x, y| {
                image::Rgb([(x * 12) as u8, (y * 25) as u8, frame])
            })
        })
        .collect();
    let decoded = frames(&gif(&few[..1], 50).unwrap());
    assert_eq!(decoded, [(few[0].clone(), 2)]);
    let many: Vec<RgbImage> = (0..2)
        .map(|frame| {
            RgbImage::from_fn(64, 64, |x, y| {
                image::Rgb([(x * 4) as u8, (y * 4) as u8, 100 + 20 * frame])
            })
        })
        .collect();
    let encoded = gif(&many, 2).unwrap();
    for ((decoded, delay), frame) in frames(&encoded).iter().zip(&many) {
        let pairs = decoded.as_raw().iter().zip(frame.as_raw());
        let error: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = error as f64 / frame.as_raw().len() as f64;
        assert!(mean < 8.0 && *delay == 50, "{mean}");
    }
    assert_eq!(encoded, gif(&many, 2).unwrap());
    assert!(gif(&[], 2).is_err());
}

#[test]
fn sample_says_which_settings_do_not_go_together() {
    let with = |names: &[&str]| -> InputSchemas {
        let named = names
            .iter()
            .map(|name| ((*name).to_owned(), DataSchema::default()));
        named.collect()
    };
    let messages = |config: Value, inputs: &[&str]| -> Vec<String> {
        let faults = sample(config)
            .check(&with(inputs))
            .err()
            .unwrap_or_default();
        faults.into_iter().map(|fault| fault.message).collect()
    };
    assert!(messages(json!({}), &["model"]).is_empty());
    assert!(
        messages(
            json!({"mode": "reconstruct", "checkpoints": "all", "fps": 3}),
            &["model", "data"]
        )
        .is_empty()
    );
    insta::assert_debug_snapshot!(messages(json!({"space": "w", "fps": 3}), &["model"]), @r#"
    [
        "`space` does not apply to `mode: grid`",
        "`fps` does not apply to `mode: grid`",
    ]
    "#);
    insta::assert_debug_snapshot!(
        messages(json!({"mode": "interpolate", "frames": 1, "endpoints": [4], "fps": 51, "columns": 1, "condition": []}), &["data"]), @r#"
    [
        "`interpolate` needs a model",
        "a strip has at least two columns",
        "no class is named",
        "1 frames: the range is 2 to 2000",
        "1 endpoints: at least 2 are needed, 2000 at most",
        "51 frames a second: the range is 1 to 50",
    ]
    "#);
    insta::assert_debug_snapshot!(
        messages(json!({"mode": "reconstruct", "checkpoints": [0, 2, 2], "condition": ["a"]}), &["model"]), @r#"
    [
        "`condition` does not apply to `mode: reconstruct`",
        "`reconstruct` needs images to reconstruct",
        "epoch 0: epochs count from 1, each is named once",
        "epoch 2: epochs count from 1, each is named once",
    ]
    "#);
}

#[test]
fn defaults_are_written_out_and_a_plain_grid_keeps_its_settings() {
    let resolved = |with: Value| {
        let mut config: SampleConfig = sample(with);
        config.resolve(&WorkTree::new(Path::new(""))).unwrap();
        serde_json::to_value(config).unwrap()
    };
    assert_eq!(
        resolved(json!({})),
        json!({"images": 64, "columns": null, "checkpoint": "last", "classes": "data"})
    );
    assert_eq!(
        resolved(json!({"mode": "interpolate"})),
        resolved(
            json!({"mode": "interpolate", "space": "z", "path": "lerp", "frames": 60, "endpoints": 2, "fps": 20, "average": true})
        )
    );
    assert_eq!(
        resolved(json!({"mode": "checkpoints"})),
        resolved(json!({"mode": "checkpoints", "checkpoints": "all", "fps": 2}))
    );
}
