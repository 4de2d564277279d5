//! `retake gc`: what goes, what stays, and that runs beside it are none the worse.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Events, Project, files, said};

/// `numbers` → `sorted`, each a file that depends on `factor`.
const CHAIN: &str = "\
name: chain
vars: {factor: 2}
stages:
  numbers:
    kind: command
    with:
      run: for i in 3 1 2; do echo $((i * ${factor})); done > out/numbers.txt
      outputs: {numbers: numbers.txt}
  sorted:
    kind: command
    inputs: {numbers: numbers}
    with:
      run: mkdir out/sorted; sort -n in/numbers > out/sorted/numbers
      outputs: {sorted: sorted}
";

/// Runs gc with `args`; it must end well. What it says it frees, as JSON.
fn gc(project: &Project, args: &[&str]) -> Value {
    let mut all = vec!["gc", "--json"];
    all.extend(args);
    let said = project.retake(&all);
    assert_eq!(said.code, Some(0), "{said:?}");
    let line = said.out.lines().next().expect("a line");
    serde_json::from_str(line).expect("JSON")
}

/// How many of a class.
fn count(freed: &Value, class: &str) -> u64 {
    let classes = freed["classes"].as_array().expect("classes");
    let found = classes.iter().find(|count| count["class"] == class);
    found.map_or(0, |count| count["count"].as_u64().expect("a number"))
}

/// The states of all nodes with a `factor`.
fn states(project: &Project, factor: &str) -> Vec<String> {
    let set = format!("factor={factor}");
    let said = project.retake(&["status", "pipeline.yaml", "--json", "--set", &set]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let nodes = said.out.lines().map(|line| {
        let node: Value = serde_json::from_str(line).expect("JSON");
        node["state"].as_str().expect("a state").to_owned()
    });
    nodes.collect()
}

fn set(project: &Project, factor: &str) -> Events {
    project.run(&["--set", &format!("factor={factor}")])
}

/// Sizes of the store's objects and records; everything else may come and go.
fn results(store: &Path) -> usize {
    files(&store.join("objects")).len() + files(&store.join("records")).len()
}

#[test]
fn without_options_only_what_no_record_names_goes() {
    let project = Project::new(
        "name: clock\nstages:\n  now:\n    kind: command\n    with: {run: date +%N > out/now, outputs: {now: now}}\n",
    );
    project.run(&[]);
    project.run(&["--force"]);
    let before = files(&project.path(".retake/objects")).len();
    assert_eq!(before, 2, "the record names the second alone");

    let would = gc(&project, &["--dry-run"]);
    assert_eq!(
        (&would["event"], count(&would, "objects")),
        (&"would-free".into(), 1)
    );
    assert!(would["bytes"].as_u64().unwrap() > 0);
    assert_eq!(files(&project.path(".retake/objects")).len(), before);

    gc(&project, &[]);
    assert_eq!(files(&project.path(".retake/objects")).len(), 1);
    assert!(project.run(&[]).ran().is_empty());
    let said = project.retake(&["gc"]);
    assert!(said.out.contains("nothing to free"), "{said:?}");
}

#[test]
fn results_of_lock_files_stay_and_others_go_when_they_are_old_enough() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    set(&project, "3");
    assert_eq!(count(&gc(&project, &[]), "records"), 0);
    assert_eq!(count(&gc(&project, &["--older-than", "1h"]), "records"), 0);
    let freed = gc(&project, &["--older-than", "0s"]);
    assert_eq!(count(&freed, "records"), 2);
    assert_eq!(freed["records"].as_array().unwrap().len(), 2);
    assert_eq!(states(&project, "2"), ["cached", "cached"]);
    assert_eq!(states(&project, "3"), ["stale", "pending"]);
    assert_eq!(set(&project, "3").ran(), ["numbers", "sorted"]);
}

#[test]
fn the_last_keys_of_each_node_stay() {
    let project = Project::new(CHAIN);
    for factor in ["3", "4", "5", "3"] {
        set(&project, factor);
    }
    let freed = gc(&project, &["--keep-last", "2"]);
    assert_eq!(count(&freed, "records"), 2, "{freed}");
    assert_eq!(states(&project, "4"), ["stale", "pending"]);
    for factor in ["3", "5"] {
        assert_eq!(states(&project, factor), ["cached", "cached"], "{factor}");
    }
}

#[test]
fn down_to_a_size_the_longest_unused_goes_first() {
    let project = Project::new(
        "name: big\nvars: {byte: a}\nstages:\n  big:\n    kind: command\n    with: {run: 'head -c 1000000 /dev/zero | tr \"\\0\" ${byte} > out/big', outputs: {big: big}}\n",
    );
    let run = |byte: &str| project.run(&["--set", &format!("byte={byte}")]);
    for byte in ["b", "c", "d"] {
        run(byte);
        // Times are told apart by seconds.
        std::thread::sleep(Duration::from_millis(1100));
    }
    run("b");
    let freed = gc(&project, &["--max-size", "2.5M"]);
    assert_eq!(count(&freed, "records"), 1, "{freed}");
    assert_eq!(run("c").ran(), ["big"], "it was the longest unused");
    assert!(run("b").ran().is_empty());
    assert!(run("d").ran().is_empty());
    assert_eq!(count(&gc(&project, &["--max-size", "0"]), "records"), 3);
}

#[test]
fn bytes_that_have_two_names_count_once_and_views_go_with_their_folders() {
    let project = Project::new(&format!(
        "{CHAIN}  total:\n    kind: command\n    inputs: {{sorted: sorted}}\n    with: {{run: wc -l in/sorted/numbers > out/total, outputs: {{total: total}}}}\n"
    ));
    set(&project, "3");
    let views = || fs::read_dir(project.path(".retake/views")).map_or(0, Iterator::count);
    assert_eq!(views(), 1);
    let mut seen = std::collections::BTreeMap::new();
    for file in files(&project.path(".retake")) {
        let meta = fs::metadata(file).unwrap();
        seen.insert(std::os::unix::fs::MetadataExt::ino(&meta), meta.len());
    }
    let freed = gc(&project, &["--older-than", "0s"]);
    assert_eq!(freed["size"].as_u64().unwrap(), seen.values().sum::<u64>());
    assert_eq!((count(&freed, "records"), count(&freed, "views")), (3, 1));
    assert_eq!(views(), 0);
    assert_eq!(files(&project.path(".retake/objects")).len(), 0);
}

#[test]
fn pinned_results_stay_until_they_are_unpinned() {
    let project = Project::new(CHAIN);
    set(&project, "3");
    let pin = ["gc", "--pin", "pipeline.yaml", "--set", "factor=3"];
    let said = project.retake(&pin);
    assert!(said.err.contains("2 of 2 nodes"), "{said:?}");
    assert_eq!(count(&gc(&project, &["--older-than", "0s"]), "records"), 0);
    assert_eq!(
        project.retake(&["gc", "--unpin", "pipeline.yaml"]).code,
        Some(0)
    );
    assert_eq!(count(&gc(&project, &["--older-than", "0s"]), "records"), 2);
    let again = project.retake(&["gc", "--unpin", "pipeline.yaml"]);
    assert_eq!(again.code, Some(2), "{again:?}");
}

#[test]
fn results_of_other_projects_in_a_shared_store_stay_even_when_the_project_cannot_be_seen() {
    let (project, other) = (
        Project::new(CHAIN),
        Project::new(&CHAIN.replace("factor: 2", "factor: 9")),
    );
    let store = project.path("shared");
    let store = store.to_str().unwrap();
    project.run(&["--store", store]);
    other.run(&["--store", store]);
    let everything = ["--store", store, "--older-than", "0s"];
    assert_eq!(count(&gc(&project, &everything), "records"), 0);

    // An unmounted disk looks like this.
    let (at, away) = (other.path(""), project.path("away"));
    fs::rename(&at, &away).unwrap();
    let said = project.retake(&["gc", "--store", store, "--older-than", "0s"]);
    assert!(said.err.contains("is not there"), "{said:?}");
    assert!(said.out.contains("nothing to free"), "{said:?}");
    let forget = project.retake(&["gc", "--store", store, "--forget", at.to_str().unwrap()]);
    assert_eq!(forget.code, Some(0), "{forget:?}");
    assert_eq!(count(&gc(&project, &everything), "records"), 2);
    assert!(project.run(&["--store", store]).ran().is_empty());
    fs::rename(&away, &at).unwrap();
}

#[test]
fn a_lock_file_that_cannot_be_read_stops_it() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    let lock = project.read("pipeline.lock");
    project.write("pipeline.lock", &format!("<<<<<<< ours\n{lock}"));
    let before = results(&project.path(".retake"));
    let said = project.retake(&["gc", "--older-than", "0s"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("merge conflict"), "{said:?}");
    assert_eq!(results(&project.path(".retake")), before);
}

#[test]
fn a_record_that_cannot_be_used_is_said_and_left() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    let record = files(&project.path(".retake/records")).remove(0);
    fs::remove_file(&record).unwrap();
    fs::write(&record, "nonsense").unwrap();
    let said = project.retake(&["gc", "--older-than", "0s"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("doctor --check-store"), "{said:?}");
    assert!(record.exists());
}

/// A tiny classifier.
const TRAINING: &str = "\
name: small
vars: {epochs: 3}
stages:
  raw: {kind: dataset, with: {name: shapes, images: 24, size: 16}}
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
      batch_size: 12
      checkpoint_every: 1
";

#[test]
fn resume_states_go_first_and_what_is_trained_stays() {
    let text = TRAINING;
    let project = Project::new(text);
    project.run(&[]);
    let before = project.digests(&[]);
    let freed = gc(&project, &["--states"]);
    assert!(count(&freed, "states") > 0, "{freed}");
    assert_eq!((count(&freed, "records"), count(&freed, "parts")), (0, 0));
    assert_eq!(count(&freed, "states"), count(&freed, "objects"), "{freed}");
    assert_eq!(project.digests(&[]), before);
    assert!(project.run(&[]).ran().is_empty());

    // Parts of what lock files name stay whatever their age: a longer run still builds on them.
    let freed = gc(&project, &["--older-than", "0s"]);
    assert_eq!(count(&freed, "parts"), 0, "{freed}");
    let other = Project::new(text);
    other.run(&["--set", "epochs=4"]);
    project.run(&["--set", "epochs=4"]);
    let longer = ["--set", "epochs=4"];
    assert_eq!(project.digests(&longer), other.digests(&longer));
    assert_eq!(count(&gc(&project, &["--max-size", "0"]), "records"), 1);
    assert_eq!(project.digests(&[]), before);
}

#[test]
fn what_a_run_that_is_going_on_relies_on_stays() {
    let project = Project::new(
        "name: slow\nvars: {factor: 2, wait: 1}\nstages:\n  first:\n    kind: command\n    with:\n      run: mkdir out/first && echo ${factor} > out/first/number\n      outputs: {first: first}\n  second:\n    kind: command\n    inputs: {first: first}\n    with:\n      run: 'touch \"$FLAG\"; while [ ! -e \"$FLAG.go\" ]; do sleep 0.05; done; cat in/first/number > out/second'\n      env: {FLAG: FOLDER/flag}\n      hermetic: false\n      outputs: {second: second}\n",
    );
    let folder = project
        .path("")
        .to_str()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    project.edit("FOLDER", &folder);
    project.write("flag.go", "");
    set(&project, "5");
    fs::remove_file(project.path("flag")).unwrap();
    fs::remove_file(project.path("flag.go")).unwrap();
    // `first` is in no lock file, and cached; `second` waits.
    let args = [
        "run",
        "pipeline.yaml",
        "--json",
        "--set",
        "factor=5",
        "--force-stage",
        "second",
    ];
    let child = project
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    wait_for(&project.path("flag"));
    let freed = gc(&project, &["--older-than", "0s", "--states"]);
    assert_eq!(count(&freed, "records"), 0, "{freed}");
    project.write("flag.go", "");
    let said = said(&child.wait_with_output().expect("it ends"));
    assert_eq!(said.code, Some(0), "{said:?}");
    let events = Events::of(&said.out);
    assert_eq!(
        (events.ran(), events.cached()),
        (vec!["second".to_owned()], vec!["first".to_owned()])
    );
    assert_eq!(count(&gc(&project, &["--older-than", "0s"]), "records"), 2);
}

fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{} did not appear",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn runs_beside_gcs_that_take_everything_end_well_with_the_right_results() {
    let project = Project::new(CHAIN);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        let collectors: Vec<_> = (0..2)
            .map(|_| {
                threads.spawn(|| {
                    let mut rounds = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        if project.path(".retake").is_dir() {
                            let said = project.retake(&["gc", "--older-than", "0s", "--states"]);
                            assert_eq!(said.code, Some(0), "{said:?}");
                            rounds += 1;
                        }
                    }
                    rounds
                })
            })
            .collect();
        let runners: Vec<_> = (0..3)
            .map(|runner| {
                let project = &project;
                threads.spawn(move || {
                    for round in 0..8 {
                        // Two runners come upon the same keys, the third upon bytes of theirs.
                        let factor = format!("factor={}", 3 + (round + runner / 2) % 3);
                        let said = project.retake(&["run", "pipeline.yaml", "--set", &factor]);
                        assert_eq!(said.code, Some(0), "{said:?}");
                    }
                })
            })
            .collect();
        for runner in runners {
            runner.join().expect("no run failed");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for collector in collectors {
            assert!(collector.join().expect("no gc failed") > 0);
        }
    });
    let said = project.retake(&["doctor", "--check-store"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn a_gc_that_is_killed_at_any_instant_leaves_a_sound_store() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    for round in 0..12_u32 {
        for factor in 0..4 {
            set(&project, &format!("{}", 10 + factor));
        }
        let mut child = project
            .command(&["gc", "--older-than", "0s"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        std::thread::sleep(Duration::from_micros(u64::from(round) * 1500));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        let said = project.retake(&["doctor", "--check-store"]);
        assert_eq!(said.code, Some(0), "round {round}: {said:?}");
        assert!(project.run(&[]).ran().is_empty());
    }
    gc(&project, &["--older-than", "0s"]);
    assert_eq!(files(&project.path(".retake/records")).len(), 2);
}

#[test]
fn lock_files_of_other_tools_are_none_of_retakes() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    project.write("chart/Chart.yaml", "name: other\n");
    project.write("chart/Chart.lock", "dependencies: []\ndigest: sha256:0\n");
    let said = project.retake(&["gc", "--dry-run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn a_folder_that_is_no_store_is_left_alone() {
    let project = Project::new(CHAIN);
    project.write("mine/logs/notes", "mine");
    project.write("mine/objects/notes", "mine");
    for args in [
        &["gc", "--store", "mine", "--older-than", "0s", "-y"][..],
        &["doctor", "--store", "mine", "--check-store"],
    ] {
        let said = project.retake(args);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("is not a store of retake"), "{said:?}");
    }
    assert_eq!(project.read("mine/logs/notes"), "mine");
    assert_eq!(project.read("mine/objects/notes"), "mine");
}
