//! `retake watch` beside a run: a page that follows it, and nothing else changes.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Project, files, said};

/// A GAN that trains as long as one likes, an epoch in milliseconds, and draws.
const PIPELINE: &str = "\
name: tiny
seed: 3
vars: {epochs: 100000}
stages:
  raw: {kind: dataset, with: {name: shapes, images: 48, size: 8}}
  gan:
    description: A GAN on images of 8×8
    kind: train
    inputs: {data: raw}
    with:
      task: gan
      loss: bce
      epochs: \"${epochs}\"
      checkpoint_every: 5
      batch_size: 16
      latent: 8
      model:
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
  grid:
    kind: sample
    inputs: {model: gan}
    with: {images: 24, classes: each}
";

/// Generous: machines are busy.
const PATIENCE: Duration = Duration::from_mins(3);

fn start(project: &Project, args: &[&str]) -> Child {
    let mut command = project.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(child.id() as i32).expect("a process id");
    rustix::process::kill_process(pid, signal).expect("signalled");
}

/// Ends a process however the test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the page holds; nothing while there is none.
fn page(project: &Project) -> String {
    std::fs::read_to_string(project.path("page.html")).unwrap_or_default()
}

/// Objects and records of the store, each with its bytes.
fn results(project: &Project) -> Vec<(PathBuf, Vec<u8>)> {
    let folders = ["objects", "records", "timings"].map(|name| project.path(".retake").join(name));
    let all = folders.iter().flat_map(|folder| files(folder));
    all.map(|path| {
        let bytes = std::fs::read(&path).expect("readable");
        (path, bytes)
    })
    .collect()
}

#[test]
fn a_page_follows_a_run_with_curves_and_samples_to_its_end() {
    let project = Project::new(&PIPELINE.replace("100000", "400"));
    let mut watch = Ended(start(
        &project,
        &[
            "watch",
            "pipeline.yaml",
            "-o",
            "page.html",
            "--every",
            "200ms",
        ],
    ));
    until("a page before anything runs", || {
        page(&project).contains("No run is working on tiny")
    });
    let run = Ended(start(&project, &["run", "pipeline.yaml"]));
    until("a curve and samples while training goes on", || {
        let page = page(&project);
        page.contains(">running</span></span> <b>gan</b>")
            && page.contains("Loss of gan")
            && page.contains("drawn after epoch ")
            && page.contains(" of 400</span>")
    });
    assert!(
        page(&project).contains("data-refresh="),
        "it reads itself again"
    );
    until("the end of the watching", || {
        watch.0.try_wait().expect("a child").is_some()
    });
    assert_eq!(watch.0.wait().expect("a child").code(), Some(0));
    drop(run);
    let page = page(&project);
    assert!(page.contains("All 3 nodes of tiny are done"));
    assert!(
        !page.contains("data-refresh=\""),
        "there is nothing to come"
    );
    assert!(
        page.contains("grid: 24 images"),
        "what the sample stage drew"
    );
    assert!(
        !page.contains("drawn after epoch"),
        "in place of the latest samples"
    );
    let mut said = String::new();
    let mut stderr = watch.0.stderr.take().expect("a pipe");
    std::io::Read::read_to_string(&mut stderr, &mut said).expect("text");
    let address = format!("watching  file://{}", project.path("page.html").display());
    assert!(said.starts_with(&address), "{said}");
    assert_eq!(said.matches("watching").count(), 1, "{said}");
    assert!(said.contains("running   gan"), "{said}");
    assert!(said.contains("done      gan"), "{said}");
}

#[test]
fn watching_changes_no_result() {
    let project = Project::new(&PIPELINE.replace("100000", "10"));
    project.run(&[]);
    let before = results(&project);
    assert!(!before.is_empty());
    let said = project.retake(&["watch", "pipeline.yaml", "--once"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(results(&project), before);
    assert!(
        said.err.contains(".retake/live/tiny.html"),
        "the page lies in the store: {}",
        said.err
    );
    // Nor does a page that was watched make anything stale.
    let again = project.run(&[]);
    assert_eq!(again.ran(), [""; 0]);
    let checked = project.retake(&["doctor", "--check-store"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn a_run_that_was_killed_is_not_taken_for_one_that_goes_on() {
    let project = Project::new(PIPELINE);
    let live = project.path(".retake/live");
    let notes = || {
        files(&live)
            .iter()
            .filter(|f| f.extension().is_some_and(|e| e == "json"))
            .count()
    };
    let mut run = Ended(start(&project, &["run", "pipeline.yaml"]));
    until("epochs in the store", || {
        let said = project.retake(&["watch", "pipeline.yaml", "--once", "-o", "page.html"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        page(&project).contains("drawn after epoch")
    });
    run.0.kill().expect("killed");
    run.0.wait().expect("a child");
    assert_eq!(
        notes(),
        1,
        "what it said of itself and of the node lies about"
    );

    let mut watch = Ended(start(
        &project,
        &[
            "watch",
            "pipeline.yaml",
            "-o",
            "page.html",
            "--every",
            "200ms",
        ],
    ));
    until("the page that says so", || {
        page(&project).contains("No run is working on tiny")
    });
    let held = page(&project);
    assert!(!held.contains(">running</span>"));
    assert!(held.contains(" of 100000 epochs are there"));
    assert!(held.contains("Loss of gan") && held.contains("drawn after epoch"));
    assert!(
        watch.0.try_wait().expect("a child").is_none(),
        "it waits for a run"
    );
    signal(&watch.0, rustix::process::Signal::INT);
    assert_eq!(watch.0.wait().expect("a child").code(), Some(130));

    project.run(&["raw"]);
    assert_eq!(notes(), 0, "the next run sweeps");
}

#[test]
fn a_failure_stands_on_the_page_with_its_cause() {
    let project = Project::new(
        "name: bad\nstages:\n  a: {kind: command, with: {run: \"exit 3\", outputs: {t: t.csv}}}\n",
    );
    let run = project
        .command(&["run", "pipeline.yaml"])
        .output()
        .expect("runs");
    assert_eq!(said(&run).code, Some(1));
    let said = project.retake(&["watch", "pipeline.yaml", "--once", "-o", "page.html"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let page = page(&project);
    assert!(page.contains("<span class=\"chip bad\">failed</span>"));
    assert!(page.contains("its last run failed: the command"), "{page}");
    assert!(
        said.err.contains("failed    a: its last run failed"),
        "{}",
        said.err
    );
}

#[test]
fn a_time_that_is_none_is_refused() {
    let project = Project::new(PIPELINE);
    let said = project.retake(&["watch", "pipeline.yaml", "--every", "soon"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("as in `500ms`"), "{}", said.err);
}
