//! Published files and exports.

use std::collections::BTreeMap;
use std::fs;

use retake::stage::{Artifact, Format, Product};
use retake::store::{Published, StoreError};

use super::Project;

fn tree(project: &Project, files: &[(&str, &str)]) -> Artifact {
    let bytes = |(path, text): &(&str, &str)| {
        let product = Product::Bytes(text.as_bytes().to_vec());
        ((*path).to_owned(), product)
    };
    let product = Product::Tree(files.iter().map(bytes).collect::<BTreeMap<_, _>>());
    project.store.take(&product, Format::Folder).unwrap()
}

fn trashed(published: Published) -> std::path::PathBuf {
    match published {
        Published::ReplacedEdited(path) => path,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_published_file_is_written_once_and_restored_when_deleted() {
    let project = Project::new();
    let artifact = project.take(b"one");
    let dest = project.path("out/table.csv");
    let publish = |artifact: &Artifact| project.store.publish(artifact, &dest).unwrap();
    assert_eq!(publish(&artifact), Published::Written);
    assert_eq!(publish(&artifact), Published::Unchanged);
    assert_eq!(fs::read(&dest).unwrap(), b"one");
    fs::remove_file(&dest).unwrap();
    assert_eq!(publish(&artifact), Published::Written);
    assert_eq!(publish(&project.take(b"two")), Published::Written);
    assert_eq!(fs::read(&dest).unwrap(), b"two");
}

#[test]
fn a_hand_edited_published_file_goes_to_the_trash_first() {
    let project = Project::new();
    let artifact = project.take(b"one");
    let dest = project.path("table.csv");
    project.store.publish(&artifact, &dest).unwrap();
    fs::write(&dest, "edited").unwrap();
    let trash = trashed(project.store.publish(&artifact, &dest).unwrap());
    assert_eq!(fs::read(&trash).unwrap(), b"edited");
    assert_eq!(fs::read(&dest).unwrap(), b"one");

    // A file that retake never wrote is somebody's, too; and nothing in the trash is overwritten.
    let foreign = project.path("foreign/table.csv");
    fs::create_dir(project.path("foreign")).unwrap();
    fs::write(&foreign, "foreign").unwrap();
    let second = trashed(project.store.publish(&artifact, &foreign).unwrap());
    assert_eq!(fs::read(&second).unwrap(), b"foreign");
    assert_eq!(fs::read(&trash).unwrap(), b"edited");
}

#[test]
fn a_published_folder_loses_what_is_gone_and_keeps_what_was_never_published() {
    let project = Project::new();
    let dest = project.path("reports/shapes");
    let first = tree(
        &project,
        &[("report.md", "1"), ("fig/a.svg", "a"), ("fig/b.svg", "b")],
    );
    let publish = |artifact: &Artifact| project.store.publish(artifact, &dest).unwrap();
    assert_eq!(publish(&first), Published::Written);
    fs::write(dest.join("run.json"), "mine").unwrap();
    fs::write(dest.join("fig/b.svg"), "edited").unwrap();

    let second = tree(&project, &[("report.md", "2")]);
    let trash = trashed(publish(&second));
    assert_eq!(fs::read(trash.join("fig/b.svg")).unwrap(), b"edited");
    assert!(!trash.join("report.md").exists());
    assert_eq!(fs::read(dest.join("report.md")).unwrap(), b"2");
    assert!(!dest.join("fig/a.svg").exists());
    assert!(!dest.join("fig/b.svg").exists());
    assert_eq!(fs::read(dest.join("run.json")).unwrap(), b"mine");
    assert_eq!(publish(&second), Published::Unchanged);
}

#[test]
fn a_file_in_the_way_of_a_folder_goes_to_the_trash() {
    let project = Project::new();
    let dest = project.path("report");
    fs::write(&dest, "a file").unwrap();
    let artifact = tree(&project, &[("report.md", "1")]);
    let trash = trashed(project.store.publish(&artifact, &dest).unwrap());
    assert_eq!(fs::read(trash).unwrap(), b"a file");
    assert_eq!(fs::read(dest.join("report.md")).unwrap(), b"1");
}

#[test]
fn an_export_refuses_what_is_in_the_way() {
    let project = Project::new();
    let folder = tree(&project, &[("a", "1")]);
    let file = project.take(b"one");
    let taken = project.path("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("mine"), "").unwrap();
    for (artifact, dest) in [
        (&folder, &taken),
        (&file, &taken),
        (&folder, &taken.join("mine")),
    ] {
        let exported = project.store.export(artifact, dest);
        assert!(
            matches!(exported, Err(StoreError::Unsuitable { .. })),
            "{exported:?}"
        );
    }
    project
        .store
        .export(&file, &project.path("new/file"))
        .unwrap();
    assert_eq!(fs::read(project.path("new/file")).unwrap(), b"one");
}
