//! Trying again, and not for ever: the limits of a stage.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::spec::limits::{Retries, Time};
use crate::stage::StageError;

/// How often a wait looks whether the user asked to stop.
const LOOK: Duration = Duration::from_millis(50);
/// No wait grows beyond this, unless it begins so.
const LONGEST: Duration = Duration::from_mins(5);

/// An attempt that failed and is followed by another.
#[derive(Debug, Clone)]
pub struct Retry {
    /// the attempt that comes, from 2
    pub next: u32,
    /// how many there are in all
    pub of: u32,
    /// the wait before it
    pub wait: Time,
    /// why the one before failed
    pub cause: String,
}

/// Calls `attempt` until it gives something, fails in a way that another would not mend, or all attempts are made;
/// `told` hears of each failure that is followed by another attempt.
pub(super) fn repeat<T>(
    retries: Retries,
    cancel: &AtomicBool,
    mut told: impl FnMut(&Retry),
    mut attempt: impl FnMut() -> Result<T, StageError>,
) -> Result<T, StageError> {
    let mut wait = retries.wait.0;
    for number in 1..=retries.times {
        let error = match attempt() {
            Err(error) if error.may_pass() => error,
            other => return other,
        };
        told(&Retry {
            next: number + 1,
            of: retries.times + 1,
            wait: Time(wait),
            cause: error.to_string(),
        });
        pause(wait, cancel)?;
        wait = (2 * wait).min(LONGEST.max(retries.wait.0));
    }
    attempt()
}

/// Calls `work` with a flag that is set when the user asked to stop or `limit` is over.
pub(super) fn limited<T>(
    limit: Option<Time>,
    cancel: &AtomicBool,
    work: impl FnOnce(&AtomicBool) -> Result<T, StageError>,
) -> Result<T, StageError> {
    let Some(limit) = limit else {
        return work(cancel);
    };
    let stop = AtomicBool::new(false);
    let (working, over) = channel::<()>();
    let begun = Instant::now();
    let late = &stop;
    let watch = move || {
        loop {
            let left = limit.0.saturating_sub(begun.elapsed());
            if left.is_zero() || cancel.load(Ordering::Relaxed) {
                late.store(true, Ordering::Relaxed);
                return;
            }
            if over.recv_timeout(left.min(LOOK)) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    };
    let result = std::thread::scope(|threads| {
        threads.spawn(watch);
        let result = work(&stop);
        drop(working);
        result
    });
    match result {
        Err(StageError::Cancelled) if !cancel.load(Ordering::Relaxed) => {
            Err(StageError::Late(limit.to_string()))
        }
        other => other,
    }
}

fn pause(time: Duration, cancel: &AtomicBool) -> Result<(), StageError> {
    let begun = Instant::now();
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(StageError::Cancelled);
        }
        let left = time.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK));
    }
}
