//! Guards: processes of ours that are the parents of commands, so that none outlives retake, however that ends.
//!
//! A guard is this program again, under another name, in a session of its own, started with the first command. It
//! carries out one order at a time, so that whatever descends from it while a command runs is that command's, in
//! whichever group or session; as many are kept as commands run at once. Its `serve` reads from a socket whose other end
//! retake alone holds: when retake dies, even by `kill -9` of its whole group, the socket closes, and the guard
//! ends all that descends from it before it ends itself. A command is the child of a guard from its first instant, so at
//! none is it known to nobody.
//!
//! Should a guard be killed, its children become retake's, which ends them.
//!
//! Where this crate is used by another program, whose executable cannot become a guard, a thread serves, and a
//! command's process group is what ends with it.

#[cfg(target_os = "linux")]
mod descendants;
mod message;
#[cfg(target_os = "linux")]
mod restrict;
mod serve;

pub use message::{Answer, Bounds, Order};

use std::collections::BTreeSet;
use std::io::{self, PipeReader};
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serve::{Reach, serve};

/// The name that a guard goes by; not retake's, so that `pkill retake` does not meet it.
const NAME: &str = "stage-guard";

/// Whether this program's `main` calls [`enter`], and so can become a guard.
static CAN_BE_GUARD: AtomicBool = AtomicBool::new(false);

/// Guards that wait for orders, and the ids of all.
static POOL: Mutex<Pool> = Mutex::new(Pool {
    idle: Vec::new(),
    ids: BTreeSet::new(),
});

struct Pool {
    idle: Vec<Guard>,
    ids: BTreeSet<i32>,
}

/// A guard that carries out orders for this process.
pub struct Guard {
    /// where orders go and answers come from
    pub socket: UnixStream,
    /// what commands print; reading does not wait
    pub log: PipeReader,
    /// its process; none where a thread serves
    process: Option<Child>,
}

/// To be called by `main` before anything else: gives the exit code where this process is to be a guard and has been
/// one. A program that calls it can become a guard, so commands that it runs get one.
pub fn enter() -> Option<ExitCode> {
    if std::env::args_os().next().is_none_or(|name| name != NAME) {
        CAN_BE_GUARD.store(cfg!(target_os = "linux"), Ordering::Relaxed);
        return None;
    }
    Some(match be_guard() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// Ends the guards that wait for orders.
pub fn dismiss() {
    let idle = std::mem::take(&mut pool().idle);
    for guard in idle {
        guard.end();
    }
}

/// Whether commands are held to their [`Bounds`] here.
pub fn holds_bounds() -> bool {
    #[cfg(target_os = "linux")]
    return restrict::is_available();
    #[cfg(not(target_os = "linux"))]
    false
}

/// The version of Landlock that holds commands to their [`Bounds`]; none where nothing does.
pub fn landlock_version() -> Option<i32> {
    #[cfg(target_os = "linux")]
    return restrict::version();
    #[cfg(not(target_os = "linux"))]
    None
}

impl Guard {
    /// A guard with `order` sent to it.
    ///
    /// # Errors
    /// When none can be started, or the order cannot be sent.
    pub fn with(order: &Order) -> io::Result<Self> {
        let idle = pool().idle.pop();
        if let Some(mut guard) = idle {
            match order.send(&mut guard.socket) {
                Ok(()) => return Ok(guard),
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    guard.keep();
                    return Err(error);
                }
                // Killed while it had nothing to do.
                Err(_) => guard.end(),
            }
        }
        let mut guard = Self::start()?;
        order.send(&mut guard.socket)?;
        Ok(guard)
    }

    /// Asks that the command be ended.
    ///
    /// # Errors
    /// When it is gone.
    pub fn stop(&mut self) -> io::Result<()> {
        message::send_stop(&mut self.socket)
    }

    /// Kills a guard that does not do as asked: somebody has stopped it, perhaps its own command.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            // It can only have ended.
            let _ = process.kill();
        }
    }

    /// Keeps it for the next order.
    pub fn keep(self) {
        pool().idle.push(self);
    }

    /// After it died: ends what its command left, which this process has inherited.
    pub fn clean_up(self) {
        self.end();
        #[cfg(target_os = "linux")]
        if CAN_BE_GUARD.load(Ordering::Relaxed) {
            // Held, so that no guard is started that the list lacks.
            let pool = pool();
            descendants::end_all(&pool.ids);
        }
    }

    fn start() -> io::Result<Self> {
        let (socket, other) = UnixStream::pair()?;
        let (log, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&log, true)?;
        let process = if CAN_BE_GUARD.load(Ordering::Relaxed) {
            Some(start_process(other, writer)?)
        } else {
            std::thread::Builder::new().spawn(move || serve(other, &writer, Reach::Group))?;
            None
        };
        Ok(Self {
            socket,
            log,
            process,
        })
    }

    /// Closes the socket, which ends it, and waits for that.
    fn end(self) {
        drop(self.socket);
        let Some(mut process) = self.process else {
            return;
        };
        // Its id is its own until it is waited for.
        pool().ids.remove(&process.id().cast_signed());
        let _ = process.wait();
    }
}

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(target_os = "linux")]
fn start_process(socket: UnixStream, log: io::PipeWriter) -> io::Result<Child> {
    use std::os::fd::OwnedFd;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    let mut pool = pool();
    if pool.ids.is_empty() {
        descendants::adopt()?;
    }
    let errors = log.try_clone()?;
    let start = |program: &std::ffi::OsStr| {
        let mut command = Command::new(program);
        // In the same environment: it names libraries that the program may need to start.
        command.arg0(NAME);
        command.stdin(Stdio::from(OwnedFd::from(socket)));
        command.stdout(log).stderr(errors);
        command.spawn()
    };
    // The file that runs, even if another has been put in its place by now.
    let child = start("/proc/self/exe".as_ref())?;
    pool.ids.insert(child.id().cast_signed());
    Ok(child)
}

#[cfg(not(target_os = "linux"))]
fn start_process(_socket: UnixStream, _log: io::PipeWriter) -> io::Result<Child> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn be_guard() -> io::Result<()> {
    use std::os::fd::AsFd;

    // Out of retake's group, so that what is sent to that does not come here.
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(c"stage-guard");
    descendants::adopt()?;
    std::env::set_current_dir("/")?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let log = io::PipeWriter::from(io::stdout().as_fd().try_clone_to_owned()?);
    serve(socket, &log, Reach::Descendants)
}

#[cfg(not(target_os = "linux"))]
fn be_guard() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
