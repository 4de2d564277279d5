//! `kind: evaluate` and `kind: sample` on small networks: what is computed, what is remembered, what is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Device;
use indexmap::IndexMap;
use retake::data::image::Image;
use retake::data::label::{Label, LabelKind, PackSchema};
use retake::data::pack::{Pack, PackWriter};
use retake::metric::document::Metrics;
use retake::model::{Dims, Init, ModelHeader, ModelSpec, Network, SavedModel};
use retake::rng::Stream;
use retake::stage::evaluate::EvaluateConfig;
use retake::stage::sample::SampleConfig;
use retake::stage::{
    DataSchema, Format, InputSchemas, Kind, Memo, Outcome, Product, StageError, Status,
};
use retake::worktree::WorkTree;
use serde_json::{Value, json};

use crate::stage_support::{Bench, name};

pub const GENERATOR: &str = "
networks:
  generator:
    inputs: {z: [latent], condition: [classes]}
    start: z
    layers:
      - concat: {input: condition}
      - linear: {out: channels*height*width}
      - reshape: [channels, height, width]
      - batch-norm
      - tanh
";
pub const UNCONDITIONAL: &str = "
networks:
  generator:
    inputs: {z: [latent]}
    layers: [linear: {out: channels*height*width}, reshape: [channels, height, width], tanh]
";
const JUDGE: &str = "
networks:
  classifier:
    inputs: {image: [channels, height, width]}
    layers:
      - conv: {out: 4, kernel: 3, padding: 1}
      - relu
      - flatten
      - linear: {out: 6}
      - tap: features
      - linear: {out: classes}
";

/// An untrained model, saved in `folder`.
fn model(folder: &Path, file: &str, spec: &str, seed: u64) -> PathBuf {
    model_of(5, folder, file, spec, seed)
}

/// An untrained model with so many numbers in z, saved in `folder`.
pub fn model_of(latent: usize, folder: &Path, file: &str, spec: &str, seed: u64) -> PathBuf {
    let spec = ModelSpec::from_yaml(spec).expect("a valid spec");
    let dims = Dims {
        latent,
        classes: 3,
        channels: 3,
        height: 8,
        width: 8,
    };
    let networks: IndexMap<String, Network> = spec
        .networks
        .iter()
        .map(|(name, network)| {
            let network = Network::new(name, network, &dims, Init::Pytorch, seed, &Device::Cpu);
            (name.clone(), network.expect("shapes fit"))
        })
        .collect();
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let header = ModelHeader {
        task: "test".to_owned(),
        dims,
        classes,
        multi_label: true,
        spec,
    };
    let path = folder.join(file);
    SavedModel { header, networks }
        .save(&path)
        .expect("a writable folder");
    path
}

/// `count` images of noise, each with one or two of three labels.
pub fn pack(folder: &Path, file: &str, count: u64) -> PathBuf {
    let path = folder.join(file);
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let schema = PackSchema {
        channels: 3,
        labels: LabelKind::Multi,
        classes,
    };
    let mut writer = PackWriter::create(&path, schema).expect("a writable folder");
    for index in 0..count {
        let mut stream = Stream::new(1, "pixels", index);
        let mut image = Image::filled(8, 8, 3, 0);
        for pixel in &mut image.pixels {
            *pixel = stream.below(256) as u8;
        }
        let label = Label::Multi(if index % 2 == 0 {
            vec![(index % 3) as u32]
        } else {
            vec![0, 2]
        });
        writer
            .push(&image.view(), &label, &format!("{index}"))
            .expect("fits the schema");
    }
    writer.finish().expect("room on the disk");
    path
}

/// A run of `epochs` checkpoints with a judge and a reference.
pub fn bench(epochs: u64, status: Status) -> Bench {
    let mut bench = Bench::new();
    let folder = bench.folder.path().to_owned();
    let checkpoints = folder.join("checkpoints");
    std::fs::create_dir(&checkpoints).expect("a new folder");
    for epoch in 1..=epochs {
        model(
            &checkpoints,
            &format!("epoch-{epoch:04}.safetensors"),
            GENERATOR,
            epoch,
        );
    }
    let last = checkpoints.join(format!("epoch-{epochs:04}.safetensors"));
    let mut outputs: Vec<(&str, Format, &Path)> = Vec::new();
    if status == Status::Ok {
        outputs.push(("model", Format::Model, &last));
    }
    if epochs > 0 {
        outputs.push(("checkpoints", Format::Folder, &checkpoints));
    }
    bench.add("model", name("gan", &[]), status, &outputs);
    let judge = model(&folder, "judge.safetensors", JUDGE, 9);
    bench.add(
        "judge",
        name("judge", &[]),
        Status::Ok,
        &[("model", Format::Model, &judge)],
    );
    let reference = pack(&folder, "reference", 70);
    bench.add(
        "reference",
        name("data", &[]),
        Status::Ok,
        &[("data", Format::Data, &reference)],
    );
    bench
}

fn diverged(epoch: u64) -> Status {
    Status::Diverged {
        epoch,
        step: 10,
        term: "loss_g".to_owned(),
        last_good: epoch.checked_sub(1),
    }
}

pub fn evaluate(with: Value) -> EvaluateConfig {
    let mut config: EvaluateConfig = serde_json::from_value(with).expect("a valid configuration");
    config
        .resolve(&WorkTree::new(Path::new("")))
        .expect("an extractor that exists");
    config
}

pub fn sample(with: Value) -> SampleConfig {
    serde_json::from_value(with).expect("a valid configuration")
}

fn bytes(outcome: &Outcome, output: &str) -> Vec<u8> {
    match &outcome.outputs[output] {
        Product::Bytes(bytes) => bytes.clone(),
        other => panic!("{other:?} is not bytes"),
    }
}

fn metrics(outcome: &Outcome) -> Metrics {
    Metrics::from_json(&bytes(outcome, "metrics")).expect("rows of metrics")
}

#[test]
fn every_metric_of_every_checkpoint_has_a_row_with_its_protocol() {
    let bench = bench(3, Status::Ok);
    let config =
        evaluate(json!({"metrics": ["fid", "accuracy"], "checkpoints": "all", "samples": 100}));
    let outcome = config.run(&bench.ctx(7)).unwrap();
    let metrics = metrics(&outcome);
    let names: Vec<_> = metrics
        .rows
        .iter()
        .map(|row| (row.metric.as_str(), row.epoch.unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            ("fid-judge", 1),
            ("fid-judge", 2),
            ("fid-judge", 3),
            ("accuracy", 1),
            ("accuracy", 2),
            ("accuracy", 3)
        ]
    );
    let judge = bench.inputs["judge"].nodes[0].artifact().digest;
    let reference = bench.inputs["reference"].nodes[0].artifact().digest;
    for row in &metrics.rows {
        assert_eq!(
            (row.samples, row.extractor, row.reference),
            (100, Some(judge), Some(reference))
        );
    }
    let best = metrics
        .of("fid-judge")
        .min_by(|a, b| a.value.total_cmp(&b.value))
        .unwrap();
    assert_eq!(outcome.scalars["fid-judge"], metrics.rows[2].value);
    assert_eq!(outcome.scalars["fid-judge.best"], best.value);
    assert_eq!(
        outcome.scalars["fid-judge.best_epoch"],
        best.epoch.unwrap() as f64
    );
    let table = String::from_utf8(bytes(&outcome, "table")).unwrap();
    assert!(table.starts_with(
        "metric,epoch,value,better,samples,extractor,reference,protocol,bias\nfid-judge,1,"
    ));
    assert_eq!(table.lines().count(), 7);
}

#[test]
fn a_longer_run_or_another_metric_computes_only_what_is_new() {
    let mut bench = bench(2, Status::Ok);
    let fid = evaluate(json!({"metrics": ["fid-judge"], "checkpoints": "all", "samples": 10}));
    assert!(fid.recall(&bench.ctx(7), &bench.memo).unwrap().is_none());
    let first = fid.run(&bench.ctx(7)).unwrap();
    // Two values, the reference's moments and its features.
    assert_eq!(bench.memo.len(), 4);
    let again = fid.recall(&bench.ctx(7), &bench.memo).unwrap().unwrap();
    assert_eq!(bytes(&first, "metrics"), bytes(&again, "metrics"));
    assert_eq!(first.scalars, again.scalars);

    let checkpoints = bench.folder.path().join("checkpoints");
    let third = model(&checkpoints, "epoch-0003.safetensors", GENERATOR, 3);
    let longer = bench.inputs.get_mut("model").unwrap();
    longer.nodes[0].paths.insert("model".to_owned(), third);
    assert!(fid.recall(&bench.ctx(7), &bench.memo).unwrap().is_none());
    let more = fid.run(&bench.ctx(7)).unwrap();
    assert_eq!(bench.memo.len(), 5);
    assert_eq!(metrics(&more).rows[..2], metrics(&first).rows[..]);

    let both = evaluate(
        json!({"metrics": ["fid-judge", "accuracy"], "checkpoints": [1, 3], "samples": 10}),
    );
    both.run(&bench.ctx(7)).unwrap();
    assert_eq!(bench.memo.len(), 7);
    // Another seed is other images.
    fid.run(&bench.ctx(8)).unwrap();
    assert_eq!(bench.memo.len(), 10);
}

#[test]
fn a_diverged_model_is_measured_up_to_its_last_checkpoint_and_a_diverged_judge_refused() {
    let config = evaluate(json!({"metrics": ["accuracy"], "samples": 10}));
    let listed = evaluate(json!({"metrics": ["accuracy"], "checkpoints": [2, 50], "samples": 10}));
    let two = bench(2, diverged(3));
    assert_eq!(
        metrics(&config.run(&two.ctx(7)).unwrap()).rows[0].epoch,
        Some(2)
    );
    assert_eq!(metrics(&listed.run(&two.ctx(7)).unwrap()).rows.len(), 1);
    let none = bench(0, diverged(1));
    assert!(metrics(&config.run(&none.ctx(7)).unwrap()).rows.is_empty());

    let missing = listed
        .run(&bench(2, Status::Ok).ctx(7))
        .unwrap_err()
        .to_string();
    assert_eq!(
        missing,
        "gan has no checkpoint of epoch 50: it has those of epochs 1, 2 (see its `checkpoint_every`)"
    );
    let mut judged = bench(1, Status::Ok);
    judged.inputs.get_mut("judge").unwrap().nodes[0].status = diverged(2);
    let refused = config.run(&judged.ctx(7)).unwrap_err().to_string();
    assert!(refused.contains("judge diverged in epoch 2"), "{refused}");
}

#[test]
fn real_images_are_measured_as_they_are_and_stand_apart() {
    let mut bench = bench(1, Status::Ok);
    let reference = bench.inputs["reference"].clone();
    let generated = evaluate(json!({"metrics": ["fid-judge", "accuracy"], "samples": 70}));
    let drawn = metrics(&generated.run(&bench.ctx(7)).unwrap());
    bench.inputs.insert("model".to_owned(), reference);
    let outcome = generated.run(&bench.ctx(7)).unwrap();
    let real = metrics(&outcome);
    assert!(
        real.rows[0].value.abs() < 1e-6,
        "a set is at distance 0 of itself: {}",
        real.rows[0].value
    );
    assert!(real.rows.iter().all(|row| row.epoch.is_none()));
    assert!(!real.rows[1].comparable(&drawn.rows[1]));
    assert!(drawn.rows[0].value > 1e-3);

    let data = bench.inputs.remove("model").unwrap();
    bench.inputs.insert("data".to_owned(), data);
    assert_eq!(metrics(&generated.run(&bench.ctx(7)).unwrap()), real);
}

#[test]
fn accuracy_needs_a_conditional_generator() {
    let mut bench = bench(1, Status::Ok);
    let file = model(bench.folder.path(), "plain.safetensors", UNCONDITIONAL, 1);
    bench.inputs.remove("model");
    bench.add(
        "model",
        name("", &[]),
        Status::Ok,
        &[("file", Format::File, &file)],
    );
    let fid = evaluate(json!({"metrics": ["fid-judge"], "samples": 10}));
    assert_eq!(
        metrics(&fid.run(&bench.ctx(7)).unwrap()).rows[0].epoch,
        None
    );
    let accuracy = evaluate(json!({"metrics": ["accuracy"], "samples": 10}));
    let refused = accuracy.run(&bench.ctx(7)).unwrap_err().to_string();
    assert!(refused.contains("conditional"), "{refused}");
}

#[test]
fn evaluate_says_what_is_wrong_before_anything_runs() {
    let schema = |channels, size| DataSchema {
        channels: Some(channels),
        size: Some(size),
        classes: Some(3),
    };
    let inputs: InputSchemas = BTreeMap::from([
        ("model".to_owned(), schema(3, (8, 8))),
        ("judge".to_owned(), schema(3, (8, 8))),
        ("reference".to_owned(), schema(3, (8, 8))),
    ]);
    let messages = |config: &EvaluateConfig, inputs: &InputSchemas| -> Vec<String> {
        let faults = config.check(inputs).err().unwrap_or_default();
        faults.into_iter().map(|fault| fault.message).collect()
    };
    assert!(messages(&evaluate(json!({"metrics": ["fid"]})), &inputs).is_empty());
    let wrong =
        evaluate(json!({"metrics": ["fid", "fid-judge"], "samples": 1, "checkpoints": [0, 3, 3]}));
    insta::assert_debug_snapshot!(messages(&wrong, &inputs), @r#"
    [
        "`fid-judge` is named twice",
        "1 samples are too few: at least 2 are needed",
        "epoch 0: epochs count from 1, each is named once",
        "epoch 3: epochs count from 1, each is named once",
    ]
    "#);
    let fine = evaluate(json!({"metrics": ["fid"]}));
    let mut unfit = inputs.clone();
    unfit.insert("judge".to_owned(), schema(1, (32, 32)));
    assert_eq!(messages(&fine, &unfit).len(), 4);
    let mut without = inputs;
    without.remove("model");
    without.remove("reference");
    assert_eq!(messages(&fine, &without).len(), 2);
    let unknown = serde_json::from_value::<EvaluateConfig>(
        json!({"metrics": ["fid"], "checkpoints": "some"}),
    );
    assert!(
        unknown
            .unwrap_err()
            .to_string()
            .contains("expected `last`, `all` or a list of epochs")
    );
}

#[test]
fn draws_give_mean_deviation_and_best_and_each_draw_is_remembered() {
    let bench = bench(1, Status::Ok);
    let of = |draws: u64| {
        let config = json!({"metrics": ["diversity", "accuracy"], "samples": 20, "draws": draws});
        metrics(&evaluate(config).run(&bench.ctx(7)).unwrap())
    };
    let one = of(1);
    assert_eq!(bench.memo.len(), 2);
    let two = of(2);
    // The first draw is what one draw is.
    assert_eq!(bench.memo.len(), 4);
    let names: Vec<&str> = two.rows.iter().map(|row| row.metric.as_str()).collect();
    let expected = [
        "diversity-judge",
        "diversity-judge-sd",
        "diversity-judge-top",
        "accuracy",
        "accuracy-sd",
        "accuracy-top",
    ];
    assert_eq!(names, expected);
    assert!(!two.rows[0].comparable(&one.rows[0]));
    let (mean, sd, top) = (two.rows[0].value, two.rows[1].value, two.rows[2].value);
    let first = one.rows[0].value;
    let second = 2.0 * mean - first;
    assert_ne!(first, second, "each draw has noise of its own");
    assert!(
        (top - first.max(second)).abs() < 1e-12,
        "{first} {second} {top}"
    );
    assert!(
        (sd - (first - second).abs() / 2.0_f64.sqrt()).abs() < 1e-12,
        "{sd}"
    );
}

#[test]
fn prompts_are_what_the_judge_looks_for() {
    let mut bench = bench(1, Status::Ok);
    let folder = bench.folder.path().to_owned();
    // A judge that knows nothing but says `a`, `b`, `c` in the order of its biases is enough to count.
    let file = folder.join("test.json");
    std::fs::write(&file, r#"[["a", "b", "c"], ["c", "b", "a"], []]"#).unwrap();
    bench.add(
        "prompts",
        name("", &[]),
        Status::Ok,
        &[("file", Format::File, &file)],
    );
    bench.inputs.remove("reference");
    let config = evaluate(json!({"metrics": ["accuracy", "rank", "diversity"]}));
    let measured = metrics(&config.run(&bench.ctx(7)).unwrap());
    // All three of three are always found, and there is an image a prompt.
    assert_eq!((measured.rows[0].value, measured.rows[0].samples), (1.0, 3));
    let prompts = bench.inputs["prompts"].nodes[0].artifact().digest;
    assert_eq!(measured.rows[0].reference, Some(prompts));
    assert!(measured.rows[1].value >= 1.0 && measured.rows[2].value > 0.0);

    std::fs::write(&file, r#"[["a"], ["d"]]"#).unwrap();
    bench.inputs.get_mut("prompts").unwrap().nodes[0]
        .outputs
        .get_mut("file")
        .unwrap()
        .digest = retake::hash::Digest::of_bytes(b"another");
    let refused = config.run(&bench.ctx(7)).unwrap_err().to_string();
    assert!(refused.contains("prompt 2: unknown class `d`"), "{refused}");
}

#[test]
fn settings_have_one_spelling() {
    let settings = |with: Value| serde_json::to_value(evaluate(with)).unwrap();
    assert_eq!(
        settings(json!({"metrics": ["fid"]})),
        settings(
            json!({"metrics": ["fid-judge"], "checkpoints": "last", "samples": 1000, "draws": 1, "average": true})
        )
    );
    assert_eq!(
        settings(json!({"metrics": ["fid"]})),
        json!({"metrics": ["fid-judge"], "checkpoints": "last", "samples": 1000}),
        "what is new is not in the keys of settings without it"
    );
    assert_eq!(
        settings(json!({"metrics": ["d-accuracy"]})),
        settings(json!({"metrics": ["d-accuracy"], "score_bins": 40}))
    );
}

/// The grid's pixels.
pub fn grid(bench: &Bench, config: &SampleConfig) -> Result<image::RgbImage, StageError> {
    let outcome = config.run(&bench.ctx(7))?;
    let Some(Product::Stored(artifact)) = outcome.outputs.get("images") else {
        panic!("a grid is a stored object");
    };
    let png = std::fs::read(bench.memo.path(artifact)?).expect("the object is there");
    Ok(image::load_from_memory(&png).expect("a PNG").to_rgb8())
}

/// The pixels of tile (`column`, `row`) of a grid of 8 × 8 images, enlarged four times.
pub fn tile(grid: &image::RgbImage, column: u32, row: u32) -> Vec<u8> {
    image::imageops::crop_imm(grid, 2 + column * 34, 2 + row * 34, 32, 32)
        .to_image()
        .into_raw()
}

#[test]
fn sample_k_is_the_same_image_however_many_are_drawn() {
    let mut bench = bench(2, Status::Ok);
    let data = bench.inputs["reference"].clone();
    bench.inputs.insert("data".to_owned(), data);
    let few = grid(
        &bench,
        &sample(json!({"images": 5, "columns": 5, "labels": false})),
    )
    .unwrap();
    let many = grid(&bench, &sample(json!({"images": 100, "columns": 5}))).unwrap();
    assert_eq!(few.dimensions(), (5 * 34 + 2, 34 + 2));
    for column in 0..5 {
        assert_eq!(tile(&few, column, 0), tile(&many, column, 0));
    }
    assert_ne!(tile(&few, 0, 0), tile(&few, 1, 0));
    let earlier = grid(
        &bench,
        &sample(json!({"images": 5, "columns": 5, "checkpoint": 1})),
    )
    .unwrap();
    assert_ne!(tile(&few, 0, 0), tile(&earlier, 0, 0));
}

#[test]
fn conditional_grids_need_prompts_and_each_gives_a_column_a_class() {
    let bench = bench(1, Status::Ok);
    let refused = grid(&bench, &sample(json!({}))).unwrap_err().to_string();
    assert!(refused.contains("`classes: each`"), "{refused}");
    let config = json!({"classes": "each", "images": 6, "labels": false});
    let each = grid(&bench, &sample(config)).unwrap();
    assert_eq!(each.dimensions(), (3 * 34 + 2, 2 * 34 + 2));
}

#[test]
fn data_alone_gives_its_own_images_and_a_grid_is_recalled() {
    let mut bench = bench(1, Status::Ok);
    let data = bench.inputs.remove("reference").unwrap();
    let pack = Pack::open(data.nodes[0].path()).unwrap();
    bench.inputs = BTreeMap::from([("data".to_owned(), data)]);
    let config = sample(json!({"images": 4, "labels": false}));
    assert!(config.recall(&bench.ctx(7), &bench.memo).unwrap().is_none());
    let real = grid(&bench, &config).unwrap();
    assert_eq!(real.dimensions(), (4 * 34 + 2, 36));
    assert_eq!(real.get_pixel(2, 2).0, pack.image(0).pixels[..3]);
    assert!(config.recall(&bench.ctx(7), &bench.memo).unwrap().is_some());
    assert_eq!(bench.memo.len(), 1);
}

#[test]
fn a_model_without_checkpoints_gives_no_grid_but_its_outcome() {
    let bench = bench(0, diverged(1));
    let outcome = sample(json!({"classes": "each"}))
        .run(&bench.ctx(7))
        .unwrap();
    assert!(outcome.outputs.is_empty());
    assert_eq!(outcome.status, diverged(1));
}

#[test]
fn a_model_of_another_kind_is_named_for_what_it_lacks() {
    let mut bench = bench(1, Status::Ok);
    let judge = bench.inputs["judge"].clone();
    bench.inputs.insert("model".to_owned(), judge);
    let refused = grid(&bench, &sample(json!({"classes": "each"})))
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("no network `generator`") && refused.contains("it has classifier"),
        "{refused}"
    );
    let config = evaluate(json!({"metrics": ["fid"]}));
    assert!(config.run(&bench.ctx(7)).is_err());
    let noise = bench.folder.path().join("noise");
    std::fs::write(&noise, b"not a model").unwrap();
    bench.inputs.get_mut("judge").unwrap().nodes[0]
        .paths
        .insert("model".to_owned(), noise);
    assert!(config.run(&bench.ctx(7)).is_err());
}
