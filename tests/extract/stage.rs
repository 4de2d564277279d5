//! Extractors in a pipeline: an evaluate stage with weights, and neighbours in a sample stage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use retake::data::batch::Batch;
use retake::data::image::Image;
use retake::data::pack::{Pack, PackWriter};
use retake::metric::document::Metrics;
use retake::model::{Inputs, Mode, SavedModel};
use retake::stage::evaluate::EvaluateConfig;
use retake::stage::{DataSchema, Format, Kind, Outcome, Product, Status};
use retake::worktree::WorkTree;
use serde_json::{Value, json};

use super::{SPEC, weights};
use crate::evaluate::{GENERATOR, bench, evaluate, grid, model_of, sample, tile};
use crate::stage_support::{Bench, name};

fn with_extractor(epochs: u64) -> Bench {
    let mut bench = bench(epochs, Status::Ok);
    let path = weights(bench.folder.path(), 3);
    bench.add(
        "weights",
        name("", &[]),
        Status::Ok,
        &[("file", Format::File, &path)],
    );
    std::fs::write(bench.folder.path().join("eye.yaml"), SPEC).unwrap();
    bench
}

fn config(bench: &Bench, mut with: Value) -> EvaluateConfig {
    let file = bench.folder.path().join("eye.yaml");
    with["extractor"] = format!("file:{}", file.display()).into();
    evaluate(with)
}

fn rows(outcome: &Outcome) -> Metrics {
    match &outcome.outputs["metrics"] {
        Product::Bytes(bytes) => Metrics::from_json(bytes).unwrap(),
        other => panic!("{other:?} is not bytes"),
    }
}

#[test]
fn one_stage_measures_by_extractor_and_by_judge_and_names_both() {
    let bench = with_extractor(2);
    let metrics = [
        "fid",
        "fid-judge",
        "accuracy",
        "kid",
        "is",
        "label-diversity",
    ];
    let config = config(
        &bench,
        json!({"metrics": metrics, "samples": 50, "subset_size": 30, "checkpoints": "all"}),
    );
    let metrics = rows(&config.run(&bench.ctx(7)).unwrap());
    let by_name: BTreeMap<&str, _> = metrics
        .rows
        .iter()
        .map(|row| (row.metric.as_str(), row))
        .collect();
    let names: Vec<&&str> = by_name.keys().collect();
    insta::assert_debug_snapshot!(names);
    assert_eq!(
        by_name["fid-small"].protocol,
        "frechet distance, f64, N-1, small features, torch-fidelity"
    );
    assert_eq!(
        by_name["is-small"].protocol,
        "inception score, 10 splits, small logits, torch-fidelity"
    );
    assert_ne!(
        by_name["fid-small"].extractor,
        by_name["fid-judge"].extractor
    );
    assert_eq!(
        by_name["accuracy"].extractor,
        by_name["fid-judge"].extractor
    );
    assert!(by_name["fid-small"].reference.is_some());
}

#[test]
fn a_metric_more_looks_at_the_reference_no_second_time() {
    let first = ["fid"];
    let more = ["fid", "diversity", "coverage", "precision"];
    let run = |bench: &Bench, metrics: &[&str]| {
        let config = config(bench, json!({"metrics": metrics, "samples": 20}));
        let rows = rows(&config.run(&bench.ctx(7)).unwrap()).rows;
        let values = rows.iter().map(|row| (row.metric.clone(), row.value));
        (values.collect::<BTreeMap<_, _>>(), bench.memo.len())
    };
    let undisturbed = run(&with_extractor(1), &more).0;
    let bench = with_extractor(1);
    // The value; the reference's moments and its features.
    assert_eq!(run(&bench, &first).1, 3);
    // Other images under the same digest: whoever looked again would find other features.
    let path = bench.inputs["reference"].nodes[0].path();
    let mut bytes = std::fs::read(path).unwrap();
    let pixels = bytes.len() / 2;
    bytes[pixels..pixels + 2000].fill(0);
    std::fs::write(path, bytes).unwrap();
    assert_eq!(run(&bench, &more), (undisturbed, 6));
}

#[test]
fn settings_that_need_each_other_are_checked_before_anything_runs() {
    let bench = with_extractor(1);
    let inputs = |names: &[&str]| {
        names
            .iter()
            .map(|name| ((*name).to_owned(), DataSchema::default()))
            .collect()
    };
    let messages = |config: &EvaluateConfig, names: &[&str]| -> Vec<String> {
        let faults = config.check(&inputs(names)).err().unwrap_or_default();
        faults.into_iter().map(|fault| fault.message).collect()
    };
    let fid = config(&bench, json!({"metrics": ["fid"]}));
    assert!(messages(&fid, &["model", "reference", "weights"]).is_empty());
    let without = evaluate(
        json!({"metrics": ["fid"], "protocol": "clean-fid", "subset_size": 5, "bootstrap": 5}),
    );
    let vgg = evaluate(json!({"metrics": ["is", "kid"], "extractor": "vgg16", "samples": 100}));
    insta::assert_debug_snapshot!([
        messages(&fid, &["model", "reference"]),
        messages(&without, &["model", "reference", "weights"]),
        messages(&vgg, &["data", "weights"]),
    ]);
}

/// A pack of the tiles of `sheet`, the last first; labels are those of `like`, in its order.
fn pack_of_tiles(folder: &Path, sheet: &image::RgbImage, count: u32, like: &Pack) -> PathBuf {
    let path = folder.join("copies");
    let mut writer = PackWriter::create(&path, like.schema().clone()).unwrap();
    for index in 0..count {
        let enlarged = tile(sheet, count - 1 - index, 0);
        let pixels = (0..64).flat_map(|at| {
            let from = (at / 8 * 4 * 32 + at % 8 * 4) * 3;
            enlarged[from..from + 3].to_vec()
        });
        let image = Image {
            pixels: pixels.collect(),
            ..Image::filled(8, 8, 3, 0)
        };
        let label = like.label(index as usize);
        writer
            .push(&image.view(), &label, &index.to_string())
            .unwrap();
    }
    writer.finish().unwrap();
    path
}

#[test]
fn the_nearest_neighbour_of_a_copied_image_is_the_original() {
    let mut bench = with_extractor(1);
    let reference = bench.inputs["reference"].clone();
    let labels = Pack::open(reference.nodes[0].path()).unwrap();
    bench.inputs.insert("data".to_owned(), reference);
    let drawn = grid(&bench, &sample(json!({"images": 5, "columns": 5}))).unwrap();
    let copies = pack_of_tiles(bench.folder.path(), &drawn, 5, &labels);
    bench.inputs.remove("data");
    bench.add(
        "data",
        name("", &[]),
        Status::Ok,
        &[("data", Format::Data, &copies)],
    );
    let file = format!("file:{}", bench.folder.path().join("eye.yaml").display());
    for with in [
        json!({"mode": "neighbours", "images": 5, "neighbours": 3, "labels": false}),
        json!({"mode": "neighbours", "images": 5, "neighbours": 3, "labels": false, "extractor": file}),
    ] {
        let mut config = sample(with);
        config.resolve(&WorkTree::new(Path::new(""))).unwrap();
        let sheet = grid(&bench, &config).unwrap();
        assert_eq!(sheet.dimensions(), (2 + 4 * 34, 2 + 5 * 34));
        for row in 0..5 {
            assert_eq!(tile(&sheet, 0, row), tile(&drawn, row, 0));
            assert_eq!(tile(&sheet, 1, row), tile(&sheet, 0, row), "row {row}");
            assert_ne!(tile(&sheet, 2, row), tile(&sheet, 0, row), "row {row}");
        }
    }
}

const BOTH: &str = "
networks:
  generator:
    inputs: {z: [latent], condition: [classes]}
    start: z
    layers: [concat: {input: condition}, linear: {out: channels*height*width}, reshape: [channels, height, width], tanh]
  discriminator:
    inputs: {image: [channels, height, width], condition: [classes]}
    start: image
    layers: [flatten, concat: {input: condition}, linear: {out: 1}]
";

#[test]
fn a_discriminators_accuracy_is_the_mean_of_what_it_makes_of_real_and_of_generated_images() {
    let mut bench = bench(1, Status::Ok);
    let path = model_of(5, bench.folder.path(), "both", BOTH, 4);
    bench.inputs.remove("model");
    bench.add(
        "model",
        name("", &[]),
        Status::Ok,
        &[("file", Format::File, &path)],
    );
    let config = evaluate(json!({"metrics": ["d-accuracy"], "samples": 100}));
    let row = rows(&config.run(&bench.ctx(7)).unwrap()).rows.remove(0);
    assert_eq!(
        (row.metric.as_str(), row.samples, row.extractor),
        ("d-accuracy", 100, None)
    );

    // The 70 real images, the first 30 of them twice, each with its own label.
    let model = SavedModel::load(&path, &Device::Cpu).unwrap();
    let pack = Pack::open(bench.inputs["reference"].nodes[0].path()).unwrap();
    let order: Vec<u32> = (0..100).map(|k| k % 70).collect();
    let batch = Batch::of(&pack, &order).unwrap();
    let tensor =
        |values: Vec<f32>, shape: &[usize]| Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    let inputs = Inputs::new()
        .with("image", tensor(batch.images, &[100, 3, 8, 8]))
        .with("condition", tensor(batch.labels, &[100, 3]));
    let logits = model.networks["discriminator"]
        .forward(&inputs, Mode::Eval)
        .unwrap();
    let logits: Vec<f32> = logits.tensor().flatten_all().unwrap().to_vec1().unwrap();
    let scores = row.scores.expect("a histogram of its scores");
    assert_eq!((scores.real.len(), scores.generated.len()), (40, 40));
    assert_eq!(scores.real.iter().sum::<u64>(), 100);
    assert_eq!(scores.generated.iter().sum::<u64>(), 100);
    for logit in &logits {
        assert!((scores.low - 1e-5..=scores.high + 1e-5).contains(&f64::from(*logit)));
    }
    // The mean of a histogram is that of its values but for half a bar.
    let width = (scores.high - scores.low) / 40.0;
    let bars = (0..).zip(&scores.real);
    let centre = |bar: u32| scores.low + (f64::from(bar) + 0.5) * width;
    let mean = bars
        .map(|(bar, count)| centre(bar) * *count as f64)
        .sum::<f64>()
        / 100.0;
    let true_mean = logits.iter().map(|logit| f64::from(*logit)).sum::<f64>() / 100.0;
    assert!(
        (mean - true_mean).abs() <= width / 2.0,
        "{mean} and {true_mean}"
    );
    let again = config.recall(&bench.ctx(7), &bench.memo).unwrap().unwrap();
    assert_eq!(rows(&again).rows[0].scores.as_ref(), Some(&scores));

    let real = logits.iter().filter(|logit| **logit > 0.0).count() as f64;
    assert!(real > 0.0 && real < 100.0);
    let generated = 200.0 * row.value - real;
    assert!((0.0..=100.0).contains(&generated) && (generated - generated.round()).abs() < 1e-9);

    bench.inputs.remove("model");
    let path = model_of(5, bench.folder.path(), "alone", GENERATOR, 4);
    bench.add(
        "model",
        name("", &[]),
        Status::Ok,
        &[("file", Format::File, &path)],
    );
    let refused = config.run(&bench.ctx(7)).unwrap_err().to_string();
    assert!(
        refused.contains("needs a model with a network `discriminator`"),
        "{refused}"
    );
}

#[test]
fn few_images_are_warned_of_before_anything_runs() {
    let bench = with_extractor(1);
    let warnings = |samples: u64, features: &str| {
        let with = json!({"metrics": ["fid"], "extractor": "inception-v3", "features": features, "samples": samples});
        evaluate(with).warnings()
    };
    assert_eq!(warnings(64, "64").len() + warnings(2048, "2048").len(), 2);
    assert!(warnings(2049, "2048").is_empty() && warnings(1000, "64").is_empty());
    assert!(
        config(&bench, json!({"metrics": ["fid"], "samples": 10}))
            .warnings()
            .is_empty()
    );
}
