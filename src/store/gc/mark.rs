//! Finding out what nobody needs. Reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::{LockFile, Store, StoreError};
use super::measure::{beside, leftovers, measure, size};
use super::roots::{Runs, now};
use super::take::{Known, Tally, take_records};
use super::{GcClass, GcPlan, GcRequest, Item};
use crate::hash::Digest;
use crate::stage::{Artifact, Format, Part};

/// What must stay.
#[derive(Debug, Default)]
struct Roots {
    keys: BTreeSet<Digest>,
    objects: BTreeSet<Digest>,
}

impl Store {
    /// What a gc would delete.
    ///
    /// # Errors
    /// When a lock file, or what the store knows of the projects that use it, cannot be read: nobody knows then what
    /// must stay.
    pub fn plan_gc(&self, request: &GcRequest) -> Result<GcPlan, StoreError> {
        let mut plan = GcPlan {
            size: measure(self),
            ..GcPlan::default()
        };
        let runs = self.runs()?;
        let roots = self.gc_roots(request, &runs, &mut plan)?;
        let known = self.known(request, &runs, &roots, &mut plan);
        let cutoff = request.older_than.map(|age| now().saturating_sub(age));
        let is_old = |changed: u64| cutoff.is_none_or(|cutoff| changed <= cutoff);

        let mut tally = self.tally(&known, &roots);
        tally.size = plan.size;
        let keys: BTreeSet<Digest> = known.iter().map(|known| known.entry.key).collect();
        let left = leftovers(self).into_iter();
        let left = left.map(|(path, bytes)| (Item::Session(path), bytes));
        for (item, bytes) in left.chain(self.widowed(&keys)) {
            tally.size = tally.size.saturating_sub(bytes);
            plan.add(GcClass::Leftovers, item, bytes);
        }
        if request.older_than.is_some() {
            let classes = [
                ("quarantine", GcClass::Quarantine),
                ("trash", GcClass::Trash),
                ("logs", GcClass::Logs),
            ];
            for (folder, class) in classes {
                for found in beside(self, folder) {
                    let has_record = class == GcClass::Logs
                        && found.digest().is_some_and(|key| keys.contains(&key));
                    if is_old(found.changed) && !has_record {
                        tally.size = tally.size.saturating_sub(found.bytes);
                        plan.add(class, Item::Path(found.path), found.bytes);
                    }
                }
            }
        }
        let all: Vec<Digest> = tally.bytes.keys().copied().collect();
        for digest in &all {
            tally.drop_unnamed(digest);
        }

        self.take_states(request, &known, is_old, &mut tally, &mut plan);
        take_records(request, &known, is_old, &mut tally, &mut plan);

        let in_use: BTreeSet<Digest> = known
            .iter()
            .filter(|known| known.in_use)
            .flat_map(|known| known.objects.iter().copied())
            .collect();
        for view in beside(self, "views") {
            let needed = view.digest().is_some_and(|digest| {
                tally.names.contains_key(&digest)
                    || roots.objects.contains(&digest)
                    || in_use.contains(&digest)
            });
            if !needed {
                plan.add(GcClass::Views, Item::Path(view.path), view.bytes);
            }
        }
        for (digest, bytes) in std::mem::take(&mut tally.gone) {
            plan.add(GcClass::Objects, Item::Object(digest), bytes);
        }
        plan.known = known.into_iter().map(|known| known.entry).collect();
        Ok(plan)
    }

    /// Keys and objects that lock files and pins hold, and those of projects that cannot be looked at.
    fn gc_roots(
        &self,
        request: &GcRequest,
        runs: &[Runs],
        plan: &mut GcPlan,
    ) -> Result<Roots, StoreError> {
        let mut roots = Roots::default();
        let mut locks: BTreeSet<PathBuf> = request.locks.iter().cloned().collect();
        for run in runs {
            // An empty mount point is no project.
            if run.pipeline.is_file() {
                locks.insert(LockFile::path_for(&run.pipeline));
                continue;
            }
            let current = run.nodes.values().filter_map(|uses| uses.first());
            let keys: Vec<Digest> = current.map(|(key, _)| *key).collect();
            plan.notes.push(format!(
                "project {} is not there: {} keys of {} stay (`--forget` lets them go)",
                run.project.display(),
                keys.len(),
                run.pipeline.display()
            ));
            roots.keys.extend(keys);
        }
        for pin in self.pins()? {
            roots.keys.extend(pin.keys.values());
        }
        for path in locks {
            for (_, _, _, block) in LockFile::read(&path)?.iter() {
                roots.keys.insert(block.key);
                for digest in block.outputs.values() {
                    roots.objects.extend(self.with_files(digest));
                }
            }
        }
        Ok(roots)
    }

    /// An object whose form is not known: itself and, if it is a folder, its files.
    fn with_files(&self, digest: &Digest) -> Vec<Digest> {
        const FOLDER: &[u8] = b"{\"folder\":";
        let mut begins = [0; FOLDER.len()];
        let read =
            File::open(self.object_path(digest)).and_then(|mut file| file.read_exact(&mut begins));
        let is_folder = read.is_ok() && begins == *FOLDER;
        let format = if is_folder {
            Format::Folder
        } else {
            Format::File
        };
        self.objects_of(&Artifact {
            digest: *digest,
            bytes: 0,
            format,
        })
    }

    /// All records and parts that can be read.
    fn known(
        &self,
        request: &GcRequest,
        runs: &[Runs],
        roots: &Roots,
        plan: &mut GcPlan,
    ) -> Vec<Known> {
        let entries = self.entries();
        let mut in_use = self.relied_on();
        let mut roots = roots.keys.clone();
        let mut used: BTreeMap<Digest, u64> = BTreeMap::new();
        for uses in runs.iter().flat_map(|run| run.nodes.values()) {
            for (key, time) in uses {
                let last = used.entry(*key).or_default();
                *last = (*last).max(*time);
            }
            let kept = request.keep_last.unwrap_or_default();
            roots.extend(uses.iter().take(kept).map(|(key, _)| *key));
        }
        let mut of_nodes: BTreeSet<Digest> = used.keys().copied().collect();
        // A part lives as long as any record that it belongs to.
        for entry in entries.iter().filter(|entry| !entry.is_part) {
            let time = used.get(&entry.key).copied().unwrap_or_default();
            let time = time.max(entry.version.seconds());
            for part in self.parts_of(&entry.key) {
                let last = used.entry(part).or_default();
                *last = (*last).max(time);
                for set in [&mut roots, &mut in_use, &mut of_nodes] {
                    if set.contains(&entry.key) {
                        set.insert(part);
                    }
                }
            }
        }
        let mut unusable = 0;
        let mut known = Vec::new();
        for entry in entries {
            let Some(named) = self.named_by(&entry) else {
                unusable += 1;
                continue;
            };
            let parts = size(&self.parts_path(&entry.key));
            known.push(Known {
                objects: named
                    .values()
                    .flat_map(|artifact| self.objects_of(artifact))
                    .collect(),
                state: named
                    .get(Part::RESUME)
                    .filter(|_| entry.is_part)
                    .map(|artifact| artifact.digest),
                bytes: entry.bytes + parts,
                used: used
                    .get(&entry.key)
                    .copied()
                    .unwrap_or_default()
                    .max(entry.version.seconds()),
                root: roots.contains(&entry.key),
                in_use: in_use.contains(&entry.key),
                of_node: of_nodes.contains(&entry.key),
                entry,
            });
        }
        if unusable > 0 {
            plan.notes.push(format!(
                "{unusable} records cannot be used and are left (`retake doctor --check-store` moves them aside)"
            ));
        }
        known
    }

    fn tally(&self, known: &[Known], roots: &Roots) -> Tally {
        let mut names: BTreeMap<Digest, usize> = BTreeMap::new();
        for digest in known.iter().flat_map(|known| &known.objects) {
            *names.entry(*digest).or_default() += 1;
        }
        Tally {
            bytes: self.objects().0,
            names,
            roots: roots.objects.clone(),
            size: 0,
            gone: Vec::new(),
        }
    }

    /// Files beside records that have gone, with their sizes.
    fn widowed(&self, keys: &BTreeSet<Digest>) -> Vec<(Item, u64)> {
        // `timings` held what is now in the records.
        let files = ["parts", "timings"].into_iter();
        files
            .flat_map(|table| self.files(table))
            .filter_map(|path| {
                let key = key_in(&path).filter(|key| !keys.contains(key))?;
                let bytes = size(&path);
                let alone = self.is_without_record(&key);
                alone.then_some((Item::Widow(key, path), bytes))
            })
            .collect()
    }
}

/// The key that a file in a sharded folder is of.
fn key_in(path: &Path) -> Option<Digest> {
    let shard = path.parent()?.file_name()?.to_str()?;
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".json").unwrap_or(name);
    format!("{shard}{name}").parse().ok()
}
