//! Freeing space: what nobody needs, told before it goes.
//!
//! [`Store::plan_gc`] reads and gives a [`GcPlan`]; [`Store::carry_out`] deletes what stands in it, unless somebody has
//! come to need it since. Deleting goes in batches with the [gate](gate) closed. Each looks again at what the runs
//! that go on rely on ([`uses`]) and at records written since the plan was made, so that no record ever names what gc
//! deletes, and a run that is on its way keeps what it has found. Records go before the objects that they name: a gc
//! that is killed leaves objects that nobody names, and the next one finds them.

mod gate;
mod mark;
mod measure;
mod roots;
mod sweep;
mod take;
mod uses;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::entries::Entry;
use crate::hash::Digest;

pub(super) use measure::leftovers;
pub use roots::Pin;
pub use uses::Relying;
pub(super) use uses::Uses;

/// What to delete. What is given narrows: only what fulfils all of it goes. Results of lock files and pins stay in
/// any case, and so does what runs that go on rely on.
#[derive(Debug, Clone, Default)]
pub struct GcRequest {
    /// lock files whose results stay, beside those that the store knows of
    pub locks: Vec<PathBuf>,
    /// of each node, this many of its last keys stay
    pub keep_last: Option<usize>,
    /// no more goes than it takes to come down to so many bytes
    pub max_size: Option<u64>,
    /// what was used within so many seconds stays
    pub older_than: Option<u64>,
    /// resume states go too, of whichever training
    pub states: bool,
}

impl GcRequest {
    /// Whether records go that no lock file names.
    fn takes_records(&self) -> bool {
        self.keep_last.is_some() || self.max_size.is_some() || self.older_than.is_some()
    }
}

/// A kind of thing that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GcClass {
    /// folders of processes that are gone
    Leftovers,
    /// folders that were laid out for reading
    Views,
    /// corrupt objects that were moved aside
    Quarantine,
    /// files of the user's that publishing replaced
    Trash,
    /// logs of attempts
    Logs,
    /// states to resume training from
    States,
    /// records of nodes
    Records,
    /// records of parts of work
    Parts,
    /// bytes of artifacts
    Objects,
}

/// One thing to delete.
#[derive(Debug, Clone)]
enum Item {
    /// a file or folder that is no result
    Path(PathBuf),
    /// the folder of a process that is gone
    Session(PathBuf),
    /// a file beside a record that is gone
    Widow(Digest, PathBuf),
    /// the resume state in a part
    State(Entry),
    /// a record or part
    Record(Entry),
    Object(Digest),
}

/// What a gc would delete, in this order.
#[derive(Debug, Default)]
pub struct GcPlan {
    items: Vec<(GcClass, Item, u64)>,
    /// the records that were looked at
    known: Vec<Entry>,
    /// bytes of the whole store before
    pub size: u64,
    /// what a reader should know: projects that are not there, records that cannot be used
    pub notes: Vec<String>,
}

/// How much of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GcCount {
    /// what
    pub class: GcClass,
    /// how many
    pub count: usize,
    /// how many bytes
    pub bytes: u64,
}

impl GcPlan {
    fn add(&mut self, class: GcClass, item: Item, bytes: u64) {
        self.items.push((class, item, bytes));
    }

    /// What it deletes, by class; classes of which there is nothing are left out.
    pub fn counts(&self) -> Vec<GcCount> {
        counts(self.items.iter().map(|(class, _, bytes)| (*class, *bytes)))
    }

    /// The keys whose records go.
    pub fn records(&self) -> BTreeSet<Digest> {
        let records = self.items.iter().filter_map(|(class, item, _)| match item {
            Item::Record(entry) if *class == GcClass::Records => Some(entry.key),
            _ => None,
        });
        records.collect()
    }
}

fn counts(items: impl Iterator<Item = (GcClass, u64)>) -> Vec<GcCount> {
    let mut counts = std::collections::BTreeMap::new();
    for (class, bytes) in items {
        let (count, sum) = counts.entry(class).or_insert((0, 0));
        *count += 1;
        *sum += bytes;
    }
    let counts = counts.into_iter();
    counts
        .map(|(class, (count, bytes))| GcCount {
            class,
            count,
            bytes,
        })
        .collect()
}
