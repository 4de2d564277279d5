//! The same bytes after the same number of training steps: at any number of threads, in any number of runs, killed
//! on the way, extended. And a penalty that reaches every weight. Through the binary.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use safetensors::SafeTensors;
use serde_json::Value;

use crate::support::{Project, files, said};

/// A train stage on images of shapes.
struct Run {
    /// lines of the train stage's `with`
    with: &'static str,
    /// pixels a side
    size: usize,
    images: usize,
    batch: usize,
    /// steps are epochs · images / batch
    epochs: usize,
}

impl Run {
    fn pipeline(&self, epochs: usize) -> String {
        let mut text = format!(
            "name: steps\nseed: 5\nvars: {{epochs: {epochs}}}\nstages:\n  \
             data: {{kind: dataset, with: {{name: shapes, images: {}, size: {}}}}}\n  \
             trained:\n    kind: train\n    inputs: {{data: data}}\n    with:\n      \
             epochs: \"${{epochs}}\"\n      batch_size: {}\n",
            self.images, self.size, self.batch
        );
        for line in self.with.lines() {
            writeln!(text, "      {line}").unwrap();
        }
        text
    }

    fn project(&self) -> Project {
        Project::new(&self.pipeline(self.epochs))
    }

    fn assert_the_same_bytes_whatever_happens(&self) {
        let outputs = |project: &Project| -> BTreeMap<String, Value> {
            let all = project.digests(&["trained"]);
            assert!(!all.is_empty());
            all
        };
        let whole = self.project();
        whole.run(&["trained"]);
        let expected = outputs(&whole);
        for threads in ["1", "2", "8"] {
            let other = self.project();
            let mut command = other.command(&["run", "pipeline.yaml", "trained"]);
            let output = command.env("RAYON_NUM_THREADS", threads).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{:?}", said(&output));
            assert_eq!(outputs(&other), expected, "{threads} threads");
        }

        let extended = self.project();
        extended.run(&["trained", "--set", &format!("epochs={}", self.epochs / 2)]);
        extended.run(&["trained"]);
        assert_eq!(outputs(&extended), expected, "extended");

        let killed = self.project();
        let mut command = killed.command(&["run", "pipeline.yaml", "trained"]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let epochs_stored = || {
            let records = files(&killed.path(".retake/records"));
            let part = |path: &&PathBuf| path.to_string_lossy().ends_with(".part.json");
            records.iter().filter(part).count()
        };
        while epochs_stored() == 0 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "killed while it trains"
        );
        // SIGKILL: nothing of the process gets to tidy up.
        child.kill().unwrap();
        child.wait().unwrap();
        killed.run(&["trained"]);
        assert_eq!(outputs(&killed), expected, "killed and resumed");
    }
}

#[test]
fn twenty_steps_give_the_same_bytes() {
    let gan = Run {
        with: "task: gan\nmodel: cdcgan-32",
        size: 32,
        images: 80,
        batch: 16,
        epochs: 4,
    };
    gan.assert_the_same_bytes_whatever_happens();
    let judge = Run {
        with: "task: classifier\nmodel: resnet-8",
        ..gan
    };
    judge.assert_the_same_bytes_whatever_happens();
}

#[test]
fn twenty_steps_with_a_gradient_penalty_give_the_same_bytes() {
    Run {
        with: SMALL_CRITIC,
        size: 16,
        images: 80,
        batch: 16,
        epochs: 4,
    }
    .assert_the_same_bytes_whatever_happens();
}

#[test]
#[ignore = "minutes: 200 steps of the large networks, six times each"]
fn two_hundred_steps_give_the_same_bytes() {
    for model in ["cdcgan-64", "wgan-gp-64"] {
        let with = match model {
            "cdcgan-64" => "task: gan\nmodel: cdcgan-64",
            _ => "task: gan\nloss: wgan-gp\ncritic_steps: 2\nmodel: wgan-gp-64",
        };
        Run {
            with,
            size: 64,
            images: 400,
            batch: 8,
            epochs: 4,
        }
        .assert_the_same_bytes_whatever_happens();
    }
}

/// Every kind of layer that a penalty has to go through.
const SMALL_CRITIC: &str = "\
task: gan
loss: wgan-gp
critic_steps: 2
latent: 8
model:
  networks:
    generator:
      inputs: {z: [latent]}
      layers:
        - linear: {out: 128}
        - reshape: [8, 4, 4]
        - batch-norm
        - relu
        - conv-transpose: {out: 8, kernel: 4, stride: 2, padding: 1}
        - relu
        - conv-transpose: {out: channels, kernel: 4, stride: 2, padding: 1}
        - tanh
    discriminator:
      inputs: {image: [channels, height, width]}
      layers:
        - conv: {out: 8, kernel: 4, stride: 2, padding: 1}
        - leaky-relu: {slope: 0.2}
        - conv: {out: 16, kernel: 4, stride: 2, padding: 1}
        - layer-norm
        - leaky-relu: {slope: 0.2}
        - residual: {layers: [conv: {out: 16, kernel: 3, padding: 1}, batch-norm, relu]}
        - avg-pool: {kernel: 2}
        - flatten
        - linear: {out: 8}
        - tanh
        - linear: {out: 1}";

#[test]
fn a_gradient_penalty_reaches_every_weight_of_the_critic() {
    // One step of plain gradient descent: weights differ by what the penalty's gradient is.
    let once = |penalty: &str| {
        let run = Run {
            with: SMALL_CRITIC,
            size: 16,
            images: 16,
            batch: 16,
            epochs: 1,
        };
        let project = run.project();
        project.edit(
            "loss: wgan-gp",
            &format!("loss: wgan-gp\n      optimiser: sgd\n      gradient_penalty: {penalty}"),
        );
        project.run(&["trained"]);
        critic(&project)
    };
    let (little, much) = (once("1"), once("100"));
    let mut weights = 0;
    for (name, values) in &little {
        if name.ends_with("weight") {
            weights += 1;
            assert_ne!(values, &much[name], "{name} has no gradient of the penalty");
        }
    }
    assert_eq!(weights, 7, "{:?}", little.keys());
    assert_eq!(
        little,
        once("1"),
        "what differs does so because of the penalty"
    );
}

/// The critic's tensors after training, by name.
fn critic(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let got = project.retake(&["get", "pipeline.yaml", "trained:model", "model.safetensors"]);
    assert_eq!(got.code, Some(0), "{got:?}");
    let bytes = std::fs::read(project.path("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    tensors
        .iter()
        .filter_map(|(name, view)| {
            let name = name.strip_prefix("discriminator.")?;
            Some((name.to_owned(), view.data().to_vec()))
        })
        .collect()
}
