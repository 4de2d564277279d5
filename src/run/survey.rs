//! Where every node of a plan stands, without running anything: what `plan` and `status` print.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::log::last_failure;
use super::reasons::{self, Reasons};
use super::resolve::{Hit, Keyed, ResolveError, Session, Settled, fill_in_paths};
use super::text;
use crate::hash::Digest;
use crate::plan::Source;
use crate::stage::{Axes, StageCtx, StageError, Status};
use crate::store::Record;

/// How a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// its result is in the store
    Cached,
    /// its key is known and has no record
    Stale,
    /// an input's digest is not known yet
    Pending,
    /// a file is missing
    Blocked,
    /// its last run with this key failed
    Failed,
}

/// One node's standing.
#[derive(Debug, Clone)]
pub struct Standing {
    /// its place in the plan
    pub id: usize,
    /// how it stands
    pub state: State,
    /// its key, when known
    pub key: Option<Digest>,
    /// its record, when cached
    pub record: Option<Record>,
    /// the other device class the record comes from
    pub borrowed: Option<String>,
    /// why it is not cached; empty when it is
    pub reasons: Vec<String>,
}

/// A standing as one JSON object.
#[derive(Debug, Serialize)]
pub struct StandingJson<'a> {
    stage: &'a str,
    axes: &'a Axes,
    state: State,
    key: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    outputs: BTreeMap<&'a str, Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    reasons: &'a [String],
}

impl Standing {
    /// The form of `--json`.
    pub fn json<'a>(&'a self, session: &'a Session<'_>) -> StandingJson<'a> {
        let name = &session.plan.nodes[self.id].name;
        let outputs = self.record.iter().flat_map(|record| &record.outputs);
        StandingJson {
            stage: &name.stage,
            axes: &name.axes,
            state: self.state,
            key: self.key,
            outcome: self.record.as_ref().map(|record| match record.status {
                Status::Ok => "ok",
                Status::Diverged { .. } => "diverged",
            }),
            outputs: outputs
                .map(|(name, artifact)| (name.as_str(), artifact.digest))
                .collect(),
            device: self.borrowed.as_deref(),
            reasons: &self.reasons,
        }
    }
}

/// Standings of `targets` and what they need, in plan order, and the results that are known.
pub fn survey(
    session: &Session<'_>,
    targets: &[usize],
) -> Result<(Vec<Standing>, Vec<Option<Settled>>), ResolveError> {
    let mut settled: Vec<Option<Settled>> = vec![None; session.plan.nodes.len()];
    let reasons = Reasons::new(session);
    let mut standings: Vec<Standing> = Vec::new();
    for id in session.plan.upstream(targets) {
        let (standing, result) = stand(session, &reasons, id, &settled)?;
        settled[id] = result;
        standings.push(standing);
    }
    Ok((standings, settled))
}

fn stand(
    session: &Session<'_>,
    reasons: &Reasons<'_>,
    id: usize,
    settled: &[Option<Settled>],
) -> Result<(Standing, Option<Settled>), ResolveError> {
    let node = &session.plan.nodes[id];
    let not_cached = |state, key, reasons| {
        (
            Standing {
                id,
                state,
                key,
                record: None,
                borrowed: None,
                reasons,
            },
            None,
        )
    };
    if !node.missing.is_empty() {
        let reasons = node.missing.iter().map(|missing| match &missing.help {
            Some(help) => format!("missing file {}: {help}", missing.path.display()),
            None => format!("missing file {}", missing.path.display()),
        });
        return Ok(not_cached(State::Blocked, None, reasons.collect()));
    }
    let unknown = unknown_inputs(session, id, settled);
    if !unknown.is_empty() {
        let reason = format!("waits for {}", unknown.join(", "));
        return Ok(not_cached(State::Pending, None, vec![reason]));
    }
    let keyed = match session.key(id, settled) {
        Err(error @ ResolveError::NoOutput { .. }) => {
            return Ok(not_cached(State::Failed, None, vec![error.to_string()]));
        }
        // A stage's own `device:` that this machine lacks concerns that stage alone.
        Err(error @ ResolveError::Device(_)) => {
            return Ok(not_cached(State::Blocked, None, vec![error.to_string()]));
        }
        other => other?,
    };
    if let Some(Hit { record, borrowed }) = session.look_up(id, &keyed) {
        let standing = Standing {
            id,
            state: State::Cached,
            key: Some(record.key),
            record: Some(record.clone()),
            borrowed,
            reasons: Vec::new(),
        };
        return Ok((standing, Some(Settled { keyed, record })));
    }
    if let Ok(Some(record)) = recalled(session, id, &keyed) {
        let standing = Standing {
            id,
            state: State::Cached,
            key: Some(record.key),
            record: Some(record.clone()),
            borrowed: None,
            reasons: Vec::new(),
        };
        return Ok((standing, Some(Settled { keyed, record })));
    }
    let mut why = reasons.list(id, &keyed);
    let state = match last_failure(session.store, &keyed.key) {
        Some(failure) => {
            why.retain(|reason| reason != reasons::NEVER_RUN && reason != reasons::NOT_FINISHED);
            why.insert(0, format!("its last run failed: {failure}"));
            State::Failed
        }
        None => State::Stale,
    };
    Ok(not_cached(state, Some(keyed.key), why))
}

/// The nodes that `id` takes input from and whose results are not known.
fn unknown_inputs(session: &Session<'_>, id: usize, settled: &[Option<Settled>]) -> Vec<String> {
    let sources = session.plan.nodes[id].inputs.values();
    let ids = sources.flat_map(|source| match source {
        Source::Nodes { nodes, .. } => nodes.as_slice(),
        Source::Files { .. } => &[],
    });
    let unknown = ids.filter(|id| settled[**id].is_none());
    let mut names: Vec<String> = unknown
        .map(|id| session.plan.nodes[*id].name.to_string())
        .collect();
    names.dedup();
    names
}

/// The record that a run would put together from parts in the store, without storing it: its artifacts can be read by
/// this process all the same.
fn recalled(session: &Session<'_>, id: usize, keyed: &Keyed) -> Result<Option<Record>, StageError> {
    let node = &session.plan.nodes[id];
    if !node.config.recalls() {
        return Ok(None);
    }
    let compute = session.devices.get(node.device).map_err(failed)?;
    let mut inputs = keyed.inputs.clone();
    fill_in_paths(session.store, &mut inputs).map_err(failed)?;
    let ctx = StageCtx {
        node: node.name.clone(),
        pipeline: session.plan.name.clone(),
        seed: node.seed,
        compute: &compute,
        inputs,
        key: keyed.key,
        trajectory: keyed.trajectory,
        out: PathBuf::new(),
        project: None,
        memo: session.store,
        shown: Vec::new(),
        command: text::command(session.plan),
        pipeline_digest: session.plan.digest,
        progress: &|_| {},
        log: &|_| {},
        cancel: &AtomicBool::new(false),
    };
    let Some(outcome) = node.config.recall(&ctx, session.store)? else {
        return Ok(None);
    };
    let formats = node.config.outputs();
    let mut outputs = BTreeMap::new();
    for (name, product) in &outcome.outputs {
        let Some(spec) = formats.iter().find(|spec| spec.name == *name) else {
            continue;
        };
        let Some(artifact) = session.store.hold(product, spec.format) else {
            return Ok(None);
        };
        outputs.insert(name.clone(), artifact);
    }
    Ok(Some(Record {
        key: keyed.key,
        kind: node.config.kind().to_owned(),
        kind_version: node.config.version(),
        recipe: keyed.recipe.value().clone(),
        status: outcome.status,
        outputs,
        scalars: outcome.scalars,
    }))
}

fn failed(error: impl std::fmt::Display) -> StageError {
    StageError::Failed(error.to_string())
}
