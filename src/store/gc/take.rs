//! Choosing what goes, in order, until it is enough.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Store;
use super::super::entries::Entry;
use super::{GcClass, GcPlan, GcRequest, Item};
use crate::hash::Digest;

/// A record or part and what hangs on it.
pub(super) struct Known {
    pub(super) entry: Entry,
    pub(super) objects: BTreeSet<Digest>,
    /// the resume state in a part, if it has one
    pub(super) state: Option<Digest>,
    /// bytes that go with it besides objects
    pub(super) bytes: u64,
    /// when it was last used, in seconds since 1970
    pub(super) used: u64,
    /// whether a lock file, a pin or the last keys of a node hold it
    pub(super) root: bool,
    /// whether a run that goes on relies on it
    pub(super) in_use: bool,
    /// whether it is, or belongs to, one of the keys that a node is known to have had
    pub(super) of_node: bool,
}

/// Objects with how many records and parts name them, while things are taken away.
pub(super) struct Tally {
    pub(super) bytes: BTreeMap<Digest, u64>,
    pub(super) names: BTreeMap<Digest, usize>,
    pub(super) roots: BTreeSet<Digest>,
    /// bytes of the store
    pub(super) size: u64,
    pub(super) gone: Vec<(Digest, u64)>,
}

impl Tally {
    /// One record less names an object.
    fn unname(&mut self, digest: &Digest) {
        if let Some(count) = self.names.get_mut(digest) {
            *count -= 1;
            if *count == 0 {
                self.names.remove(digest);
                self.drop_unnamed(digest);
            }
        }
    }

    /// Counts an object as gone unless something names it.
    pub(super) fn drop_unnamed(&mut self, digest: &Digest) {
        if self.names.contains_key(digest) || self.roots.contains(digest) {
            return;
        }
        if let Some(bytes) = self.bytes.remove(digest) {
            self.size = self.size.saturating_sub(bytes);
            self.gone.push((*digest, bytes));
        }
    }
}

impl Store {
    /// Resume states: where they are asked for, or as many as it takes; first those that belong to no root.
    pub(super) fn take_states(
        &self,
        request: &GcRequest,
        known: &[Known],
        is_old: impl Fn(u64) -> bool,
        tally: &mut Tally,
        plan: &mut GcPlan,
    ) {
        if !request.states && request.max_size.is_none() {
            return;
        }
        let mut candidates: Vec<&Known> = known
            .iter()
            .filter(|known| !known.in_use && is_old(known.used))
            .filter(|known| known.state.is_some_and(|state| self.check(&state).is_ok()))
            .collect();
        candidates.sort_by_key(|known| (known.root, known.used, known.entry.key));
        for candidate in candidates {
            if !request.states && fits(request, tally) {
                break;
            }
            let Some(state) = candidate.state else {
                continue;
            };
            tally.unname(&state);
            plan.add(GcClass::States, Item::State(candidate.entry.clone()), 0);
        }
    }
}

/// Records and parts that nothing holds, the longest unused first, until it is enough.
pub(super) fn take_records(
    request: &GcRequest,
    known: &[Known],
    is_old: impl Fn(u64) -> bool,
    tally: &mut Tally,
    plan: &mut GcPlan,
) {
    if !request.takes_records() {
        return;
    }
    let mut candidates: Vec<&Known> = known
        .iter()
        .filter(|known| !known.root && !known.in_use && is_old(known.used))
        // The last keys of nodes say nothing of what belongs to none.
        .filter(|known| known.of_node || request.older_than.is_some() || request.max_size.is_some())
        .collect();
    candidates.sort_by_key(|known| (known.used, known.entry.is_part, known.entry.key));
    let without_state: BTreeSet<Digest> = plan
        .items
        .iter()
        .filter_map(|(_, item, _)| match item {
            Item::State(entry) => Some(entry.key),
            _ => None,
        })
        .collect();
    let mut taken = BTreeSet::new();
    for candidate in candidates {
        if fits(request, tally) {
            break;
        }
        let without_state = without_state.contains(&candidate.entry.key);
        let state = candidate.state.filter(|_| without_state);
        for digest in &candidate.objects {
            if Some(*digest) != state {
                tally.unname(digest);
            }
        }
        tally.size = tally.size.saturating_sub(candidate.bytes);
        let class = if candidate.entry.is_part {
            GcClass::Parts
        } else {
            GcClass::Records
        };
        taken.insert(candidate.entry.key);
        plan.add(
            class,
            Item::Record(candidate.entry.clone()),
            candidate.bytes,
        );
    }
    // Of a part that goes as a whole nothing is taken out.
    plan.items
        .retain(|(_, item, _)| !matches!(item, Item::State(entry) if taken.contains(&entry.key)));
}

/// Whether the store is small enough.
fn fits(request: &GcRequest, tally: &Tally) -> bool {
    request.max_size.is_some_and(|max| tally.size <= max)
}
