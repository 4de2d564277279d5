//! Folders: digests, views, and user's inputs in place.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use retake::stage::{Artifact, Format, Product};
use retake::store::StoreError;

use super::{Project, tamper};

/// Writes files in the order given.
fn lay(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn age(path: &Path) {
    let then = SystemTime::now() - Duration::from_hours(1);
    File::open(path).unwrap().set_modified(then).unwrap();
}

fn stored_folder(project: &Project) -> Artifact {
    let attempt = project.store.attempt().unwrap();
    let out = attempt.path().join("out");
    lay(&out, &[("a/one.txt", "one"), ("run.sh", "true")]);
    fs::set_permissions(out.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(out.join("empty")).unwrap();
    let product = Product::Made(out);
    project.store.take(&product, Format::Folder).unwrap()
}

#[test]
fn a_folder_digest_knows_paths_content_and_executable_bit_and_nothing_else() {
    let project = Project::new();
    let digest = |name: &str| project.store.digest_input(&project.path(name)).unwrap().0;
    lay(&project.path("a"), &[("x/1", "one"), ("2", "two")]);
    lay(&project.path("b"), &[("2", "two"), ("x/1", "one")]);
    age(&project.path("b/2"));
    fs::set_permissions(project.path("b/2"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(digest("a"), digest("b"));

    let before = digest("a");
    lay(&project.path("renamed"), &[("x/1", "one"), ("3", "two")]);
    lay(&project.path("swapped"), &[("x/1", "two"), ("2", "one")]);
    fs::create_dir(project.path("b/empty")).unwrap();
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(project.path("a/2"), executable).unwrap();
    for other in ["renamed", "swapped", "b", "a"] {
        assert_ne!(digest(other), before, "{other}");
    }
}

#[test]
fn a_folder_has_one_digest_as_an_output_and_as_an_input() {
    let project = Project::new();
    let artifact = stored_folder(&project);
    let dest = project.path("copy");
    project.store.export(&artifact, &dest).unwrap();
    let (digest, bytes, is_folder) = project.store.digest_input(&dest).unwrap();
    assert_eq!((digest, bytes), (artifact.digest, artifact.bytes));
    assert!(is_folder);
}

#[test]
fn links_in_an_input_are_followed_and_in_an_output_refused() {
    let project = Project::new();
    lay(&project.path("real"), &[("sub/file", "text")]);
    lay(&project.path("linked"), &[]);
    std::os::unix::fs::symlink(project.path("real/sub"), project.path("linked/sub")).unwrap();
    let digest = |name: &str| project.store.digest_input(&project.path(name)).unwrap().0;
    assert_eq!(digest("real"), digest("linked"));

    let product = Product::Made(project.path("linked"));
    let message = project.store.take(&product, Format::Folder).unwrap_err();
    assert!(message.to_string().contains("symbolic link"), "{message}");

    let up = project.path("linked/up");
    std::os::unix::fs::symlink(project.path("linked"), up).unwrap();
    let message = project
        .store
        .digest_input(&project.path("linked"))
        .unwrap_err();
    assert!(message.to_string().contains("leads back"), "{message}");
}

#[test]
fn a_view_is_read_only_and_laid_out_anew_when_damaged() {
    let project = Project::new();
    let artifact = stored_folder(&project);
    let view = project.store.path(&artifact).unwrap();
    let mode = |path: &str| {
        let meta = fs::metadata(view.join(path)).unwrap();
        meta.permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o555);
    assert_eq!(mode("a"), 0o555);
    assert_eq!(mode("a/one.txt"), 0o444);
    assert_eq!(mode("run.sh"), 0o555);
    assert!(view.join("empty").is_dir());

    let writable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(view.join("a"), writable.clone()).unwrap();
    fs::set_permissions(&view, writable).unwrap();
    fs::remove_file(view.join("a/one.txt")).unwrap();
    assert_eq!(project.store.path(&artifact).unwrap(), view);
    assert_eq!(fs::read(view.join("a/one.txt")).unwrap(), b"one");

    // The executable is a copy: altering it leaves its object sound.
    tamper(&view.join("run.sh"), b"fals");
    assert_eq!(project.reopened().path(&artifact).unwrap(), view);
    assert_eq!(fs::read(view.join("run.sh")).unwrap(), b"true");

    // The other file is a link: altering it alters the object.
    tamper(&view.join("a/one.txt"), b"two");
    let read = project.store.path(&artifact);
    assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{read:?}");
    assert_eq!(stored_folder(&project), artifact);
    project.store.path(&artifact).unwrap();
    assert_eq!(fs::read(view.join("a/one.txt")).unwrap(), b"one");
}

#[test]
fn a_view_does_not_keep_a_rotten_file_after_its_object_is_healed() {
    let project = Project::new();
    let artifact = stored_folder(&project);
    let linked = project.store.path(&artifact).unwrap().join("a/one.txt");
    let sealed_at = fs::metadata(&linked).unwrap().modified().unwrap();
    tamper(&linked, b"rot");
    let file = File::open(&linked).unwrap();
    file.set_modified(sealed_at).unwrap();
    let store = project.reopened();
    assert!(store.path(&artifact).is_err());
    stored_folder(&project);
    store.path(&artifact).unwrap();
    assert_eq!(fs::read(&linked).unwrap(), b"one");
}

#[test]
fn a_store_that_cannot_be_written_can_be_read() {
    let project = Project::new();
    let artifact = stored_folder(&project);
    let root = project.store.root().to_path_buf();
    let reopened = project.reopened();
    drop(project.store);
    // Root may write anywhere; a file where a folder should be stops it, too.
    fs::remove_dir_all(root.join("tmp")).unwrap();
    fs::write(root.join("tmp"), "").unwrap();
    let view = reopened.path(&artifact).unwrap();
    assert!(!view.starts_with(&root));
    assert_eq!(fs::read(view.join("a/one.txt")).unwrap(), b"one");
    assert!(reopened.attempt().is_err());
}

#[test]
fn a_tree_is_put_together_from_stored_files_and_bytes() {
    let project = Project::new();
    let stored = project.take(b"weights");
    let inner = stored_folder(&project);
    let tree = BTreeMap::from([
        ("index.json".to_owned(), Product::Bytes(b"{}".to_vec())),
        ("1/model".to_owned(), Product::Stored(stored)),
        ("inner".to_owned(), Product::Stored(inner)),
    ]);
    let product = Product::Tree(tree);
    let artifact = project.store.take(&product, Format::Folder).unwrap();
    let view = project.store.path(&artifact).unwrap();
    assert_eq!(fs::read(view.join("1/model")).unwrap(), b"weights");
    assert_eq!(fs::read(view.join("inner/run.sh")).unwrap(), b"true");

    let outside = BTreeMap::from([("../x".to_owned(), Product::Bytes(Vec::new()))]);
    let taken = project.store.take(&Product::Tree(outside), Format::Folder);
    assert!(matches!(taken, Err(StoreError::Unsuitable { .. })));
}

#[test]
fn a_folder_with_many_files_is_taken_whole() {
    let project = Project::new();
    let attempt = project.store.attempt().unwrap();
    let out = attempt.path().join("out");
    fs::create_dir(&out).unwrap();
    for index in 0..300 {
        fs::write(out.join(index.to_string()), index.to_string()).unwrap();
    }
    let expected = project.store.digest_input(&out).unwrap();
    let product = Product::Made(out);
    let artifact = project.store.take(&product, Format::File).unwrap();
    assert_eq!(artifact.format, Format::Folder);
    assert_eq!((artifact.digest, artifact.bytes, true), expected);
    let view = project.reopened().path(&artifact).unwrap();
    assert_eq!(fs::read_dir(view).unwrap().count(), 300);
}

#[test]
fn an_input_is_read_again_when_its_stamp_changes_and_only_then() {
    let project = Project::new();
    let path = project.path("input");
    let digest = |store: &retake::store::Store| store.digest_input(&path).unwrap().0;
    fs::write(&path, "one").unwrap();
    let one = digest(&project.store);

    // Changed within the racy two seconds, same size: noticed by its content.
    fs::write(&path, "two").unwrap();
    let two = digest(&project.store);
    assert_ne!(one, two);

    // Settled, remembered on disk, and then used: the index answers without the file being readable.
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(digest(&project.store), two);
    project.store.flush().unwrap();
    let index = project.store.root().join("index/files");
    let text = fs::read_to_string(&index).unwrap();
    assert!(text.contains(&two.to_string()), "{text}");

    // A forged entry under a sound checksum is believed: the proof that the file is not read.
    let body = text.split_once('\n').unwrap().1;
    let body = body.replace(&two.to_string(), &one.to_string());
    let sum = retake::hash::Digest::of_bytes(body.as_bytes());
    fs::write(&index, format!("retake stamps 1 {sum}\n{body}")).unwrap();
    assert_eq!(digest(&project.reopened()), one);

    // Anything wrong with the index, and it is as if there were none.
    fs::write(&index, format!("retake stamps 1 {two}\n{body}")).unwrap();
    assert_eq!(digest(&project.reopened()), two);
    fs::write(&index, &text[..text.len() / 2]).unwrap();
    assert_eq!(digest(&project.reopened()), two);

    // A new stamp, and the file is read.
    fs::write(&path, "one").unwrap();
    assert_eq!(digest(&project.reopened()), one);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_folder_digest_does_not_depend_on_creation_order_or_times(
        files in prop::collection::btree_map("[a-c]{1,2}/[a-f]{1,3}", "[x-z]{0,5}", 1..8),
    ) {
        let project = Project::new();
        let mut files: Vec<_> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        lay(&project.path("a"), &files);
        files.reverse();
        lay(&project.path("b"), &files);
        for (path, _) in &files {
            age(&project.path("b").join(path));
        }
        let digest = |name: &str| project.store.digest_input(&project.path(name)).unwrap();
        prop_assert_eq!(digest("a"), digest("b"));
        fs::write(project.path("b").join(files[0].0), "other").unwrap();
        prop_assert_ne!(digest("a").0, digest("b").0);
    }
}
