//! Words on images, and what `kind: sample` writes where: labels, epochs, the best and the worst, distances.

use std::cmp::Ordering;
use std::path::Path;

use candle_core::Device;
use image::imageops::crop_imm;
use image::{Rgb, RgbImage};
use retake::data::image::Image;
use retake::extract::Extractor;
use retake::hash::Digest;
use retake::metric::document::Metrics;
use retake::metric::scores::Scores;
use retake::metric::{Direction, MetricRow};
use retake::model::SavedModel;
use retake::report::grid::{Row, Sheet, Tile, contact_sheet, headed, rows, stacked};
use retake::report::letters::Letters;
use retake::stage::{DataSchema, Format, InputSchemas, Kind, Memo, Outcome, Product, Status};
use retake::worktree::WorkTree;
use serde_json::{Value, json};

use crate::evaluate::{UNCONDITIONAL, bench, grid, model_of, sample, tile};
use crate::stage_support::{Bench, name};

const RED: [u8; 3] = [255, 0, 0];

fn plain(size: u32) -> RgbImage {
    RgbImage::from_pixel(size, size, Rgb(RED))
}

fn labelled(size: u32, label: &str) -> Tile {
    Tile {
        image: plain(size),
        label: label.to_owned(),
    }
}

/// Whether anything dark is written within a rectangle (left, top, width, height).
fn written(image: &RgbImage, (left, top, width, height): (u32, u32, u32, u32)) -> bool {
    let part = crop_imm(image, left, top, width, height).to_image();
    part.pixels()
        .any(|pixel| pixel.0.iter().all(|value| *value < 60))
}

fn ink(text: &str) -> RgbImage {
    let letters = Letters::below(64);
    let mut image =
        RgbImage::from_pixel(letters.width(text).max(1), letters.height(), Rgb([255; 3]));
    letters.write(&mut image, 0, 0, text);
    image
}

#[test]
fn letters_are_told_apart_and_what_no_font_has_is_a_question_mark() {
    let all: Vec<char> = ('!'..='~').chain("äöüßéñ…".chars()).collect();
    for (at, letter) in all.iter().enumerate() {
        let drawn = ink(&letter.to_string());
        assert!(written(&drawn, (0, 0, 6, 10)), "{letter} is blank");
        for other in &all[..at] {
            assert_ne!(drawn, ink(&other.to_string()), "{letter} and {other}");
        }
    }
    assert_eq!(ink("龍"), ink("?"));
    assert!(!written(&ink("   "), (0, 0, 18, 10)));
}

#[test]
fn labels_are_broken_at_words_and_cut_after_three_lines() {
    // Six pixels a letter: 64 hold ten.
    let wrap = |text: &str| Letters::below(64).wrap(text, 64, 3);
    assert_eq!(wrap("red cube"), ["red cube"]);
    assert_eq!(wrap("yellow cylinder"), ["yellow", "cylinder"]);
    assert_eq!(wrap("5_o_Clock_Shadow"), ["5_o_Clock_", "Shadow"]);
    assert_eq!(wrap("98 %\nred cube"), ["98 %", "red cube"]);
    assert_eq!(wrap("incomprehensible"), ["incompreh…"]);
    assert_eq!(
        wrap("red cube, blue sphere, gray cylinder"),
        ["red cube,", "blue", "sphere…"]
    );
    assert_eq!(wrap(""), [""; 0]);
    assert_eq!(Letters::below(3).wrap("abc", 3, 3), ["a…"]);
}

#[test]
fn labels_stand_below_their_tiles_and_change_nothing_above() {
    let tiles = vec![
        labelled(64, "red cube"),
        labelled(64, ""),
        labelled(64, "yellow cylinder"),
    ];
    let sheet = Sheet::of(&rows(tiles, 2));
    let bare = contact_sheet(&[plain(64), plain(64)], 2);
    let words = |lines: u32| 3 + lines * 10;
    assert_eq!(
        sheet.image.dimensions(),
        (2 * 66 + 2, 2 * 66 + 2 + words(1) + words(2))
    );
    assert_eq!(sheet.first_row, (66, 66 + words(1)));
    assert_eq!(
        crop_imm(&sheet.image, 0, 0, 134, 66).to_image(),
        crop_imm(&bare, 0, 0, 134, 66).to_image()
    );
    assert!(written(&sheet.image, (2, 66, 64, words(1))));
    assert!(
        !written(&sheet.image, (68, 66, 64, words(1))),
        "nothing below the second"
    );
    let second = 68 + words(1) + 64;
    assert!(
        written(&sheet.image, (2, second, 64, 13))
            && written(&sheet.image, (2, second + 13, 64, 10))
    );
    assert_eq!(
        Sheet::of(&rows(vec![plain(64).into(), plain(64).into()], 2)).image,
        bare
    );
    assert_eq!(Sheet::of(&[]).image.width(), 4);
}

#[test]
fn headings_stand_above_their_rows_names_beside_strips_and_words_above_frames() {
    let row = |heading: &str| Row {
        heading: heading.to_owned(),
        tiles: vec![labelled(64, "")],
    };
    let sheet = Sheet::of(&[row("best of all images there are"), row("")]).image;
    assert!(sheet.width() > 150, "a heading has its room");
    assert!(written(&sheet, (0, 0, 150, 20)));
    let headed = headed(&plain(64), "epoch 4");
    assert_eq!(headed.dimensions(), (64, 64 + 19));
    assert!(written(&headed, (0, 0, 64, 19)));
    assert_eq!(crop_imm(&headed, 0, 19, 64, 64).to_image(), plain(64));
    let stack = stacked(&[
        ("epoch 4".to_owned(), plain(64)),
        ("epoch 12".to_owned(), plain(64)),
    ]);
    assert_eq!(stack.dimensions(), (8 * 7 + 6 + 64, 128));
    assert_eq!(
        crop_imm(&stack, 62, 0, 64, 128)
            .to_image()
            .get_pixel(63, 127)
            .0,
        RED
    );
    assert!(written(&stack, (0, 0, 62, 64)) && written(&stack, (0, 64, 62, 64)));
}

#[test]
fn conditional_grids_say_what_was_asked_for_unless_told_not_to() {
    let bench = bench(1, Status::Ok);
    let with = |labels: bool| {
        let config = json!({"classes": "each", "images": 6, "labels": labels});
        grid(&bench, &sample(config)).unwrap()
    };
    let (labelled, bare) = (with(true), with(false));
    assert_eq!(bare.dimensions(), (3 * 34 + 2, 2 * 34 + 2));
    assert_eq!(labelled.dimensions(), (3 * 34 + 2, 2 * (34 + 13) + 2));
    assert_eq!(tile(&labelled, 1, 0), tile(&bare, 1, 0));
    // `a`, `b` and `c`, in the middle of 32 pixels.
    for (column, letter) in [(0, "a"), (1, "b"), (2, "c")] {
        let shown = crop_imm(&labelled, 2 + column * 34 + 13, 34 + 3, 6, 10).to_image();
        assert_eq!(shown, ink(letter), "{letter}");
    }
    let plain = unconditional();
    assert_eq!(
        grid(&plain, &sample(json!({"images": 8})))
            .unwrap()
            .dimensions(),
        (8 * 34 + 2, 36),
        "nothing was asked for"
    );
}

/// A generator that is not told what to draw, the judge and the data of [`bench`].
fn unconditional() -> Bench {
    let mut bench = bench(1, Status::Ok);
    let file = model_of(5, bench.folder.path(), "plain", UNCONDITIONAL, 3);
    let outputs: [(&str, Format, &Path); 1] = [("model", Format::Model, &file)];
    bench.inputs.remove("model");
    bench.add("model", name("gan", &[]), Status::Ok, &outputs);
    bench
}

#[test]
fn real_images_stand_above_their_labels() {
    let mut bench = bench(1, Status::Ok);
    let data = bench.inputs.remove("reference").unwrap();
    bench.inputs.clear();
    bench.inputs.insert("data".to_owned(), data);
    let real = grid(&bench, &sample(json!({"images": 4}))).unwrap();
    // Image 1 shows `a, c`: four letters, below the middle of its tile.
    assert_eq!(real.dimensions(), (4 * 34 + 2, 34 + 13 + 2));
    let shown = crop_imm(&real, 2 + 34 + 4, 34 + 3, 24, 10).to_image();
    assert_eq!(shown, ink("a, c"));
}

fn stored(bench: &Bench, outcome: &Outcome, output: &str) -> Vec<u8> {
    let Some(Product::Stored(artifact)) = outcome.outputs.get(output) else {
        panic!("`{output}` is a stored object");
    };
    std::fs::read(bench.memo.path(artifact).unwrap()).unwrap()
}

#[test]
fn the_sheet_of_checkpoints_has_a_row_an_epoch_and_every_frame_its_epoch() {
    let bench = bench(3, Status::Ok);
    let config = sample(json!({"mode": "checkpoints", "classes": "each", "images": 6}));
    let names: Vec<String> = config
        .outputs()
        .into_iter()
        .map(|output| output.name)
        .collect();
    assert_eq!(names, ["images", "animation", "sheet"]);
    let outcome = config.run(&bench.ctx(7)).unwrap();
    let sheet = image::load_from_memory(&stored(&bench, &outcome, "sheet"))
        .unwrap()
        .to_rgb8();
    let left = 7 * 7 + 6;
    assert_eq!(sheet.dimensions(), (left + 3 * 34 + 2, 3 * 34 + 13));
    for epoch in 1..=3 {
        let config = sample(json!({"classes": "each", "images": 6, "checkpoint": epoch}));
        let grid = grid(&bench, &config).unwrap();
        let row = crop_imm(&sheet, left, (epoch - 1) * 34, 3 * 34 + 2, 34).to_image();
        assert_eq!(
            row,
            crop_imm(&grid, 0, 0, 3 * 34 + 2, 34).to_image(),
            "epoch {epoch}"
        );
        assert!(
            written(&sheet, (0, (epoch - 1) * 34, left, 34)),
            "epoch {epoch}"
        );
    }
    assert!(
        written(&sheet, (left, 3 * 34, 3 * 34, 13)),
        "what was asked for, below the last"
    );

    let animation = stored(&bench, &outcome, "animation");
    let mut options = ::gif::DecodeOptions::new();
    options.set_color_output(::gif::ColorOutput::RGBA);
    let decoder = options.read_info(&animation[..]).unwrap();
    let last = image::load_from_memory(&stored(&bench, &outcome, "images"))
        .unwrap()
        .to_rgb8();
    assert_eq!(
        u32::from(decoder.height()),
        last.height() + 19,
        "a line above the grid"
    );
}

#[test]
fn of_many_checkpoints_a_sheet_shows_twenty_the_first_and_the_last_among_them() {
    let bench = bench(45, Status::Ok);
    let config = sample(json!({"mode": "checkpoints", "classes": "each", "images": 3}));
    let outcome = config.run(&bench.ctx(7)).unwrap();
    let sheet = image::load_from_memory(&stored(&bench, &outcome, "sheet"))
        .unwrap()
        .to_rgb8();
    assert_eq!(sheet.height(), 20 * 34 + 13);
    let left = 8 * 7 + 6;
    for (row, epoch) in [(0, 1), (19, 45)] {
        let config = sample(json!({"classes": "each", "images": 3, "checkpoint": epoch}));
        let grid = grid(&bench, &config).unwrap();
        let strip = crop_imm(&sheet, left, row * 34, 3 * 34 + 2, 34).to_image();
        assert_eq!(
            strip,
            crop_imm(&grid, 0, 0, 3 * 34 + 2, 34).to_image(),
            "epoch {epoch}"
        );
    }
}

/// The judge's confidence in each tile of a grid without words: with `class` in that class, else in its best.
fn confidences(bench: &Bench, grid: &RgbImage, count: u32, class: Option<usize>) -> Vec<f64> {
    let path = bench.inputs["judge"].nodes[0].path();
    let mut model = SavedModel::load(path, &Device::Cpu).unwrap();
    let network = model.networks.shift_remove("classifier").unwrap();
    let judge = Extractor::trained(network, (3, 8, 8), 64, &Device::Cpu);
    let images: Vec<Image> = (0..count)
        .map(|at| {
            let tile = tile(grid, at, 0);
            let mut image = Image::filled(8, 8, 3, 0);
            for (place, pixel) in image.pixels.iter_mut().enumerate() {
                let (x, y, channel) = (place / 3 % 8, place / 24, place % 3);
                *pixel = tile[(y * 4 * 32 + x * 4) * 3 + channel];
            }
            image
        })
        .collect();
    let views: Vec<_> = images.iter().map(Image::view).collect();
    let seen = judge.look(&views).unwrap();
    // The judge takes several labels an image: each by itself.
    let sure = |logit: &f32| 1.0 / (1.0 + (-f64::from(*logit)).exp());
    let of = |logits: &[f32]| match class {
        Some(class) => sure(&logits[class]),
        None => logits.iter().map(sure).fold(0.0, f64::max),
    };
    seen.scores.chunks_exact(3).map(of).collect()
}

#[test]
fn the_best_and_the_worst_are_those_that_the_judge_is_most_and_least_sure_of() {
    let told = json!({"condition": ["b"]});
    for (bench, extra, class) in [
        (bench(1, Status::Ok), told, Some(1)),
        (unconditional(), json!({}), None),
    ] {
        let with = |mut config: Value| {
            for (name, value) in extra.as_object().unwrap() {
                config[name] = value.clone();
            }
            grid(&bench, &sample(config)).unwrap()
        };
        let all = with(json!({"images": 20, "columns": 20, "labels": false}));
        let sure = confidences(&bench, &all, 20, class);
        let mut order: Vec<usize> = (0..20).collect();
        order.sort_by(|a, b| sure[*b].partial_cmp(&sure[*a]).unwrap_or(Ordering::Equal));
        let sheet = with(
            json!({"mode": "best-worst", "images": 20, "columns": 3, "show": 3, "labels": false}),
        );
        // A heading above each row.
        let above = 13 + 9;
        assert_eq!(sheet.height(), 2 * (34 + above) + 2);
        for column in 0..3 {
            let shown = |row: u32| {
                crop_imm(
                    &sheet,
                    2 + column * 34,
                    2 + above + row * (34 + above),
                    32,
                    32,
                )
                .to_image()
                .into_raw()
            };
            let sample = |rank: usize| tile(&all, order[rank] as u32, 0);
            assert_eq!(shown(0), sample(column as usize), "best {column}");
            assert_eq!(shown(1), sample(19 - column as usize), "worst {column}");
        }
        let labelled = with(json!({"mode": "best-worst", "images": 20, "columns": 3, "show": 3}));
        assert!(labelled.height() > sheet.height());
        // No image stands in both, and of few all are shown.
        let few = with(
            json!({"mode": "best-worst", "images": 5, "columns": 3, "show": 3, "labels": false}),
        );
        assert_eq!(few.height(), 2 * (34 + above) + 2);
    }
}

#[test]
fn neighbours_stand_above_their_distances() {
    let mut bench = bench(1, Status::Ok);
    let data = bench.inputs["reference"].clone();
    bench.inputs.insert("data".to_owned(), data);
    let with = |labels: bool| {
        let config = json!({"mode": "neighbours", "images": 2, "neighbours": 3, "labels": labels});
        let mut config = sample(config);
        config.resolve(&WorkTree::new(Path::new(""))).unwrap();
        grid(&bench, &config).unwrap()
    };
    let (labelled, bare) = (with(true), with(false));
    assert_eq!(bare.height(), 2 * 34 + 2);
    assert_eq!(tile(&labelled, 2, 0), tile(&bare, 2, 0));
    for column in 0..4 {
        assert!(
            written(&labelled, (2 + column * 34, 34, 32, 13)),
            "column {column}"
        );
    }
}

fn scores(bench: &mut Bench, rows: &[(&str, u64, f64, Direction)]) {
    let row = |(metric, epoch, value, direction): &(&str, u64, f64, Direction)| MetricRow {
        metric: (*metric).to_owned(),
        epoch: Some(*epoch),
        value: *value,
        direction: *direction,
        samples: 10,
        extractor: None,
        reference: None,
        protocol: "test/1".to_owned(),
        small: None,
        scores: None,
    };
    let metrics = Metrics {
        rows: rows.iter().map(row).collect(),
    };
    let file = bench.folder.path().join("metrics.json");
    std::fs::write(&file, metrics.to_json().unwrap()).unwrap();
    let outputs: [(&str, Format, &Path); 1] = [("metrics", Format::Json, &file)];
    bench.inputs.remove("scores");
    bench.add("scores", name("scores", &[]), Status::Ok, &outputs);
}

#[test]
fn the_best_checkpoint_by_a_metric_draws() {
    let mut bench = bench(3, Status::Ok);
    let fid = |epoch, value| ("fid", epoch, value, Direction::Lower);
    scores(
        &mut bench,
        &[
            fid(1, 9.0),
            fid(2, 4.0),
            fid(3, 5.0),
            ("d-accuracy", 3, 0.5, Direction::Neither),
        ],
    );
    let by = |bench: &Bench, metric: &str| {
        grid(
            bench,
            &sample(json!({"classes": "each", "images": 3, "checkpoint": {"best": metric}})),
        )
    };
    let at = |bench: &Bench, epoch: u64| {
        grid(
            bench,
            &sample(json!({"classes": "each", "images": 3, "checkpoint": epoch})),
        )
        .unwrap()
    };
    assert_eq!(by(&bench, "fid").unwrap(), at(&bench, 2));
    let parts = bench.memo.len();
    at(&bench, 2);
    assert_eq!(bench.memo.len(), parts, "the same images under one name");
    for (metric, why) in [
        (
            "fidd",
            "`fidd` in the input `scores` was measured at no checkpoint (it has fid, d-accuracy)",
        ),
        ("d-accuracy", "has no best value: it is not ranked"),
    ] {
        let refused = by(&bench, metric).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    scores(&mut bench, &[fid(1, 3.0), fid(2, 4.0), fid(3, 5.0)]);
    assert_eq!(by(&bench, "fid").unwrap(), at(&bench, 1));
}

#[test]
fn settings_of_labels_judges_and_scores_are_checked() {
    let faults = |config: Value, inputs: &[&str]| -> Vec<String> {
        let named = inputs
            .iter()
            .map(|name| ((*name).to_owned(), DataSchema::default()));
        let faults = sample(config)
            .check(&named.collect::<InputSchemas>())
            .err()
            .unwrap_or_default();
        faults.into_iter().map(|fault| fault.message).collect()
    };
    assert_eq!(
        faults(json!({"mode": "best-worst"}), &["model"]),
        ["`best-worst` needs a judge of what is good"]
    );
    assert_eq!(
        faults(
            json!({"mode": "best-worst", "show": 0}),
            &["model", "judge"]
        ),
        ["the range is 1 to 100"]
    );
    assert_eq!(
        faults(json!({"show": 3}), &["model"]),
        ["`show` does not apply to `mode: grid`"]
    );
    assert_eq!(
        faults(json!({"mode": "interpolate", "labels": false}), &["model"]),
        ["`labels` does not apply to `mode: interpolate`"]
    );
    assert_eq!(
        faults(json!({"checkpoint": {"best": "fid"}}), &["model"]),
        ["there is no input `scores` that says where `fid` is best"]
    );
    assert_eq!(
        faults(json!({}), &["model", "scores"]),
        ["no checkpoint is chosen by the input `scores`"]
    );
    assert!(faults(json!({"checkpoint": {"best": "fid"}}), &["model", "scores"]).is_empty());
    let unknown = serde_json::from_value::<retake::stage::sample::SampleConfig>(
        json!({"checkpoint": {"bets": "fid"}}),
    );
    assert!(unknown.unwrap_err().to_string().contains("`best: METRIC`"));
    let settings = |with: Value| {
        let mut config = sample(with);
        config.resolve(&WorkTree::new(Path::new(""))).unwrap();
        serde_json::to_value(config).unwrap()
    };
    assert_eq!(
        settings(json!({"mode": "best-worst", "labels": true})),
        settings(json!({"mode": "best-worst", "show": 8}))
    );
}

#[test]
fn scores_are_counted_over_the_range_of_both_sets() {
    let scores = Scores::of(&[1.0, 2.0, f32::NAN], &[-2.0, 1.9, 2.0], 4).unwrap();
    assert_eq!((scores.low, scores.high), (-2.0, 2.0));
    assert_eq!(
        (scores.real, scores.generated),
        (vec![0, 0, 0, 2], vec![1, 0, 0, 2])
    );
    let one = Scores::of(&[3.0], &[3.0, 3.0], 4).unwrap();
    assert_eq!((one.low, one.high, one.real), (3.0, 3.0, vec![0, 0, 1, 0]));
    assert!(Scores::of(&[f32::INFINITY], &[], 4).is_none());
    let row = serde_json::to_value(one_row(None)).unwrap();
    assert!(
        row.get("scores").is_none(),
        "rows without a histogram keep their bytes"
    );
    let with = one_row(Scores::of(&[1.0], &[2.0], 2));
    let text = serde_json::to_string(&with).unwrap();
    assert_eq!(serde_json::from_str::<MetricRow>(&text).unwrap(), with);
}

fn one_row(scores: Option<Scores>) -> MetricRow {
    MetricRow {
        metric: "d-accuracy".to_owned(),
        epoch: None,
        value: 0.5,
        direction: Direction::Neither,
        samples: 1,
        extractor: None,
        reference: Some(Digest::of_bytes(b"")),
        protocol: String::new(),
        small: None,
        scores,
    }
}
