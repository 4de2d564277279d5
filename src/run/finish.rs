//! What follows a result: publishing, the lock file, and what `explain` compares with next time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::event::Event;
use super::resolve::{Session, Settled};
use super::text;
use crate::hash::Digest;
use crate::plan::Plan;
use crate::stage::{Artifact, Format};
use crate::store::{LockBlock, LockFile, Published, Record, StoreError};

/// Device class under which the lock file keeps nodes whose bytes depend on no device.
const ANY_DEVICE: &str = "any";

/// How publishing went.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placed {
    /// All is as it should be.
    Well,
    /// Bytes in the store turned out to be damaged, which ones: they have to be made again.
    Damaged(String),
    /// Something could not be written.
    Badly,
}

/// Publishes results and keeps the lock file.
pub struct Finisher<'a> {
    session: &'a Session<'a>,
}

impl<'a> Finisher<'a> {
    /// A finisher for the nodes of `session`.
    pub fn new(session: &'a Session<'a>) -> Self {
        Self { session }
    }

    /// Compares a node's published files with its result and rewrites them where they differ.
    pub fn publish(&self, id: usize, settled: &Settled, emit: &mut dyn FnMut(Event)) -> Placed {
        let name = &self.session.plan.nodes[id].name;
        let mut placed = Placed::Well;
        for (_, artifact, path) in self.places(id, &settled.record) {
            match self.session.store.publish(artifact, &path) {
                Ok(Published::Unchanged) => {}
                Ok(Published::Written) => emit(Event::Published {
                    stage: name.stage.clone(),
                    axes: name.axes.clone(),
                    path,
                    trashed: None,
                }),
                Ok(Published::ReplacedEdited(trashed)) => emit(Event::Published {
                    stage: name.stage.clone(),
                    axes: name.axes.clone(),
                    path,
                    trashed: Some(trashed),
                }),
                // The store has said so, and no longer counts them as there.
                Err(error @ (StoreError::Missing { .. } | StoreError::Corrupt { .. })) => {
                    placed = placed.max(Placed::Damaged(error.to_string()));
                }
                Err(error) => {
                    placed = Placed::Badly;
                    emit(Event::Note {
                        message: format!("{name}: could not publish {}: {error}", path.display()),
                    });
                }
            }
        }
        placed
    }

    /// Where the node's main output is published, if it is.
    pub fn published_at(&self, id: usize, record: &Record) -> Option<PathBuf> {
        let outputs = self.session.plan.nodes[id].config.outputs();
        let main = outputs.into_iter().next()?;
        let published = self.places(id, record).into_iter();
        let mut of_main = published.filter(|(output, ..)| *output == main.name);
        of_main.next().map(|(.., path)| path)
    }

    /// Published outputs with their places in the work tree.
    fn places<'r>(&self, id: usize, record: &'r Record) -> Vec<(String, &'r Artifact, PathBuf)> {
        let plan = self.session.plan;
        let placed = published(plan, id)
            .into_iter()
            .filter_map(|(output, path)| {
                let artifact = record.outputs.get(&output)?;
                Some((output, artifact, place(plan, &path, artifact.format)))
            });
        placed.collect()
    }

    /// The files that a node has in the work tree, and what they hold.
    ///
    /// # Errors
    /// When a folder's manifest cannot be read.
    pub fn published_files(
        &self,
        id: usize,
        record: &Record,
    ) -> Result<Vec<(PathBuf, Digest)>, StoreError> {
        let mut files = Vec::new();
        for (_, artifact, path) in self.places(id, record) {
            if artifact.format != Format::Folder {
                files.push((path, artifact.digest));
                continue;
            }
            let manifest = self.session.store.manifest(artifact)?;
            let entries = manifest.files.into_iter();
            files.extend(entries.map(|(name, file)| (path.join(name), file.digest)));
        }
        Ok(files)
    }

    /// The folders that a node has in the work tree.
    pub fn published_folders(&self, id: usize, record: &Record) -> Vec<PathBuf> {
        let places = self.places(id, record).into_iter();
        places
            .filter(|(_, artifact, _)| artifact.format == Format::Folder)
            .map(|(.., path)| path)
            .collect()
    }

    /// Whether a lock file holds what the nodes of `order` came to.
    pub fn all_locked(
        &self,
        lock: &LockFile,
        order: &[usize],
        settled: &[Option<Settled>],
    ) -> bool {
        let plan = self.session.plan;
        order.iter().all(|id| {
            let Some(Settled { record, .. }) = &settled[*id] else {
                return false;
            };
            let name = plan.nodes[*id].name.to_string();
            lock.classes(plan.profile.as_deref(), &name)
                .any(|(_, locked)| *locked == block(record))
        })
    }

    /// Whether the lock file holds this node with this key, on whichever device class.
    pub fn is_locked(&self, id: usize, key: &Digest) -> bool {
        self.locked(id, key).is_some()
    }

    /// Whether the lock file holds this node with what the record holds.
    pub fn is_as_locked(&self, id: usize, record: &Record) -> bool {
        let outputs = block(record).outputs;
        self.locked(id, &record.key)
            .is_some_and(|locked| locked.outputs == outputs)
    }

    fn locked(&self, id: usize, key: &Digest) -> Option<&LockBlock> {
        let plan = self.session.plan;
        let name = plan.nodes[id].name.to_string();
        self.session
            .lock
            .classes(plan.profile.as_deref(), &name)
            .map(|(_, block)| block)
            .find(|block| block.key == *key)
    }

    /// Writes what depends on clock and machine beside each published report: `run.json`, not tracked.
    fn write_timings(&self, id: usize, settled: &[Option<Settled>]) -> std::io::Result<()> {
        let plan = self.session.plan;
        let folder = settled[id]
            .as_ref()
            .and_then(|settled| self.published_at(id, &settled.record));
        let Some(folder) = folder.filter(|path| path.is_dir()) else {
            return Ok(());
        };
        let upstream = plan.upstream(&[id]).into_iter().filter_map(|id| {
            let key = settled[id].as_ref()?.record.key;
            Some((
                plan.nodes[id].name.to_string(),
                self.session.store.timings(&key),
            ))
        });
        let nodes: BTreeMap<_, _> = upstream
            .filter(|(_, timings)| !timings.is_empty())
            .collect();
        let mut text = serde_json::to_string_pretty(&json!({ "timings": nodes }))?;
        text.push('\n');
        let path = folder.join("run.json");
        if std::fs::read_to_string(&path).is_ok_and(|before| before == text) {
            return Ok(());
        }
        std::fs::write(path, text)
    }

    /// Writes the lock file (not for runs with `--set`, nor with `keep_lock`) and remembers keys for
    /// `explain`. Whether the lock file is now as it should be.
    pub fn write(
        &self,
        settled: &[Option<Settled>],
        keep_lock: bool,
        emit: &mut dyn FnMut(Event),
    ) -> bool {
        let plan = self.session.plan;
        let mut blocks: BTreeMap<String, BTreeMap<String, LockBlock>> = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for (node, settled) in plan.nodes.iter().zip(settled) {
            let Some(Settled { record, .. }) = settled else {
                continue;
            };
            // Of the record, not of this machine: it may come from another class.
            let class = record.recipe.get("device").and_then(|class| class.as_str());
            let class = class.unwrap_or(ANY_DEVICE).to_owned();
            blocks
                .entry(class)
                .or_default()
                .insert(node.name.to_string(), block(record));
            keys.insert(node.name.to_string(), record.key);
        }
        let mut note = |what: &str, error: String| {
            emit(Event::Note {
                message: format!("could not write {what}: {error}"),
            });
        };
        for (id, node) in plan.nodes.iter().enumerate() {
            let reported = node.config.publishes().is_some() && settled[id].is_some();
            if reported && let Err(error) = self.write_timings(id, settled) {
                note("run.json", error.to_string());
            }
        }
        let (store, profile) = (self.session.store, plan.profile.as_deref());
        if let Err(error) = store.remember_keys(&text::pipeline(plan), profile, &keys) {
            note("the index of last keys", error.to_string());
        }
        if let Err(error) = store.remember_run(&plan.root, &plan.file, profile, &keys) {
            note("what gc is to keep", error.to_string());
        }
        if keep_lock || !plan.sets.is_empty() || blocks.is_empty() {
            return true;
        }
        let all: BTreeSet<String> = plan
            .nodes
            .iter()
            .map(|node| node.name.to_string())
            .collect();
        let path = LockFile::path_for(&plan.file);
        let mut well = true;
        for (class, blocks) in blocks {
            if let Err(error) = store.update_lock_file(&path, profile, &class, blocks, &all) {
                note("the lock file", error.to_string());
                well = false;
            }
        }
        well
    }
}

fn block(record: &Record) -> LockBlock {
    let digests = record
        .outputs
        .iter()
        .map(|(name, artifact)| (name.clone(), artifact.digest));
    LockBlock {
        key: record.key,
        outputs: digests.collect(),
        scalars: record.scalars.clone(),
    }
}

/// Where the report `id` is to be published in the work tree.
pub fn report_places(plan: &Plan, id: usize) -> Vec<PathBuf> {
    let paths = published(plan, id).into_iter();
    paths
        .map(|(_, path)| place(plan, &path, Format::Folder))
        .collect()
}

/// The outputs of node `id` that are to be published, and where.
fn published(plan: &Plan, id: usize) -> Vec<(String, String)> {
    let node = &plan.nodes[id];
    let mut published: Vec<(String, String)> = node
        .publish
        .iter()
        .map(|(output, path)| (output.clone(), path.clone()))
        .collect();
    let main = node.config.outputs().into_iter().next();
    if let (Some(main), Some(path)) = (main, node.config.publishes()) {
        published.push((main.name, path.to_owned()));
    }
    published
}

/// A path of the pipeline's in the work tree; of another profile than the default, beside.
fn place(plan: &Plan, path: &str, format: Format) -> PathBuf {
    match &plan.profile {
        None => plan.root.join(path),
        Some(profile) => plan.root.join(beside(path, format, profile)),
    }
}

/// `reports/shapes` → `reports/shapes-smoke`; a file keeps its extension: `out/grid.png` →
/// `out/grid-smoke.png`.
fn beside(path: &str, format: Format, profile: &str) -> PathBuf {
    let path = Path::new(path);
    let extension = path.extension().filter(|_| format != Format::Folder);
    let name = if let Some(extension) = extension {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        format!("{stem}-{profile}.{}", extension.to_string_lossy())
    } else {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name}-{profile}")
    };
    path.with_file_name(name)
}
