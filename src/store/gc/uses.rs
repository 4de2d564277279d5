//! What a run relies on while it goes on: keys of records and parts that nobody may delete meanwhile.
//!
//! A run that only looks around shares the [gate](super::gate) until it ends and writes nothing. Before it starts its
//! first piece of work it writes down what it has found in a file of its own, `uses/<name>`, locked for as long as it
//! lives, and lets go of the gate; from then on it writes each key down *before* it looks for it. Whoever clears up
//! reads these files with the gate closed: a key is in one of them, or its owner will find it gone.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::Write;

use super::super::parts::to_lines;
use super::super::session::is_at;
use super::super::{Store, StoreError, guard};
use super::gate::Gate;
use crate::hash::Digest;

/// What this process relies on.
#[derive(Debug)]
pub(in super::super) struct Uses {
    /// before there is a file: some of them more than once
    gathered: Vec<Digest>,
    /// what is in the file
    listed: BTreeSet<Digest>,
    /// What keeps the keys: the gate, before there is a file or when it cannot be written.
    gate: Option<Gate>,
    file: Option<tempfile::NamedTempFile>,
}

/// A run's reliance on a store, ended on drop.
pub struct Relying<'a>(Option<&'a Store>);

impl Drop for Relying<'_> {
    fn drop(&mut self) {
        if let Some(store) = self.0 {
            *guard(&store.uses) = None;
        }
    }
}

impl Store {
    /// Begins a run: what it asks for from now on stays until it ends.
    pub fn rely(&self) -> Relying<'_> {
        let mut uses = guard(&self.uses);
        if uses.is_some() {
            return Relying(None);
        }
        *uses = Some(Uses {
            gathered: Vec::new(),
            listed: BTreeSet::new(),
            gate: self.share(),
            file: None,
        });
        Relying(Some(self))
    }

    /// Says that the run relies on whatever lies under `key`; to be called before it is looked for.
    pub fn rely_on(&self, key: &Digest) {
        let mut uses = guard(&self.uses);
        let Some(uses) = &mut *uses else {
            return;
        };
        let Some(file) = &mut uses.file else {
            uses.gathered.push(*key);
            return;
        };
        if uses.listed.insert(*key) && uses.gate.is_none() {
            let gate = self.share();
            if writeln!(file, "{key}").is_err() {
                // A full disk, for instance: nothing is cleared up until the run ends.
                uses.gate = gate;
            }
        }
    }

    /// Says that work begins which may take long: lets go of the gate, having written down what the run relies on.
    pub fn settle_in(&self) {
        let mut uses = guard(&self.uses);
        let Some(uses) = &mut *uses else {
            return;
        };
        if uses.file.is_some() || uses.gate.is_none() {
            return;
        }
        uses.listed.extend(uses.gathered.drain(..));
        // Where it cannot be written, the gate is kept until the run ends.
        if let Ok(file) = self.write_down(&uses.listed) {
            uses.file = Some(file);
            uses.gate = None;
        }
    }

    fn write_down(&self, keys: &BTreeSet<Digest>) -> Result<tempfile::NamedTempFile, StoreError> {
        let folder = self.folder("uses")?;
        let failed = |e| StoreError::io(&folder, e);
        let mut file = loop {
            let prefix = format!("{}-", std::process::id());
            let file = tempfile::NamedTempFile::with_prefix_in(prefix, &folder).map_err(failed)?;
            file.as_file().lock().map_err(failed)?;
            // Between its creation and its locking it may have been taken for a dead process's.
            if is_at(file.as_file(), file.path()) {
                break file;
            }
        };
        file.write_all(to_lines(keys).as_bytes()).map_err(failed)?;
        Ok(file)
    }

    /// The gate for taking a result in; none for a run that holds it all the time.
    pub(in super::super) fn share_briefly(&self) -> Option<Gate> {
        let holds = guard(&self.uses)
            .as_ref()
            .is_some_and(|uses| uses.gate.is_some());
        if holds { None } else { self.share() }
    }

    /// What the processes that are alive rely on; files of those that are not are removed.
    pub(super) fn relied_on(&self) -> BTreeSet<Digest> {
        let mut keys = BTreeSet::new();
        let entries = fs::read_dir(self.root.join("uses"));
        for path in entries.into_iter().flatten().flatten().map(|e| e.path()) {
            let Ok(file) = File::open(&path) else {
                continue;
            };
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => {
                    let _ = fs::remove_file(&path);
                }
                Ok(()) => (),
                // Locked, or nobody knows: its owner may be alive.
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {
                    let lines = fs::read_to_string(&path).unwrap_or_default();
                    keys.extend(lines.lines().filter_map(|line| line.parse::<Digest>().ok()));
                }
            }
        }
        keys
    }
}
