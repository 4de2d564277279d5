//! Every write of a run fails once: with a full disk, a failing one, an exceeded quota, and by writing half of it.
//!
//! The faults are made by a small C library that is preloaded into the program ([`shim.c`](shim.c)).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::{Left, PIPELINE, ended, in_pairs};
use crate::support::{Project, Said};

/// What a failing call says.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Full,
    Quota,
    Broken,
    /// It writes half and says so: no error, but many programs take it for done.
    Short,
}

const FAULTS: [Fault; 4] = [Fault::Full, Fault::Quota, Fault::Broken, Fault::Short];

impl Fault {
    fn number(self) -> i32 {
        match self {
            Self::Full => 28,
            Self::Quota => 122,
            Self::Broken => 5,
            Self::Short => 0,
        }
    }
}

/// One run with a fault.
#[derive(Debug, Clone, Copy)]
struct Case {
    /// the call that fails, from 1
    at: usize,
    fault: Fault,
    /// whether all calls after it fail too
    stays: bool,
}

/// The library, compiled once; none where there is no C compiler.
pub fn shim() -> Option<&'static Path> {
    static SHIM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let compile = || {
        let to =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/shim.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
            .args([&to, &source])
            .arg("-ldl")
            .status();
        match status {
            Ok(status) => {
                assert!(status.success(), "the shim does not compile");
                Some(to)
            }
            Err(error) => {
                eprintln!("skipped: no C compiler: {error}");
                None
            }
        }
    };
    SHIM.get_or_init(compile).as_deref()
}

/// A run with a fault, if any; gives what it said and what the shim noted.
fn run(project: &Project, shim: &Path, case: Option<Case>) -> (Said, String) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = project.command(&["run", "pipeline.yaml", "-j", "2"]);
    command
        .env("LD_PRELOAD", shim)
        .env(
            "RETAKE_FAULT_UNDER",
            fs::canonicalize(project.path("")).unwrap(),
        )
        .env("RETAKE_FAULT_LOG", log.path());
    if let Some(case) = case {
        command
            .env("RETAKE_FAULT_AT", case.at.to_string())
            .env("RETAKE_FAULT_ERROR", case.fault.number().to_string());
        if case.stays {
            command.env("RETAKE_FAULT_STAYS", "1");
        }
    }
    let errors = tempfile::NamedTempFile::new().unwrap();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(errors.reopen().unwrap())
        .spawn()
        .unwrap();
    let status = ended(&mut child);
    let said = Said {
        code: status.unwrap_or_else(|| panic!("{case:?} hangs")).code(),
        out: String::new(),
        err: fs::read_to_string(errors.path()).unwrap(),
    };
    (said, fs::read_to_string(log.path()).unwrap())
}

/// How many calls of an undisturbed run write.
fn calls(shim: &Path) -> usize {
    let project = Project::new(PIPELINE);
    let (said, log) = run(&project, shim, None);
    assert_eq!(said.code, Some(0), "{said:?}");
    // Whatever it starts counts its own, and writes nothing there.
    let counts = log.lines().filter_map(|line| line.strip_prefix("count "));
    let counts = counts.map(|count| count.parse().unwrap());
    counts.max().unwrap()
}

fn try_out(shim: &Path, case: Case) {
    let project = Project::new(PIPELINE);
    let (said, log) = run(&project, shim, Some(case));
    let told = || {
        format!(
            "{case:?}\nfailed: {log}\ncode: {:?}\n{}",
            said.code, said.err
        )
    };
    for word in ["panicked", "internal error"] {
        assert!(!said.err.contains(word), "{}", told());
    }
    match said.code {
        // It came to nothing that matters (a note of what goes on, say), or was done again.
        Some(0) => Left::by(&project).is_undisturbed(&told()),
        Some(1 | 2) => {
            let place = fs::canonicalize(project.path("")).unwrap();
            let names = said.err.contains(&place.display().to_string());
            let words = ["No space left", "quota exceeded", "Input/output error"];
            let cause = words.iter().any(|word| said.err.contains(word));
            let helps = said.err.contains("run again") || said.err.contains("retake run");
            assert!(names && cause && helps, "{}", told());
        }
        _ => panic!("{}", told()),
    }
    let again = project.retake(&["run", "pipeline.yaml", "-j", "2"]);
    assert_eq!(again.code, Some(0), "{}\nthen: {again:?}", told());
    Left::by(&project).is_undisturbed(&told());
}

/// Tries a fault at every `step`th call, each kind of fault in turn.
fn every(step: usize, first: usize, faults: &[Fault], stays: bool) {
    let Some(shim) = shim() else { return };
    let calls = calls(shim);
    eprintln!("{calls} calls write");
    assert!(calls > 100, "the shim sees the calls");
    let cases = (first..=calls).step_by(step).enumerate();
    let cases = cases.map(|(index, at)| Case {
        at,
        fault: faults[index % faults.len()],
        stays,
    });
    in_pairs(cases.collect(), |case| try_out(shim, case));
}

#[test]
fn a_write_that_fails_is_an_error_and_the_next_run_goes_on() {
    every(37, 5, &FAULTS, false);
}

#[test]
fn a_disk_that_stays_full_is_an_error_and_the_next_run_goes_on() {
    every(97, 11, &[Fault::Full], true);
}

#[test]
#[ignore = "many minutes"]
fn every_write_of_a_run_may_fail() {
    for fault in FAULTS {
        eprintln!("{fault:?}");
        every(1, 1, &[fault], false);
    }
}

#[test]
#[ignore = "many minutes"]
fn a_disk_may_stay_full_from_any_write_on() {
    every(1, 1, &[Fault::Full, Fault::Broken, Fault::Quota], true);
}
