//! The graph of stages as Graphviz text and as a drawing (SVG), one box a stage.
//!
//! The drawing is layered: a stage stands one column right of the last stage it reads (longest path), in
//! declared order within its column.

use std::fmt::Write;

use super::mermaid::Vertex;

/// Geometry of the drawing, in pixels.
const BOX: (usize, usize) = (150, 44);
const GAP: (usize, usize) = (56, 22);
const MARGIN: usize = 16;

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

/// A drawing, readable on light and on dark pages.
pub fn svg(vertices: &[Vertex]) -> String {
    let places = places(vertices);
    let columns = places.iter().map(|place| place.0 + 1).max().unwrap_or(0);
    let rows = places.iter().map(|place| place.1 + 1).max().unwrap_or(0);
    let corner = |(column, row): (usize, usize)| {
        (
            MARGIN + column * (BOX.0 + GAP.0),
            MARGIN + row * (BOX.1 + GAP.1),
        )
    };
    let (right, bottom) = corner((columns, rows));
    let (width, height) = (
        right.saturating_sub(GAP.0) + MARGIN,
        bottom.saturating_sub(GAP.1) + MARGIN,
    );
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\">\n"
    );
    for (vertex, place) in vertices.iter().zip(&places) {
        let (x, y) = corner(*place);
        for source in vertices
            .iter()
            .zip(&places)
            .filter(|(v, _)| vertex.reads.contains(&v.stage))
        {
            let (from_x, from_y) = corner(*source.1);
            let (x1, y1, x2, y2) = (from_x + BOX.0, from_y + BOX.1 / 2, x, y + BOX.1 / 2);
            let middle = usize::midpoint(x1, x2);
            let _ = writeln!(
                text,
                "<path d=\"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}\" fill=\"none\" stroke=\"#808890\" stroke-width=\"1.5\"/>"
            );
        }
    }
    for (vertex, place) in vertices.iter().zip(&places) {
        let (x, y) = corner(*place);
        let (middle, first, second) = (x + BOX.0 / 2, y + 19, y + 34);
        let (stage, caption) = (escape(&vertex.stage), escape(&caption(vertex)));
        let (w, h) = BOX;
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"6\" fill=\"#eef3f8\" stroke=\"#5b7c99\"/>\n\
             <text x=\"{middle}\" y=\"{first}\" text-anchor=\"middle\" font-size=\"13\" font-weight=\"600\" fill=\"#1b2733\">{stage}</text>\n\
             <text x=\"{middle}\" y=\"{second}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#45586a\">{caption}</text>"
        );
    }
    text + "</svg>\n"
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

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
