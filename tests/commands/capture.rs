//! What a command prints, however much and whatever it is.

use std::fs;

use super::{all_text, failure, pipeline};
use crate::support::{Project, files};

/// The first and the last part of a log are at most so large together, with a line between.
const MOST: u64 = (2 << 20) + 200;

/// The log of the only stage.
fn log(project: &Project) -> std::path::PathBuf {
    files(&project.path(".retake/logs")).remove(0)
}

/// The last lines that a failure shows.
fn tail(said: &str) -> Vec<&str> {
    said.lines()
        .filter_map(|line| line.strip_prefix("          | "))
        .collect()
}

#[test]
fn all_that_is_printed_is_in_the_log_in_order() {
    let project = Project::new(&pipeline(
        "seq 1 5000; seq 5001 10000 >&2; printf end; echo 1 > out/o",
        "",
    ));
    project.run(&[]);
    let log = all_text(&log(&project));
    let numbers = (1..=10_000).map(|number| number.to_string());
    assert!(numbers.chain(["end".to_owned()]).eq(log.lines()));
}

#[test]
fn of_very_much_the_first_and_the_last_part_are_kept() {
    let project = Project::new(&pipeline("seq 1 3000000; exit 1", ""));
    let said = failure(&project);
    let expected: Vec<String> = (2_999_981..=3_000_000)
        .map(|number| number.to_string())
        .collect();
    assert_eq!(tail(&said), expected);

    let text = fs::read_to_string(log(&project)).expect("text");
    assert!(text.len() as u64 <= MOST, "{}", text.len());
    let (first, last) = text.split_once("retake: ").expect("what was left out");
    let (left_out, last) = last.split_once(" bytes left out here\n").expect("how much");
    let last = last.strip_suffix("retake: failed: the command ended with exit code 1\n");
    let last = last.expect("how it ended");
    // What is there is whole lines, and what was left out is all that is missing.
    assert!(
        (1..)
            .zip(first.lines())
            .all(|(number, line)| line == number.to_string())
    );
    let from: u32 = last
        .lines()
        .next()
        .expect("a line")
        .parse()
        .expect("a number");
    assert!(
        (from..=3_000_000)
            .map(|number| number.to_string())
            .eq(last.lines())
    );
    let all: usize = (1..=3_000_000)
        .map(|number: u32| number.to_string().len() + 1)
        .sum();
    assert_eq!(
        left_out.parse::<usize>().expect("a number") + first.len() + last.len(),
        all
    );
}

#[test]
fn a_line_without_end_fills_nothing() {
    let project = Project::new(&pipeline(
        "head -c 200000000 /dev/zero | tr '\\0' x; exit 1",
        "",
    ));
    let said = failure(&project);
    assert!(fs::metadata(log(&project)).expect("a log").len() <= MOST);
    let tail = tail(&said);
    assert_eq!(tail.len(), 20);
    for line in tail {
        let shown = line.strip_suffix('…').unwrap_or(line);
        assert!(
            shown.len() <= 2000 && shown.bytes().all(|byte| byte == b'x'),
            "{line}"
        );
    }
}

#[test]
fn what_is_no_text_does_no_harm() {
    let project = Project::new(&pipeline(
        "printf '\\377\\376\\000\\033[2Jend\\n'; exit 1",
        "",
    ));
    let said = failure(&project);
    assert_eq!(tail(&said), ["\u{fffd}\u{fffd}\u{fffd}\u{fffd}[2Jend"]);
    let status = project.retake(&["status", "pipeline.yaml"]).out;
    assert!(status.starts_with("failed    one"), "{status}");

    let project = Project::new(&pipeline(
        "head -c 30000000 /dev/urandom; echo 1 > out/o",
        "",
    ));
    project.run(&[]);
    assert!(fs::metadata(log(&project)).expect("a log").len() <= MOST);
}

#[test]
fn of_a_line_that_is_written_over_its_last_state_is_shown() {
    let project = Project::new(&pipeline(
        "printf ' 10%%\\r 50%%\\r100%%\\ndos\\r\\n'; exit 1",
        "",
    ));
    assert_eq!(tail(&failure(&project)), ["100%", "dos"]);
}

#[test]
fn how_a_stage_failed_is_known_afterwards_however_much_it_printed() {
    let project = Project::new(&pipeline("seq 1 1000000; exit 7", ""));
    failure(&project);
    let status = project.retake(&["status", "pipeline.yaml", "--json"]).out;
    assert!(status.contains("ended with exit code 7"), "{status}");
}

/// Ten gigabytes, as fast as they come. The limit is for a machine that does other things beside: a line each by itself would
/// take hours.
#[test]
#[ignore = "half a minute"]
fn ten_gigabytes_are_read_at_the_speed_of_a_pipe() {
    let project = Project::new(&pipeline(
        "yes | head -c 10000000000; echo 1 > out/o",
        "    timeout: 5m\n",
    ));
    project.run(&[]);
    assert!(fs::metadata(log(&project)).expect("a log").len() <= MOST);
}
