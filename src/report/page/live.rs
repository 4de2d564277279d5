//! What a page of a run that goes on says beside the report: where every node stands.

use serde::Serialize;

/// The strip above the report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Live {
    /// in front of the page's title: `3 of 9`
    pub title: String,
    /// one sentence: what goes on
    pub headline: String,
    /// when the page was written, in seconds since 1970
    pub updated: u64,
    /// what else is worth saying
    pub notes: Vec<String>,
    /// nodes that are done
    pub done: usize,
    /// nodes in all
    pub total: usize,
    /// their share
    pub percent: f64,
    /// nodes that run or have failed
    pub active: Vec<LiveNode>,
    /// all others, by state
    pub groups: Vec<LiveGroup>,
    /// seconds after which the page reads itself again; none when all is done
    pub refresh: Option<u64>,
    /// runs that stand open, however many there are
    pub opened: Vec<String>,
}

/// Nodes of one state.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LiveGroup {
    /// `cached`, `pending`, …
    pub state: String,
    /// in plan order
    pub nodes: Vec<LiveNode>,
}

/// One node.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LiveNode {
    /// `stage[axis=value,…]`
    pub name: String,
    /// how it stands, in a word
    pub state: String,
    /// the colour of that word: `good`, `busy`, `warn`, `bad` or `quiet`
    pub tone: &'static str,
    /// how far it is, 0 to 100
    pub percent: Option<f64>,
    /// what there is to say of it
    pub said: Vec<String>,
}
