//! `retake doctor --check-store`: every class of file is checked, damage is moved aside, and the next run heals it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Project, files};

/// A data set and a training: records, parts, folders, timings.
const TRAINING: &str = "\
name: small
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
      epochs: 2
      batch_size: 8
      checkpoint_every: 1
";

/// Checks the store of a project: the exit code and what was found.
fn check(project: &Project) -> (Option<i32>, Value) {
    let said = project.retake(&["doctor", "--check-store", "--json"]);
    let found: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    (said.code, found["check"].clone())
}

fn length(found: &Value, list: &str) -> usize {
    found[list].as_array().expect("a list").len()
}

/// Changes one byte of a file behind the store's back: its time and mode stay as they were.
fn flip(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let mode = fs::metadata(path).unwrap().permissions();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    File::open(path).unwrap().set_modified(modified).unwrap();
    fs::set_permissions(path, mode).unwrap();
}

fn below(project: &Project, folder: &str) -> Vec<PathBuf> {
    files(&project.path(".retake").join(folder))
}

#[test]
fn a_sound_store_is_said_to_be_sound() {
    let project = Project::new(TRAINING);
    project.run(&[]);
    let (code, found) = check(&project);
    assert_eq!(code, Some(0), "{found}");
    let objects = below(&project, "objects").len();
    assert_eq!(found["objects"], objects);
    assert_eq!(found["records"], 2);
    assert!(found["parts"].as_u64().unwrap() >= 3, "{found}");
    for list in ["damaged", "dangling", "leftovers"] {
        assert_eq!(length(&found, list), 0, "{found}");
    }
}

#[test]
fn a_flipped_bit_in_any_object_record_or_part_is_found_and_the_next_run_heals_it() {
    let project = Project::new(TRAINING);
    project.run(&[]);
    let before = project.digests(&[]);
    let all = [below(&project, "objects"), below(&project, "records")].concat();
    for path in &all {
        flip(path);
    }
    let (code, found) = check(&project);
    assert_eq!(code, Some(5));
    assert_eq!(length(&found, "damaged"), all.len(), "{found}");
    assert_eq!(below(&project, "quarantine").len(), all.len());
    assert!(all.iter().all(|path| !path.exists()));
    assert_eq!(project.run(&[]).ran(), ["judge", "raw"]);
    assert_eq!(project.digests(&[]), before);
    assert_eq!(check(&project).0, Some(0));
}

#[test]
fn each_small_file_that_cannot_be_understood_is_found() {
    let project = Project::new(TRAINING);
    project.run(&[]);
    let mut expected = 0;
    for folder in ["seen", "parts", "roots"] {
        let path = below(&project, folder).remove(0);
        fs::write(path, "{\"half").unwrap();
        expected += 1;
    }
    project.write(".retake/objects/ab/stranger", "?");
    project.write(".retake/records/ab/stranger.json", "?");
    expected += 2;
    let (code, found) = check(&project);
    assert_eq!(
        (code, length(&found, "damaged")),
        (Some(5), expected),
        "{found}"
    );
    assert!(project.run(&[]).ran().is_empty());
    let (code, found) = check(&project);
    assert_eq!(code, Some(0), "{found}");
}

#[test]
fn records_that_name_what_is_not_there_are_said() {
    let project = Project::new(TRAINING);
    project.run(&[]);
    for object in below(&project, "objects") {
        fs::remove_file(object).unwrap();
    }
    let (code, found) = check(&project);
    assert_eq!((code, length(&found, "damaged")), (Some(5), 0), "{found}");
    let dangling = found["dangling"].as_array().unwrap();
    let of_records = dangling.iter().filter(|found| found["part"] == false);
    assert_eq!(
        of_records.count(),
        4,
        "data; model, checkpoints and history: {found}"
    );
    let said = project.retake(&["doctor", "--check-store"]);
    assert!(said.out.contains("it will be made again"), "{said:?}");
    project.run(&[]);
    assert_eq!(check(&project).0, Some(0));
}

#[test]
fn a_store_in_which_nothing_can_be_moved_is_reported_all_the_same() {
    let project = Project::new(TRAINING);
    project.run(&[]);
    project.write(".retake/quarantine", "in the way");
    let record = below(&project, "records").remove(0);
    flip(&record);
    let (code, found) = check(&project);
    assert_eq!((code, length(&found, "damaged")), (Some(5), 1), "{found}");
    assert_eq!(found["damaged"][0]["moved_to"], Value::Null);
    assert!(record.exists());
}

#[test]
fn what_a_dead_process_left_is_said_and_is_no_damage() {
    let project = Project::new(
        "stages: {a: {kind: command, with: {run: 'echo half > out/t; sleep 60', outputs: {t: t}}}}",
    );
    let mut run = project
        .command(&["run", "pipeline.yaml", "-q"])
        .spawn()
        .unwrap();
    let half = |file: &PathBuf| file.ends_with("out/t");
    while !files(&project.path(".retake/tmp")).iter().any(half) {
        std::thread::sleep(Duration::from_millis(10));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let (code, found) = check(&project);
    assert_eq!((code, length(&found, "leftovers")), (Some(0), 1), "{found}");
}
