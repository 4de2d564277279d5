//! Which values compare, and which of those is best.

use std::collections::HashMap;
use std::hash::Hash;

use indexmap::IndexMap;

use super::{SummaryColumn, SummaryRow};
use crate::metric::{Direction, MetricRow};
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
        let cells = rows.iter().map(|row| &row.cells[position]);
        let of = cells
            .map(|cell| (cell.protocol.clone(), cell.mean))
            .collect();
        for (row, is_best) in rows.iter_mut().zip(leaders(direction, of)) {
            row.cells[position].best = is_best;
        }
    }
}

/// Which of values by ranking are the best of theirs, where there are two or more to rank; NaN never is.
pub fn leaders<K: Eq + Hash>(direction: Direction, values: Vec<(K, Option<f64>)>) -> Vec<bool> {
    let mut rankings: HashMap<K, Vec<usize>> = HashMap::new();
    let mut is_best = vec![false; values.len()];
    let mut means = Vec::with_capacity(values.len());
    for (index, (ranking, mean)) in values.into_iter().enumerate() {
        if mean.is_some() {
            rankings.entry(ranking).or_default().push(index);
        }
        means.push(mean.unwrap_or(f64::NAN));
    }
    for rivals in rankings.into_values().filter(|rivals| rivals.len() > 1) {
        for index in &rivals {
            let mean = means[*index];
            let beaten = rivals
                .iter()
                .any(|rival| direction.better(means[*rival], mean));
            is_best[*index] = direction != Direction::Neither && !beaten && !mean.is_nan();
        }
    }
    is_best
}
