//! Deleting what a plan names, unless somebody needs it by now.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::super::entries::Entry;
use super::super::write::{remove_tree, sync_file_system};
use super::super::{Store, StoreError, guard};
use super::{GcClass, GcCount, GcPlan, Item, counts};
use crate::hash::Digest;
use crate::stage::Part;

/// How many things are deleted before others may go on.
const BATCH: usize = 4096;

/// What turned out to be needed while deleting.
#[derive(Debug, Default)]
struct Needed {
    keys: BTreeSet<Digest>,
    objects: BTreeSet<Digest>,
    /// entries whose objects are in `objects` already
    seen: BTreeSet<Digest>,
}

impl Store {
    /// Deletes what stands in `plan` and is not needed by now; gives what went.
    ///
    /// # Errors
    /// When something cannot be deleted, or the store's file system knows no locks. What went before that is gone.
    pub fn carry_out(&self, plan: &GcPlan) -> Result<Vec<GcCount>, StoreError> {
        // The first session sweeps the folders of processes that are gone.
        self.session()?;
        let mut gone = Vec::new();
        let mut needed = Needed::default();
        let mut last_class = None;
        for batch in plan.items.chunks(BATCH) {
            let _gate = self.exclude()?;
            self.look_again(plan, &mut needed);
            for (class, item, bytes) in batch {
                let begins = last_class != Some(*class);
                if begins && *class == GcClass::Objects {
                    // Records that went must not come back, by a power cut, without what they name.
                    sync_file_system(&self.root)?;
                }
                last_class = Some(*class);
                if self.delete(*class, item, &needed)? {
                    gone.push((*class, *bytes));
                }
            }
        }
        Ok(counts(gone.into_iter()))
    }

    /// Adds what runs rely on by now, and what has been written since the plan was made.
    fn look_again(&self, plan: &GcPlan, needed: &mut Needed) {
        let mut in_use = self.relied_on();
        let parts: Vec<Digest> = in_use.iter().flat_map(|key| self.parts_of(key)).collect();
        in_use.extend(parts);
        let planned = |entry: &Entry| {
            let known = plan
                .known
                .binary_search_by_key(&(entry.key, entry.is_part), |known| {
                    (known.key, known.is_part)
                });
            known.is_ok_and(|index| plan.known[index].version == entry.version)
        };
        for entry in self.entries() {
            let wanted = in_use.contains(&entry.key) || !planned(&entry);
            if !wanted || (needed.seen.contains(&entry.key) && planned(&entry)) {
                continue;
            }
            let artifacts = self.named_by(&entry).into_iter().flatten();
            for (_, artifact) in artifacts {
                needed.objects.extend(self.objects_of(&artifact));
            }
            needed.seen.insert(entry.key);
        }
        needed.keys.extend(in_use);
    }

    /// Deletes one thing unless it is needed; whether it did.
    fn delete(&self, class: GcClass, item: &Item, needed: &Needed) -> Result<bool, StoreError> {
        match item {
            Item::Path(path) => {
                let digest = path
                    .file_stem()
                    .and_then(|stem| stem.to_str()?.parse().ok());
                if class == GcClass::Views
                    && digest.is_some_and(|digest| needed.objects.contains(&digest))
                {
                    return Ok(false);
                }
                self.remove(path)?;
            }
            // Swept already, unless it turned out to be somebody's.
            Item::Session(path) => return Ok(!path.exists()),
            Item::Widow(key, path) => {
                if !self.is_without_record(key) {
                    return Ok(false);
                }
                unlink(path)?;
            }
            Item::State(entry) => {
                if needed.keys.contains(&entry.key) || !entry.is_current() {
                    return Ok(false);
                }
                self.take_state(&entry.key)?;
            }
            Item::Record(entry) => {
                if needed.keys.contains(&entry.key) || !entry.is_current() {
                    return Ok(false);
                }
                unlink(&entry.path)?;
                unlink(&self.parts_path(&entry.key))?;
                unlink(&self.log_path(&entry.key))?;
            }
            Item::Object(digest) => {
                if needed.objects.contains(digest) {
                    return Ok(false);
                }
                guard(&self.verified).remove(digest);
                unlink(&self.object_path(digest))?;
            }
        }
        Ok(true)
    }

    /// Removes a file or folder whole: it is moved away first.
    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        let aside = self.session()?.fresh("gone");
        // What cannot be moved (a folder that may not be written) is removed where it is; so is what has gone.
        let place = if fs::rename(path, &aside).is_ok() {
            aside.as_path()
        } else {
            path
        };
        remove_tree(place).map_err(|e| StoreError::io(path, e))
    }

    /// Takes the resume state out of a part.
    fn take_state(&self, key: &Digest) -> Result<(), StoreError> {
        let Some(mut part) = self.part(key)? else {
            return Ok(());
        };
        part.objects.remove(Part::RESUME);
        self.write_part(key, &part)
    }

    /// Whether neither a record nor a part lies under a key.
    pub(super) fn is_without_record(&self, key: &Digest) -> bool {
        self.entry_paths(key).iter().all(|path| !path.exists())
    }
}

/// Removes a file; its absence is fine.
fn unlink(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io(path, error)),
        _ => Ok(()),
    }
}
