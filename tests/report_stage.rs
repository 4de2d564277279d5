//! `kind: report` from nodes and files, as the runner hands them over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use retake::hash::Digest;
use retake::metric::document::Metrics;
use retake::metric::{Metric, MetricRow, Request};
use retake::report::grid::{contact_sheet, png};
use retake::stage::report::ReportConfig;
use retake::stage::{Format, Kind, NodeName, Outcome, Product, ShownNode, Status};
use retake::worktree::WorkTree;
use serde_json::{Value, json};

use crate::stage_support::{Bench, name};

fn config(with: Value) -> ReportConfig {
    serde_json::from_value(with).expect("a valid configuration")
}

fn shown(
    node: &NodeName,
    kind: &str,
    with: Value,
    inputs: &[(&str, &NodeName)],
    status: Status,
) -> ShownNode {
    ShownNode {
        stage: node.stage.clone(),
        axes: node.axes.clone(),
        kind: kind.to_owned(),
        kind_version: 1,
        description: (node.stage == "gan").then(|| "A conditional DCGAN.".to_owned()),
        with,
        seed: Some(7),
        key: Digest::of_bytes(node.to_string().as_bytes()),
        device: Some("cpu-avx512".to_owned()),
        inputs: inputs
            .iter()
            .map(|(input, node)| ((*input).to_owned(), vec![node.to_string()]))
            .collect(),
        outputs: BTreeMap::new(),
        scalars: BTreeMap::new(),
        status,
    }
}

fn metrics(base: f64, epochs: u64) -> Metrics {
    let row = |metric: Metric, epoch: u64, value: f64| MetricRow {
        metric: String::from(Request {
            metric,
            judge: true,
        }),
        epoch: Some(epoch),
        value,
        direction: metric.direction(),
        samples: 1000,
        extractor: Some(Digest::of_bytes(b"judge")),
        reference: Some(Digest::of_bytes(b"reference")),
        protocol: metric.protocol().to_owned(),
        small: None,
        scores: None,
    };
    let fid = (1..=epochs).map(|e| row(Metric::Fid, e, base + 40.0 / e as f64));
    let accuracy = (1..=epochs).map(|e| row(Metric::Accuracy, e, 0.8 - 0.6 / e as f64));
    Metrics {
        rows: fid.chain(accuracy).collect(),
    }
}

/// Input, node, how it ended, outputs.
type Added = (
    &'static str,
    NodeName,
    Status,
    Vec<(&'static str, Format, PathBuf)>,
);

/// Two losses and two seeds; the last run diverges in epoch 3.
pub fn bench() -> Bench {
    let mut bench = Bench::new();
    let write = |name: String, bytes: &[u8]| -> PathBuf {
        let path = bench.folder.path().join(name);
        std::fs::write(&path, bytes).expect("a writable folder");
        path
    };
    let (raw, judge) = (name("raw", &[]), name("judge", &[]));
    let mut shown_nodes = vec![
        shown(&raw, "dataset", json!({"name": "shapes"}), &[], Status::Ok),
        shown(
            &judge,
            "train",
            json!({"task": "classifier"}),
            &[("data", &raw)],
            Status::Ok,
        ),
    ];
    let mut added: Vec<Added> = Vec::new();
    for (loss, seed) in [("bce", 0), ("bce", 1), ("wgan-gp", 0), ("wgan-gp", 1)] {
        let axes = [("loss", json!(loss)), ("seed", json!(seed))];
        let [gan, scores, grids] = ["gan", "scores", "grids"].map(|stage| name(stage, &axes));
        let diverges = loss == "wgan-gp" && seed == 1;
        let status = if diverges {
            Status::Diverged {
                epoch: 3,
                step: 220,
                term: "loss_d".to_owned(),
                last_good: Some(2),
            }
        } else {
            Status::Ok
        };
        let with =
            json!({"task": "gan", "loss": loss, "epochs": 4, "model": {"networks": vec![0; 100]}});
        let mut node = shown(&gan, "train", with, &[("data", &raw)], status.clone());
        node.seed = Some(seed);
        shown_nodes.push(node);
        let inputs = [("model", &gan), ("judge", &judge), ("reference", &raw)];
        shown_nodes.push(shown(
            &scores,
            "evaluate",
            json!({"metrics": ["fid-judge"]}),
            &inputs,
            Status::Ok,
        ));
        let with = json!({"images": 16, "columns": null, "checkpoint": "last", "classes": "each"});
        shown_nodes.push(shown(
            &grids,
            "sample",
            with,
            &[("model", &gan)],
            Status::Ok,
        ));

        let steps = if diverges { 220 } else { 400 };
        let mut csv = "step,epoch,loss_d,loss_g,accuracy_d,lr\n".to_owned();
        for step in 1..=steps {
            let wave = f64::from(step * 37 % 11) / 40.0;
            let blown = if diverges && step == steps {
                "NaN".to_owned()
            } else {
                format!("{}", 0.4 + wave)
            };
            csv += &format!(
                "{step},{},{blown},{},0.7,0.0002\n",
                1 + step / 100,
                1.0 + wave * 2.0
            );
        }
        let history = write(format!("history-{loss}-{seed}.csv"), csv.as_bytes());
        let rows = metrics(
            if loss == "bce" { 20.0 } else { 14.0 } + f64::from(seed as u32),
            if diverges { 2 } else { 4 },
        );
        let json = rows.to_json().expect("metrics are JSON");
        let measured = write(format!("metrics-{loss}-{seed}.json"), &json);
        let tiles: Vec<RgbImage> = (0..16u8)
            .map(|i| RgbImage::from_pixel(32, 32, Rgb([i * 15, seed as u8 * 200, 255 - i * 15])))
            .collect();
        let grid = png(&contact_sheet(&tiles, 8)).expect("a PNG");
        let grid = write(format!("grid-{loss}-{seed}.png"), &grid);
        added.push((
            "runs",
            gan,
            status,
            vec![("history", Format::Table, history)],
        ));
        added.push((
            "scores",
            scores,
            Status::Ok,
            vec![("metrics", Format::Json, measured)],
        ));
        added.push((
            "grids",
            grids,
            Status::Ok,
            vec![("images", Format::Image, grid)],
        ));
    }
    bench.shown = shown_nodes;
    for (input, node, status, outputs) in added {
        let outputs: Vec<(&str, Format, &Path)> = outputs
            .iter()
            .map(|(name, format, path)| (*name, *format, path.as_path()))
            .collect();
        bench.add(input, node, status, &outputs);
    }
    bench
}

/// The files of the folder that the report is.
fn files(outcome: Outcome) -> BTreeMap<String, Vec<u8>> {
    let Some(Product::Tree(tree)) = outcome.outputs.into_values().next() else {
        panic!("a report is a tree of files");
    };
    let bytes = |product| match product {
        Product::Bytes(bytes) => bytes,
        other => panic!("{other:?} is not bytes"),
    };
    tree.into_iter()
        .map(|(name, product)| (name, bytes(product)))
        .collect()
}

fn text(files: &BTreeMap<String, Vec<u8>>) -> String {
    String::from_utf8(files["report.md"].clone()).expect("UTF-8")
}

#[test]
fn a_report_shows_tables_curves_grids_and_where_they_come_from() {
    let bench = bench();
    let files = files(
        config(json!({"title": "Shapes"}))
            .run(&bench.ctx(7))
            .unwrap(),
    );
    let text = text(&files);
    for file in files.keys().filter(|name| *name != "report.md") {
        assert!(text.contains(&format!("]({file})")), "{file} is not shown");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_same_inputs_give_the_same_bytes_wherever_the_files_lie() {
    let config = config(json!({}));
    let (a, b) = (bench(), bench());
    assert_eq!(
        files(config.run(&a.ctx(7)).unwrap()),
        files(config.run(&b.ctx(8)).unwrap())
    );
}

#[test]
fn a_report_of_nothing_but_evaluations_still_has_a_section_for_each_model() {
    let mut bench = bench();
    bench.inputs.retain(|name, _| name == "scores");
    let files = files(config(json!({})).run(&bench.ctx(7)).unwrap());
    let text = text(&files);
    assert!(text.contains("### gan\\[loss=bce,seed=0\\]"), "{text}");
    assert!(text.contains("diverged @ epoch 3"), "{text}");
    assert!(files.keys().any(|name| name.contains(".svg")));
}

#[test]
fn tables_and_images_of_other_kinds_are_shown_and_long_ones_cut() {
    let mut bench = bench();
    let csv = bench.folder.path().join("table.csv");
    let rows: Vec<String> = (0..50).map(|i| format!("r{i},{i}")).collect();
    std::fs::write(&csv, format!("name,value|x\n{}\n", rows.join("\n"))).unwrap();
    let node = name("count", &[]);
    bench.shown.push(shown(
        &node,
        "command",
        json!({"run": "true"}),
        &[],
        Status::Ok,
    ));
    bench.add("extra", node, Status::Ok, &[("table", Format::Table, &csv)]);
    let text = text(&files(config(json!({})).run(&bench.ctx(7)).unwrap()));
    assert!(
        text.contains("| name | value\\|x |") && text.contains("| r29 | 29 |"),
        "{text}"
    );
    assert!(
        !text.contains("r30") && text.contains("and 20 more rows"),
        "{text}"
    );
}

#[test]
fn out_stays_out_of_the_key_and_a_template_enters_it_by_content() {
    let settings = |config: &ReportConfig| serde_json::to_value(config).unwrap();
    assert_eq!(
        settings(&config(json!({"title": "A", "out": "x"}))),
        settings(&config(json!({"title": "A"})))
    );
    assert_eq!(
        config(json!({"out": "reports/x"})).publishes(),
        Some("reports/x")
    );

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.j2"), "# {{ title }}\n").unwrap();
    let mut own = config(json!({"title": "A", "template": "t.j2"}));
    own.resolve(&WorkTree::new(folder.path())).unwrap();
    own.resolve(&WorkTree::new(folder.path())).unwrap();
    assert_eq!(settings(&own)["template"], "# {{ title }}\n");
    assert!(own.check(&BTreeMap::new()).is_ok());
    assert_eq!(text(&files(own.run(&bench().ctx(7)).unwrap())), "# A\n");

    let mut missing = config(json!({"template": "no.j2"}));
    let faults = missing.resolve(&WorkTree::new(folder.path())).unwrap_err();
    assert_eq!(
        faults[0].missing_file.as_deref(),
        Some(folder.path().join("no.j2").as_path())
    );

    std::fs::write(folder.path().join("bad.j2"), "{% for %}").unwrap();
    let mut bad = config(json!({"template": "file:bad.j2"}));
    bad.resolve(&WorkTree::new(folder.path())).unwrap();
    let faults = bad.check(&BTreeMap::new()).unwrap_err();
    assert!(
        faults[0].message.starts_with("bad.j2, line 1: "),
        "{faults:?}"
    );
}

#[test]
fn what_others_reported_stands_beside_what_the_runs_gave() {
    let bench = bench();
    let reported = json!({
        "axis": "loss",
        "source": "a report, on photographs",
        "here": "drawn images",
        "rows": {"bce": "FID 89.276 at epoch 300", "hinge": "not repeated"},
        "history": [{"column": "loss_d", "pick": "min"}, {"column": "loss_g", "pick": "last"}],
    });
    let text = text(&files(
        config(json!({"reported": reported}))
            .run(&bench.ctx(7))
            .unwrap(),
    ));
    let lines: Vec<&str> = text.lines().collect();
    let header = lines
        .iter()
        .position(|line| line.starts_with("| loss | reported |"));
    let header = header.expect("a header");
    assert!(lines[header + 1].starts_with("| --- |"), "{text}");
    assert!(lines[header + 2].starts_with("| bce |"), "{text}");
    assert!(lines[header + 3].starts_with("| hinge |"), "{text}");
    let row = |name: &str| {
        let found = lines
            .iter()
            .find(|line| line.starts_with(&format!("| {name} | ")));
        found.unwrap_or_else(|| panic!("no row {name} in\n{text}"))
    };
    assert!(
        text.contains("Reported: a report, on photographs. Here: drawn images."),
        "{text}"
    );
    // Two seeds: best FIDs 30 and 31; the smallest loss_d of both is 0.4; the last loss_g that of step 400.
    let bce = row("bce");
    assert!(bce.contains("FID 89.276 at epoch 300"), "{bce}");
    assert!(bce.contains("30.50 ± 0.71 @ 4"), "{bce}");
    assert!(bce.contains("| 0.4000 ± 0.0000 |"), "{bce}");
    assert!(
        bce.contains("| 1.250 ± 0.000 | 2 | scores\\[loss=bce\\] |"),
        "{bce}"
    );
    assert!(
        row("hinge").ends_with("| – | – | 0 | – |"),
        "{}",
        row("hinge")
    );
}

#[test]
fn reported_experiments_that_no_run_stands_for_are_told() {
    let with = |axis: &str| {
        let reported =
            json!({"axis": axis, "source": "a report", "here": "here", "rows": {"bce": "89.276"}});
        text(&files(
            config(json!({"reported": reported}))
                .run(&bench().ctx(7))
                .unwrap(),
        ))
    };
    assert!(
        with("row").contains(
            "- No run stands for any of the reported experiments: none has an axis `row`"
        )
    );
    assert!(!with("loss").contains("No run stands"));
}

/// The template is compiled in, so nothing but the version says to old records that it has changed.
#[test]
fn another_built_in_template_is_another_version() {
    let digest = Digest::of_bytes(retake::report::markdown::TEMPLATE.text.as_bytes());
    assert_eq!(
        (ReportConfig::VERSION, digest.short().as_str()),
        (3, "8f654cc56557"),
        "raise the version of the report with its template, then note both here"
    );
}
