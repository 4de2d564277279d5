//! `retake cache export` and `import`: results travel whole or not at all.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use crate::support::{Project, files};

/// Data, a training of two epochs, a folder made of its history.
const TRAINING: &str = "\
name: small
vars: {epochs: 2}
stages:
  raw: {kind: dataset, with: {name: shapes, images: 16, size: 16}}
  judge:
    kind: train
    inputs: {data: raw}
    with:
      task: classifier
      model:
        networks:
          classifier:
            inputs: {image: [channels, height, width]}
            layers: [{conv: {out: 4, kernel: 3, stride: 2}}, relu, global-avg-pool, {linear: {out: classes}}]
      epochs: \"${epochs}\"
      batch_size: 8
      checkpoint_every: 1
  last:
    kind: command
    inputs: {history: judge:history}
    with: {run: \"mkdir out/folder; tail -1 in/history > out/folder/last\", outputs: {folder: folder}}
";

fn export(project: &Project, args: &[&str]) -> PathBuf {
    let mut all = vec!["cache", "export", "pipeline.yaml", "-o", "results.tar"];
    all.extend(args);
    let said = project.retake(&all);
    assert_eq!(said.code, Some(0), "{said:?}");
    project.path("results.tar")
}

/// A project of the same pipeline with nothing in its store, into which `archive` was imported.
fn imported(archive: &std::path::Path) -> Project {
    let other = Project::new(TRAINING);
    let said = other.retake(&["cache", "import", archive.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    other
}

fn results(project: &Project) -> usize {
    let below = |folder: &str| files(&project.path(".retake").join(folder)).len();
    below("objects") + below("records")
}

#[test]
fn imported_results_are_cached_and_can_be_read() {
    let project = Project::new(TRAINING);
    project.run(&[]);
    let other = imported(&export(&project, &[]));
    assert_eq!(other.digests(&[]), project.digests(&[]));
    assert!(other.run(&[]).ran().is_empty());
    let got = other.retake(&["get", "pipeline.yaml", "last", "folder"]);
    assert_eq!(got.code, Some(0), "{got:?}");
    assert!(other.read("folder/last").contains(','));
    assert_eq!(other.retake(&["doctor", "--check-store"]).code, Some(0));

    let again = other.retake(&[
        "cache",
        "import",
        project.path("results.tar").to_str().unwrap(),
    ]);
    assert!(
        again
            .out
            .starts_with("imported  0 results, 0 parts, 0 objects"),
        "{again:?}"
    );
}

#[test]
fn a_training_goes_on_from_an_imported_state_to_the_same_bytes() {
    let project = Project::new(TRAINING);
    project.run(&[]);
    let other = imported(&export(&project, &["--states"]));
    let longer = ["--set", "epochs=3"];
    other.run(&longer);
    let logs = files(&other.path(".retake/logs"));
    let went_on = logs.iter().any(|log| {
        fs::read_to_string(log)
            .unwrap()
            .contains("continuing from epoch 2")
    });
    assert!(went_on);
    project.run(&longer);
    assert_eq!(other.digests(&longer), project.digests(&longer));
    let without = export(&project, &["--parts"]);
    let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
    let parts_alone = size(&without);
    assert!(size(&export(&project, &["--states"])) > parts_alone);
    assert!(size(&export(&project, &[])) < parts_alone);
}

#[test]
fn the_same_results_give_the_same_bytes_that_tar_can_read() {
    let (project, other) = (Project::new(TRAINING), Project::new(TRAINING));
    project.run(&[]);
    other.run(&[]);
    let archive = export(&project, &[]);
    assert_eq!(
        fs::read(&archive).unwrap(),
        fs::read(export(&other, &[])).unwrap()
    );
    let mut piped = project.command(&["cache", "export", "pipeline.yaml", "-o", "-"]);
    assert_eq!(piped.output().unwrap().stdout, fs::read(&archive).unwrap());
    let listed = std::process::Command::new("tar")
        .arg("tf")
        .arg(&archive)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.starts_with("retake-archive\nobjects/"), "{listed}");
    assert!(listed.ends_with("index\n"), "{listed}");
}

#[test]
fn some_stages_are_exported_with_what_they_need() {
    let project = Project::new(TRAINING);
    project.run(&["raw"]);
    let said = project.retake(&["cache", "export", "pipeline.yaml", "-o", "some.tar"]);
    assert!(said.err.contains("left out  judge"), "{said:?}");
    project.run(&[]);
    export(&project, &["judge"]);
    let other = imported(&project.path("results.tar"));
    assert_eq!(other.run(&[]).ran(), ["last"]);
    let nothing = Project::new(TRAINING);
    let said = nothing.retake(&["cache", "export", "pipeline.yaml", "-o", "none.tar"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(!nothing.path("none.tar").exists());
}

#[test]
fn of_an_altered_or_truncated_archive_nothing_gets_in() {
    let project = Project::new(TRAINING);
    project.run(&[]);
    let archive = export(&project, &["--states"]);
    let bytes = fs::read(&archive).unwrap();
    let other = Project::new(TRAINING);
    let refused = |bytes: &[u8], what: &str| {
        fs::write(other.path("bad.tar"), bytes).unwrap();
        let said = other.retake(&["cache", "import", "bad.tar"]);
        assert_eq!(said.code, Some(1), "{what}: {said:?}");
        assert_eq!(results(&other), 0, "{what}");
        said.err
    };
    // Where each file of the archive begins: a flipped bit in its header, its bytes, its last byte.
    let mut at = 0;
    let mut seen = 0;
    while bytes[at] != 0 {
        let name = String::from_utf8_lossy(&bytes[at..at + 100])
            .trim_end_matches('\0')
            .to_owned();
        let size = String::from_utf8_lossy(&bytes[at + 124..at + 135]).into_owned();
        let size = usize::from_str_radix(&size, 8).unwrap();
        let places = [at + 3, at + 130, at + 512 + size / 2, at + 512 + size - 1];
        for place in places.iter().filter(|_| size > 0) {
            let mut altered = bytes.clone();
            altered[*place] ^= 1;
            let err = refused(&altered, &format!("{name} at {place}"));
            let named = err.contains(&name)
                || *place < at + 512
                || name == "index"
                || name == "retake-archive";
            assert!(named, "{name}: {err}");
        }
        refused(&bytes[..at], &format!("cut before {name}"));
        refused(&bytes[..at + 512 + size / 2], &format!("cut in {name}"));
        at += 512 + size.div_ceil(512) * 512;
        seen += 1;
    }
    assert!(seen > 12);
    fs::write(other.path("whole.tar"), &bytes).unwrap();
    assert_eq!(
        other.retake(&["cache", "import", "whole.tar"]).code,
        Some(0)
    );
}

/// An archive with one file, or whatever else, put first.
fn forged(archive: &[u8], name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = archive[..512].to_vec();
    header[..100].fill(0);
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = kind;
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut forged = archive[..1024].to_vec();
    forged.extend(header);
    forged.extend(content);
    forged.resize(forged.len().div_ceil(512) * 512, 0);
    forged.extend(&archive[1024..]);
    forged
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let project = Project::new(TRAINING);
    project.run(&["raw"]);
    let archive = fs::read(export(&project, &["raw"])).unwrap();
    let other = Project::new(TRAINING);
    let digest = "cd".repeat(31);
    let tricks = [
        ("../../evil".to_owned(), b'0'),
        ("/tmp/evil".to_owned(), b'0'),
        (format!("objects/../{digest}"), b'0'),
        (format!("objects/ab/{digest}/x"), b'0'),
        ("locks/evil".to_owned(), b'0'),
        (format!("objects/ab/{digest}"), b'2'),
        (format!("objects/ab/{digest}"), b'5'),
        (format!("objects/ab/{digest}"), b'0'),
    ];
    for (name, kind) in tricks {
        fs::write(
            other.path("bad.tar"),
            forged(&archive, &name, kind, b"evil"),
        )
        .unwrap();
        let said = other.retake(&["cache", "import", "bad.tar"]);
        assert_eq!(said.code, Some(1), "{name}: {said:?}");
        assert_eq!(results(&other), 0, "{name}");
    }
    for not_one in [&b""[..], b"plain text", &[0; 1024]] {
        fs::write(other.path("bad.tar"), not_one).unwrap();
        assert_eq!(other.retake(&["cache", "import", "bad.tar"]).code, Some(1));
    }
}

#[test]
fn an_import_and_an_export_beside_runs_and_gcs_do_no_harm() {
    let project = Project::new(TRAINING);
    project.run(&[]);
    let archive = export(&project, &[]);
    let other = Project::new(TRAINING);
    for _ in 0..4 {
        let spawn = |args: &[&str]| {
            let mut command = other.command(args);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        let import = spawn(&["cache", "import", archive.to_str().unwrap()]);
        let run = spawn(&["run", "pipeline.yaml"]);
        let gc = spawn(&[
            "gc",
            "--older-than",
            "0s",
            "--store",
            project.path(".retake").to_str().unwrap(),
        ]);
        for mut child in [import, run, gc] {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(other.digests(&[]), project.digests(&[]));
        fs::remove_file(other.path("pipeline.lock")).unwrap();
        other.retake(&["gc", "--older-than", "0s"]);
    }
}
