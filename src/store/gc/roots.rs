//! Who uses a store: one file for each pipeline and profile that ran with it, and one for each pin.
//!
//! `roots/<digest>.run` remembers the project, the pipeline and the keys that each node had, with when they were last
//! used; the file's own time is when the keys that come first were. A run that changes nothing sets that time and
//! writes nothing. `roots/<digest>.pin` holds keys that are to stay until they are unpinned.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::{Store, StoreError};
use crate::hash::Digest;

/// How many keys are remembered of a node.
const REMEMBERED: usize = 64;

/// The first line of a run's file; one line a node follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Runs {
    /// the project root
    pub(super) project: PathBuf,
    /// the pipeline's file
    pub(super) pipeline: PathBuf,
    pub(super) profile: Option<String>,
    /// of the keys that come first
    current: Digest,
    #[serde(skip)]
    pub(super) nodes: BTreeMap<String, Vec<Use>>,
}

/// A key that a node had, and when it was last used in seconds since 1970; the newest first.
pub(super) type Use = (Digest, u64);

/// Keys that are to stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// the pipeline's file
    pub pipeline: PathBuf,
    /// its profile
    pub profile: Option<String>,
    /// `--set` as it was given
    pub sets: Vec<(String, String)>,
    /// node → key
    pub keys: BTreeMap<String, Digest>,
}

/// Sets a file's time to now.
fn touch(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.set_modified(SystemTime::now()))
        .map_err(|e| StoreError::io(path, e))
}

impl Store {
    /// Remembers that a pipeline of a project ran and which keys its nodes had. In a store that may not be written
    /// nothing is remembered, and nothing can be deleted.
    ///
    /// # Errors
    /// When it cannot be written for another reason.
    pub fn remember_run(
        &self,
        project: &Path,
        pipeline: &Path,
        profile: Option<&str>,
        keys: &BTreeMap<String, Digest>,
    ) -> Result<(), StoreError> {
        let remembered = self.remember_run_in_writable(project, pipeline, profile, keys);
        remembered.or_else(|error| match &error {
            StoreError::Io { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                Ok(())
            }
            _ => Err(error),
        })
    }

    fn remember_run_in_writable(
        &self,
        project: &Path,
        pipeline: &Path,
        profile: Option<&str>,
        keys: &BTreeMap<String, Digest>,
    ) -> Result<(), StoreError> {
        let pipeline = std::path::absolute(pipeline).map_err(|e| StoreError::io(pipeline, e))?;
        if !pipeline.is_file() {
            return Ok(());
        }
        let path = self.roots(&json!([pipeline, profile]), "run")?;
        let current = current(keys);
        if read_header(&path).is_some_and(|runs| runs.current == current) {
            return touch(&path);
        }
        let mut nodes = read_runs(&path).map(|runs| runs.nodes).unwrap_or_default();
        for (node, key) in keys {
            let uses = nodes.entry(node.clone()).or_default();
            uses.retain(|(other, _)| other != key);
            uses.insert(0, (*key, now()));
            uses.truncate(REMEMBERED);
        }
        let runs = Runs {
            project: project.to_path_buf(),
            pipeline,
            profile: profile.map(str::to_owned),
            current,
            nodes,
        };
        let lines = std::iter::once(json!(runs).to_string())
            .chain(runs.nodes.iter().map(|node| json!(node).to_string()));
        let text: Vec<String> = lines.collect();
        self.write_whole(&path, (text.join("\n") + "\n").as_bytes())?;
        // Its time is that of the last use, not that of a seal.
        touch(&path)
    }

    /// Remembers that what the last run of a pipeline came to was used again.
    ///
    /// # Errors
    /// When no run of it is known, or the store cannot be written; no harm is done.
    pub fn remember_use(&self, pipeline: &Path, profile: Option<&str>) -> Result<(), StoreError> {
        let pipeline = std::path::absolute(pipeline).map_err(|e| StoreError::io(pipeline, e))?;
        touch(&self.roots(&json!([pipeline, profile]), "run")?)
    }

    /// What is remembered of all runs.
    ///
    /// # Errors
    /// When a file cannot be understood: nobody knows then whose results must stay.
    pub(super) fn runs(&self) -> Result<Vec<Runs>, StoreError> {
        let paths = self.root_files("run");
        paths
            .map(|path| read_runs(&path).ok_or_else(|| unreadable(&path)))
            .collect()
    }

    /// Forgets the pipelines of a project; gives how many there were.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn forget_project(&self, project: &Path) -> Result<usize, StoreError> {
        let paths: Vec<PathBuf> = self.root_files("run").collect();
        let of_project = paths
            .iter()
            .filter(|path| read_header(path).is_some_and(|runs| runs.project == project));
        let mut forgotten = 0;
        for path in of_project {
            fs::remove_file(path).map_err(|e| StoreError::io(path, e))?;
            forgotten += 1;
        }
        Ok(forgotten)
    }

    /// Keeps the keys of a pin until it is removed; one of the same pipeline, profile and settings is replaced.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        let path = self.roots(&json!([pin.pipeline, pin.profile, pin.sets]), "pin")?;
        self.write_whole(&path, json!(pin).to_string().as_bytes())
    }

    /// Removes the pins of a pipeline and profile, whatever their settings; gives how many there were.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn unpin(&self, pipeline: &Path, profile: Option<&str>) -> Result<usize, StoreError> {
        let mut removed = 0;
        for path in self.root_files("pin") {
            let pin = read_pin(&path)?;
            if pin.pipeline == pipeline && pin.profile.as_deref() == profile {
                fs::remove_file(&path).map_err(|e| StoreError::io(&path, e))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// All pins.
    ///
    /// # Errors
    /// When one cannot be understood.
    pub fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        self.root_files("pin").map(|path| read_pin(&path)).collect()
    }

    fn root_files(&self, extension: &'static str) -> impl Iterator<Item = PathBuf> {
        self.files("roots")
            .filter(move |path| path.extension().is_some_and(|end| end == extension))
    }

    fn roots(&self, name: &serde_json::Value, extension: &str) -> Result<PathBuf, StoreError> {
        let name = Digest::of_value(name);
        Ok(self.folder("roots")?.join(format!("{name}.{extension}")))
    }
}

/// The first line of the file of a pipeline's runs.
fn read_header(path: &Path) -> Option<Runs> {
    let mut line = String::new();
    BufReader::new(File::open(path).ok()?)
        .read_line(&mut line)
        .ok()?;
    serde_json::from_str(&line).ok()
}

fn read_pin(path: &Path) -> Result<Pin, StoreError> {
    let text = fs::read(path).map_err(|e| StoreError::io(path, e))?;
    serde_json::from_slice(&text).map_err(|_| unreadable(path))
}

fn unreadable(path: &Path) -> StoreError {
    StoreError::unsuitable(
        path,
        "it cannot be read, and says which results must stay; restore it, or delete it to let them go",
    )
}

/// Reads the file of a pipeline's runs; the keys that come first were last used when it was touched.
fn read_runs(path: &Path) -> Option<Runs> {
    let touched = fs::metadata(path).ok()?.modified().ok()?;
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines();
    let mut runs: Runs = serde_json::from_str(lines.next()?).ok()?;
    for line in lines {
        let (node, mut uses): (String, Vec<Use>) = serde_json::from_str(line).ok()?;
        if let Some((_, used)) = uses.first_mut() {
            *used = seconds(touched).max(*used);
        }
        runs.nodes.insert(node, uses);
    }
    Some(runs)
}

/// The digest of the keys of all nodes. Of raw bytes: it is made by every run, of all its nodes.
fn current(keys: &BTreeMap<String, Digest>) -> Digest {
    let mut bytes = Vec::with_capacity(64 * keys.len());
    for (node, key) in keys {
        bytes.extend(key.as_bytes());
        bytes.extend(node.as_bytes());
        bytes.push(0);
    }
    Digest::of_bytes(&bytes)
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    seconds(SystemTime::now())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
