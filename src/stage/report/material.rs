//! What a report is made of, as plain data: whoever has it can have the report, in a run or beside one.

use crate::hash::Digest;
use crate::stage::{InputNode, NodeName, ShownNode, StageCtx};

/// Everything that the bytes of a report depend on, beside its settings.
#[derive(Debug, Clone)]
pub struct Material<'a> {
    /// the report's own node
    pub node: &'a NodeName,
    /// the pipeline's name
    pub pipeline: &'a str,
    /// the nodes behind its inputs, with the paths of what it reads; input by input in order of their names
    pub inputs: Vec<&'a InputNode>,
    /// everything upstream, in plan order
    pub shown: &'a [ShownNode],
    /// the command that makes the report, in canonical form
    pub command: &'a str,
    /// digest of the resolved pipeline
    pub pipeline_digest: Digest,
}

impl<'a> Material<'a> {
    /// The material that a running report stage has.
    pub fn of(ctx: &'a StageCtx<'_>) -> Self {
        let inputs = ctx.inputs.values();
        Self {
            node: &ctx.node,
            pipeline: &ctx.pipeline,
            inputs: inputs.flat_map(|input| &input.nodes).collect(),
            shown: &ctx.shown,
            command: &ctx.command,
            pipeline_digest: ctx.pipeline_digest,
        }
    }
}
