//! How long nodes are expected to take, from what earlier runs of them took.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::resolve::Session;
use crate::hash::Digest;

/// A stage's nodes that are asked for what they took, where a node was never timed itself.
const SIBLINGS: usize = 8;

/// Durations by node.
pub struct Expected<'a> {
    session: &'a Session<'a>,
    /// node → the key it had when it was last computed or found
    last: Rc<BTreeMap<String, Digest>>,
    /// stage → mean of what some of its nodes took
    stages: HashMap<&'a str, Option<f64>>,
}

impl<'a> Expected<'a> {
    /// Durations of the nodes of `session`, whose `last` keys are known.
    pub fn new(session: &'a Session<'a>, last: Rc<BTreeMap<String, Digest>>) -> Self {
        Self {
            session,
            last,
            stages: HashMap::new(),
        }
    }

    /// What node `id` is expected to take, in seconds: what it took last time, else what others of its stage took.
    /// `None` when nothing of its stage was ever timed.
    pub fn seconds(&mut self, id: usize) -> Option<f64> {
        if self.last.is_empty() {
            return None;
        }
        if let Some(seconds) = self.took(id) {
            return Some(seconds);
        }
        let session = self.session;
        let stage = session.plan.nodes[id].name.stage.as_str();
        if let Some(known) = self.stages.get(stage) {
            return *known;
        }
        let siblings = session.plan.stages.get(stage).into_iter().flatten();
        let took: Vec<f64> = siblings
            .filter_map(|sibling| self.took(*sibling))
            .take(SIBLINGS)
            .collect();
        let mean = (!took.is_empty()).then(|| took.iter().sum::<f64>() / took.len() as f64);
        self.stages.insert(stage, mean);
        mean
    }

    /// The same in milliseconds; the most there is where nothing is known.
    pub(super) fn rank(&mut self, id: usize) -> u64 {
        self.seconds(id)
            .map_or(u64::MAX, |seconds| (seconds * 1e3) as u64)
    }

    /// What the node's last execution took.
    fn took(&self, id: usize) -> Option<f64> {
        let key = self
            .last
            .get(&self.session.plan.nodes[id].name.to_string())?;
        let timings = self.session.store.timings(key);
        let seconds = timings.get("seconds")?.as_f64()?;
        (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
    }
}
