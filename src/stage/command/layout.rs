//! The directory that a command runs in.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use walkdir::WalkDir;

use crate::stage::{Input, InputNode, StageError};

/// Makes `in/<name>` for every input, and an empty `out/`. Inputs are links to where they lie; with `copied`, the user's
/// own are copies, as nothing else would keep a command from writing to them.
pub fn lay_out(
    scratch: &Path,
    inputs: &BTreeMap<String, Input>,
    copied: bool,
) -> Result<(), StageError> {
    for folder in [scratch, &scratch.join("out"), &scratch.join("in")] {
        make_dir(folder)?;
    }
    for (name, input) in inputs {
        let place = scratch.join("in").join(name);
        if input.gathered {
            lay_out_gather(&place, &input.nodes, copied)?;
        } else if let Some(node) = input.nodes.first() {
            lay_out_one(node, &place, copied)?;
        }
    }
    Ok(())
}

/// A gathered input: a folder with one entry for each node and an `index.json` that says which is which,
/// by what enters the key: position and axes, not the name of the stage.
fn lay_out_gather(place: &Path, nodes: &[InputNode], copied: bool) -> Result<(), StageError> {
    make_dir(place)?;
    let mut index = Vec::new();
    for (position, node) in nodes.iter().enumerate() {
        let entry = position.to_string();
        lay_out_one(node, &place.join(&entry), copied)?;
        index.push(json!({"path": entry, "axes": node.node.axes}));
    }
    let path = place.join("index.json");
    let file = File::create(&path).map_err(|e| StageError::io(&path, e))?;
    serde_json::to_writer_pretty(file, &index).map_err(|e| StageError::io(&path, e.into()))
}

fn lay_out_one(node: &InputNode, place: &Path, copied: bool) -> Result<(), StageError> {
    let target = std::path::absolute(node.path()).map_err(|e| StageError::io(node.path(), e))?;
    if copied && is_users(node) {
        return copy(&target, place);
    }
    symlink(&target, place).map_err(|e| StageError::io(place, e))
}

/// Whether an input is a file or folder of the user's, not one of the store's, which are read-only.
pub fn is_users(node: &InputNode) -> bool {
    node.node.stage.is_empty()
}

/// Copies a file, or a folder with what links in it lead to.
fn copy(from: &Path, to: &Path) -> Result<(), StageError> {
    for entry in WalkDir::new(from).follow_links(true) {
        let entry = entry.map_err(|e| StageError::io(from, e.into()))?;
        let relative = entry.path().strip_prefix(from).unwrap_or(entry.path());
        // Joined with nothing, a file's path would end with `/`.
        let place = if relative.as_os_str().is_empty() {
            to.to_path_buf()
        } else {
            to.join(relative)
        };
        if entry.file_type().is_dir() {
            make_dir(&place)?;
        } else {
            fs::copy(entry.path(), &place).map_err(|e| StageError::io(entry.path(), e))?;
        }
    }
    Ok(())
}

fn make_dir(path: &Path) -> Result<(), StageError> {
    fs::create_dir(path).map_err(|e| StageError::io(path, e))
}
