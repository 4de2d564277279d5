//! How a command ended, in words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// A shell says that a signal ended a program by this much more than the signal's number.
const BY_SIGNAL: i32 = 128;

/// How a command ended that did not end well, after "the command".
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => match name(code - BY_SIGNAL) {
            Some(name) => format!(
                "ended with exit code {code} ({BY_SIGNAL} + {}, {name}){}",
                code - BY_SIGNAL,
                perhaps(name)
            ),
            None => format!("ended with exit code {code}"),
        },
        (None, Some(signal)) => {
            let name = name(signal).unwrap_or("signal");
            format!("was killed by {name} ({signal}){}", perhaps(name))
        }
        (None, None) => "ended without exit code".to_owned(),
    }
}

/// What a signal mostly means.
fn perhaps(name: &str) -> &'static str {
    match name {
        "SIGKILL" => ": perhaps out of memory",
        "SIGSEGV" | "SIGBUS" => ": it used memory that is not its own",
        "SIGABRT" => ": it gave up",
        "SIGXCPU" | "SIGXFSZ" => ": a limit set on it was reached",
        _ => "",
    }
}

/// The name of a signal, by its number on Linux.
fn name(signal: i32) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    let index = usize::try_from(signal).ok()?.checked_sub(1)?;
    NAMES.get(index).copied()
}
