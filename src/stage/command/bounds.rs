//! What a command is allowed to read and write.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use walkdir::WalkDir;

use super::guard::{Bounds, Order};
use super::layout::is_users;
use crate::stage::{StageCtx, StageError};

/// The bounds of the command of `order`, whose private directory is `out`.
pub fn of(order: &Order, out: &Path, ctx: &StageCtx<'_>) -> Result<Bounds, StageError> {
    let mut reads = Vec::new();
    for node in ctx.inputs.values().flat_map(|input| &input.nodes) {
        let path = node.path();
        let path = std::path::absolute(path).map_err(|e| StageError::io(path, e))?;
        if is_users(node) {
            linked(&path, &mut reads);
        }
        reads.push(path);
    }
    if let Some(project) = &ctx.project {
        let path = order.env.iter().find(|(name, _)| name == "PATH");
        reads.extend(path.iter().flat_map(|(_, path)| known_tools(path, project)));
    }
    Ok(Bounds {
        project: ctx.project.clone(),
        reads,
        writes: vec![out.to_path_buf()],
    })
}

/// [`tools`], looked for once as long as neither changes: every command asks.
fn known_tools(path: &OsStr, project: &Path) -> Vec<PathBuf> {
    static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = &*known
        && known.path == path
        && known.project == project
    {
        return known.tools.clone();
    }
    let real = fs::canonicalize(project).unwrap_or_else(|_| project.to_path_buf());
    let tools = tools(path, &real);
    *known = Some(Known {
        path: path.to_owned(),
        project: project.to_owned(),
        tools: tools.clone(),
    });
    tools
}

struct Known {
    path: OsString,
    project: PathBuf,
    tools: Vec<PathBuf>,
}

/// The folders within `project` that `path`, a PATH, names: programs, such as those of a virtual environment, are no
/// inputs. Of a folder of programs only (`bin`), what lies beside it belongs to them.
fn tools(path: &OsStr, project: &Path) -> Vec<PathBuf> {
    let folders = std::env::split_paths(path).filter_map(|folder| fs::canonicalize(folder).ok());
    let within = folders.filter(|folder| folder.starts_with(project) && folder != project);
    let whole = within.map(|folder| match (folder.file_name(), folder.parent()) {
        (Some(name), Some(parent)) if parent != project && (name == "bin" || name == ".bin") => {
            parent.to_path_buf()
        }
        _ => folder,
    });
    whole.collect()
}

/// What links in the user's folder `path` lead to: it counts as if it lay there.
fn linked(path: &Path, into: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        return;
    }
    let entries = WalkDir::new(path).into_iter().flatten();
    for entry in entries.filter(walkdir::DirEntry::path_is_symlink) {
        if let Ok(target) = fs::canonicalize(entry.path()) {
            if target.is_dir() {
                linked(&target, into);
            }
            into.push(target);
        }
    }
}
