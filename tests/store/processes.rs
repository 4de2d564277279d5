//! Several threads and processes on one store, and processes that die.
//!
//! A child process is this test binary again, running [`child`] alone with its task in the environment.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use retake::hash::Digest;
use retake::stage::{Format, Product};
use retake::store::{LockState, Lookup, MissReason, Store};

use super::{Project, key, object, record};

const TASK: &str = "RETAKE_TEST_STORE_TASK";
const FOLDER: &str = "RETAKE_TEST_STORE_FOLDER";

/// How many bytes the child that runs out of room tries to store.
const TOO_MANY_BYTES: usize = 1 << 20;

fn spawn(task: &str, folder: &Path) -> Child {
    command(task, folder).spawn().unwrap()
}

pub fn command(task: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["store::processes::child", "--exact", "--nocapture"])
        .env(TASK, task)
        .env(FOLDER, folder)
        .stdout(Stdio::null());
    command
}

/// The body of child processes; nothing in an ordinary test run.
#[test]
fn child() {
    let (Ok(task), Some(folder)) = (std::env::var(TASK), std::env::var_os(FOLDER)) else {
        return;
    };
    let folder = Path::new(&folder);
    let store = Store::open(&folder.join(".retake")).unwrap();
    match task.as_str() {
        "compute" => compute_once(&store, folder),
        "hold" => {
            let _lock = store.lock(&key("held")).unwrap();
            let attempt = store.attempt().unwrap();
            fs::write(attempt.path().join("half"), "half").unwrap();
            fs::write(folder.join("holding"), "").unwrap();
            std::thread::sleep(Duration::from_mins(1));
        }
        "hold-late" => {
            let lock = store.lock(&key("held")).unwrap();
            let attempt = store.attempt().unwrap();
            fs::write(folder.join("holding"), "").unwrap();
            wait_for(&folder.join("go"));
            assert!(!lock.is_held(), "it was taken over");
            store.commit(record("held", b"bytes")).unwrap_err();
            drop((lock, attempt));
            // What it needs for going on, it makes anew.
            drop(store.lock(&key("other")).unwrap());
            store.commit(record("held", b"bytes")).unwrap();
        }
        "write" => {
            for number in 0_u32.. {
                let bytes = content(number);
                store.commit(record(&number.to_string(), &bytes)).unwrap();
                fs::write(folder.join("started"), "").unwrap();
            }
        }
        "no-room" => {
            let commit = store.commit(record("big", &vec![7; TOO_MANY_BYTES]));
            fs::write(folder.join("said"), commit.unwrap_err().to_string()).unwrap();
        }
        other => panic!("{other}"),
    }
}

/// Different sizes, so that a kill hits all phases of writing.
fn content(number: u32) -> Vec<u8> {
    let length = 1 + (number as usize * 7919) % 300_000;
    number
        .to_le_bytes()
        .iter()
        .copied()
        .cycle()
        .take(length)
        .collect()
}

/// Computes one key under its lock unless it is there, leaving a line in `computed` for each time.
fn compute_once(store: &Store, folder: &Path) {
    let _lock = store.lock(&key("shared")).unwrap();
    if store.record(&key("shared")).is_some() {
        return;
    }
    std::thread::sleep(Duration::from_millis(30));
    let computed = folder.join("computed");
    let before = fs::read_to_string(&computed).unwrap_or_default();
    fs::write(&computed, before + "once\n").unwrap();
    store.commit(record("shared", b"bytes")).unwrap();
}

pub fn wait_for(path: &Path) {
    for _ in 0..2000 {
        if path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{} did not appear", path.display());
}

#[test]
fn threads_computing_one_key_compute_it_once() {
    let project = Project::new();
    let inside = AtomicU32::new(0);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..20 {
                    let lock = project.store.lock(&key("k")).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    // Long enough for others to wait on a lock file that is about to be removed.
                    std::thread::sleep(Duration::from_micros(200));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                }
                compute_once(&project.store, project.folder.path());
            });
        }
    });
    let computed = fs::read_to_string(project.path("computed")).unwrap();
    assert_eq!(computed, "once\n");
}

#[test]
fn processes_computing_one_key_compute_it_once() {
    let project = Project::new();
    let children: Vec<_> = (0..4)
        .map(|_| spawn("compute", project.folder.path()))
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let computed = fs::read_to_string(project.path("computed")).unwrap();
    assert_eq!(computed, "once\n");
}

#[test]
fn a_lock_says_who_holds_it_and_is_free_when_its_owner_is_killed() {
    let project = Project::new();
    let mut child = spawn("hold", project.folder.path());
    wait_for(&project.path("holding"));
    match project.store.try_lock(&key("held")).unwrap() {
        LockState::Busy(owner) => assert_eq!(owner.pid, child.id()),
        LockState::Held(_) => panic!("locked twice"),
    }
    let tmp = project.store.root().join("tmp");
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 4);
    child.kill().unwrap();
    child.wait().unwrap();
    let lock = project.store.try_lock(&key("held")).unwrap();
    assert!(matches!(lock, LockState::Held(_)));

    // The dead process's attempt is swept by the next that writes; the living one's stays.
    let _attempt = project.store.attempt().unwrap();
    let _other = project.reopened().attempt().unwrap();
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 4);
    let orphan = format!("{}-", child.id());
    for entry in fs::read_dir(&tmp).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_string_lossy().starts_with(&orphan), "{name:?}");
    }
}

#[test]
fn a_store_whose_writer_was_killed_at_any_instant_is_sound() {
    let project = Project::new();
    for round in 0..12_u64 {
        let started = project.path("started");
        let _ = fs::remove_file(&started);
        let mut child = spawn("write", project.folder.path());
        wait_for(&started);
        std::thread::sleep(Duration::from_micros(997 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let store = project.reopened();
    let mut found = 0;
    for number in 0_u32.. {
        let name = number.to_string();
        match store.lookup(&key(&name)) {
            Lookup::Hit(record) => {
                let path = store.path(&record.outputs["data"]).unwrap();
                assert_eq!(fs::read(path).unwrap(), content(number), "{number}");
                found += 1;
            }
            Lookup::Miss(MissReason::NoRecord) => break,
            Lookup::Miss(reason) => panic!("{number}: {reason}"),
        }
    }
    assert!(found > 0);
    for shard in fs::read_dir(store.root().join("objects")).unwrap() {
        let shard = shard.unwrap();
        for entry in fs::read_dir(shard.path()).unwrap() {
            let entry = entry.unwrap();
            let name = format!(
                "{}{}",
                shard.file_name().display(),
                entry.file_name().display()
            );
            assert_eq!(Digest::of_file(&entry.path()).unwrap().to_string(), name);
        }
    }
    let _attempt = store.attempt().unwrap();
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 2);
}

#[test]
fn running_out_of_room_leaves_nothing_half_written_in_sight() {
    let project = Project::new();
    project.store.commit(record("small", b"small")).unwrap();
    // A limit on file sizes stops a write in the middle, as a full disk does.
    let status = Command::new("/bin/sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 64; exec \"$0\" store::processes::child --exact",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(TASK, "no-room")
        .env(FOLDER, project.folder.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let said = fs::read_to_string(project.path("said")).unwrap();
    assert!(said.contains("File too large"), "{said}");

    let store = project.reopened();
    let bytes = vec![7; TOO_MANY_BYTES];
    assert_eq!(
        store.lookup(&key("big")),
        Lookup::Miss(MissReason::NoRecord)
    );
    assert!(!object(store.root(), &Digest::of_bytes(&bytes)).exists());
    assert!(store.record(&key("small")).is_some());
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 2);
    let product = Product::Bytes(bytes);
    let artifact = store.take(&product, Format::File).unwrap();
    store.path(&artifact).unwrap();
}
