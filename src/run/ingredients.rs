//! What a report is made of, from the records as they are: for those who compose one without running its stage.

use super::resolve::{Keyed, ResolveError, Session, Settled, fill_in_paths, shown_digest};
use super::text;
use crate::hash::Digest;
use crate::stage::NodeName;
use crate::stage::report::Material;

/// The inputs of one report, their bytes at hand.
pub struct Ingredients {
    node: NodeName,
    pipeline: String,
    command: String,
    digest: Digest,
    /// the report's recipe, key and inputs
    pub keyed: Keyed,
}

impl Ingredients {
    /// Those of the report `id`, everything upstream of which is settled.
    ///
    /// # Errors
    /// When bytes of an input cannot be read.
    pub fn gather(
        session: &Session<'_>,
        id: usize,
        settled: &[Option<Settled>],
    ) -> Result<Self, ResolveError> {
        let mut keyed = session.key(id, settled)?;
        fill_in_paths(session.store, &mut keyed.inputs)?;
        Ok(Self {
            node: session.plan.nodes[id].name.clone(),
            pipeline: session.plan.name.clone(),
            command: text::command(session.plan),
            digest: shown_digest(&keyed.shown),
            keyed,
        })
    }

    /// As the report stage takes them.
    pub fn material(&self) -> Material<'_> {
        let inputs = self.keyed.inputs.values();
        Material {
            node: &self.node,
            pipeline: &self.pipeline,
            inputs: inputs.flat_map(|input| &input.nodes).collect(),
            shown: &self.keyed.shown,
            command: &self.command,
            pipeline_digest: self.digest,
        }
    }
}
