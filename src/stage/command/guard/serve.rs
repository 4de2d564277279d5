//! What a guard does: it carries out orders, one at a time, until whoever gives them is gone.

use std::io::{self, PipeWriter, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait, waitpid};

use super::message::{Answer, Order};

/// How often a guard looks for what has ended while it waits for something else.
const LOOK: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};
/// The same where the system cannot say when a process ends.
const POLL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
};

/// How much of what a command started is ended with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// its process group: all that can be known in a process that has other children
    Group,
    /// everything that descends from it; this process has no other children
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "needs Linux"))]
    Descendants,
}

/// Carries out the orders that come through `socket`; what commands print goes to `log`. Whatever runs when the other
/// end closes is ended.
///
/// # Errors
/// When the socket fails; nothing runs any longer then.
pub fn serve(mut socket: UnixStream, log: &PipeWriter, reach: Reach) -> io::Result<()> {
    let mut starter = Starter::default();
    while let Some(order) = Order::receive(&mut socket)? {
        let answer = match starter.start(&order, log) {
            Ok(pid) => attend(pid, &mut socket, reach),
            Err(error) => Answer::NotStarted(error.to_string()),
        };
        answer.send(&mut socket)?;
    }
    Ok(())
}

/// Starts commands.
#[derive(Default)]
struct Starter {
    #[cfg(target_os = "linux")]
    beside: super::restrict::Beside,
}

impl Starter {
    fn start(&mut self, order: &Order, log: &PipeWriter) -> io::Result<Pid> {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(&order.run)
            .current_dir(&order.directory)
            .env_clear()
            .envs(order.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            // A group of its own: signals to retake's do not reach it, and all of it can be ended at once.
            .process_group(0);
        let child = self.spawn(&mut command, order)?;
        Pid::from_raw(child.id().cast_signed())
            .ok_or_else(|| io::Error::other("a process without id"))
    }

    /// A thread restricts itself and starts the command, which inherits that; other threads stay as they are, and the
    /// cheap way of starting a process stays open, which runs nothing of ours in the new one.
    #[cfg(target_os = "linux")]
    fn spawn(&mut self, command: &mut Command, order: &Order) -> io::Result<std::process::Child> {
        let Some(bounds) = &order.bounds else {
            return command.spawn();
        };
        self.beside.look(bounds.project.as_deref())?;
        let beside = &self.beside;
        let start = || {
            super::restrict::restrict(bounds, beside)?;
            command.spawn()
        };
        std::thread::scope(|threads| threads.spawn(start).join())
            .unwrap_or_else(|_| Err(io::Error::other("the thread that starts it panicked")))
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "of one shape with Linux")]
    fn spawn(&mut self, command: &mut Command, _order: &Order) -> io::Result<std::process::Child> {
        command.spawn()
    }
}

/// Waits for the command's end, or ends it when it is told to or nobody listens any more; ends what it left running.
fn attend(pid: Pid, socket: &mut UnixStream, reach: Reach) -> Answer {
    let end = end_of(pid);
    let mut status = None;
    let stopped = loop {
        let ready = match &end {
            Some(end) => ready(&[socket.as_fd(), end.as_fd()], &LOOK),
            None => ready(&[socket.as_fd()], &POLL),
        };
        let [asked, ended] = ready;
        if asked {
            break true;
        }
        if ended {
            break false;
        }
        // Orphans that this process has inherited and that have ended stay in the kernel's table until they are
        // waited for.
        status = look(pid, reach);
        if status.is_some() {
            break false;
        }
    };
    if stopped || reach == Reach::Group {
        // While its leader is not waited for, the group's id is nobody else's.
        let _ = kill_process_group(pid, Signal::KILL);
    }
    while status.is_none() {
        status = match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(found) => found.map(|(_, status)| status.as_raw()),
            Err(Errno::INTR) => None,
            Err(_) => Some(0x7f00),
        };
    }
    let leftovers = reach == Reach::Descendants && end_descendants();
    if stopped {
        // The stop itself, or the end of whoever gives orders, which the next read meets again.
        let mut frame = [0; 4];
        let _ = socket.read_exact(&mut frame);
    }
    Answer::Ended {
        status: status.unwrap_or_default(),
        leftovers,
    }
}

/// Something that can be read once the process has ended, where the system has such a thing.
#[cfg(target_os = "linux")]
fn end_of(pid: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn end_of(_pid: Pid) -> Option<OwnedFd> {
    None
}

/// Which of up to two files can be read, waiting for `time` at most.
fn ready(files: &[std::os::fd::BorrowedFd<'_>], time: &Timespec) -> [bool; 2] {
    let mut polled: Vec<PollFd<'_>> = files
        .iter()
        .map(|file| PollFd::from_borrowed_fd(*file, PollFlags::IN))
        .collect();
    // An interrupted wait says that nothing is ready.
    if poll(&mut polled, Some(time)).is_err() {
        return [false; 2];
    }
    let is_ready = |at: usize| {
        polled
            .get(at)
            .is_some_and(|file| !file.revents().is_empty())
    };
    [is_ready(0), is_ready(1)]
}

/// The status of `pid`, if it has ended; a process without other children waits for whatever else has.
fn look(pid: Pid, reach: Reach) -> Option<i32> {
    loop {
        let found = match reach {
            Reach::Group => waitpid(Some(pid), WaitOptions::NOHANG),
            Reach::Descendants => wait(WaitOptions::NOHANG),
        };
        match found {
            Ok(Some((ended, status))) if ended == pid => return Some(status.as_raw()),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Ends everything that descends from this process; gives whether there was anything.
#[cfg(target_os = "linux")]
fn end_descendants() -> bool {
    use super::descendants::{end_all, has_children};
    // Mostly there is none.
    let found = has_children();
    if found {
        end_all(&std::collections::BTreeSet::new());
    }
    found
}

#[cfg(not(target_os = "linux"))]
fn end_descendants() -> bool {
    false
}
