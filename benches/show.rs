//! `retake show` of 10,000 rows, as a user waits for it: start, plan, survey, reading, table.
//!
//! `cargo bench --bench show`

use std::process::{Command, Stdio};

use divan::Bencher;
use retake::metric::Metric;
use retake::metric::document::Metrics;
use tempfile::TempDir;

#[path = "../tests/support/synthetic.rs"]
mod synthetic;

fn main() {
    divan::main();
}

const METRICS: [Metric; 5] = [
    Metric::Fid,
    Metric::Precision,
    Metric::Recall,
    Metric::Diversity,
    Metric::Accuracy,
];

/// (runs, checkpoints): each of 5 metrics.
const PROJECTS: [(u64, u64); 2] = [(200, 10), (1, 2000)];

/// A project with results of `runs` runs at `checkpoints` checkpoints each.
fn project((runs, checkpoints): (u64, u64)) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let seeds: Vec<String> = (0..runs.div_ceil(2)).map(|seed| seed.to_string()).collect();
    let losses = if runs > 1 { "[bce, wgan-gp]" } else { "[bce]" };
    let pipeline = format!(
        "name: synthetic
stages:
  raw: {{kind: dataset, with: {{name: shapes, images: 64, size: 32}}}}
  judge: {{kind: train, inputs: {{data: raw}}, with: {{task: classifier, model: resnet-8, epochs: 1}}}}
  gan:
    kind: train
    matrix: {{loss: {losses}, seed: [{}]}}
    inputs: {{data: raw}}
    with: {{task: gan, model: cdcgan-32, loss: \"${{loss}}\", epochs: {checkpoints}, checkpoint_every: 1}}
  scores:
    kind: evaluate
    inputs: {{model: gan, reference: raw, judge: judge}}
    with: {{metrics: [fid, precision, recall, diversity, accuracy], checkpoints: all, samples: 1000}}
",
        seeds.join(", ")
    );
    std::fs::write(folder.path().join("pipeline.yaml"), pipeline).expect("a written file");
    synthetic::fill(folder.path(), |node| {
        let seed = synthetic::axis(node, "seed");
        let rows = METRICS.iter().flat_map(|metric| {
            (1..=checkpoints).map(move |epoch| {
                let value = 60.0 + seed / 7.0 + 100.0 / epoch as f64;
                synthetic::row(*metric, epoch, value)
            })
        });
        synthetic::Result {
            metrics: Metrics {
                rows: rows.collect(),
            },
            ..synthetic::Result::default()
        }
    });
    folder
}

fn show(bencher: Bencher, project: &TempDir, args: &[&str]) {
    bencher.bench_local(|| {
        let said = Command::new(env!("CARGO_BIN_EXE_retake"))
            .args(["show", "pipeline.yaml"])
            .args(args)
            .current_dir(project.path())
            .env_remove("RETAKE_STORE")
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        assert!(said.status.success(), "{said:?}");
        said.stdout.len()
    });
}

#[divan::bench(args = PROJECTS, sample_count = 20)]
fn long(bencher: Bencher, size: (u64, u64)) {
    show(bencher, &project(size), &[]);
}

#[divan::bench(args = PROJECTS, sample_count = 20)]
fn csv(bencher: Bencher, size: (u64, u64)) {
    show(bencher, &project(size), &["--format", "csv"]);
}

#[divan::bench(args = PROJECTS, sample_count = 20)]
fn filtered(bencher: Bencher, size: (u64, u64)) {
    let condition = "loss == bce and fid-judge < 75 and batch_size >= 1";
    show(bencher, &project(size), &["--where", condition]);
}

#[divan::bench(args = PROJECTS, sample_count = 20)]
fn grouped(bencher: Bencher, size: (u64, u64)) {
    show(bencher, &project(size), &["--grouped"]);
}

#[divan::bench(args = [PROJECTS[0]], sample_count = 20)]
fn compared(bencher: Bencher, size: (u64, u64)) {
    show(bencher, &project(size), &["--compare", "loss"]);
}
