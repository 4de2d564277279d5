//! Which node starts when, and what a plan says of how long it takes.

use crate::support::{Events, Project};

/// Stages that take as long as they say; `turn` changes all of them without changing how long they take.
const SLEEPERS: &str = "
vars: {turn: 1}
stages:
  a: {kind: command, with: {run: 'sleep 0.1; echo ${turn} > out/t', outputs: {t: t}}}
  b: {kind: command, with: {run: 'sleep 0.8; echo ${turn} > out/t', outputs: {t: t}}}
  c: {kind: command, with: {run: 'sleep 0.4; echo ${turn} > out/t', outputs: {t: t}}}
";

/// Names of nodes in the order in which an event told of them.
fn order(events: &Events, event: &str) -> Vec<String> {
    let of = events.0.iter().filter(|told| told["event"] == event);
    of.map(|told| told["stage"].as_str().expect("a stage").to_owned())
        .collect()
}

#[test]
fn what_took_longest_last_time_starts_first() {
    let project = Project::new(SLEEPERS);
    let first = project.run(&["-j", "1"]);
    assert_eq!(
        order(&first, "started"),
        ["a", "b", "c"],
        "nothing is known"
    );
    let again = project.run(&["-j", "1", "--set", "turn=2"]);
    assert_eq!(order(&again, "started"), ["b", "c", "a"]);
}

#[test]
fn a_plan_says_how_long_it_takes() {
    let project = Project::new(SLEEPERS);
    let plan = |args: &[&str]| {
        let mut all = vec!["plan", "pipeline.yaml"];
        all.extend(args);
        project.retake(&all).out
    };
    assert!(!plan(&[]).contains("about"), "nothing was ever timed");
    project.run(&["a", "b", "-j", "2"]);
    let said = plan(&["--set", "turn=2"]);
    let about = said
        .lines()
        .find(|line| line.starts_with("about "))
        .expect(&said);
    assert!(
        about.ends_with(", and 1 node that was never timed"),
        "{about}"
    );
    project.run(&[]);
    let said = plan(&["--set", "turn=2"]);
    let about = said
        .lines()
        .find(|line| line.starts_with("about "))
        .expect(&said);
    let seconds: f64 = about
        .trim_start_matches("about ")
        .trim_end_matches(" s")
        .parse()
        .expect(about);
    // The longest of them, and all of them one after the other with much to spare.
    assert!((0.8..60.0).contains(&seconds), "{about}");
}

/// Runs two commands that say when they begin and end; whether they were at work at the same time.
fn overlap(resources: &str) -> bool {
    let stage = |name: &str| {
        format!(
            "  {name}: {{kind: command, resources: {resources}, publish: {{t: {name}.txt}}, with: \
             {{run: 'date +%s%N > out/t; sleep 0.5; date +%s%N >> out/t', outputs: {{t: t}}, env: {{N: {name}}}}}}}\n"
        )
    };
    let project = Project::new(&format!("stages:\n{}{}", stage("a"), stage("b")));
    project.run(&["-j", "4"]);
    let times = |name: &str| -> Vec<u64> {
        let text = project.read(name);
        text.lines()
            .map(|line| line.parse().expect("a time"))
            .collect()
    };
    let (a, b) = (times("a.txt"), times("b.txt"));
    a[0] < b[1] && b[0] < a[1]
}

#[test]
fn stages_share_the_memory_of_the_machine() {
    assert!(!overlap("{memory: 999999999}"), "each wants all there is");
    assert!(overlap("{memory: 1}"));
}

#[test]
fn a_stage_that_needs_the_whole_machine_is_not_passed_over_for_ever() {
    // Twice as many small ones as may pass by a large one, each long enough that a slot is always taken.
    let project = Project::new(
        "
stages:
  large: {kind: command, inputs: {x: first}, resources: {cpu: 2}, with: {run: 'echo large > out/t', outputs: {t: t}}}
  first: {kind: command, with: {run: 'echo first > out/t', outputs: {t: t}}}
  small:
    kind: command
    matrix: {i: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
      31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60]}
    with: {run: 'sleep 0.05; echo ${i} > out/t', outputs: {t: t}}
",
    );
    let started = order(&project.run(&["-j", "2"]), "started");
    let large = started.iter().position(|name| name == "large");
    assert!(large.expect("it runs") < 50, "{started:?}");
}

#[test]
fn what_has_not_changed_is_known_by_looking_and_whatever_has_is_noticed() {
    let many: Vec<String> = (0..60).map(|i| i.to_string()).collect();
    let project = Project::new(&format!(
        "
stages:
  a: {{kind: command, matrix: {{i: [{}]}}, inputs: {{x: 'file:data.txt'}}, with: {{run: 'echo ${{i}} > out/t', outputs: {{t: t}}}}}}
  b: {{kind: command, inputs: {{a: a}}, publish: {{t: 'got-${{i}}.txt'}}, with: {{run: 'cp in/a out/t', outputs: {{t: t}}}}}}
",
        many.join(", ")
    ));
    project.write("data.txt", "data");
    project.run(&[]);
    let quick = |why: &str| {
        let said = project.retake(&["run", "pipeline.yaml"]);
        assert!(
            said.err.contains("nothing to do: 120 cached"),
            "{why}: {said:?}"
        );
    };
    quick("as it was left");

    // Whatever differs is noticed, and made good.
    project.write("got-7.txt", "edited");
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert!(said.err.contains("edited by hand"), "{said:?}");
    assert_eq!(project.read("got-7.txt"), "7\n");
    quick("after the edit");
    std::fs::remove_file(project.path("got-8.txt")).expect("removed");
    project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(project.read("got-8.txt"), "8\n");

    project.write("data.txt", "atad");
    let events = project.run(&[]);
    assert_eq!(
        events.ran().len(),
        60,
        "the input changed, its size did not"
    );
    quick("after the input");

    let lock = project.read("pipeline.lock");
    std::fs::remove_file(project.path("pipeline.lock")).expect("removed");
    project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(project.read("pipeline.lock"), lock);

    let node = project.retake(&["status", "pipeline.yaml", "--json", "a[i=3]"]);
    let node: serde_json::Value = serde_json::from_str(node.out.trim()).expect("one node");
    let stored = |folder: &str, name: &serde_json::Value, extension: &str| {
        let name = name.as_str().expect("a digest");
        project.path(&format!(
            ".retake/{folder}/{}/{}{extension}",
            &name[..2],
            &name[2..]
        ))
    };
    for file in [
        stored("records", &node["key"], ".json"),
        stored("objects", &node["outputs"]["t"], ""),
    ] {
        std::fs::remove_file(&file).expect("removed");
        let said = project.retake(&["run", "pipeline.yaml"]);
        assert!(said.err.contains("1 ran, 119 cached"), "{file:?}: {said:?}");
        assert!(file.is_file(), "made again");
        quick("made again");
    }

    let index = project.path(".retake/index/unchanged");
    for file in crate::support::files(&index) {
        let mut bytes = std::fs::read(&file).expect("bytes");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(&file).expect("removed");
        std::fs::write(&file, bytes).expect("written");
    }
    quick("a damaged index is not used");
    let events = project.run(&["--force"]);
    assert_eq!(
        events.ran().len(),
        120,
        "the index answers one question only"
    );
}

#[test]
fn a_published_file_that_goes_while_the_run_goes_on_is_missed_by_the_next() {
    let project = Project::new(
        "
stages:
  a: {kind: command, publish: {t: got.txt}, with: {run: 'echo a > out/t', outputs: {t: t}}}
  b:
    kind: command
    inputs: {a: a}
    with: {hermetic: false, run: 'rm FOLDER/got.txt; echo b > out/t', outputs: {t: t}}
",
    );
    let folder = project.path("").display().to_string();
    project.edit("FOLDER", folder.trim_end_matches('/'));
    project.run(&[]);
    assert!(!project.path("got.txt").exists());
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(project.read("got.txt"), "a\n");
}
