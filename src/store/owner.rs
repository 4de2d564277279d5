//! Which process owns something in a shared store, and whether it lives.
//!
//! Of a process of the same boot the kernel knows: its id and start time say whether it is still there. A machine
//! that has booted since runs nothing from before. Of a process on another machine only its *heartbeat* is seen: a
//! file that it writes again every few seconds. It counts as dead when that did not change for a minute of the
//! looker's own monotonic clock, looked at several times. No time of day is compared, so clocks may differ between
//! machines and may jump.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use super::guard;

/// How long an owner on another machine must be silent to count as dead.
const SILENCE: Duration = Duration::from_mins(1);

/// For tests: another silence, in milliseconds.
const TEST_SILENCE: &str = "RETAKE_TEST_SILENCE_MS";

/// For tests: the name of another machine to pass for.
const TEST_MACHINE: &str = "RETAKE_TEST_MACHINE";

/// The looks that a silence must be made of, at least: a looker that was itself asleep has looked only twice.
const LOOKS: u32 = 4;

/// A process, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// process id; 0 when unknown
    pub pid: u32,
    #[serde(flatten)]
    place: Place,
    /// when the process began, in ticks since the boot: an id comes back, the two together do not
    #[serde(default)]
    started: Option<u64>,
    /// its session in the store
    #[serde(default)]
    pub(super) session: String,
}

/// Where process ids are told apart by their start times.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    /// name of the machine
    host: String,
    /// which installation, where it has an id
    machine: String,
    /// which boot of it
    boot: String,
    /// which namespace of process ids: containers of one machine have their own
    space: String,
}

impl Place {
    fn here() -> &'static Self {
        static HERE: OnceLock<Place> = OnceLock::new();
        HERE.get_or_init(|| {
            if let Ok(name) = std::env::var(TEST_MACHINE) {
                return Self {
                    host: name.clone(),
                    machine: name.clone(),
                    boot: name,
                    space: String::new(),
                };
            }
            let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
            Self {
                host: first_line("/proc/sys/kernel/hostname"),
                machine: first_line("/etc/machine-id"),
                boot: first_line("/proc/sys/kernel/random/boot_id"),
                space: space.to_string_lossy().into_owned(),
            }
        })
    }
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// How long owners on other machines may be silent, where nobody says otherwise.
pub(super) fn silence() -> Duration {
    let said = std::env::var(TEST_SILENCE).ok();
    let said = said.and_then(|text| text.parse().ok());
    said.map_or(SILENCE, Duration::from_millis)
}

/// What can be said of an owner at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It runs, or is stopped and may go on.
    Lives,
    /// It has ended.
    Dead,
    /// Only its heartbeat can tell.
    Unknown,
}

impl Owner {
    /// This process, whatever its session.
    pub fn this_process() -> Self {
        Self::this("")
    }

    /// Whether it runs; `None` where that cannot be seen from here.
    pub fn lives(&self) -> Option<bool> {
        match self.fate(None) {
            Fate::Lives => Some(true),
            Fate::Dead => Some(false),
            Fate::Unknown => None,
        }
    }

    /// This process, with its session.
    pub(super) fn this(session: &str) -> Self {
        let pid = std::process::id();
        Self {
            pid,
            place: Place::here().clone(),
            started: started(pid),
            session: session.to_owned(),
        }
    }

    /// What is known of the owner, whose session's file `locked` it keeps locked where the file system can.
    pub(super) fn fate(&self, locked: Option<&File>) -> Fate {
        let (place, here) = (&self.place, Place::here());
        if place == here && self.started.is_some() {
            match look(self.pid) {
                Look::Began(time) if Some(time) == self.started => return Fate::Lives,
                Look::Began(_) | Look::Ended => return Fate::Dead,
                Look::Hidden => {}
            }
        }
        if !place.boot.is_empty() && place.boot != here.boot {
            // A machine runs nothing from before its boot.
            let same = !here.machine.is_empty()
                && (&place.machine, &place.host) == (&here.machine, &here.host);
            return if same { Fate::Dead } else { Fate::Unknown };
        }
        // Under one kernel (in another container, say) the lock on its file is seen.
        match locked.map(File::try_lock_shared) {
            Some(Ok(())) => Fate::Dead,
            Some(Err(TryLockError::WouldBlock)) => Fate::Lives,
            Some(Err(TryLockError::Error(_))) | None => Fate::Unknown,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, self.place.host.as_str()) {
            (0, _) => write!(f, "another process"),
            (pid, "") => write!(f, "process {pid}"),
            (pid, host) => write!(f, "process {pid} on {host}"),
        }
    }
}

/// What the system tells of a process.
enum Look {
    /// It is there, since so many ticks after the boot.
    Began(u64),
    /// It is not, or has ended and waits for its parent to notice.
    Ended,
    /// There is one that we may not look at.
    Hidden,
}

fn look(pid: u32) -> Look {
    let Ok(stat) = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")) else {
        let there = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH));
        return if there { Look::Hidden } else { Look::Ended };
    };
    // The second field is a name that may hold anything; then come the state and, as the 22nd, the time.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = fields.split_whitespace();
    let state = fields.next();
    match fields.nth(18).map(str::parse) {
        Some(Ok(time)) if !matches!(state, Some("Z" | "X")) => Look::Began(time),
        Some(_) => Look::Ended,
        None => Look::Hidden,
    }
}

fn started(pid: u32) -> Option<u64> {
    match look(pid) {
        Look::Began(time) => Some(time),
        Look::Ended | Look::Hidden => None,
    }
}

/// The heartbeats of owners on other machines, as this process has seen them.
#[derive(Debug)]
pub(super) struct Watch {
    /// how long they may be silent
    pub(super) silence: Duration,
    /// name of a session → what was seen of it
    seen: Mutex<BTreeMap<String, Seen>>,
}

#[derive(Debug)]
struct Seen {
    heartbeat: Vec<u8>,
    /// when it was last looked at
    looked: Instant,
    /// for how long it is known not to have changed
    silent: Duration,
}

impl Watch {
    pub(super) fn new(silence: Duration) -> Self {
        Self {
            silence,
            seen: Mutex::default(),
        }
    }

    /// Looks at a heartbeat; whether it has been silent for too long.
    pub(super) fn is_silent(&self, session: &str, heartbeat: Vec<u8>) -> bool {
        let now = Instant::now();
        let mut all = guard(&self.seen);
        let seen = all.entry(session.to_owned()).or_insert_with(|| Seen {
            heartbeat: heartbeat.clone(),
            looked: now,
            silent: Duration::ZERO,
        });
        let since = now.duration_since(seen.looked).min(self.silence / LOOKS);
        seen.looked = now;
        if seen.heartbeat == heartbeat {
            seen.silent += since;
        } else {
            seen.heartbeat = heartbeat;
            seen.silent = Duration::ZERO;
        }
        seen.silent >= self.silence
    }
}
