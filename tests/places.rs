//! Stores that cannot be written, and stores on another file system than the project.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Project, Said, files, said};

/// A file, a folder and a published report of commands.
const PIPELINE: &str = "\
name: places
vars: {more: 1}
stages:
  words:
    kind: command
    with: {run: 'mkdir out/w; echo one > out/w/1; echo two > out/w/2; chmod +x out/w/2', outputs: {w: w}}
    publish: {w: published/words}
  count:
    kind: command
    inputs: {words: words}
    with: {run: 'cat in/words/* | wc -l > out/n.txt; echo ${more} >> out/n.txt', outputs: {n: n.txt}}
    publish: {n: published/n.txt}
  report: {kind: report, inputs: {tables: count}, with: {title: Places, out: report}}
";

/// Runs retake where the project's store is mounted read-only, in a mount namespace of its own; none where the
/// system gives us none. As root, mode bits alone would not bind.
fn read_only(project: &Project, args: &[&str]) -> Option<Said> {
    let script = "mount --bind .retake .retake && mount -o remount,bind,ro .retake && exec \"$@\"";
    let run = project.command(args);
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh"]);
    command.arg(run.get_program()).args(run.get_args());
    command
        .current_dir(project.path(""))
        .env_remove("RETAKE_STORE")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    let probe = Command::new("unshare")
        .args([
            "-rm",
            "sh",
            "-c",
            "mount --bind . . && mount -o remount,bind,ro .",
        ])
        .current_dir(project.path(".retake"))
        .stderr(Stdio::null())
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system lets us mount nothing (`unshare -rm`)");
        return None;
    }
    Some(said(&command.output().unwrap()))
}

fn listing(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let all = files(folder).into_iter();
    all.map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_store_that_cannot_be_written_serves_all_that_is_in_it() {
    let project = Project::new(PIPELINE);
    project.run(&[]);
    let before = listing(&project.path(""));
    for command in ["run", "plan", "status", "explain", "graph", "report"] {
        let mut args = vec![command, "pipeline.yaml"];
        if command == "report" {
            args.push("--check");
        }
        let Some(said) = read_only(&project, &args) else {
            return;
        };
        assert_eq!(said.code, Some(0), "{command}: {said:?}");
        assert!(!said.err.contains("could not"), "{command}: {said:?}");
    }
    assert_eq!(listing(&project.path("")), before);

    // What was published is made again from it.
    fs::remove_dir_all(project.path("published/words")).unwrap();
    let Some(said) = read_only(&project, &["run", "pipeline.yaml"]) else {
        return;
    };
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(project.read("published/words/1"), "one\n");
    for (what, to) in [("words", "got"), ("count", "n.txt")] {
        let Some(said) = read_only(&project, &["get", "pipeline.yaml", what, to]) else {
            return;
        };
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    assert_eq!(project.read("got/2"), "two\n");
}

#[test]
fn what_is_corrupt_in_a_store_that_cannot_be_written_is_not_used() {
    let project = Project::new(PIPELINE);
    project.run(&[]);
    let object = files(&project.path(".retake/objects"))
        .into_iter()
        .find(|path| fs::read(path).unwrap() == b"one\n")
        .unwrap();
    let sealed = fs::metadata(&object).unwrap();
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, "two\n").unwrap();
    let file = fs::File::options().write(true).open(&object).unwrap();
    file.set_modified(sealed.modified().unwrap()).unwrap();
    fs::remove_dir_all(project.path("published")).unwrap();
    let Some(said) = read_only(&project, &["run", "pipeline.yaml"]) else {
        return;
    };
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err.contains("corrupt") && said.err.contains("cannot be written"),
        "{said:?}"
    );
    assert!(!project.path("published/words/1").exists());
    // Where it can be written, it is healed.
    project.run(&[]);
    assert_eq!(project.read("published/words/1"), "one\n");
}

#[test]
fn a_run_that_must_compute_says_at_once_that_the_store_cannot_be_written() {
    let project = Project::new(PIPELINE);
    project.run(&[]);
    project.edit("more: 1", "more: 2");
    project.edit("'cat in", "'touch ${dir}/began; cat in");
    project.edit(
        "vars: {",
        &format!("vars: {{dir: {}, ", project.path("").display()),
    );
    let Some(said) = read_only(&project, &["run", "pipeline.yaml"]) else {
        return;
    };
    assert_eq!(said.code, Some(1), "{said:?}");
    let store = project.path(".retake");
    for part in [
        "cannot be written",
        "Read-only file system",
        "--store",
        &store.display().to_string(),
    ] {
        assert!(said.err.contains(part), "`{part}`: {said:?}");
    }
    assert!(!project.path("began").exists());
}

/// A folder on another file system than temporary files are, removed on drop; none where there is none.
fn elsewhere() -> Option<tempfile::TempDir> {
    let here = fs::metadata(std::env::temp_dir()).unwrap().dev();
    let folder = tempfile::tempdir_in("/dev/shm").ok()?;
    if fs::metadata(folder.path()).unwrap().dev() == here {
        eprintln!("skipped: /dev/shm is no other file system");
        return None;
    }
    Some(folder)
}

fn inodes(folder: &Path) -> BTreeSet<(u64, u64)> {
    let all = files(folder).into_iter();
    all.map(|path| fs::metadata(path).unwrap())
        .map(|meta| (meta.dev(), meta.ino()))
        .collect()
}

#[test]
fn a_store_on_another_file_system_gives_the_same() {
    let Some(folder) = elsewhere() else { return };
    let store = folder.path().join("store");
    let at = store.to_str().unwrap();
    let near = Project::new(PIPELINE);
    near.run(&[]);
    let far = Project::new(PIPELINE);
    far.run(&["--store", at]);
    assert!(!far.path(".retake").exists());
    let published = |project: &Project| {
        let all = listing(&project.path("published")).into_iter();
        let mut all: Vec<_> = all.chain(listing(&project.path("report"))).collect();
        all.retain(|(path, _)| !path.ends_with("run.json"));
        let root = project.path("");
        for (path, _) in &mut all {
            *path = path.strip_prefix(&root).unwrap().to_path_buf();
        }
        all
    };
    assert_eq!(published(&near), published(&far));
    assert_eq!(near.read("pipeline.lock"), far.read("pipeline.lock"));
    assert_eq!(
        fs::metadata(far.path("published/words/2")).unwrap().mode() & 0o777,
        0o755
    );
    assert!(far.run(&["--store", at]).ran().is_empty());

    // What a process that was killed had half written beside a published file goes, what one that lives writes stays.
    let beside = |process: u32| format!("published/.retake-{process}-abc.0.tmp");
    let (dead, alive) = (beside(u32::MAX), beside(std::process::id()));
    far.write(&dead, "half");
    far.write(&alive, "half");
    fs::remove_file(far.path("published/n.txt")).unwrap();
    far.run(&["--store", at]);
    assert!(!far.path(&dead).exists());
    fs::remove_file(far.path(&alive)).unwrap();

    // A file that was edited goes to the trash there, and is made again.
    far.write("published/n.txt", "mine\n");
    far.run(&["--store", at]);
    assert_eq!(published(&near), published(&far));
    let kept = files(&store.join("trash"));
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "mine\n");
    let got = far.retake(&["get", "pipeline.yaml", "words", "got", "--store", at]);
    assert_eq!(got.code, Some(0), "{got:?}");
    assert_eq!(far.read("got/1"), "one\n");
}

#[test]
fn what_is_published_or_copied_out_shares_no_file_with_the_store() {
    let project = Project::new(PIPELINE);
    project.run(&[]);
    let got = project.retake(&["get", "pipeline.yaml", "words", "got"]);
    assert_eq!(got.code, Some(0), "{got:?}");
    let store = inodes(&project.path(".retake"));
    for folder in ["published", "report", "got"] {
        let outside = inodes(&project.path(folder));
        assert!(store.is_disjoint(&outside), "{folder}");
    }
    // So that whoever edits them harms nothing.
    for file in files(&project.path("got"))
        .into_iter()
        .chain(files(&project.path("published")))
    {
        fs::write(file, "edited\n").unwrap();
    }
    let checked = project.retake(&["doctor", "--check-store"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn links_between_a_command_s_outputs_and_files_elsewhere_are_cut() {
    let project = Project::new(
        "name: links\nstages:\n  a: {kind: command, with: {run: 'echo 1 > kept; ln kept out/a; ln out/a out/b', \
         outputs: {a: a, b: b}}}\n",
    );
    project.run(&[]);
    for object in files(&project.path(".retake/objects")) {
        assert_eq!(fs::metadata(object).unwrap().nlink(), 1);
    }
}

/// A user who is not root, for what modes do: runs `args` of retake so, or as we are where we are not root.
pub fn as_nobody(project: &Project, args: &[&str]) -> Option<Said> {
    let mut command = project.command(args);
    if rustix::process::geteuid().is_root() {
        let all = Command::new("chmod")
            .args(["-R", "a+rwX"])
            .arg(project.path(""))
            .status();
        if !all.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no chmod");
            return None;
        }
        command.uid(65534).gid(65534);
    }
    command.env("HOME", project.path(""));
    match command.output() {
        Ok(output) => Some(said(&output)),
        Err(error) => {
            eprintln!("skipped: the program cannot be run as another user: {error}");
            None
        }
    }
}
