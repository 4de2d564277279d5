//! A session's heartbeat: one thread that writes its file again every few seconds.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::owner::Owner;

/// Heartbeats in the silence after which a process counts as dead.
const BEATS: u32 = 12;

/// A session's file as others read it: one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Said {
    #[serde(flatten)]
    pub(super) owner: Owner,
    #[serde(default)]
    beat: u64,
}

/// A heart that beats until it is dropped.
pub(super) struct Heart {
    pulse: Arc<Pulse>,
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Pulse {
    /// when it last beat, in milliseconds since the boot, sleep included
    beaten: AtomicU64,
    /// whether it once did not beat for so long that others may have taken this process for dead
    missed: AtomicBool,
    silence: Duration,
}

impl Pulse {
    fn is_long_ago(&self) -> bool {
        let since = since_boot().saturating_sub(self.beaten.load(Ordering::Relaxed));
        Duration::from_millis(since) > self.silence / 2
    }
}

impl Heart {
    /// Beats for the first time, and from then on so often that a silence of `silence` cannot come about; `also` is
    /// done with every beat but the first.
    ///
    /// # Errors
    /// When the file cannot be written, or there can be no thread.
    pub(super) fn new(
        file: File,
        owner: Owner,
        silence: Duration,
        also: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        beat(&file, &owner, 0)?;
        let pulse = Arc::new(Pulse {
            beaten: AtomicU64::new(since_boot()),
            missed: AtomicBool::new(false),
            silence,
        });
        let (stop, stopped) = channel::<()>();
        let its = Arc::clone(&pulse);
        let go_on = move || {
            let mut number = 0;
            while stopped.recv_timeout(silence / BEATS) == Err(RecvTimeoutError::Timeout) {
                number += 1;
                if its.is_long_ago() {
                    its.missed.store(true, Ordering::Relaxed);
                }
                // On a full disk: next time, perhaps.
                if beat(&file, &owner, number).is_ok() {
                    its.beaten.store(since_boot(), Ordering::Relaxed);
                }
                also();
            }
        };
        let thread = std::thread::Builder::new().name("heartbeat".to_owned());
        Ok(Self {
            pulse,
            stop: Some(stop),
            thread: Some(thread.spawn(go_on)?),
        })
    }

    /// Whether others may have taken this process for dead, now or before.
    pub(super) fn is_late(&self) -> bool {
        self.pulse.missed.load(Ordering::Relaxed) || self.pulse.is_long_ago()
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It can only have panicked, and then it beats no more.
            let _ = thread.join();
        }
    }
}

/// Milliseconds since the boot, those asleep included.
fn since_boot() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(time.tv_sec) * 1000 + part(time.tv_nsec) / 1_000_000
}

/// Writes who the owner is, in place: the file is linked from elsewhere.
fn beat(file: &File, owner: &Owner, beat: u64) -> io::Result<()> {
    let said = Said {
        owner: owner.clone(),
        beat,
    };
    let mut text = serde_json::to_vec(&said)?;
    text.push(b'\n');
    file.write_all_at(&text, 0)
}
