//! Objects and records: found when sound, a miss when not.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use proptest::prelude::*;
use retake::hash::Digest;
use retake::stage::{Format, Memo, NewPart, Product, Status};
use retake::store::{Lookup, MissReason, Notice, Store, StoreError};
use serde_json::json;

use super::{Project, key, object, record, tamper};

fn miss(store: &Store, name: &str) -> MissReason {
    match store.lookup(&key(name)) {
        Lookup::Hit(_) => panic!("{name} is a hit"),
        Lookup::Miss(reason) => reason,
    }
}

fn record_file(store: &Store, name: &str) -> PathBuf {
    let key = key(name).to_string();
    let folder = store.root().join("records").join(&key[..2]);
    folder.join(format!("{}.json", &key[2..]))
}

#[test]
fn a_committed_record_is_found_by_another_process_exactly_as_it_was() {
    let project = Project::new();
    let mut new = record("a", b"bytes");
    new.scalars = BTreeMap::from([
        ("fid".to_owned(), 123.456_789_012_345_67),
        ("tiny".to_owned(), 4.9e-324),
        ("lost".to_owned(), f64::INFINITY),
    ]);
    new.status = Status::Diverged {
        epoch: 3,
        step: 40,
        term: "loss_d".to_owned(),
        last_good: Some(2),
    };
    new.timings.insert("seconds".to_owned(), json!(1.5));
    let made = project.store.commit(new).unwrap();
    let store = project.reopened();
    assert_eq!(store.record(&key("a")), Some(made.clone()));
    assert_eq!(store.timings(&key("a"))["seconds"], json!(1.5));
    let path = store.path(&made.outputs["data"]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"bytes");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o444);
    assert_eq!(
        fs::read_to_string(store.root().join(".gitignore")).unwrap(),
        "*\n"
    );
}

#[test]
fn looking_up_in_a_store_that_does_not_exist_writes_nothing() {
    let project = Project::new();
    assert_eq!(miss(&project.store, "a"), MissReason::NoRecord);
    assert!(!project.store.root().exists());
}

#[test]
fn a_corrupted_object_is_a_miss_and_is_healed_on_recommit() {
    let project = Project::new();
    let made = project.store.commit(record("a", b"right")).unwrap();
    let digest = made.outputs["data"].digest;
    tamper(&project.object(&digest), b"wrong");

    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let store = project
        .reopened()
        .with_notices(move |notice| heard.lock().unwrap().push(notice.clone()));
    let output = "data".to_owned();
    assert_eq!(
        miss(&store, "a"),
        MissReason::ObjectCorrupt { output, digest }
    );
    let quarantined = store.root().join("quarantine").join(digest.to_string());
    assert_eq!(fs::read(&quarantined).unwrap(), b"wrong");
    let expected = Notice::CorruptObject {
        digest,
        moved_to: Some(quarantined),
    };
    assert_eq!(*said.lock().unwrap(), [expected]);

    store.commit(record("a", b"right")).unwrap();
    let healed = project.reopened();
    let artifact = &healed.record(&key("a")).unwrap().outputs["data"];
    assert_eq!(fs::read(healed.path(artifact).unwrap()).unwrap(), b"right");
}

#[test]
fn an_object_corrupted_under_a_running_process_is_noticed_by_it() {
    let project = Project::new();
    let artifact = project.take(b"right");
    project.store.path(&artifact).unwrap();
    tamper(&project.object(&artifact.digest), b"wrong");
    let read = project.store.path(&artifact);
    assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{read:?}");
}

#[test]
fn committing_over_a_corrupt_object_heals_it_without_a_look_up() {
    let project = Project::new();
    let artifact = project.take(b"right");
    tamper(&project.object(&artifact.digest), b"wrong");
    let store = project.reopened();
    store
        .take(&Product::Bytes(b"right".to_vec()), Format::File)
        .unwrap();
    assert_eq!(fs::read(store.path(&artifact).unwrap()).unwrap(), b"right");
}

#[test]
fn an_object_that_rotted_with_its_times_kept_is_refused_on_reading() {
    let project = Project::new();
    let artifact = project.take(b"right");
    let object = project.object(&artifact.digest);
    let sealed_at = fs::metadata(&object).unwrap().modified().unwrap();
    tamper(&object, b"wrong");
    File::open(&object)
        .unwrap()
        .set_modified(sealed_at)
        .unwrap();
    let read = project.reopened().path(&artifact);
    assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{read:?}");
    assert!(!object.exists());
}

#[test]
fn a_touched_object_with_the_right_bytes_is_a_hit_and_sealed_again() {
    let project = Project::new();
    let made = project.store.commit(record("a", b"right")).unwrap();
    let object = project.object(&made.outputs["data"].digest);
    let sealed_at = fs::metadata(&object).unwrap().modified().unwrap();
    let file = File::open(&object).unwrap();
    file.set_modified(SystemTime::now()).unwrap();
    assert!(project.reopened().record(&key("a")).is_some());
    assert_eq!(
        fs::metadata(&object).unwrap().modified().unwrap(),
        sealed_at
    );
}

#[test]
fn a_record_whose_object_is_missing_is_a_miss() {
    let project = Project::new();
    let made = project.store.commit(record("a", b"bytes")).unwrap();
    let digest = made.outputs["data"].digest;
    fs::remove_file(project.object(&digest)).unwrap();
    let output = "data".to_owned();
    let expected = MissReason::ObjectMissing { output, digest };
    assert_eq!(miss(&project.store, "a"), expected);
}

#[test]
fn a_truncated_altered_or_misplaced_record_is_a_miss_and_can_be_written_again() {
    let project = Project::new();
    let store = &project.store;
    store.commit(record("a", b"bytes")).unwrap();
    let path = record_file(store, "a");
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let reason = miss(store, "a");
        assert!(matches!(reason, MissReason::BadRecord(_)), "{reason}");
    }
    for position in (0..whole.len()).step_by(7) {
        let mut altered = whole.clone();
        altered[position] ^= 1;
        fs::write(&path, &altered).unwrap();
        assert!(store.record(&key("a")).is_none(), "byte {position}");
    }
    fs::write(&path, &whole).unwrap();
    assert!(store.record(&key("a")).is_some());

    let other = record_file(store, "b");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, &whole).unwrap();
    assert!(matches!(miss(store, "b"), MissReason::BadRecord(_)));
    store.commit(record("b", b"bytes")).unwrap();
    assert!(store.record(&key("b")).is_some());
}

#[test]
fn a_made_file_is_moved_and_one_with_a_second_name_is_copied() {
    let project = Project::new();
    let attempt = project.store.attempt().unwrap();
    let alone = attempt.path().join("alone");
    fs::write(&alone, b"alone").unwrap();
    let inode = fs::metadata(&alone).unwrap().ino();
    let taken = project
        .store
        .take(&Product::Made(alone.clone()), Format::Table)
        .unwrap();
    assert!(!alone.exists());
    let object = project.object(&taken.digest);
    assert_eq!(fs::metadata(object).unwrap().ino(), inode);

    let shared = attempt.path().join("shared");
    fs::write(&shared, b"shared").unwrap();
    fs::hard_link(&shared, project.path("elsewhere")).unwrap();
    let taken = project
        .store
        .take(&Product::Made(shared), Format::Table)
        .unwrap();
    fs::write(project.path("elsewhere"), b"changed").unwrap();
    let path = project.store.path(&taken).unwrap();
    assert_eq!(fs::read(path).unwrap(), b"shared");
}

#[test]
fn a_symbolic_link_or_a_pipe_is_no_output() {
    let project = Project::new();
    let attempt = project.store.attempt().unwrap();
    let link = attempt.path().join("link");
    std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
    let taken = project.store.take(&Product::Made(link), Format::File);
    let message = taken.unwrap_err().to_string();
    assert!(message.contains("symbolic link"), "{message}");
}

#[test]
fn an_attempt_is_empty_private_and_gone_afterwards() {
    let project = Project::new();
    let first = project.store.attempt().unwrap();
    let second = project.reopened().attempt().unwrap();
    assert_ne!(first.path(), second.path());
    let path = first.path().to_path_buf();
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    fs::create_dir(path.join("read-only")).unwrap();
    fs::write(path.join("read-only/file"), b"x").unwrap();
    fs::set_permissions(path.join("read-only"), fs::Permissions::from_mode(0o555)).unwrap();
    drop(first);
    assert!(!path.exists());
    assert!(second.path().exists());
}

#[test]
fn a_part_is_found_with_its_objects_and_optional_ones_may_be_forgotten() {
    let project = Project::new();
    let store: &dyn Memo = &project.store;
    let product = |bytes: &[u8]| (Product::Bytes(bytes.to_vec()), Format::File);
    let part = NewPart {
        values: serde_json::Map::from_iter([("epoch".to_owned(), json!(3))]),
        objects: BTreeMap::from([
            ("model".to_owned(), product(b"weights")),
            ("state".to_owned(), product(b"moments")),
        ]),
    };
    assert!(store.get(&key("epoch 3"), &[]).is_none());
    let put = store.put(&key("epoch 3"), part).unwrap();
    let model = put.objects["model"].clone();
    let state = put.objects["state"].clone();

    store.forget(&key("epoch 3"), "state").unwrap();
    assert!(!project.object(&state.digest).exists());
    let again = project.reopened();
    let got = again.get(&key("epoch 3"), &["state"]).unwrap();
    assert_eq!(got.values["epoch"], json!(3));
    assert_eq!(
        got.objects,
        BTreeMap::from([("model".to_owned(), model.clone())])
    );
    assert_eq!(
        fs::read(Memo::path(&again, &model).unwrap()).unwrap(),
        b"weights"
    );

    fs::remove_file(project.object(&model.digest)).unwrap();
    assert!(store.get(&key("epoch 3"), &["state"]).is_none());
}

#[test]
fn forgetting_keeps_bytes_that_another_record_or_a_folder_needs() {
    let project = Project::new();
    let store = &project.store;
    let part = |bytes: &[u8]| NewPart {
        objects: BTreeMap::from([(
            "state".to_owned(),
            (Product::Bytes(bytes.to_vec()), Format::File),
        )]),
        ..NewPart::default()
    };
    let in_record = store.put(&key("p"), part(b"in a record")).unwrap();
    store.commit(record("a", b"in a record")).unwrap();
    store.forget(&key("p"), "state").unwrap();
    assert!(project.object(&in_record.objects["state"].digest).exists());

    let in_folder = store.put(&key("q"), part(b"in a folder")).unwrap();
    let state = in_folder.objects["state"].clone();
    let tree = BTreeMap::from([("000001".to_owned(), Product::Stored(state.clone()))]);
    let mut node = record("b", b"");
    let folder = (Product::Tree(tree), Format::Folder);
    node.outputs = BTreeMap::from([("checkpoints".to_owned(), folder)]);
    store.commit(node).unwrap();
    store.forget(&key("q"), "state").unwrap();
    assert!(project.object(&state.digest).exists());
    assert!(store.record(&key("b")).is_some());
}

#[test]
fn last_seen_keys_are_merged_for_each_pipeline_and_profile() {
    let project = Project::new();
    let keys = |pairs: &[(&str, &str)]| -> BTreeMap<String, Digest> {
        pairs
            .iter()
            .map(|(node, of)| ((*node).to_owned(), key(of)))
            .collect()
    };
    let store = &project.store;
    store
        .remember_keys("p", None, &keys(&[("gan", "1"), ("raw", "2")]))
        .unwrap();
    store
        .remember_keys("p", None, &keys(&[("gan", "3")]))
        .unwrap();
    let expected = keys(&[("gan", "3"), ("raw", "2")]);
    assert_eq!(project.reopened().last_keys("p", None), expected);
    assert!(store.last_keys("p", Some("smoke")).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_set_of_puts_every_object_verifies(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..12),
    ) {
        let project = Project::new();
        for bytes in &contents {
            let artifact = project.take(bytes);
            prop_assert_eq!(artifact.digest, Digest::of_bytes(bytes));
            prop_assert_eq!(artifact.bytes, bytes.len() as u64);
        }
        for bytes in &contents {
            let path = object(project.store.root(), &Digest::of_bytes(bytes));
            prop_assert_eq!(&fs::read(path).unwrap(), bytes);
        }
    }
}
