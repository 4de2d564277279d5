//! One command from its order to its end: its output to the log, its end on request.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::capture::Capture;
use super::guard::{Answer, Guard, Order};
use crate::stage::{StageCtx, StageError};

/// How often a command that says nothing is looked at for whether the user asked to stop.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// How long a guard may take to end a command.
const PATIENCE: Duration = Duration::from_secs(5);

/// Output that is read after a command's end. All that could print has ended; but what could not be ended may print on.
const REST: usize = 16 << 20;

/// What befell a command whose guard is gone, after "the command".
const LOST: &str =
    "was lost: the process that guards it was killed, and what it had started was ended with it";

/// Carries out `order`; gives how the command ended and the end of what it printed.
pub fn run(order: &Order, ctx: &StageCtx<'_>) -> Result<(ExitStatus, String), StageError> {
    let failed = |error| StageError::io("/bin/sh", error);
    let mut guard = Guard::with(order).map_err(failed)?;
    let mut capture = Capture::new(ctx.log);
    let mut stopped: Option<Instant> = None;
    let mut rest = loop {
        let mut files = [
            PollFd::new(&guard.socket, PollFlags::IN),
            PollFd::new(&guard.log, PollFlags::IN),
        ];
        // An interrupted wait says that nothing is ready.
        let waited = poll(&mut files, Some(&LOOK));
        let [answers, prints] = files.map(|file| waited.is_ok() && !file.revents().is_empty());
        if answers {
            // The socket was looked at before the pipe, and whatever prints ends before the answer.
            break if prints { REST } else { 0 };
        }
        if prints {
            // At its end, which only a guard's death brings, the socket has something to say next.
            capture.read(&guard.log).map_err(failed)?;
        }
        match stopped {
            None if ctx.check_cancelled().is_err() => {
                stopped = Some(Instant::now());
                // Where that fails the guard is gone, and the socket says so.
                let _ = guard.stop();
            }
            Some(since) if since.elapsed() > PATIENCE => guard.kill(),
            _ => {}
        }
    };
    let answer = Answer::receive(&mut guard.socket);
    while rest > 0 {
        match capture.read(&guard.log) {
            Ok(bytes) if bytes > 0 => rest = rest.saturating_sub(bytes),
            _ => break,
        }
    }
    let tail = capture.finish();
    let Ok(Some(answer)) = answer else {
        guard.clean_up();
        ctx.check_cancelled()?;
        return Err(StageError::Command(LOST.to_owned()));
    };
    guard.keep();
    if stopped.is_some() {
        return Err(StageError::Cancelled);
    }
    Ok((ended(answer, ctx)?, tail))
}

fn ended(answer: Answer, ctx: &StageCtx<'_>) -> Result<ExitStatus, StageError> {
    match answer {
        Answer::Ended { status, leftovers } => {
            if leftovers {
                (ctx.log)("retake: ended what the command left running");
            }
            Ok(ExitStatus::from_raw(status))
        }
        Answer::NotStarted(why) => Err(StageError::Command(format!("could not be started: {why}"))),
    }
}
