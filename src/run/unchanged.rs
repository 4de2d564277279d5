//! Nothing has changed: the shortest way to say so.
//!
//! A run after which everything is cached leaves an index of all it looked at: texts of the pipeline, input files,
//! published files, records, objects, the lock file. When the same is asked again and each of them still looks as it did,
//! there is nothing to do, and that is known without parsing, planning or hashing anything: one `stat` a file. When
//! anything differs, whatever it is, the long way is taken. The index may be deleted at any time; one of another build of
//! retake, or one that is damaged, is not used.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::finish::Finisher;
use super::resolve::{Session, Settled};
use super::text;
use crate::hash::Digest;
use crate::plan::{Source, matching};
use crate::store::{LockFile, Sights, Store, StoreError};
use crate::worktree::{Sighting, Stamp};

/// Bumped when the index's format or meaning changes.
const HEADER: &[u8] = b"retake unchanged 1\n";

/// What is asked: an index answers one question.
#[derive(Debug, Clone)]
pub struct Question {
    /// the pipeline's file
    pub pipeline: PathBuf,
    /// the project root that it has now
    pub root: PathBuf,
    /// everything else on the command line that the answer depends on
    pub asked: serde_json::Value,
}

impl Question {
    /// Names the question: equal ones, asked of the same build of retake, have equal names.
    fn name(&self) -> Option<Digest> {
        let build = fs::metadata(std::env::current_exe().ok()?).ok()?;
        let build = (build.dev(), Stamp::of(&build));
        let pipeline = std::path::absolute(&self.pipeline).ok()?;
        Some(Digest::of_value(&json!({
            "build": build,
            "pipeline": pipeline.as_os_str().as_encoded_bytes(),
            "root": self.root.as_os_str().as_encoded_bytes(),
            "asked": self.asked,
        })))
    }

    /// How many nodes are cached, when everything that was looked at the last time looks the same now.
    pub fn answer(&self, store: &Store) -> Option<usize> {
        let name = self.name()?;
        let bytes = store.read_index(&name)?;
        let (seen, sights) = decode(&bytes)?;
        if !(seen.hold(store, &self.root) && sights.hold(store)) {
            return None;
        }
        if let Some(settled) = seen.settled_by_now() {
            // Next time their stamps are enough.
            let _ = store.write_index(&name, &encode(&settled, &sights));
        }
        Some(seen.cached)
    }

    /// Remembers what a run looked at that ended well, with all nodes of `order` settled; an answer that cannot be
    /// relied on is not remembered.
    ///
    /// # Errors
    /// When the index cannot be written, or something cannot be read; no harm is done.
    pub fn remember(
        &self,
        session: &Session<'_>,
        order: &[usize],
        settled: &[Option<Settled>],
        locked: bool,
    ) -> Result<(), StoreError> {
        let Some(name) = self.name() else {
            return Ok(());
        };
        let mut sights = Sights::default();
        for id in order {
            let Some(Settled { keyed, record }) = &settled[*id] else {
                return Ok(());
            };
            // A record of another device class stands in until this one has its own. Which class a stage's own `device:`
            // is, is not part of the question.
            let own_device = session.plan.nodes[*id].device.is_some();
            if own_device || record.key != keyed.key || !sights.add(session.store, record)? {
                return Ok(());
            }
        }
        sights.sort();
        let Some(seen) = Seen::gather(session, order, settled, locked)? else {
            return Ok(());
        };
        session.store.write_index(&name, &encode(&seen, &sights))
    }
}

/// What was looked at outside the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    cached: usize,
    /// texts, inputs, published files, the lock file
    files: Vec<Sighting>,
    /// folders of the user's that are inputs
    folders: Vec<(PathBuf, Digest)>,
    /// folders that were published: what lies in them besides matters too
    listings: Vec<(PathBuf, Stamp)>,
    /// patterns and what each matches
    globs: BTreeMap<String, Vec<PathBuf>>,
}

impl Seen {
    fn gather(
        session: &Session<'_>,
        order: &[usize],
        settled: &[Option<Settled>],
        locked: bool,
    ) -> Result<Option<Self>, StoreError> {
        let plan = session.plan;
        let mut seen = Self {
            cached: order.len(),
            files: plan.tree.sightings(),
            folders: Vec::new(),
            listings: Vec::new(),
            globs: plan.globs.clone(),
        };
        let finisher = Finisher::new(session);
        for id in order {
            let Some(Settled { keyed, record }) = &settled[*id] else {
                return Ok(None);
            };
            let sources = plan.nodes[*id].inputs.iter();
            for (name, _) in sources.filter(|(_, from)| matches!(from, Source::Files { .. })) {
                let nodes = keyed.inputs.get(name).into_iter();
                for node in nodes.flat_map(|input| &input.nodes) {
                    let (path, digest) = (node.path(), node.artifact().digest);
                    if path.is_dir() {
                        seen.folders.push((path.to_path_buf(), digest));
                    } else {
                        let Some(file) = session.store.sighting(path, digest) else {
                            return Ok(None);
                        };
                        seen.files.push(file);
                    }
                }
            }
            for (path, digest) in finisher.published_files(*id, record)? {
                let Some(file) = session.store.sighting(&path, digest) else {
                    return Ok(None);
                };
                seen.files.push(file);
            }
            for path in finisher.published_folders(*id, record) {
                let Ok(meta) = fs::metadata(&path) else {
                    return Ok(None);
                };
                seen.listings.push((path, Stamp::of(&meta)));
            }
        }
        if plan.sets.is_empty() || locked {
            let path = LockFile::path_for(&plan.file);
            let Some(lock) = sight_text(&path) else {
                return Ok(None);
            };
            if !finisher.all_locked(&LockFile::read(&path)?, order, settled) {
                return Ok(None);
            }
            seen.files.push(lock);
        }
        let last_keys = session
            .store
            .last_keys_path(&text::pipeline(plan), plan.profile.as_deref());
        let Some(last_keys) = sight_text(&last_keys) else {
            return Ok(None);
        };
        seen.files.push(last_keys);
        seen.files.sort_by(|a, b| a.path.cmp(&b.path));
        seen.files.dedup();
        seen.folders.sort();
        seen.folders.dedup();
        Ok(Some(seen))
    }

    fn hold(&self, store: &Store, root: &Path) -> bool {
        let listing = |(path, stamp): &(PathBuf, Stamp)| {
            fs::metadata(path).is_ok_and(|meta| Stamp::of(&meta) == *stamp)
        };
        let folder = |(path, digest): &(PathBuf, Digest)| {
            store
                .digest_input(path)
                .is_ok_and(|(now, _, is_folder)| is_folder && now == *digest)
        };
        let glob = |(pattern, files): (&String, &Vec<PathBuf>)| {
            matching(root, pattern).is_ok_and(|now| now == *files)
        };
        self.files.iter().all(Sighting::holds)
            && self.listings.iter().all(listing)
            && self.globs.iter().all(glob)
            && self.folders.iter().all(folder)
    }

    /// The same with the files settled that have been left alone for long enough by now; `None` when nothing changes.
    fn settled_by_now(&self) -> Option<Self> {
        let now = SystemTime::now();
        let mut settled = self.clone();
        for file in &mut settled.files {
            file.settled |= file.stamp.is_settled(now);
        }
        (settled.files != self.files).then_some(settled)
    }
}

/// A small file of retake's own as it is now.
fn sight_text(path: &Path) -> Option<Sighting> {
    let stamp = Stamp::of(&fs::metadata(path).ok()?);
    Some(Sighting {
        path: std::path::absolute(path).ok()?,
        stamp,
        digest: Digest::of_file(path).ok()?,
        settled: stamp.is_settled(SystemTime::now()),
    })
}

fn encode(seen: &Seen, sights: &Sights) -> Vec<u8> {
    let json = serde_json::to_vec(seen).unwrap_or_default();
    let mut bytes = HEADER.to_vec();
    bytes.extend_from_slice(&(json.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&json);
    bytes.extend_from_slice(&sights.to_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(Seen, Sights)> {
    let (length, rest) = bytes.strip_prefix(HEADER)?.split_first_chunk::<8>()?;
    let (json, rest) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
    Some((
        serde_json::from_slice(json).ok()?,
        Sights::from_bytes(rest)?,
    ))
}
