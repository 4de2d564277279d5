//! Holding a command to its [`Bounds`], by the kernel's Landlock.
//!
//! Landlock knows rules that allow what lies beneath a file or folder, and none that forbids. So that nothing of the
//! project but the declared inputs can be read, everything *beside* the path from `/` to the project is allowed. What
//! appears there later, and the listing of the folders on the path itself, are denied along with the project.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
};

use super::message::Bounds;

/// The oldest version with all that is needed: files can be moved between folders.
const NEEDED: ABI = ABI::V2;
/// Where more lies beside the path to the project, every command would wait for its rules to be made; the project's
/// files can then be read.
const MOST_BESIDE: usize = 2000;

/// Whether this kernel can hold commands to their bounds.
pub fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| ruleset().is_ok())
}

/// The version of Landlock that holds commands to their bounds.
pub fn version() -> Option<i32> {
    if !is_available() {
        return None;
    }
    // Asking means to restrict oneself: a thread that does nothing else.
    let asked = std::thread::spawn(|| ruleset()?.restrict_self()).join();
    match asked.ok()?.ok()?.landlock {
        LandlockStatus::Available {
            effective_abi,
            kernel_abi,
        } => Some(kernel_abi.unwrap_or(effective_abi as i32)),
        _ => None,
    }
}

/// Restricts this thread, and what it starts, to `bounds`, for good.
///
/// # Errors
/// When the kernel refuses, or something that `bounds` names cannot be opened.
pub fn restrict(bounds: &Bounds, beside: &Beside) -> io::Result<()> {
    let read = AccessFs::from_read(NEEDED);
    let all = AccessFs::from_all(NEEDED) | AccessFs::Truncate;
    let mut rules = ruleset().map_err(io::Error::other)?;
    for file in &beside.allowed {
        rules = allow(rules, file, read)?;
    }
    if let Some(devices) = &beside.devices {
        rules = allow(rules, devices, read | AccessFs::WriteFile)?;
    }
    for memory in &beside.memory {
        rules = allow(rules, memory, all)?;
    }
    for path in &bounds.reads {
        rules = allow(rules, &open(path)?, read)?;
    }
    for path in &bounds.writes {
        rules = allow(rules, &open(path)?, all)?;
    }
    rules.restrict_self().map_err(io::Error::other)?;
    Ok(())
}

/// What may be read because it does not lie in the project, held open: it is the same for every command.
#[derive(Debug, Default)]
pub struct Beside {
    project: Option<PathBuf>,
    known: bool,
    allowed: Vec<PathFd>,
    devices: Option<PathFd>,
    /// file systems in memory that programs talk to each other through
    memory: Vec<PathFd>,
}

impl Beside {
    /// Looks around `project`, unless that was done before.
    ///
    /// # Errors
    /// When the project's folder cannot be found.
    pub fn look(&mut self, project: Option<&Path>) -> io::Result<()> {
        if self.known && self.project.as_deref() == project {
            return Ok(());
        }
        let real = project.map(fs::canonicalize).transpose()?;
        let real = real.as_deref().filter(|path| path.parent().is_some());
        let allowed = match real.and_then(beside) {
            Some(allowed) => allowed,
            None => vec![open("/".as_ref())?],
        };
        // Where the project itself is in there, nothing beyond what lies beside it.
        let open_for = |path: &str| {
            let holds_it = real.is_some_and(|real| real.starts_with(path));
            PathFd::new(path).ok().filter(|_| !holds_it)
        };
        *self = Self {
            project: project.map(Path::to_path_buf),
            known: true,
            allowed,
            devices: open_for("/dev"),
            memory: ["/dev/shm", "/dev/mqueue"]
                .into_iter()
                .filter_map(open_for)
                .collect(),
        };
        Ok(())
    }
}

/// What lies beside the path from `/` to `project`; none where that is too much.
fn beside(project: &Path) -> Option<Vec<PathFd>> {
    let mut found = Vec::new();
    let mut folder = PathBuf::from("/");
    for part in project.components().skip(1) {
        // What cannot be listed stays closed.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            // What a link leads to is allowed, or not, where it lies.
            if entry.file_name() == part.as_os_str() as &OsStr || kind.is_symlink() {
                continue;
            }
            if let Ok(file) = PathFd::new(entry.path()) {
                found.push(file);
            }
            if found.len() > MOST_BESIDE {
                return None;
            }
        }
        folder.push(part);
    }
    Some(found)
}

/// A set without rules: nothing is allowed.
fn ruleset() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(NEEDED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::Truncate)?
        .create()
}

/// Allows `access` to `file` and what lies beneath; of a file, what of that a file has.
fn allow(
    rules: RulesetCreated,
    file: &PathFd,
    access: BitFlags<AccessFs>,
) -> io::Result<RulesetCreated> {
    let rule = PathBeneath::new(file.as_fd(), access);
    rules.add_rule(rule).map_err(io::Error::other)
}

fn open(path: &Path) -> io::Result<PathFd> {
    PathFd::new(path).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}
