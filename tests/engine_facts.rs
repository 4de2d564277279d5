//! What users of other tools have been let down by, row by row: DVC 3.67, Snakemake 9.27 and redun as measured.
//!
//! | behaviour | test |
//! | --- | --- |
//! | touching an input runs nothing | [`touching_a_file_input_runs_nothing_and_changing_it_does`] |
//! | same bytes out, nothing below runs | [`a_stage_that_gives_the_same_bytes_again_leaves_what_follows_cached`] |
//! | a parameter that a stage does not read runs nothing | [`a_var_that_a_stage_does_not_read_runs_nothing`] |
//! | back to an old setting: nothing runs | [`a_changed_var_runs_what_depends_on_it_and_an_old_value_runs_nothing`] |
//! | a tampered output is noticed and restored | [`a_published_file_edited_by_hand_is_kept_in_the_trash`], [`what_is_built_from_a_tampered_output_is_built_from_the_true_one`] |
//! | a corrupt object is refused | [`a_corrupt_object_is_never_used_and_made_again`], [`a_corrupt_object_that_looks_untouched_is_noticed_when_it_is_read_and_made_again`], `crash::damage` |
//! | killed in the middle: run again, same bytes, nothing to do by hand | [`what_an_orphan_of_a_killed_run_still_writes_reaches_no_result`], `crash::kills` |
//! | `status` while a stage runs | [`reading_commands_work_while_a_stage_runs`] |
//! | two runs of sibling stages at once | [`two_runs_of_sibling_stages_with_a_shared_input_both_work`], `crash::together` |
//! | an undeclared input is noticed | with the other tests of hermetic commands |
//! | stages of one run in parallel, within slots | [`stages_that_do_not_need_each_other_run_at_once_and_no_more_than_allowed`] |
//! | why a stage ran, with old and new values | [`explain_names_the_setting_with_its_old_and_new_value`], [`a_run_says_why_each_stage_runs`] |
//! | a killed stage goes on within itself | `training::a_killed_run_goes_on_from_its_last_checkpoint_to_the_same_bytes` |
//! | longer training goes on from shorter | `training::extending_a_run_continues_it_to_the_bytes_of_an_uninterrupted_one` |
//! | re-execute and compare | with the tests of `retake verify` |
//! | mean ± sd over seeds in tables | `report` |
//! | numbers of a report checked against the store | `report_command` |
//! | a long chain of stages | [`a_chain_of_stages_runs_whatever_its_length`], `language::scale` |

use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::cache::CHAIN;
use crate::support::{Events, Project, files, said};

// DVC does so too; Snakemake for files up to 1 MB; redun runs again.
#[test]
fn touching_a_file_input_runs_nothing_and_changing_it_does() {
    let project = Project::new(
        "name: file\nstages:\n  count:\n    kind: command\n    inputs: {text: \"file:words.txt\"}\n    \
         with: {run: wc -w < in/text > out/n.txt, outputs: {n: n.txt}}\n",
    );
    project.write("words.txt", "one two\n");
    assert_eq!(project.run(&[]).ran(), ["count"]);
    let file = fs::File::options()
        .write(true)
        .open(project.path("words.txt"))
        .expect("the file");
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_mins(1))
        .expect("touched");
    assert!(project.run(&[]).ran().is_empty());
    project.write("words.txt", "one two three\n");
    assert_eq!(project.run(&[]).ran(), ["count"]);
}

// Early cutoff: DVC and redun have it, Snakemake runs all that follows.
#[test]
fn a_stage_that_gives_the_same_bytes_again_leaves_what_follows_cached() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    project.edit("for i in 3 1 2", "for i in 1 2 3");
    project.edit("sort -n in/numbers", "sort -n < in/numbers");
    assert_eq!(
        project.run(&[]).ran(),
        ["numbers", "sorted"],
        "`total` sees the same bytes"
    );
}

// All three pass.
#[test]
fn a_var_that_a_stage_does_not_read_runs_nothing() {
    let project = Project::new(CHAIN);
    project.edit("vars: {", "vars: {unread: 1, ");
    project.run(&[]);
    assert!(project.run(&["--set", "unread=2"]).ran().is_empty());
    project.edit("unread: 1", "unread: 3");
    assert!(project.run(&[]).ran().is_empty());
}

// Returning to an old setting: DVC and redun find the old results, Snakemake where its cache was asked for.
#[test]
fn a_changed_var_runs_what_depends_on_it_and_an_old_value_runs_nothing() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    assert_eq!(
        project.run(&["--set", "factor=3"]).ran(),
        ["numbers", "sorted", "total"]
    );
    assert_eq!(project.read("total.txt"), "18\n");
    assert!(
        project.run(&[]).ran().is_empty(),
        "the old value's results are still there"
    );
    assert_eq!(
        project.read("total.txt"),
        "12\n",
        "published files follow the run"
    );
}

// Snakemake builds from what was tampered with, in silence; DVC restores it.
#[test]
fn a_published_file_edited_by_hand_is_kept_in_the_trash() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    project.write("total.txt", "13, by hand\n");
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert!(said.err.contains("edited by hand"), "{}", said.err);
    assert_eq!(project.read("total.txt"), "12\n");
    let trash = files(&project.path(".retake/trash"));
    assert_eq!(trash.len(), 1);
    assert_eq!(
        fs::read_to_string(&trash[0]).expect("text"),
        "13, by hand\n"
    );
}

// Snakemake computed from the tampered file, with exit 0.
#[test]
fn what_is_built_from_a_tampered_output_is_built_from_the_true_one() {
    let project = Project::new(CHAIN);
    project.edit(
        "  sorted:\n    kind: command\n",
        "  sorted:\n    kind: command\n    publish: {sorted: sorted.txt}\n",
    );
    project.run(&[]);
    project.write("sorted.txt", "1000\n");
    project.edit("print s", "print s + 1");
    assert_eq!(project.run(&[]).ran(), ["total"]);
    assert_eq!(project.read("total.txt"), "13\n");
    assert_eq!(project.read("sorted.txt"), "2\n4\n6\n");
}

// DVC restores a corrupt object with exit 0 and calls it up to date; neither Snakemake nor redun looks.
#[test]
fn a_corrupt_object_is_never_used_and_made_again() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    let before = project.digests(&[]);
    for object in files(&project.path(".retake/objects")) {
        let mut permissions = fs::metadata(&object).expect("metadata").permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
        fs::set_permissions(&object, permissions).expect("writable");
        fs::write(&object, "damaged").expect("damaged");
    }
    fs::remove_file(project.path("total.txt")).expect("removed");
    // Nothing needs the bytes of `numbers` until something below it runs; forced, it must not use them.
    project.run(&["--force"]);
    assert_eq!(project.read("total.txt"), "12\n");
    assert_eq!(project.digests(&[]), before);
}

// The same where not even the modification time tells: others look at no more than that.
#[test]
fn a_corrupt_object_that_looks_untouched_is_noticed_when_it_is_read_and_made_again() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    for object in files(&project.path(".retake/objects")) {
        let sealed = fs::metadata(&object).unwrap();
        let mut open = sealed.permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut open, 0o644);
        fs::set_permissions(&object, open).unwrap();
        fs::write(&object, vec![b'9'; sealed.len() as usize]).unwrap();
        let file = fs::File::options().write(true).open(&object).unwrap();
        file.set_modified(sealed.modified().unwrap()).unwrap();
        fs::set_permissions(&object, sealed.permissions()).unwrap();
    }
    project.edit("print s", "print s + 1");
    let events = project.run(&[]);
    // `total` needs the bytes of `sorted`, and to make those again takes the bytes of `numbers`.
    assert_eq!(events.ran(), ["numbers", "sorted", "total"]);
    assert_eq!(project.read("total.txt"), "13\n");
}

/// A command that has begun, and ends after a while.
const SLOW: &str = "\
name: slow
stages:
  raw: {kind: command, with: {run: 'echo 1 > out/a', outputs: {a: a}}}
  slow:
    kind: command
    inputs: {a: raw}
    publish: {a: a.txt}
    with: {run: 'echo half > out/a; touch begun; sleep 1; echo whole >> out/a', outputs: {a: a}}
";

/// Waits until the command in [`SLOW`] has begun.
fn until_begun(project: &Project, child: &mut std::process::Child) {
    let since = Instant::now();
    let begun = || {
        let found = files(&project.path(".retake/tmp"));
        found.iter().any(|path| path.ends_with("begun"))
    };
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        assert!(since.elapsed() < Duration::from_mins(1), "it never begins");
        std::thread::sleep(Duration::from_millis(2));
    }
}

// With DVC the orphaned stage went on writing, and the hash of what it had not finished was locked as valid; Snakemake
// asks for `--rerun-incomplete`.
#[test]
fn what_an_orphan_of_a_killed_run_still_writes_reaches_no_result() {
    let project = Project::new(SLOW);
    for _ in 0..2 {
        let mut child = project
            .command(&["run", "pipeline.yaml"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until_begun(&project, &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        // The next run sweeps what the last has left.
        project.run(&["raw", "--force"]);
    }
    let events = project.run(&[]);
    assert_eq!(events.ran(), ["slow"]);
    assert_eq!(project.read("a.txt"), "half\nwhole\n");
}

// `dvc status` ends with an error while a stage runs.
#[test]
fn reading_commands_work_while_a_stage_runs() {
    let project = Project::new(SLOW);
    let mut child = project
        .command(&["run", "pipeline.yaml"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until_begun(&project, &mut child);
    for command in ["status", "plan", "explain", "graph"] {
        let said = project.retake(&[command, "pipeline.yaml"]);
        assert_eq!(said.code, Some(0), "{command}: {said:?}");
    }
    assert!(
        child.try_wait().unwrap().is_none(),
        "they waited for the run"
    );
    assert!(child.wait().unwrap().success());
}

// DVC's second run ends with an error: the input that both read and neither changes is "busy".
#[test]
fn two_runs_of_sibling_stages_with_a_shared_input_both_work() {
    let project = Project::new(
        "name: siblings\nstages:\n  a: {kind: command, inputs: {x: \"file:x\"}, with: {run: 'sleep 0.5; cat in/x > out/a', outputs: {a: a}}}\n  \
         b: {kind: command, inputs: {x: \"file:x\"}, with: {run: 'sleep 0.5; wc in/x > out/b', outputs: {b: b}}}\n",
    );
    project.write("x", "shared\n");
    let start = |stage| {
        let mut command = project.command(&["run", "pipeline.yaml", stage, "--json"]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let runs = [start("a"), start("b")];
    for (run, stage) in runs.into_iter().zip(["a", "b"]) {
        let said = said(&run.wait_with_output().unwrap());
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(Events::of(&said.out).ran(), [stage]);
    }
    assert_eq!(project.run(&[]).cached(), ["a", "b"]);
    assert_eq!(project.read("pipeline.lock").matches("key:").count(), 2);
}

// DVC runs one stage after the other (its issue 755, open since 2018).
#[test]
fn stages_that_do_not_need_each_other_run_at_once_and_no_more_than_allowed() {
    let mut text = String::from("name: wide\nstages:\n");
    for stage in 0..6 {
        writeln!(text, "  s{stage}: {{kind: command, with: {{run: 'sleep 0.5; echo {stage} > out/a', outputs: {{a: a}}}}}}").unwrap();
    }
    let seconds = |jobs: &str| {
        let project = Project::new(&text);
        let events = project.run(&["-j", jobs]).0;
        events.last().unwrap()["seconds"].as_f64().unwrap()
    };
    // Whoever sleeps takes no CPU, so that only a lack of slots makes one wait for another.
    assert!(seconds("1") >= 3.0);
    assert!((1.0..3.0).contains(&seconds("3")));
}

// DVC names files, Snakemake a `reason:` without values, redun nothing.
#[test]
fn explain_names_the_setting_with_its_old_and_new_value() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    project.edit("sort -n in/numbers", "sort -rn in/numbers");
    let said = project.retake(&["explain", "pipeline.yaml", "sorted"]);
    assert!(
        said.out.contains(
            "with.run: sort -n in/numbers > out/sorted.txt → sort -rn in/numbers > out/sorted.txt"
        ),
        "{}",
        said.out
    );
    project.run(&["sorted"]);
    let said = project.retake(&["explain", "pipeline.yaml", "total"]);
    assert!(
        said.out
            .contains("input sorted changed: sorted was re-taken"),
        "{}",
        said.out
    );
}

// The same line stands where the stage runs.
#[test]
fn a_run_says_why_each_stage_runs() {
    let project = Project::new(CHAIN);
    project.run(&[]);
    let said = project.retake(&["run", "pipeline.yaml", "--set", "factor=3"]);
    assert!(
        said.err.contains("run       numbers — with.run: "),
        "{said:?}"
    );
    assert!(
        said.err.contains("* 2)") && said.err.contains("* 3)"),
        "{said:?}"
    );
    assert!(
        said.err
            .contains("run       sorted — input numbers changed"),
        "{said:?}"
    );
}

// Snakemake ends with a RecursionError at about 520 stages.
#[test]
fn a_chain_of_stages_runs_whatever_its_length() {
    const LENGTH: usize = 600;
    let mut text = String::from(
        "name: chain\nstages:\n  s0: {kind: command, with: {run: 'echo 0 > out/a', outputs: {a: a}}}\n",
    );
    for stage in 1..LENGTH {
        let above = stage - 1;
        writeln!(text, "  s{stage}: {{kind: command, inputs: {{a: s{above}}}, with: {{run: 'cp in/a out/a', outputs: {{a: a}}}}}}").unwrap();
    }
    let project = Project::new(&text);
    // All but the first do the same work on the same bytes, so that they share one record.
    let events = project.run(&[]);
    assert_eq!((events.ran().len(), events.cached().len()), (2, LENGTH - 2));
    assert!(project.run(&[]).ran().is_empty());
}
