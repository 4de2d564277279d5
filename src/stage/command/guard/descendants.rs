//! The processes that descend from this one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait, waitpid,
};

/// How long to wait for what was told to end, and for a child that was handed over from thread to thread between two
/// looks.
const PAUSE: Duration = Duration::from_millis(1);

/// From now on, a process whose parent ends becomes a child of this one if it descends from it, whatever group or
/// session it is in.
///
/// # Errors
/// When the kernel refuses.
pub fn adopt() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Ends all children of this process but `spared`, then the children that it inherits by that, until none is left.
///
/// One that cannot be ended (another user's) is left.
pub fn end_all(spared: &BTreeSet<i32>) {
    let mut refused = BTreeSet::new();
    while !spared.is_empty() || has_children() {
        let Some(mut found) = children() else {
            return;
        };
        found.retain(|pid| !spared.contains(pid) && !refused.contains(pid));
        if found.is_empty() && !(spared.is_empty() && refused.is_empty()) {
            return;
        }
        let mut reaped = false;
        for (raw, pid) in found
            .iter()
            .filter_map(|raw| Some((raw, Pid::from_raw(*raw)?)))
        {
            if kill_process(pid, Signal::KILL).is_err() {
                refused.insert(*raw);
            }
            reaped |= waitpid(Some(pid), WaitOptions::NOHANG).is_ok_and(|ended| ended.is_some());
        }
        if !reaped {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Waits for the children that have ended; gives whether others are left.
pub fn has_children() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// The children of this process, dead ones included, as far as they are listed at this instant; none where the system
/// does not say.
fn children() -> Option<Vec<i32>> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let mut found = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(text) => found.extend(
                text.split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            ),
            // A thread that has ended has handed its children over to another.
            Err(_) if !task.path().exists() => {}
            Err(_) => return Some(children_by_parent()),
        }
    }
    Some(found)
}

/// The same on kernels that list processes but not their children.
fn children_by_parent() -> Vec<i32> {
    let own = getpid().as_raw_nonzero().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Id, name in brackets, state, parent; a name may hold anything.
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        rest.split(' ').nth(1) == Some(&own)
    };
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}
