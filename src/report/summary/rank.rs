//! Which values compare, and which of those is best.

use indexmap::IndexMap;

use super::{SummaryColumn, SummaryRow};
use crate::metric::MetricRow;
use crate::report::runs::Run;

const MARKS: [&str; 6] = ["¹", "²", "³", "⁴", "⁵", "⁶"];

/// One of several ways in which a metric was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// the metric's name
    pub metric: String,
    /// short digest of all that must agree for two values to compare
    pub protocol: String,
    /// the same in words
    pub said: String,
}

/// The ways in which metrics were measured, of those that were measured in several.
pub fn ways(runs: &[Run]) -> Vec<Way> {
    let mut known: IndexMap<&str, IndexMap<_, &MetricRow>> = IndexMap::new();
    for row in runs.iter().flat_map(|run| &run.rows) {
        let ways = known.entry(row.metric.as_str()).or_default();
        let own = (
            row.protocol.as_str(),
            row.samples,
            row.extractor,
            row.reference,
        );
        ways.entry(own).or_insert(row);
    }
    let several = known.into_values().filter(|ways| ways.len() > 1);
    several.flat_map(IndexMap::into_values).map(way).collect()
}

fn way(row: &MetricRow) -> Way {
    let short = |d: Option<crate::hash::Digest>| d.map_or("none".to_owned(), |d| d.short());
    Way {
        metric: row.metric.clone(),
        protocol: row.protocol_digest().short(),
        said: format!(
            "{} samples, extractor {}, reference {}, {}",
            row.samples,
            short(row.extractor),
            short(row.reference),
            row.protocol
        ),
    }
}

/// Marks the cells of every metric that was measured in several ways, and says what they are.
pub fn mark_protocols(
    runs: &[Run],
    columns: &[SummaryColumn],
    rows: &mut [SummaryRow],
) -> Vec<(&'static str, String, String)> {
    let mut notes: Vec<(&'static str, String, String)> = Vec::new();
    for way in ways(runs) {
        let before = notes.iter().filter(|note| note.1 == way.metric).count();
        let mark = MARKS[before.min(MARKS.len() - 1)];
        for (position, column) in columns.iter().enumerate() {
            for cell in rows.iter_mut().map(|row| &mut row.cells[position]) {
                if column.metric == way.metric && cell.protocol == way.protocol {
                    cell.mark = mark;
                }
            }
        }
        notes.push((mark, way.metric, way.said));
    }
    notes
}

/// Marks the best mean of each column among the cells of one protocol, where there are two or more.
pub fn mark_best(runs: &[Run], columns: &[SummaryColumn], rows: &mut [SummaryRow]) {
    let ranked = columns.iter().enumerate();
    for (position, column) in ranked.filter(|(_, column)| column.is_ranked()) {
        let direction = runs
            .iter()
            .flat_map(|run| &run.rows)
            .find(|row| row.metric == column.metric)
            .map(|row| row.direction);
        let Some(direction) = direction else { continue };
        let cells: Vec<(String, Option<f64>)> = rows
            .iter()
            .map(|row| {
                (
                    row.cells[position].protocol.clone(),
                    row.cells[position].mean,
                )
            })
            .collect();
        for (row, (protocol, mean)) in rows.iter_mut().zip(&cells) {
            let rivals = || cells.iter().filter(|(p, m)| p == protocol && m.is_some());
            row.cells[position].best = mean.is_some_and(|mean| {
                rivals().count() > 1
                    && !rivals()
                        .any(|(_, rival)| rival.is_some_and(|rival| direction.better(rival, mean)))
            });
        }
    }
}
