//! Why a node is not cached, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::resolve::{Keyed, Session};
use super::text;
use crate::hash::Digest;
use crate::plan::Source;
use crate::plan::key::{Change, Recipe};
use crate::stage::NodeName;
use crate::store::{Lookup, MissReason};

/// The reason of a node that was never seen before.
pub const NEVER_RUN: &str = "never run";

/// The reason of a node that is as it was and has no result all the same.
pub const NOT_FINISHED: &str = "its last run did not finish";

/// Compares nodes with what they were when retake last saw them.
pub struct Reasons<'a> {
    session: &'a Session<'a>,
    /// node → the key it had when it was last computed or found
    pub(super) last: Rc<BTreeMap<String, Digest>>,
}

impl<'a> Reasons<'a> {
    /// Reasons for the nodes of `session`.
    pub fn new(session: &'a Session<'a>) -> Self {
        Self {
            session,
            last: last_keys(session),
        }
    }

    /// All reasons in one line.
    pub fn of(&self, id: usize, keyed: &Keyed, forced: bool) -> String {
        if forced {
            return "forced".to_owned();
        }
        self.list(id, keyed).join("; ")
    }

    /// Why the node's record is not there: damage, a change since last time, or that it never ran.
    pub fn list(&self, id: usize, keyed: &Keyed) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.session.store.lookup(&keyed.key) {
            Lookup::Hit(_) | Lookup::Miss(MissReason::NoRecord) => {}
            Lookup::Miss(damage) => reasons.push(damage.to_string()),
        }
        let changes = self.changes(id, keyed);
        reasons.extend(self.words(id, changes.as_deref().unwrap_or_default()));
        if reasons.is_empty() {
            reasons.push(match changes {
                None => NEVER_RUN.to_owned(),
                Some(_) => NOT_FINISHED.to_owned(),
            });
        }
        reasons
    }

    /// The leaves of the recipe that differ from the last time; `None` when there was no last time.
    pub fn changes(&self, id: usize, keyed: &Keyed) -> Option<Vec<Change>> {
        let previous = self.previous(&self.session.plan.nodes[id].name)?;
        Some(keyed.recipe.changes_since(&previous))
    }

    /// The recipe that a node had when it was last computed or found.
    fn previous(&self, name: &NodeName) -> Option<Recipe> {
        let record = self
            .session
            .store
            .record(self.last.get(&name.to_string())?)?;
        Some(Recipe::from_value(record.recipe))
    }

    /// Changes as people read them; an input is named once, with where it comes from.
    pub fn words(&self, id: usize, changes: &[Change]) -> Vec<String> {
        let node = &self.session.plan.nodes[id];
        let mut inputs = BTreeSet::new();
        let mut words: Vec<String> = Vec::new();
        for change in changes {
            let input = change
                .field
                .strip_prefix("inputs.")
                .and_then(|rest| rest.split('.').next());
            match input {
                Some(name) if !inputs.insert(name.to_owned()) => {}
                Some(name) => words.push(match node.inputs.get(name) {
                    None => format!("input {name} is gone"),
                    Some(_) if is_new(name, changes) => format!("input {name} is new"),
                    Some(Source::Files { .. }) => {
                        format!("input {name} changed: the file was edited")
                    }
                    Some(Source::Nodes { nodes, .. }) => {
                        let stages: BTreeSet<&str> = nodes
                            .iter()
                            .map(|id| self.session.plan.nodes[*id].name.stage.as_str())
                            .collect();
                        let stages: Vec<&str> = stages.into_iter().collect();
                        format!("input {name} changed: {} was re-taken", stages.join(", "))
                    }
                }),
                None => words.push(text::change(change)),
            }
        }
        words.dedup();
        words
    }
}

/// Node → the key it had when it was last computed or found.
pub(super) fn last_keys(session: &Session<'_>) -> Rc<BTreeMap<String, Digest>> {
    let plan = session.plan;
    let keys = session
        .store
        .last_keys(&text::pipeline(plan), plan.profile.as_deref());
    Rc::new(keys)
}

/// Whether nothing of the input `name` was there before; of a gathered input, not even its first node.
fn is_new(name: &str, changes: &[Change]) -> bool {
    let prefix = format!("inputs.{name}.");
    let mut of_input = changes
        .iter()
        .filter_map(|change| Some((change.field.strip_prefix(&prefix)?, &change.before)));
    let first_position = |rest: &str| {
        let position = rest.split('.').next().unwrap_or_default();
        position.parse::<usize>().map_or(true, |index| index == 0)
    };
    of_input.clone().any(|(rest, _)| first_position(rest))
        && of_input.all(|(_, before)| before.is_none())
}
