//! What a command can read and write.

use std::fs;
use std::os::unix::fs::symlink;

use retake::stage::command::layout::lay_out;
use retake::stage::{Format, NodeName, Status};

use super::{failure, held, made, pipeline};
use crate::stage_support::{Bench, name};
use crate::support::Project;

#[test]
fn its_environment_is_what_is_named_and_its_input_is_empty() {
    let run = "env | cut -d= -f1 | sort > out/o; cat >> out/o; echo \"$WORD\" >> out/o";
    let project = Project::new(&pipeline(run, ""));
    project.edit("outputs:", "env: {WORD: 'a = b', EMPTY: ''}, outputs:");
    let mut command = project.command(&["run", "pipeline.yaml"]);
    command.env("SECRET", "leak").env("LANG", "C");
    assert!(command.status().expect("it runs").success());
    // PWD is the shell's own.
    assert_eq!(
        project.read("made"),
        "EMPTY\nHOME\nLANG\nPATH\nPWD\nTMPDIR\nWORD\na = b\n"
    );
}

#[test]
fn it_has_a_folder_for_what_is_temporary_that_goes_with_it() {
    let project = Project::new(&pipeline("mktemp > out/o; echo x > \"$(cat out/o)\"", ""));
    project.run(&[]);
    let made = project.read("made");
    let made = std::path::Path::new(made.trim());
    assert!(
        made.starts_with(project.path(".retake/tmp").canonicalize().unwrap()),
        "{made:?}"
    );
    assert!(!made.exists() && !made.parent().unwrap().exists());
}

#[test]
fn a_temporary_folder_of_ones_own_is_left_alone() {
    let project = Project::new(&pipeline("echo $TMPDIR > out/o", ""));
    project.edit("outputs:", "env: {TMPDIR: here}, outputs:");
    project.run(&[]);
    assert_eq!(project.read("made"), "here\n");
}

#[test]
fn writing_to_an_input_fails_and_changes_nothing() {
    if !held() {
        return;
    }
    let project = Project::new(
        "name: inputs\nstages:\n  \
         a: {kind: command, with: {run: echo stored > out/a, outputs: {a: a}}}\n  \
         one:\n    kind: command\n    publish: {o: made}\n    \
         inputs: {own: \"file:own.txt\", folder: \"file:folder\", stored: a, all: [\"file:own.txt\", \"file:other.txt\"]}\n    \
         with: {run: 'for f in in/own in/folder/x in/stored in/all/0 in/folder/new; do (echo bad > $f) 2> /dev/null && echo wrote $f >> out/o; \
         (echo bad >> $f) 2> /dev/null && echo added to $f >> out/o; done; rm -r in/folder/ 2> /dev/null; \
         cat in/own in/folder/x in/stored in/all/1 >> out/o', outputs: {o: o}}\n",
    );
    project.write("own.txt", "own\n");
    project.write("other.txt", "other\n");
    project.write("folder/x", "x\n");
    project.run(&[]);
    assert_eq!(project.read("made"), "own\nx\nstored\nother\n");
    assert_eq!(project.read("own.txt"), "own\n");
    assert!(project.path("folder/x").exists() && !project.path("folder/new").exists());
}

#[test]
fn nothing_of_the_project_can_be_read_but_the_inputs() {
    if !held() {
        return;
    }
    let project = Project::new(
        "name: inputs\nvars: {root: .}\nstages:\n  one:\n    kind: command\n    publish: {o: made}\n    \
         inputs: {given: \"file:given.txt\", folder: \"file:folder\"}\n    \
         with: {run: 'for f in given.txt hidden.txt folder/x pipeline.yaml deep/er/y; do cat ${root}/$f >> out/o 2> /dev/null || echo no >> out/o; done; \
         ls ${root} >> out/o || true; cat in/folder/linked >> out/o; cat /etc/passwd > /dev/null && echo system >> out/o', outputs: {o: o}}\n",
    );
    for name in [
        "given.txt",
        "hidden.txt",
        "folder/x",
        "deep/er/y",
        "elsewhere/z",
    ] {
        project.write(name, &format!("{name}\n"));
    }
    symlink(project.path("elsewhere/z"), project.path("folder/linked")).expect("a link");
    let root = format!("root={}", project.path("").display());
    let said = project.retake(&["run", "pipeline.yaml", "--set", &root]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(
        project.read("made"),
        "given.txt\nno\nfolder/x\nno\nno\nelsewhere/z\nsystem\n"
    );
}

#[test]
fn nothing_outside_its_own_folder_can_be_written() {
    if !held() {
        return;
    }
    let outside = tempfile::tempdir().expect("a folder");
    let target = outside.path().join("x");
    fs::write(&target, "before").expect("written");
    let text = format!(
        "(echo 1 > {0}/new) || echo no >> out/o; (echo 1 > {1}) || echo no >> out/o; rm {1} || echo no >> out/o; \
         mkdir {0}/d || echo no >> out/o; mv {1} . || echo no >> out/o",
        outside.path().display(),
        target.display()
    );
    assert_eq!(made(&text, ""), "no\n".repeat(5));
    assert_eq!(fs::read_to_string(&target).expect("still there"), "before");
}

#[test]
fn what_programs_need_works() {
    let run = "set -e; echo 1 > /dev/null; head -c 3 /dev/zero > /dev/null; echo 2 > /dev/stdout; echo 3 > /dev/stderr; \
               f=/dev/shm/$$; echo 4 > $f; rm $f; mkdir -p a/b; echo 5 > a/x; mv a/x a/b/y; ln a/b/y a/z; mv a out/o; \
               printf '#!/bin/sh\\necho 6\\n' > s; chmod +x s; ./s > out/o/s; sort --parallel=2 /etc/passwd > $TMPDIR/p; : > out/o/s";
    let project = Project::new(&pipeline(run, ""));
    project.run(&[]);
    assert_eq!(project.read("made/b/y"), "5\n");
    assert_eq!(project.read("made/z"), "5\n");
    assert_eq!(project.read("made/s"), "");
}

#[test]
fn programs_of_the_projects_own_environment_can_be_run() {
    let project = Project::new(&pipeline("tool > out/o", ""));
    project.write(
        ".venv/bin/tool",
        "#!/bin/sh\ncat \"$(dirname \"$0\")/../lib/word\"\n",
    );
    project.write(".venv/lib/word", "found\n");
    let tool = project.path(".venv/bin/tool");
    fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    let path = format!(
        "{}:{}",
        project.path(".venv/bin").display(),
        std::env::var("PATH").expect("a PATH")
    );
    let mut command = project.command(&["run", "pipeline.yaml"]);
    assert!(
        command
            .env("PATH", path)
            .status()
            .expect("it runs")
            .success()
    );
    assert_eq!(project.read("made"), "found\n");
}

#[test]
fn a_file_that_was_meant_and_not_declared_is_named() {
    let project = Project::new(&pipeline("sort --key=1 'data/x.csv' > out/o", ""));
    project.write("data/x.csv", "1\n");
    let said = failure(&project);
    let help = "help: `data/x.csv` is in the project but not an input of this stage: declare it under `inputs:`";
    assert!(said.contains(help), "{said}");
}

#[test]
fn a_file_that_a_program_missed_and_named_is_named() {
    let project = Project::new(&pipeline(
        "sh in/script",
        "    inputs: {script: \"file:script.sh\"}\n",
    ));
    project.write("script.sh", "f=lookup; cat $f.txt > out/o\n");
    project.write("lookup.txt", "1\n");
    let said = failure(&project);
    assert!(
        said.contains("help: `lookup.txt` is in the project but not an input"),
        "{said}"
    );
    assert!(!said.contains("`script.sh` is"), "{said}");
}

#[test]
fn a_write_that_was_denied_is_no_riddle() {
    if !held() {
        return;
    }
    let outside = tempfile::tempdir().expect("a folder");
    let run = format!("echo 1 > {}/x", outside.path().display());
    let project = Project::new(&pipeline(&run, ""));
    let said = failure(&project);
    assert!(
        said.contains("writes nowhere but in the directory it runs in and TMPDIR"),
        "{said}"
    );
    assert!(said.contains("`with: {hermetic: false}`"), "{said}");
}

#[test]
fn a_stage_that_says_so_reads_and_writes_anything_under_another_key() {
    let outside = tempfile::tempdir().expect("a folder");
    let run = format!(
        "echo 1 > {0}/x; cat {0}/x > out/o",
        outside.path().display()
    );
    let project = Project::new(&pipeline(&run, ""));
    let before = project.retake(&["status", "pipeline.yaml", "--json"]).out;
    project.edit("outputs:", "hermetic: true, outputs:");
    assert_eq!(
        project.retake(&["status", "pipeline.yaml", "--json"]).out,
        before
    );
    project.edit("hermetic: true", "hermetic: false");
    assert_ne!(
        project.retake(&["status", "pipeline.yaml", "--json"]).out,
        before
    );
    project.run(&[]);
    assert_eq!(project.read("made"), "1\n");
}

#[test]
fn doctor_says_whether_commands_are_held_to_their_inputs() {
    let project = Project::new("name: none\n");
    let json: serde_json::Value =
        serde_json::from_str(&project.retake(&["doctor", "--json"]).out).expect("JSON");
    let text = project.retake(&["doctor"]).out;
    if held() {
        let version = json["landlock"].as_u64().expect("a version");
        assert!(
            text.contains(&format!("Landlock (version {version})")),
            "{text}"
        );
    } else {
        assert!(json["landlock"].is_null());
        assert!(
            text.contains("commands  not held to their inputs"),
            "{text}"
        );
    }
}

#[test]
fn where_nothing_can_hold_a_command_it_gets_copies_of_what_is_the_users() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("own");
    fs::create_dir_all(own.join("deep")).expect("a folder");
    fs::write(own.join("deep/x"), "x").expect("written");
    fs::write(folder.path().join("elsewhere"), "y").expect("written");
    symlink("../elsewhere", own.join("linked")).expect("a link");
    let stored = folder.path().join("stored");
    fs::write(&stored, "z").expect("written");

    let mut bench = Bench::new();
    let user = NodeName::default();
    bench.add("own", user, Status::Ok, &[("f", Format::Folder, &own)]);
    let node = name("before", &[]);
    bench.add("stored", node, Status::Ok, &[("f", Format::File, &stored)]);
    let scratch = folder.path().join("scratch");
    lay_out(&scratch, &bench.inputs, true).expect("laid out");

    let copy = scratch.join("in/own/0");
    assert_eq!(fs::read_to_string(copy.join("deep/x")).expect("there"), "x");
    assert!(!copy.is_symlink() && !copy.join("linked").is_symlink());
    fs::write(copy.join("linked"), "changed").expect("written");
    assert_eq!(fs::read_to_string(own.join("linked")).expect("there"), "y");
    assert!(
        scratch.join("in/stored/0").is_symlink(),
        "what the store keeps is read-only already"
    );
}

#[test]
fn a_link_on_the_way_to_an_output_does_not_take_the_files_it_leads_to() {
    let project = Project::new(
        "stages:\n  a:\n    kind: command\n    inputs: {photos: 'file:photos'}\n    with: {run: 'ln -s ../in/photos out/sub', outputs: {first: sub/a.png}}\n",
    );
    project.write("photos/a.png", "mine");
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err
            .contains("symbolic link on the way to `out/sub/a.png`"),
        "{said:?}"
    );
    assert_eq!(project.read("photos/a.png"), "mine");
}

#[test]
fn what_a_command_does_to_the_mode_of_an_input_harms_no_other() {
    let project = Project::new(
        "stages:\n  first: {kind: command, with: {run: 'echo first > out/t', outputs: {t: t}}}\n  bad: {kind: command, inputs: {t: first}, with: {run: 'chmod 000 in/t; echo bad > out/t', outputs: {t: t}}}\n  good: {kind: command, inputs: {t: first, after: bad}, with: {run: 'cp in/t out/t', outputs: {t: t}}}\n",
    );
    let said = project.retake(&["run", "pipeline.yaml", "-j", "1"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(project.run(&[]).ran().is_empty());
}
