//! Times a report of many runs: its text, tables and figures from histories, metrics and grids.
//!
//! `cargo bench --bench report -- [RUNS] [STEPS]` (200 and 5,000 if not given). Prints what one report takes: seconds,
//! files and their bytes, and the process's peak of memory; and what a chart of a million points takes.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use image::{Rgb, RgbImage};
use retake::hash::Digest;
use retake::metric::document::Metrics;
use retake::metric::{Metric, MetricRow, Request};
use retake::report::grid::{contact_sheet, png};
use retake::report::plot::{Chart, Line};
use retake::rng::Stream;
use retake::stage::report::{Material, ReportConfig, folder};
use retake::stage::{Artifact, Format, InputNode, NodeName, ShownNode, Status};
use serde_json::json;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHECKPOINTS: u64 = 10;
const METRICS: [Metric; 5] = [
    Metric::Fid,
    Metric::Kid,
    Metric::Precision,
    Metric::Recall,
    Metric::Accuracy,
];
const SEEDS: u64 = 5;

#[expect(clippy::print_stdout, reason = "what the user asked for")]
fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<u64> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let runs = numbers.first().copied().unwrap_or(200);
    let steps = numbers.get(1).copied().unwrap_or(5000);
    let scratch = tempfile::tempdir()?;
    let (mut inputs, mut shown) = (Vec::new(), Vec::new());
    for run in 0..runs {
        add(run, steps, scratch.path(), &mut inputs, &mut shown)?;
    }
    let node = NodeName {
        stage: "report".to_owned(),
        ..NodeName::default()
    };
    let material = Material {
        node: &node,
        pipeline: "many",
        inputs: inputs.iter().collect(),
        shown: &shown,
        command: "retake run many.yaml",
        pipeline_digest: Digest::of_bytes(b"many"),
    };
    let config: ReportConfig = serde_json::from_value(json!({"title": "Many runs"}))?;
    let begun = Instant::now();
    let files = folder(&config, &material)?;
    let seconds = begun.elapsed().as_secs_f64();
    let bytes: usize = files.values().map(Vec::len).sum();
    println!(
        "{runs} runs of {steps} steps: {seconds:.2} s, {} files, {:.1} MB, {} MiB at most",
        files.len(),
        bytes as f64 / 1e6,
        peak_memory().unwrap_or(0) / 1024
    );
    let mut points = vec![0.0; 1_000_000];
    Stream::new(0, "points", 0).fill_normal(&mut points);
    let points = (0..).map(f64::from).zip(points.into_iter().map(f64::from));
    let chart = Chart {
        title: "A million points".to_owned(),
        lines: vec![Line::new("noise".to_owned(), points.collect())],
        noisy: true,
        ..Chart::default()
    };
    let begun = Instant::now();
    let svg = chart.svg();
    println!(
        "a chart of a million points: {:.0} ms, {:.0} KB",
        begun.elapsed().as_secs_f64() * 1e3,
        svg.len() as f64 / 1e3
    );
    Ok(())
}

/// One trained node with its history, its evaluation and its grid.
fn add(
    run: u64,
    steps: u64,
    scratch: &Path,
    inputs: &mut Vec<InputNode>,
    shown: &mut Vec<ShownNode>,
) -> Result<(), Box<dyn Error>> {
    let axes = [
        ("lr", json!(1e-4 * (1 + run / SEEDS) as f64)),
        ("seed", json!(run % SEEDS)),
    ];
    let node = |stage: &str| NodeName {
        stage: stage.to_owned(),
        axes: axes
            .iter()
            .map(|(axis, value)| ((*axis).to_owned(), value.clone()))
            .collect(),
    };
    let mut noise = vec![0.0; steps as usize];
    Stream::new(run, "noise", 0).fill_normal(&mut noise);
    let mut history = "step,epoch,loss_d,loss_g,accuracy_real,accuracy_fake,lr\n".to_owned();
    for (step, noise) in noise.iter().enumerate() {
        let (falls, epoch) = (
            1.0 / (1.0 + step as f32 / 500.0),
            step as u64 * CHECKPOINTS / steps,
        );
        let (loss_d, loss_g) = (falls + 0.1 * noise, 3.0 - falls + 0.3 * noise);
        let (real, fake) = (0.8 + 0.05 * noise, 0.7 - 0.05 * noise);
        writeln!(
            history,
            "{},{},{loss_d},{loss_g},{real},{fake},0.0002",
            step + 1,
            epoch + 1
        )?;
    }
    let rows = METRICS.iter().flat_map(|metric| {
        (1..=CHECKPOINTS).map(move |epoch| MetricRow {
            metric: String::from(Request {
                metric: *metric,
                judge: true,
            }),
            epoch: Some(epoch),
            value: 50.0 / epoch as f64 + (run % 7) as f64,
            direction: metric.direction(),
            samples: 1000,
            extractor: Some(Digest::of_bytes(b"judge")),
            reference: Some(Digest::of_bytes(b"reference")),
            protocol: metric.protocol().to_owned(),
            small: None,
            scores: None,
        })
    });
    let metrics = Metrics {
        rows: rows.collect(),
    };
    let tiles: Vec<RgbImage> = (0..32_u8)
        .map(|tile| RgbImage::from_pixel(64, 64, Rgb([tile * 8, run as u8, 255 - tile * 8])))
        .collect();
    let (gan, scores, grid) = (node("gan"), node("scores"), node("grid"));
    let files = [
        (
            &gan,
            "train",
            "history",
            Format::Table,
            history.into_bytes(),
        ),
        (
            &scores,
            "evaluate",
            "metrics",
            Format::Json,
            metrics.to_json()?,
        ),
        (
            &grid,
            "sample",
            "images",
            Format::Image,
            png(&contact_sheet(&tiles, 8))?,
        ),
    ];
    for (node, kind, output, format, bytes) in files {
        let path = scratch.join(format!("{run}-{output}"));
        std::fs::write(&path, &bytes)?;
        let artifact = Artifact {
            digest: Digest::of_bytes(&bytes),
            bytes: bytes.len() as u64,
            format,
        };
        inputs.push(InputNode {
            node: node.clone(),
            status: Status::Ok,
            outputs: BTreeMap::from([(output.to_owned(), artifact)]),
            paths: BTreeMap::from([(output.to_owned(), path)]),
            selected: output.to_owned(),
        });
        let model = BTreeMap::from([("model".to_owned(), vec![gan.to_string()])]);
        shown.push(ShownNode {
            stage: node.stage.clone(),
            axes: node.axes.clone(),
            kind: kind.to_owned(),
            kind_version: 1,
            description: None,
            with: json!({"task": "gan", "loss": "bce", "lr": axes[0].1}),
            seed: Some(run % SEEDS),
            key: Digest::of_bytes(node.to_string().as_bytes()),
            device: None,
            inputs: if kind == "train" {
                BTreeMap::new()
            } else {
                model
            },
            outputs: BTreeMap::new(),
            scalars: BTreeMap::new(),
            status: Status::Ok,
        });
    }
    Ok(())
}

/// KiB that the process held at most.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
