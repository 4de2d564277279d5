//! Bits flipped in every class of file that a store holds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Left, PIPELINE};
use crate::support::{Project, files};

/// A project that has run, and whose store is then damaged.
fn ran() -> Project {
    let project = Project::new(PIPELINE);
    project.run(&[]);
    project
}

/// Whether the modification time gives the damage away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    Kept,
    Changed,
}

/// Flips a bit of the byte at `part` of 4 of the file, in place.
fn flip(path: &Path, part: usize, time: Time) {
    let before = fs::metadata(path).unwrap();
    let mut bytes = fs::read(path).unwrap();
    if bytes.is_empty() {
        return;
    }
    let at = (bytes.len() * part / 4).min(bytes.len() - 1);
    bytes[at] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    if time == Time::Kept {
        file.set_modified(before.modified().unwrap()).unwrap();
    }
    fs::set_permissions(path, before.permissions()).unwrap();
}

/// The files of the store below `folder` whose name `wanted` says to be of the class.
fn class(project: &Project, folder: &str, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let all = files(&project.path(".retake").join(folder));
    let found: Vec<_> = all.into_iter().filter(|path| wanted(path)).collect();
    assert!(!found.is_empty(), "the store holds none in {folder}");
    found
}

/// Damages a class of file in all ways, and lets a run follow that uses all there is: first one that looks, then one
/// that makes the report and what is published again and reads for that. The results must be those of an undisturbed
/// run, at each place and time.
fn is_healed(folder: &str, wanted: impl Fn(&Path) -> bool) {
    let project = ran();
    for time in [Time::Changed, Time::Kept] {
        for part in [0, 2, 4] {
            for path in class(&project, folder, &wanted) {
                flip(&path, part, time);
            }
            fs::remove_dir_all(project.path("report")).unwrap();
            fs::remove_dir_all(project.path("published")).unwrap();
            let told = format!("{folder}, {time:?}, {part}/4");
            for args in [
                &["run", "pipeline.yaml"][..],
                &["run", "pipeline.yaml", "--force"],
            ] {
                let said = project.retake(args);
                assert_eq!(said.code, Some(0), "{told}: {said:?}");
            }
            Left::by(&project).is_undisturbed(&told);
            let checked = project.retake(&["doctor", "--check-store"]);
            assert_eq!(checked.code, Some(0), "{told}: {checked:?}");
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"{\"folder\""))
}

#[test]
fn flipped_bits_in_objects_are_never_used_and_healed() {
    is_healed("objects", |path| !is_manifest(path));
}

#[test]
fn flipped_bits_in_the_manifests_of_folders_are_never_used_and_healed() {
    is_healed("objects", is_manifest);
}

#[test]
fn flipped_bits_in_records_are_never_used_and_healed() {
    is_healed("records", |_| true);
}

#[test]
fn flipped_bits_in_what_is_beside_the_records_change_no_result() {
    for folder in ["seen", "published"] {
        is_healed(folder, |_| true);
    }
}

#[test]
fn a_flipped_bit_in_an_object_that_a_look_up_cannot_see_is_found_by_a_check() {
    // A run that has nothing to do does not hash what it does not read: that would take hours of a large store.
    let project = ran();
    let object = class(&project, "objects", |path| !is_manifest(path)).remove(0);
    flip(&object, 2, Time::Kept);
    assert!(project.run(&[]).ran().is_empty());
    let checked = project.retake(&["doctor", "--check-store"]);
    assert_eq!(checked.code, Some(5), "{checked:?}");
    project.run(&[]);
    Left::by(&project).is_undisturbed("");
}

#[test]
fn a_flipped_bit_in_the_index_of_files_makes_files_be_read_again() {
    let project = Project::new(
        "name: index\nstages:\n  a: {kind: command, inputs: {a: \"file:a.txt\"}, \
         with: {run: cp in/a out/a, outputs: {a: a}}, publish: {a: b.txt}}\n",
    );
    project.write("a.txt", "one\n");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    let file = fs::File::options()
        .write(true)
        .open(project.path("a.txt"))
        .unwrap();
    file.set_modified(old).unwrap();
    // A file that has just changed is not remembered.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    project.run(&[]);
    for part in 0..5 {
        for path in class(&project, "index", |_| true) {
            flip(&path, part, Time::Kept);
        }
        let again = project.run(&[]);
        assert!(again.ran().is_empty(), "{part}");
    }
}

#[test]
fn flipped_bits_in_a_folder_laid_out_for_reading_are_not_read() {
    // Views hold links to objects, so that it is the object that is damaged.
    let project = ran();
    for time in [Time::Changed, Time::Kept] {
        for path in class(&project, "views", |_| true) {
            flip(&path, 1, time);
        }
        let said = project.retake(&["run", "pipeline.yaml", "--force-stage", "count"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        Left::by(&project).is_undisturbed("");
    }
}

#[test]
fn flipped_bits_in_logs_and_notes_of_what_goes_on_stop_nothing() {
    let project = Project::new(PIPELINE);
    project.edit(
        "sleep 0.02\n      outputs: {count",
        "sleep 0.02; echo said; exit ${code}\n      outputs: {count",
    );
    project.edit("seed: 3\nstages", "seed: 3\nvars: {code: 1}\nstages");
    let failed = project.retake(&["run", "pipeline.yaml", "--keep-going"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    project.write(".retake/live/run-1.json", "{\"writer\": {\"pid\": 1");
    for path in class(&project, "logs", |_| true) {
        flip(&path, 2, Time::Kept);
    }
    let status = project.retake(&["status", "pipeline.yaml"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    project.run(&["--set", "code=0"]);
}
