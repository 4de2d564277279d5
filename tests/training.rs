//! Training through the binary: what is continued, what is taken from before, and equal bytes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Project, files, said};

/// A GAN on 8×8 images that trains in a fraction of a second, with everything around it.
pub const TINY: &str = "\
name: tiny
seed: 3
vars: {epochs: 2, lr: 0.0002, every: 1, images: 48}
stages:
  raw: {kind: dataset, with: {name: shapes, images: \"${images}\", size: 8}}
  small: {kind: preprocess, inputs: {data: raw}, with: {steps: [{resize: 8}]}}
  flipped: {kind: augment, inputs: {data: small}, with: {steps: [{hflip: {}}], online: true}}
  gan:
    kind: train
    inputs: {data: flipped}
    with:
      task: gan
      loss: bce
      lr: \"${lr}\"
      epochs: \"${epochs}\"
      checkpoint_every: \"${every}\"
      batch_size: 16
      latent: 8
      model: &gan
        networks:
          generator:
            inputs: {z: [latent], condition: [classes]}
            start: z
            layers:
              - concat: {input: condition}
              - linear: {out: 128}
              - reshape: [8, 4, 4]
              - batch-norm
              - relu
              - conv-transpose: {out: channels, kernel: 4, stride: 2, padding: 1}
              - tanh
          discriminator:
            inputs: {image: [channels, height, width]}
            layers:
              - conv: {out: 8, kernel: 4, stride: 2, padding: 1}
              - leaky-relu: {slope: 0.2}
              - flatten
              - linear: {out: 1}
  judge:
    kind: train
    inputs: {data: small}
    with:
      task: classifier
      epochs: 1
      batch_size: 16
      model:
        networks:
          classifier:
            inputs: {image: [channels, height, width]}
            layers:
              - conv: {out: 8, kernel: 3, stride: 2, padding: 1}
              - relu
              - global-avg-pool
              - tap: features
              - linear: {out: classes}
  scores:
    kind: evaluate
    inputs: {model: gan, reference: small, judge: judge}
    with: {metrics: [fid, accuracy], checkpoints: all, samples: 32}
  grid: {kind: sample, inputs: {model: gan, data: small}, with: {images: 8, columns: 4}}
  report:
    kind: report
    inputs: {scores: scores, runs: gan, samples: grid}
    with: {title: Tiny, out: report}
";

fn artifacts(project: &Project, args: &[&str]) -> BTreeMap<String, Value> {
    let digests = project.digests(args);
    assert!(
        digests
            .values()
            .all(|outputs| !outputs.as_object().unwrap().is_empty()),
        "{digests:?}"
    );
    digests
}

#[test]
fn a_pipeline_runs_to_its_report_and_a_second_run_runs_nothing() {
    let project = Project::new(TINY);
    let first = project.run(&[]);
    assert_eq!(first.ran().len(), 8);
    let report = project.read("report/report.md");
    for part in [
        "# Tiny",
        "fid-judge",
        "accuracy",
        "mermaid",
        "retake run pipeline.yaml",
    ] {
        assert!(report.contains(part), "`{part}` is not in the report");
    }
    let finished = first
        .0
        .iter()
        .find(|e| e["event"] == "finished" && e["stage"] == "report")
        .unwrap();
    assert!(
        finished["path"].as_str().unwrap().ends_with("report"),
        "{finished}"
    );
    assert!(project.run(&[]).ran().is_empty());
}

#[test]
fn another_learning_rate_trains_again_and_leaves_the_data_alone() {
    let project = Project::new(TINY);
    project.run(&[]);
    project.edit("lr: 0.0002", "lr: 0.0001");
    let explained = project.retake(&["explain", "pipeline.yaml", "gan"]).out;
    assert!(
        explained.contains("lr") && explained.contains("0.0002 → 0.0001"),
        "{explained}"
    );
    assert_eq!(project.run(&[]).ran(), ["gan", "grid", "report", "scores"]);
}

#[test]
fn renaming_a_train_stage_runs_the_report_alone() {
    let project = Project::new(TINY);
    project.run(&[]);
    let text = project.read("pipeline.yaml");
    let renamed = text
        .replace("  gan:\n", "  dcgan:\n")
        .replace("model: gan,", "model: dcgan,")
        .replace("runs: gan,", "runs: dcgan,");
    project.write("pipeline.yaml", &renamed);
    assert_eq!(project.run(&[]).ran(), ["report"]);
}

#[test]
fn a_report_follows_the_names_that_it_prints() {
    let project = Project::new(TINY);
    project.run(&[]);
    project.edit("name: tiny", "name: small");
    assert_eq!(project.run(&[]).ran(), ["report"]);
    project.edit("  report:\n", "  summary:\n");
    assert_eq!(project.run(&[]).ran(), ["summary"]);
    assert!(project.read("report/report.md").contains("summary"));
}

#[test]
fn extending_a_run_continues_it_to_the_bytes_of_an_uninterrupted_one() {
    let whole = Project::new(TINY);
    whole.run(&["--set", "epochs=4"]);
    let extended = Project::new(TINY);
    extended.run(&["--set", "epochs=2"]);
    let events = extended.run(&["--set", "epochs=4"]);
    assert_eq!(events.ran(), ["gan", "grid", "report", "scores"]);
    let steps: Vec<u64> = events
        .0
        .iter()
        .filter(|e| e["event"] == "progress" && e["stage"] == "gan")
        .filter_map(|e| e["progress"]["epoch"].as_u64())
        .collect();
    assert!(
        steps.iter().all(|epoch| *epoch >= 3),
        "it began at epoch 3: {steps:?}"
    );
    assert_eq!(
        artifacts(&extended, &["--set", "epochs=4"]),
        artifacts(&whole, &["--set", "epochs=4"])
    );
}

#[test]
fn a_shorter_run_is_taken_from_a_longer_one() {
    let project = Project::new(TINY);
    project.run(&["--set", "epochs=4"]);
    let plan = project.retake(&["plan", "pipeline.yaml", "gan", "--set", "epochs=2"]);
    assert_eq!(plan.out, "nothing to do: 4 cached\n");
    let events = project.run(&["gan", "--set", "epochs=2"]);
    assert!(events.started().is_empty(), "{:?}", events.started());
    assert!(events.ran().is_empty(), "{:?}", events.ran());
    let short = Project::new(TINY);
    short.run(&["--set", "epochs=2"]);
    project.run(&["--set", "epochs=2"]);
    let settings = ["--set", "epochs=2"];
    assert_eq!(artifacts(&project, &settings), artifacts(&short, &settings));
}

#[test]
fn bytes_depend_on_neither_threads_nor_jobs() {
    let one = Project::new(TINY);
    let other = Project::new(TINY);
    for (project, threads, jobs) in [(&one, "1", "1"), (&other, "4", "3")] {
        let mut command = project.command(&["run", "pipeline.yaml", "--jobs", jobs]);
        let output = command.env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{:?}", said(&output));
    }
    assert_eq!(artifacts(&one, &[]), artifacts(&other, &[]));
    assert_eq!(one.read("pipeline.lock"), other.read("pipeline.lock"));
    assert_eq!(one.read("report/report.md"), other.read("report/report.md"));
}

#[test]
fn another_seed_gives_other_bytes() {
    let project = Project::new(TINY);
    project.run(&["gan"]);
    let before = project.digests(&["gan"]);
    project.edit("seed: 3", "seed: 4");
    project.run(&["gan"]);
    assert_ne!(before, project.digests(&["gan"]));
}

#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint_to_the_same_bytes() {
    let whole = Project::new(TINY);
    let settings = ["--set", "epochs=40", "--set", "images=96"];
    whole.run(&settings);
    let killed = Project::new(TINY);
    let mut kills = 0;
    // Killed while it trains: as soon as so many parts (epochs, mostly) are stored.
    for stored in [3, 12, 25] {
        let mut args = vec!["run", "pipeline.yaml"];
        args.extend(settings);
        let mut child = killed.command(&args).stderr(Stdio::null()).spawn().unwrap();
        let parts = || {
            let records = files(&killed.path(".retake/records"));
            let part = |path: &&PathBuf| path.to_string_lossy().ends_with(".part.json");
            records.iter().filter(part).count()
        };
        while parts() < stored && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        kills += usize::from(child.try_wait().unwrap().is_none());
        // SIGKILL: nothing of the process gets to tidy up.
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills > 0, "no run was killed while it was running");
    killed.run(&settings);
    assert_eq!(artifacts(&killed, &settings), artifacts(&whole, &settings));
}

#[test]
fn nodes_of_one_trajectory_train_once_to_the_longest_length() {
    let project = Project::new(TINY);
    project.edit(
        "    kind: train\n    inputs: {data: flipped}",
        "    kind: train\n    matrix: {length: [1, 3, 2]}\n    inputs: {data: flipped}",
    );
    project.edit(
        "epochs: \"${epochs}\"\n      checkpoint_every",
        "epochs: \"${length}\"\n      checkpoint_every",
    );
    project.edit(
        "{scores: scores, runs: gan, samples: grid}",
        "{scores: \"scores[*]\", runs: \"gan[*]\", samples: \"grid[*]\"}",
    );
    let events = project.run(&["gan"]);
    let trained = events.ran().iter().filter(|stage| *stage == "gan").count();
    assert_eq!(trained, 1);
    let cached = events
        .cached()
        .iter()
        .filter(|stage| *stage == "gan")
        .count();
    assert_eq!(cached, 2);
}

#[test]
fn a_diverged_run_is_a_result_that_reports_show() {
    let project = Project::new(TINY);
    project.edit("lr: 0.0002", "lr: 1.0e+30");
    let events = project.run(&[]);
    let gan = events
        .0
        .iter()
        .find(|e| e["event"] == "finished" && e["stage"] == "gan")
        .unwrap();
    assert_eq!(gan["outcome"], "diverged", "{gan}");
    assert!(
        project
            .read("report/report.md")
            .contains("diverged @ epoch")
    );
    assert!(
        project.run(&[]).ran().is_empty(),
        "a diverged run is not tried again"
    );
}

#[test]
fn adding_a_metric_computes_that_metric_and_trains_nothing() {
    let project = Project::new(TINY);
    project.edit("metrics: [fid, accuracy]", "metrics: [fid]");
    project.run(&[]);
    project.edit("metrics: [fid]", "metrics: [fid, accuracy]");
    assert_eq!(project.run(&[]).ran(), ["report", "scores"]);
}

#[test]
fn a_network_is_copied_out_under_the_names_of_other_code() {
    let project = Project::new(TINY);
    project.run(&["gan"]);
    project.write(
        "names.json",
        r#"{"main.0": "layers.1", "main.1": "layers.3"}"#,
    );
    let get = |network: &str| {
        project.retake(&[
            "get",
            "pipeline.yaml",
            "gan:model",
            "out.safetensors",
            "--network",
            network,
            "--names",
            "names.json",
        ])
    };
    let unknown = get("painter");
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown.err.contains("it has discriminator, generator"),
        "{unknown:?}"
    );
    let got = get("generator");
    assert_eq!(got.code, Some(0), "{got:?}");
    let bytes = std::fs::read(project.path("out.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = tensors.names();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "layers.5.bias",
            "layers.5.weight",
            "main.0.bias",
            "main.0.weight",
            "main.1.bias",
            "main.1.running_mean",
            "main.1.running_var",
            "main.1.weight"
        ]
    );
}

#[test]
fn animations_are_drawn_from_checkpoints_and_shown_by_reports() {
    let text = TINY.replace(
        "  report:\n    kind: report\n    inputs: {scores: scores, runs: gan, samples: grid}",
        "  film: {kind: sample, inputs: {model: gan, data: small}, with: {mode: checkpoints, images: 4}}\n  \
         walk: {kind: sample, inputs: {model: gan}, with: {mode: interpolate, frames: 3, classes: each}}\n  \
         report:\n    kind: report\n    inputs: {scores: scores, runs: gan, samples: grid, film: film, walk: walk}",
    );
    assert_ne!(text, TINY);
    let project = Project::new(&text);
    project.run(&[]);
    let report = project.read("report/report.md");
    let gifs = report.matches(".gif)").count();
    assert_eq!(gifs, 2, "{report}");
    let plan = project.run(&[]);
    assert!(plan.ran().is_empty(), "{:?}", plan.ran());
    let longer = project.run(&["film", "--set", "epochs=3"]);
    assert_eq!(longer.ran(), ["film", "gan"]);
    let gif = project.retake(&["get", "pipeline.yaml", "film:animation", "film.gif"]);
    assert_eq!(gif.code, Some(0), "{gif:?}");
}

#[test]
fn show_prints_a_row_for_every_metric_and_checkpoint() {
    let project = Project::new(TINY);
    project.run(&[]);
    let table = project.retake(&[
        "show",
        "pipeline.yaml",
        "--format",
        "csv",
        "--where",
        "metric=accuracy",
    ]);
    assert_eq!(
        table.out.lines().count(),
        3,
        "a header and two checkpoints: {}",
        table.out
    );
    let json = project
        .retake(&["show", "pipeline.yaml", "--format", "json"])
        .out;
    let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!(
        project
            .retake(&["show", "pipeline.yaml", "--where", "nonsense>1"])
            .code,
        Some(2)
    );
}

#[test]
fn what_a_shorter_run_would_give_can_be_shown_and_copied_out_although_nothing_was_run() {
    let project = Project::new(TINY);
    project.run(&[]);
    let both = project
        .retake(&["show", "pipeline.yaml", "--format", "csv"])
        .out;
    let first = ["--set", "epochs=1"];
    let shorter =
        project.retake(&[&["show", "pipeline.yaml", "--format", "csv"][..], &first].concat());
    assert_eq!(shorter.code, Some(0), "{shorter:?}");
    let of_first = |line: &&str| line.split(',').nth(2) != Some("2");
    let expected: Vec<&str> = both.lines().filter(of_first).collect();
    assert_eq!(
        shorter.out.lines().collect::<Vec<_>>(),
        expected,
        "{}",
        shorter.err
    );
    for (output, dest) in [
        ("history", "history.csv"),
        ("checkpoints", "checkpoints"),
        ("model", "model"),
    ] {
        let artifact = format!("gan:{output}");
        let said =
            project.retake(&[&["get", "pipeline.yaml", &artifact, dest][..], &first].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let history = project.read("history.csv");
    assert!(history.lines().count() > 1, "{history}");
    // Only the model at the end of the one epoch, and that a copy.
    let files: Vec<_> = std::fs::read_dir(project.path("checkpoints"))
        .unwrap()
        .collect();
    assert_eq!(files.len(), 1);
    let checkpoint = files[0].as_ref().unwrap().path();
    assert!(!checkpoint.symlink_metadata().unwrap().is_symlink());
    assert_eq!(
        std::fs::read(checkpoint).unwrap(),
        std::fs::read(project.path("model")).unwrap()
    );
}

#[test]
fn a_stage_that_asks_for_a_gpu_that_is_not_there_is_blocked_and_nothing_else_is() {
    if retake::device::open(retake::device::DeviceRequest::Cuda(0)).is_ok() {
        return;
    }
    let project = Project::new(TINY);
    project.edit(
        "  gan:\n    kind: train\n",
        "  gan:\n    kind: train\n    device: cuda\n",
    );
    project.run(&["flipped", "judge"]);
    let plan = project.retake(&["plan", "pipeline.yaml"]);
    assert_eq!(plan.code, Some(0), "{plan:?}");
    assert!(plan.out.contains("blocked   gan — "), "{}", plan.out);
    assert!(
        plan.out.ends_with("3 perhaps, 1 blocked, 4 cached\n"),
        "{}",
        plan.out
    );
}
