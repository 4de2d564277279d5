//! What is said of how a command ended.

use super::{failure, pipeline};
use crate::support::Project;

fn said(run: &str) -> String {
    failure(&Project::new(&pipeline(run, "")))
}

#[test]
fn an_exit_code_is_told() {
    assert!(said("exit 3").contains("the command ended with exit code 3\n"));
}

#[test]
fn a_signal_is_named() {
    let said_of = |signal: &str| said(&format!("kill -{signal} $$"));
    let said = said_of("KILL");
    assert!(
        said.contains("the command was killed by SIGKILL (9): perhaps out of memory"),
        "{said}"
    );
    let said = said_of("SEGV");
    assert!(
        said.contains("the command was killed by SIGSEGV (11)"),
        "{said}"
    );
    let said = said_of("TERM");
    assert!(
        said.contains("the command was killed by SIGTERM (15)\n"),
        "{said}"
    );
}

#[test]
fn a_signal_that_a_shell_tells_of_is_named() {
    let said = said("sh -c 'kill -KILL $$'; exit $?");
    assert!(
        said.contains("ended with exit code 137 (128 + 9, SIGKILL): perhaps out of memory"),
        "{said}"
    );
}

#[test]
fn an_output_that_was_not_written_is_named() {
    let said = said("exit 0");
    assert!(
        said.contains("the command ended well but did not write `out/o`, its output `o`"),
        "{said}"
    );
}
