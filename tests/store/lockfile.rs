//! The lock file beside a pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use retake::store::{LockBlock, LockFile, StoreError};

use super::{Project, key};

fn block(name: &str, loss: f64) -> LockBlock {
    LockBlock {
        key: key(name),
        outputs: BTreeMap::from([("model".to_owned(), key(&format!("{name} model")))]),
        scalars: BTreeMap::from([("loss".to_owned(), loss)]),
    }
}

fn blocks(names: &[&str]) -> BTreeMap<String, LockBlock> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), block(name, 0.1)))
        .collect()
}

fn nodes(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_lock_file_reads_back_as_written() {
    let mut lock = LockFile::default();
    let odd = "gan[note=\"a: b # c\",seed=0]";
    let mut some = blocks(&["raw", odd]);
    for (node, loss) in [
        ("a", f64::NAN),
        ("b", -f64::INFINITY),
        ("c", 0.1 + 0.2),
        ("d", 1e300),
    ] {
        some.insert(node.to_owned(), block(node, loss));
    }
    let all: BTreeSet<_> = some.keys().cloned().collect();
    lock.update(None, "cpu-avx2", some, &all);
    lock.update(Some("smoke"), "cuda-sm90", blocks(&["raw"]), &all);
    let text = lock.to_text();
    let read = LockFile::parse(&text).unwrap();
    assert_eq!(read.to_text(), text);
    assert_eq!(read.block(None, "cpu-avx2", odd), Some(&block(odd, 0.1)));
    let c = read.block(None, "cpu-avx2", "c").unwrap();
    assert_eq!(c.scalars["loss"].to_bits(), (0.1_f64 + 0.2).to_bits());
    assert!(read.block(None, "cpu-avx2", "a").unwrap().scalars["loss"].is_nan());
    assert_eq!(read.iter().count(), 7);

    let yaml: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let scalars = &yaml["default"]["cpu-avx2"]["c"]["scalars"];
    assert_eq!(scalars["loss"].as_f64(), Some(0.1 + 0.2));
}

#[test]
fn an_update_changes_its_blocks_and_drops_nodes_that_are_gone() {
    let project = Project::new();
    let path = LockFile::path_for(&project.path("quickstart.yaml"));
    assert_eq!(path, project.path("quickstart.lock"));
    let update = |profile, class: &str, names: &[&str], all: &[&str]| {
        let store = &project.store;
        store
            .update_lock_file(&path, profile, class, blocks(names), &nodes(all))
            .unwrap();
    };
    update(None, "cpu", &["raw", "gan"], &["raw", "gan"]);
    update(None, "cuda", &["gan"], &["raw", "gan"]);
    update(Some("smoke"), "cpu", &["gan"], &["raw", "gan"]);
    update(None, "cpu", &["net"], &["raw", "net"]);

    let lock = LockFile::read(&path).unwrap();
    let found: Vec<_> = lock.iter().map(|(p, c, n, _)| (p, c, n)).collect();
    assert_eq!(
        found,
        [
            ("default", "cpu", "net"),
            ("default", "cpu", "raw"),
            ("smoke", "cpu", "gan"),
        ]
    );
}

#[test]
fn a_node_is_found_under_other_device_classes() {
    let mut lock = LockFile::default();
    let all = nodes(&["gan"]);
    for class in ["cpu", "cuda-sm80", "cuda-sm90"] {
        lock.update(None, class, blocks(&["gan"]), &all);
    }
    let classes: Vec<_> = lock
        .elsewhere(None, "cuda-sm80", "gan")
        .map(|(class, _)| class)
        .collect();
    assert_eq!(classes, ["cpu", "cuda-sm90"]);
}

#[test]
fn an_unchanged_lock_file_is_not_touched_and_a_missing_one_is_empty() {
    let project = Project::new();
    let path = project.path("p.lock");
    assert_eq!(LockFile::read(&path).unwrap(), LockFile::default());
    let mut lock = LockFile::default();
    lock.update(None, "cpu", blocks(&["a"]), &nodes(&["a"]));
    lock.write(&path, &project.store).unwrap();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    lock.write(&path, &project.store).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
}

#[test]
fn a_damaged_lock_file_is_an_error_that_names_the_line() {
    let project = Project::new();
    let path = project.path("p.lock");
    let error = |text: &str| {
        fs::write(&path, text).unwrap();
        match LockFile::read(&path) {
            Err(StoreError::LockFile { line, problem, .. }) => (line, problem),
            other => panic!("{other:?}"),
        }
    };
    let (line, problem) = error("lock: 1\n\"default\":\n<<<<<<< HEAD\n");
    assert_eq!(line, 3);
    assert!(problem.contains("merge conflict"), "{problem}");
    assert_eq!(error("lock: 2\n").0, 1);
    assert_eq!(
        error("lock: 1\n\"default\":\n  \"cpu\":\n    \"a\":\n      key: 12\n").0,
        5
    );
    assert_eq!(error("# nothing\n").0, 1);
}
