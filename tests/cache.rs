//! What runs again and what does not, and what retake says about it.

use std::fs;

use crate::support::{Project, files};

/// Three commands in a row: `numbers` → `sorted` → `total`.
pub const CHAIN: &str = "\
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
      run: sort -n in/numbers > out/sorted.txt
      outputs: {sorted: sorted.txt}
  total:
    kind: command
    inputs: {sorted: sorted}
    publish: {total: total.txt}
    with:
      run: \"awk '{s += $1} END {print s}' in/sorted > out/total.txt\"
      outputs: {total: total.txt}
";

#[test]
fn a_second_run_runs_nothing() {
    let project = Project::new(CHAIN);
    assert_eq!(project.run(&[]).ran(), ["numbers", "sorted", "total"]);
    assert_eq!(project.read("total.txt"), "12\n");
    let again = project.run(&[]);
    assert!(again.ran().is_empty());
    assert_eq!(again.cached(), ["numbers", "sorted", "total"]);
}

#[test]
fn comments_key_order_and_descriptions_change_nothing() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    project.edit("name: chain", "# a comment\nname: chain");
    project.edit(
        "    kind: command\n    inputs: {numbers: numbers}\n",
        "    description: in order\n    inputs: {numbers: numbers}\n    kind: command\n",
    );
    assert!(project.run(&[]).ran().is_empty());
}

#[test]
fn renaming_a_stage_runs_nothing() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    project.edit("  sorted:\n", "  ordered:\n");
    project.edit("inputs: {sorted: sorted}", "inputs: {sorted: ordered}");
    assert!(project.run(&[]).ran().is_empty());
}

#[test]
fn two_stages_that_do_the_same_work_share_one_record() {
    let project = Project::new(CHAIN);
    let text = project.read("pipeline.yaml");
    let copy = text
        .split_once("  sorted:\n")
        .expect("the stage")
        .1
        .split_once("  total:\n")
        .expect("the next")
        .0;
    project.write("pipeline.yaml", &format!("{text}  twin:\n{copy}"));
    let events = project.run(&["--jobs", "4"]);
    assert_eq!(
        events.ran().len(),
        3,
        "one of the twins is taken from the other"
    );
    assert_eq!(
        events.started().len(),
        3,
        "what is taken from the store is not said to run"
    );
}

#[test]
fn a_deleted_object_is_made_again_without_a_word_from_the_user() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    for object in files(&project.path(".retake/objects")) {
        fs::remove_file(object).expect("removed");
    }
    let said = project.retake(&["plan", "pipeline.yaml"]);
    assert!(said.out.contains("numbers"), "{said:?}");
    assert_eq!(project.run(&[]).ran(), ["numbers", "sorted", "total"]);
}

#[test]
fn plan_and_status_say_what_would_run_and_run_nothing() {
    let project = Project::new(CHAIN);
    let plan = project.retake(&["plan", "pipeline.yaml"]);
    assert_eq!(plan.code, Some(0));
    assert!(
        plan.out.contains("run       numbers — never run"),
        "{}",
        plan.out
    );
    assert!(
        plan.out.contains("maybe     sorted — waits for numbers"),
        "{}",
        plan.out
    );
    assert_eq!(
        project
            .retake(&["plan", "pipeline.yaml", "--exit-code"])
            .code,
        Some(3)
    );
    assert!(files(&project.path(".retake/objects")).is_empty());
    project.run(&[]);
    assert_eq!(
        project
            .retake(&["status", "pipeline.yaml", "--exit-code"])
            .code,
        Some(0)
    );
    let plan = project.retake(&["plan", "pipeline.yaml"]);
    assert_eq!(plan.out, "nothing to do: 3 cached\n");
}

#[test]
fn a_failed_stage_is_named_with_its_log_and_how_to_run_it_again() {
    let project = Project::new(CHAIN);
    project.edit("sort -n in/numbers", "echo went wrong >&2; exit 3; sort");
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(1));
    for part in [
        "failed    sorted: the command ended with exit code 3",
        "| went wrong",
        "log: ",
        "again: retake run pipeline.yaml sorted",
    ] {
        assert!(said.err.contains(part), "`{part}` is not in {}", said.err);
    }
    fs::create_dir(project.path("below")).expect("a folder");
    let from_below = project
        .command(&["run", "../pipeline.yaml"])
        .current_dir(project.path("below"))
        .output()
        .expect("it runs");
    let err = crate::support::said(&from_below).err;
    assert!(
        err.contains("again: retake run ../pipeline.yaml sorted"),
        "{err}"
    );
    let status = project.retake(&["status", "pipeline.yaml"]);
    assert!(status.out.contains("failed    sorted"), "{}", status.out);
}

#[test]
fn keep_going_runs_what_does_not_need_the_failed_stage() {
    let project = Project::new(CHAIN);
    project.edit("sort -n in/numbers", "exit 1; sort");
    let text = project.read("pipeline.yaml");
    project.write(
        "pipeline.yaml",
        &format!("{text}  zother:\n    kind: command\n    with: {{run: sleep 0.3; echo 1 > out/a, outputs: {{a: a}}}}\n"),
    );
    let said = project.retake(&["run", "pipeline.yaml", "--keep-going", "--json"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.out
            .contains("\"event\":\"finished\",\"stage\":\"zother\""),
        "{}",
        said.out
    );
    let done = said.out.lines().last().expect("an event");
    assert!(
        done.contains("\"ran\":2") && done.contains("\"failed\":2"),
        "{done}"
    );
}

#[test]
fn the_lock_file_is_stable_and_locked_runs_refuse_a_difference() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    let lock = project.read("pipeline.lock");
    fs::remove_dir_all(project.path(".retake")).expect("removed");
    project.run(&["--locked"]);
    assert_eq!(project.read("pipeline.lock"), lock);
    project.run(&["--set", "factor=5"]);
    assert_eq!(
        project.read("pipeline.lock"),
        lock,
        "runs with --set do not write it"
    );
    project.edit("sort -n", "sort -g");
    assert_eq!(
        project.retake(&["run", "pipeline.yaml", "--locked"]).code,
        Some(3)
    );
}

#[test]
fn a_locked_run_changes_neither_the_lock_file_nor_what_is_published() {
    let project = Project::new(CHAIN);
    project.edit("factor: 2", "factor: 3");
    project.run(&[]);
    project.edit("factor: 3", "factor: 2");
    project.run(&[]);
    let lock = project.read("pipeline.lock");
    // Everything is in the store, and nothing is as locked.
    project.edit("factor: 2", "factor: 3");
    for _ in 0..2 {
        let said = project.retake(&["run", "pipeline.yaml", "--locked"]);
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(
            said.err.contains("not as in the lock file: numbers"),
            "{said:?}"
        );
        assert_eq!(project.read("pipeline.lock"), lock);
        assert_eq!(project.read("total.txt"), "12\n");
    }
}

#[test]
fn a_locked_run_refuses_other_bytes_under_the_same_key() {
    let project = Project::new(
        "name: clock\nstages:\n  now: {kind: command, with: {run: date +%N > out/n, outputs: {n: n}}}\n",
    );
    project.run(&[]);
    assert_eq!(
        project.retake(&["run", "pipeline.yaml", "--locked"]).code,
        Some(0)
    );
    let said = project.retake(&["run", "pipeline.yaml", "--locked", "--force"]);
    assert_eq!(said.code, Some(3), "{said:?}");
}

#[test]
fn a_second_process_waits_for_the_first_says_so_and_leaves_its_log_alone() {
    let project = Project::new(
        "name: shared\nvars: {dir: .}\nstages:\n  slow:\n    kind: command\n    \
         with: {hermetic: false, run: 'echo one; touch ${dir}/started; until [ -e ${dir}/go ]; do sleep 0.02; done; echo two; echo 1 > out/a', outputs: {a: a}}\n",
    );
    let set = format!("dir={}", project.path("").display());
    let args = ["run", "pipeline.yaml", "--set", &set];
    let mut first = project.command(&args).spawn().expect("it starts");
    while !project.path("started").exists() {
        assert!(first.try_wait().expect("a state").is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let second = project
        .command(&args)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    std::thread::sleep(std::time::Duration::from_millis(500));
    project.write("go", "");
    assert!(first.wait().expect("it ends").success());
    let second = crate::support::said(&second.wait_with_output().expect("it ends"));
    assert_eq!(second.code, Some(0));
    assert!(
        second.err.contains("slow: waiting for process"),
        "{second:?}"
    );
    assert!(!second.err.contains("run       slow"), "{second:?}");
    let logs = files(&project.path(".retake/logs"));
    assert_eq!(fs::read_to_string(&logs[0]).expect("a log"), "one\ntwo\n");
}

#[test]
fn a_gather_is_told_apart_by_its_form_and_not_by_the_name_of_its_stage() {
    let project = Project::new(
        "name: gather\nstages:\n  data: {kind: dataset, matrix: {n: [2, 3]}, with: {name: shapes, images: \"${n}\", size: 8}}\n  \
         list:\n    kind: command\n    inputs: {all: \"data[*]\"}\n    \
         with: {run: cat in/all/index.json > out/list; ls in/all/0/ >> out/list || true, outputs: {list: list}}\n    publish: {list: list.txt}\n",
    );
    project.run(&[]);
    let before = project.read("list.txt");
    assert!(before.contains("\"n\": 3"), "{before}");
    assert!(!before.contains("data"), "{before}");
    project.edit("  data: {kind", "  images: {kind");
    project.edit("\"data[*]\"", "\"images[*]\"");
    assert!(project.run(&[]).ran().is_empty());
    project.edit("\"images[*]\"", "{from: \"images[*]\", as: folder}");
    assert_eq!(project.run(&[]).ran(), ["list"]);
    assert!(project.read("list.txt").contains("labels.csv"));
}

#[test]
fn what_cannot_be_published_fails_the_run() {
    let project = Project::new(CHAIN);
    project.edit("total.txt}\n    with", "figures/total.txt}\n    with");
    project.write("figures", "a file where a folder should be");
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("could not publish"), "{said:?}");
}

#[test]
fn profiles_publish_beside_the_default() {
    let project = Project::new(
        "name: beside\nprofiles: {smoke: {}}\nstages:\n  \
         one: {kind: command, publish: {a: made/a.txt}, with: {run: echo 1 > out/a, outputs: {a: a}}}\n  \
         many: {kind: command, publish: {f: made/v1.2}, with: {run: mkdir out/f; echo 1 > out/f/a, outputs: {f: f}}}\n",
    );
    project.run(&["--profile", "smoke"]);
    assert_eq!(project.read("made/a-smoke.txt"), "1\n");
    assert_eq!(project.read("made/v1.2-smoke/a"), "1\n");
    assert!(!project.path("made/a.txt").exists());
}

#[test]
fn outputs_within_one_another_are_refused() {
    let project = Project::new(
        "name: overlap\nstages:\n  a: {kind: command, with: {run: mkdir -p out/d; touch out/d/x, outputs: {all: d, one: d/x}}}\n",
    );
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err.contains("`d/x` overlaps the output `all`"),
        "{said:?}"
    );
}

#[test]
fn forcing_a_stage_runs_it_alone_and_one_that_no_target_needs_is_an_error() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    assert_eq!(project.run(&["--force-stage", "sorted"]).ran(), ["sorted"]);
    let said = project.retake(&["run", "pipeline.yaml", "numbers", "--force-stage", "total"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("no target needs it"), "{said:?}");
}

#[test]
fn commands_see_their_inputs_and_nothing_else() {
    let project = Project::new(
        "name: bare\nstages:\n  look:\n    kind: command\n    inputs: {text: \"file:given.txt\"}\n    \
         with: {run: 'ls > out/ls; ls in >> out/ls; cat hidden.txt || true; echo \"$SECRET$WORD\" >> out/ls', outputs: {ls: ls}, env: {WORD: hello}}\n    \
         publish: {ls: seen.txt}\n",
    );
    project.write("given.txt", "");
    project.write("hidden.txt", "");
    let mut command = project.command(&["run", "pipeline.yaml"]);
    assert!(
        command
            .env("SECRET", "leak")
            .status()
            .expect("it runs")
            .success()
    );
    assert_eq!(project.read("seen.txt"), "in\nout\ntext\nhello\n");
}

#[test]
fn interrupting_a_run_ends_its_commands_and_exits_with_130() {
    let project = Project::new(
        "name: slow\nstages:\n  slow:\n    kind: command\n    \
         with: {hermetic: false, run: 'touch ${file}; sleep 30; echo 1 > out/a', outputs: {a: a}}\nvars: {file: /dev/null}\n",
    );
    let flag = project.path("started");
    let set = format!("file={}", flag.display());
    let mut child = project
        .command(&["run", "pipeline.yaml", "--set", &set])
        .spawn()
        .expect("it starts");
    let begun = std::time::Instant::now();
    while !flag.exists() {
        assert!(begun.elapsed().as_secs() < 20, "the command did not start");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signalled");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert!(
        begun.elapsed().as_secs() < 25,
        "it did not wait for the command"
    );
    let status = project.retake(&["status", "pipeline.yaml", "--set", &set]);
    assert!(
        status.out.starts_with("stale     slow"),
        "who was stopped has not failed: {}",
        status.out
    );
}

#[test]
fn a_missing_file_stops_a_run_before_it_starts_and_blocks_a_node_in_the_plan() {
    let project = Project::new(
        "name: gone\nstages:\n  a:\n    kind: command\n    with: {run: echo 1 > out/a, outputs: {a: a}}\n  \
         b:\n    kind: command\n    inputs: {text: \"file:nowhere.txt\"}\n    with: {run: cp in/text out/b, outputs: {b: b}}\n",
    );
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("missing file") && said.err.contains("nowhere.txt"),
        "{}",
        said.err
    );
    let plan = project.retake(&["plan", "pipeline.yaml"]);
    assert_eq!(plan.code, Some(0));
    assert!(
        plan.out.contains("blocked   b — missing file"),
        "{}",
        plan.out
    );
    assert_eq!(
        project.run(&["a"]).ran(),
        ["a"],
        "a target that needs no missing file runs"
    );
}

#[test]
fn asking_for_a_gpu_that_is_not_there_is_a_clear_error() {
    if retake::device::open(retake::device::DeviceRequest::Cuda(0)).is_ok() {
        return;
    }
    let project = Project::new(CHAIN);
    let said = project.retake(&["run", "pipeline.yaml", "--device", "cuda"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("--device cpu"), "{}", said.err);
}

#[test]
fn get_copies_an_artifact_out_of_the_store() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    assert_eq!(
        project
            .retake(&["get", "pipeline.yaml", "sorted", "here.txt"])
            .code,
        Some(0)
    );
    assert_eq!(project.read("here.txt"), "2\n4\n6\n");
    let taken = project.retake(&["get", "pipeline.yaml", "sorted:sorted", "here.txt"]);
    assert_eq!(taken.code, Some(2), "it does not overwrite");
    let unknown = project.retake(&["get", "pipeline.yaml", "sorted:nothing", "there.txt"]);
    assert!(unknown.err.contains("it has sorted"), "{}", unknown.err);
}

#[test]
fn a_bad_pipeline_exits_with_2_and_leaves_no_store() {
    let project = Project::new("name: bad\nstages:\n  a: {kind: comand}\n");
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("command"), "{}", said.err);
    assert!(!project.path(".retake").exists());
}
