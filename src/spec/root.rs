//! The project root.

use std::path::{Path, PathBuf};

/// What marks a folder as a project's root.
const MARKS: [&str; 3] = [".retake", ".git", "Cargo.toml"];

/// Whether something in `folder` says that it is a project's root.
pub fn is_marked(folder: &Path) -> bool {
    MARKS.iter().any(|mark| folder.join(mark).exists())
}

/// The root of the project that a pipeline file belongs to: the nearest ancestor that holds `.retake`,
/// `.git` or `Cargo.toml`, else the parent of a folder named `pipelines`, else the file's folder.
/// Absolute.
pub fn of(file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().unwrap_or(Path::new("/"));
    if let Some(root) = folder.ancestors().find(|folder| is_marked(folder)) {
        return root.to_owned();
    }
    let pipelines = folder
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "pipelines"));
    pipelines
        .and_then(Path::parent)
        .unwrap_or(folder)
        .to_owned()
}
