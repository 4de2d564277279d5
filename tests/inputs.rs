//! What may be an input or an output, and what is said of the rest: links, sockets, pipes, unreadable files, files
//! that change, names that are not text.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::places::as_nobody;
use crate::support::{Project, Said, said};

/// One command that reads `file:given`.
const READS: &str = "\
name: reads
stages:
  a: {kind: command, inputs: {given: \"file:given\"}, with: {run: 'ls -R in/given/ > out/a 2>&1 || cat in/given > out/a', outputs: {a: a}}}
";

/// Runs the pipeline; it must not hang.
fn run(project: &Project) -> Said {
    let mut child = project
        .command(&["run", "pipeline.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_mins(1) {
            child.kill().unwrap();
            panic!("it hangs: {:?}", said(&child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    said(&child.wait_with_output().unwrap())
}

/// Tells a thread to stop, whatever becomes of the test.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The run must fail and say these things.
fn is_refused(project: &Project, parts: &[&str]) {
    let said = run(project);
    assert!(matches!(said.code, Some(1 | 2)), "{said:?}");
    for part in parts {
        assert!(said.err.contains(part), "`{part}` is not in {said:?}");
    }
}

fn pipe(project: &Project, name: &str) {
    let path = project.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
}

#[test]
fn a_pipe_is_no_input_and_nobody_waits_at_it() {
    let project = Project::new(READS);
    pipe(&project, "given");
    is_refused(&project, &["given", "neither a file nor a folder"]);
    let project = Project::new(READS);
    pipe(&project, "given/deep/pipe");
    is_refused(&project, &["given/deep/pipe", "socket, pipe or device"]);
}

#[test]
fn a_pipe_in_the_place_of_a_pipeline_or_of_a_file_that_settings_name_is_not_waited_at() {
    let project = Project::new("name: x\ninclude: [more.yaml]\nstages: {}\n");
    pipe(&project, "more.yaml");
    is_refused(&project, &["more.yaml"]);
    let project = Project::new(
        "name: x\nstages:\n  raw: {kind: dataset, with: {name: shapes, images: 8, size: 8}}\n  gan:\n    kind: train\n    \
         inputs: {data: raw}\n    with: {task: gan, model: \"file:model.yaml\", epochs: 1, batch_size: 4}\n",
    );
    pipe(&project, "model.yaml");
    is_refused(&project, &["model.yaml"]);
}

#[test]
fn a_socket_in_a_folder_is_named() {
    let project = Project::new(READS);
    project.write("given/a", "a");
    let _socket = UnixListener::bind(project.path("given/socket")).unwrap();
    is_refused(&project, &["given/socket", "socket, pipe or device"]);
}

#[test]
fn links_are_followed_and_those_that_lead_nowhere_or_round_are_named() {
    let project = Project::new(READS);
    project.write("given/a", "a");
    project.write("elsewhere/b", "b");
    symlink("../elsewhere", project.path("given/linked")).unwrap();
    let first = run(&project);
    assert_eq!(first.code, Some(0), "{first:?}");
    // What a link leads to counts, not that it is one.
    fs::remove_file(project.path("given/linked")).unwrap();
    project.write("given/linked/b", "b");
    assert!(project.run(&[]).ran().is_empty());

    symlink("gone", project.path("given/dangling")).unwrap();
    is_refused(&project, &["given/dangling", "leads nowhere"]);
    fs::remove_file(project.path("given/dangling")).unwrap();
    symlink("..", project.path("given/round")).unwrap();
    is_refused(&project, &["given/round", "leads back"]);
    fs::remove_file(project.path("given/round")).unwrap();
    symlink("itself", project.path("given/itself")).unwrap();
    is_refused(&project, &["given/itself", "leads nowhere"]);

    fs::remove_dir_all(project.path("given")).unwrap();
    symlink("gone", project.path("given")).unwrap();
    let said = run(&project);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("missing file"), "{said:?}");
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let project = Project::new(READS);
    project.write("given/secret", "s");
    let lock = |mode| {
        fs::set_permissions(
            project.path("given/secret"),
            fs::Permissions::from_mode(mode),
        )
        .unwrap();
    };
    // `as_nobody` opens the project to the other user; what is shut is shut after that.
    let Some(said) = as_nobody(&project, &["run", "pipeline.yaml"]) else {
        return;
    };
    assert_eq!(said.code, Some(0), "{said:?}");
    if !rustix::process::geteuid().is_root() {
        lock(0);
        is_refused(&project, &["given/secret", "Permission denied"]);
    }
}

#[test]
fn names_that_are_not_text_are_named() {
    let project = Project::new(READS);
    project.write("given/a", "a");
    let name = OsStr::from_bytes(b"caf\xe9");
    if fs::write(project.path("given").join(name), "x").is_err() {
        eprintln!("skipped: this file system has no such names");
        return;
    }
    is_refused(&project, &["given/caf", "not valid UTF-8"]);
}

#[test]
fn a_glob_takes_files_and_links_to_files_and_passes_over_the_rest() {
    let project = Project::new(
        "name: globs\nstages:\n  a: {kind: command, inputs: {given: \"glob:given/**/*.txt\"}, with: {run: 'cat in/given/*/ in/given/[0-9]* > out/a 2>/dev/null; ls in/given | wc -l > out/n', outputs: {n: n}}, publish: {n: n}}\n",
    );
    project.write("given/a.txt", "a");
    project.write("given/deep/b.txt", "b");
    project.write("other", "c");
    symlink("../other", project.path("given/c.txt")).unwrap();
    symlink("gone", project.path("given/d.txt")).unwrap();
    pipe(&project, "given/e.txt");
    project.write("given/folder.txt/x", "x");
    let said = run(&project);
    assert_eq!(said.code, Some(0), "{said:?}");
    // three files and `index.json`
    assert_eq!(project.read("n").trim(), "4");
}

#[test]
fn a_file_that_grows_all_the_time_is_refused_and_nothing_of_it_is_kept() {
    let project = Project::new(READS);
    // Large enough that reading it takes longer than it is left alone.
    fs::write(project.path("given"), vec![b'x'; 8 << 20]).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut file = File::options()
                .append(true)
                .open(project.path("given"))
                .unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"more").unwrap();
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let _stop = Stop(&stop);
        let said = run(&project);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("changed while"), "{said:?}");
    });
    assert_eq!(project.run(&[]).ran(), ["a"]);
}

#[test]
fn a_file_that_shrinks_while_it_is_hashed_does_not_end_the_program() {
    let project = Project::new(READS);
    let size = 64 << 20;
    let file = File::create(project.path("given")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                file.set_len(size).unwrap();
                std::thread::sleep(Duration::from_millis(10));
                file.set_len(0).unwrap();
            }
        });
        let _stop = Stop(&stop);
        for _ in 0..5 {
            let said = run(&project);
            assert!(matches!(said.code, Some(0 | 1)), "{said:?}");
        }
    });
}

#[test]
fn a_result_from_a_file_that_changed_under_the_stage_is_not_kept() {
    // The command itself stands for whoever edits the file meanwhile.
    let project = Project::new(
        "name: changes\nstages:\n  a: {kind: command, inputs: {given: \"file:given\"}, with: {run: 'touch began; until grep -q new in/given; do sleep 0.02; done; cat in/given > out/a', outputs: {a: a}}, publish: {a: a}}\n",
    );
    project.write("given", "old\n");
    let mut child = project
        .command(&["run", "pipeline.yaml"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = |project: &Project| {
        let tmp = crate::support::files(&project.path(".retake/tmp"));
        tmp.iter().any(|path| path.ends_with("began"))
    };
    while !begun(&project) {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    project.write("given", "new\n");
    let said = said(&child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err.contains("given") && said.err.contains("changed while"),
        "{said:?}"
    );
    project.write("given", "old new\n");
    assert_eq!(project.run(&[]).ran(), ["a"]);
    // Under the digest of the old file, nothing is known.
    project.write("given", "old\n");
    let plan = project.retake(&["plan", "pipeline.yaml", "--json"]);
    assert!(!plan.out.contains("\"cached\""), "{plan:?}");
}

/// One command that makes `out/a` by `run`.
fn makes(run: &str) -> Project {
    Project::new(&format!(
        "name: makes\nstages:\n  a: {{kind: command, with: {{run: '{run}', outputs: {{a: a}}}}}}\n"
    ))
}

#[test]
fn outputs_that_cannot_be_stored_are_named() {
    is_refused(
        &makes("ln -s /etc/passwd out/a"),
        &["out/a", "symbolic link"],
    );
    is_refused(
        &makes("mkdir out/a; ln -s gone out/a/b"),
        &["out/a/b", "symbolic link"],
    );
    is_refused(&makes("mkfifo out/a"), &["out/a", "socket, pipe or device"]);
    is_refused(
        &makes("mkdir out/a; mkfifo out/a/b"),
        &["out/a/b", "socket, pipe or device"],
    );
    is_refused(
        &makes("mkdir out/a; touch out/a/$(printf \"caf\\\\351\")"),
        &["out/a/caf", "not valid UTF-8"],
    );
    is_refused(&makes("true"), &["did not write `out/a`"]);
}

#[test]
fn modes_of_outputs_are_retake_s_own() {
    for mode in ["000", "200", "644"] {
        let project = makes(&format!("echo 1 > out/a; chmod {mode} out/a"));
        let Some(said) = as_nobody(&project, &["run", "pipeline.yaml"]) else {
            return;
        };
        assert_eq!(said.code, Some(0), "{mode}: {said:?}");
    }
    let project = makes("mkdir out/a; echo 1 > out/a/b; chmod 000 out/a/b; chmod 555 out/a");
    let Some(said) = as_nobody(&project, &["run", "pipeline.yaml"]) else {
        return;
    };
    assert_eq!(said.code, Some(0), "{said:?}");
}
