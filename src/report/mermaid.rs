//! The pipeline's graph as Mermaid text, one box a stage: the matrix is collapsed.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vertex {
    /// the stage's name
    pub stage: String,
    /// its kind
    pub kind: String,
    /// the names of its axes
    pub axes: Vec<String>,
    /// how many nodes it has
    pub nodes: usize,
    /// stages it reads
    pub reads: BTreeSet<String>,
}

/// A flowchart, left to right, in the order given. Edges to stages that are not given are left out.
pub fn flowchart(vertices: &[Vertex]) -> String {
    let id = |stage: &str| vertices.iter().position(|vertex| vertex.stage == stage);
    let mut text = "flowchart LR\n".to_owned();
    for (index, vertex) in vertices.iter().enumerate() {
        let matrix = match vertex.axes.as_slice() {
            [] => String::new(),
            axes => format!(" · {} × {}", vertex.nodes, axes.join(", ")),
        };
        let _ = writeln!(
            text,
            "  n{index}[\"<b>{}</b><br/>{}{}\"]",
            quote(&vertex.stage),
            quote(&vertex.kind),
            quote(&matrix)
        );
    }
    for (index, vertex) in vertices.iter().enumerate() {
        for source in vertex.reads.iter().filter_map(|stage| id(stage)) {
            let _ = writeln!(text, "  n{source} --> n{index}");
        }
    }
    text
}

/// Text inside a quoted Mermaid label.
fn quote(text: &str) -> String {
    text.replace('&', "#amp;")
        .replace('"', "#quot;")
        .replace('<', "#lt;")
        .replace('>', "#gt;")
}
