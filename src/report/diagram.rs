//! The graph of stages as Graphviz text and as a drawing (SVG), one box a stage.
//!
//! The drawing is layered: a stage stands one column right of the last stage it reads (longest path), in
//! declared order within its column.

use std::fmt::Write;

use super::mermaid::Vertex;
use super::plot::canvas::{Canvas, fit};

/// Geometry of the drawing, in pixels.
const BOX: (f64, f64) = (150.0, 44.0);
const GAP: (f64, f64) = (56.0, 22.0);
const MARGIN: f64 = 16.0;

/// Graphviz text.
pub fn dot(vertices: &[Vertex]) -> String {
    let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut text = "digraph pipeline {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for vertex in vertices {
        let stage = quote(&vertex.stage);
        let _ = writeln!(
            text,
            "  \"{stage}\" [label=\"{stage}\\n{}\"];",
            quote(&caption(vertex))
        );
    }
    for vertex in vertices {
        for source in &vertex.reads {
            let _ = writeln!(
                text,
                "  \"{}\" -> \"{}\";",
                quote(source),
                quote(&vertex.stage)
            );
        }
    }
    text + "}\n"
}

/// A drawing in the colours of the charts, readable on light and on dark pages.
pub fn svg(vertices: &[Vertex]) -> String {
    let places = places(vertices);
    let columns = places.iter().map(|place| place.0 + 1).max().unwrap_or(0);
    let rows = places.iter().map(|place| place.1 + 1).max().unwrap_or(0);
    let corner = |(column, row): (usize, usize)| {
        (
            MARGIN + column as f64 * (BOX.0 + GAP.0),
            MARGIN + row as f64 * (BOX.1 + GAP.1),
        )
    };
    let (right, bottom) = corner((columns, rows));
    let (width, height) = (
        (right - GAP.0).max(0.0) + MARGIN,
        (bottom - GAP.1).max(0.0) + MARGIN,
    );
    let mut canvas = Canvas::new(width, height, "The stages and what they read", "", 0);
    for (vertex, place) in vertices.iter().zip(&places) {
        let (x, y) = corner(*place);
        let sources = vertices.iter().zip(&places);
        for (_, source) in sources.filter(|(source, _)| vertex.reads.contains(&source.stage)) {
            let (from_x, from_y) = corner(*source);
            canvas.curve(
                "axis",
                (from_x + BOX.0, from_y + BOX.1 / 2.0),
                (x, y + BOX.1 / 2.0),
            );
        }
    }
    let room = BOX.0 - 12.0;
    for (vertex, place) in vertices.iter().zip(&places) {
        let (x, y) = corner(*place);
        let middle = x + BOX.0 / 2.0;
        let (stage, caption) = (
            fit(&vertex.stage, 13.0, room),
            fit(&caption(vertex), 11.0, room),
        );
        canvas.boxed("box", (x, y), BOX);
        canvas.text(
            "",
            (middle, y + 19.0),
            "middle",
            " font-weight=\"600\"",
            &stage,
        );
        canvas.text("soft small", (middle, y + 34.0), "middle", "", &caption);
    }
    canvas.finish()
}

/// `train`, or `train · 6 × loss, seed`.
fn caption(vertex: &Vertex) -> String {
    match vertex.axes.as_slice() {
        [] => vertex.kind.clone(),
        axes => format!("{} · {} × {}", vertex.kind, vertex.nodes, axes.join(", ")),
    }
}

/// (column, row) of every vertex. Edges that come back (there are none in a plan) end the search.
fn places(vertices: &[Vertex]) -> Vec<(usize, usize)> {
    let mut columns = vec![0; vertices.len()];
    for _ in 0..vertices.len() {
        let mut moved = false;
        for (index, vertex) in vertices.iter().enumerate() {
            let sources = vertices
                .iter()
                .zip(&columns)
                .filter(|(v, _)| vertex.reads.contains(&v.stage));
            let column = sources.map(|(_, column)| column + 1).max().unwrap_or(0);
            moved |= columns[index] != column;
            columns[index] = column;
        }
        if !moved {
            break;
        }
    }
    let row = |index: usize| {
        columns[..index]
            .iter()
            .filter(|c| **c == columns[index])
            .count()
    };
    (0..vertices.len())
        .map(|index| (columns[index], row(index)))
        .collect()
}
