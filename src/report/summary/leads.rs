//! Which group of runs is best in each column, and whether the lead is clear.

use indexmap::IndexMap;
use serde::Serialize;

use super::{SEED, SummaryCell, SummaryColumn, SummaryRow};
use crate::metric::{Direction, MetricRow};
use crate::report::contrast::chance;
use crate::report::inference::{Interval, paired};
use crate::report::number::{range, significant};
use crate::report::runs::{Pick, Run, text};

/// The best of a column, the one after it, and what lies between them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lead {
    /// the metric
    pub metric: String,
    /// `↓` when less is better, `↑` when more is
    pub arrow: &'static str,
    /// at which checkpoint of each run
    pub pick: Pick,
    /// the best group
    pub best: Placed,
    /// the group whose mean is nearest to that
    pub second: Placed,
    /// best − second: the mean over the seeds that both have, else the difference of the means
    pub difference: f64,
    /// the same as text
    pub difference_text: String,
    /// the 95 % interval of the mean over seeds that both have; none below two
    pub interval: Option<Interval>,
    /// the same as text, `[−3.2, −0.4]`; empty without one
    pub range: String,
    /// of the paired test; none where there is no spread or below two pairs
    pub p: Option<f64>,
    /// the same as text, `0.012` or `< 0.001`; empty without one
    pub p_text: String,
    /// how many seeds both have
    pub n: usize,
    /// in words: `clear`, `no clear difference`, `pairs say otherwise` (the seeds that both have rank them the other way
    /// round), `too few seeds` (below three in common), or `the same in all pairs` (no spread to test against)
    pub verdict: &'static str,
    /// what to hold against it
    pub note: Option<String>,
}

/// Pairs that a verdict takes.
const FEWEST: usize = 3;

/// A group in a ranking.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Placed {
    /// `stage[axis=value,…]` without the seed
    pub name: String,
    /// its mean
    pub value: f64,
    /// as its cell shows it: `12.35 ± 0.50`
    pub text: String,
}

impl Placed {
    fn new(row: &SummaryRow, cell: &SummaryCell, value: f64) -> Self {
        Self {
            name: row.name.clone(),
            value,
            text: cell.text.clone(),
        }
    }
}

/// The leads of all columns. The best checkpoints are worth one where they put another group first than the last ones.
/// `members`: the runs of each of `rows`.
pub fn leads(
    runs: &[Run],
    columns: &[SummaryColumn],
    rows: &[SummaryRow],
    members: &[&[usize]],
) -> Vec<Lead> {
    let mut leads: Vec<Lead> = Vec::new();
    for (position, column) in columns.iter().enumerate() {
        for (index, row) in rows.iter().enumerate() {
            let cell = &row.cells[position];
            let repeats = column.pick == Pick::Best
                && position > 0
                && columns[position - 1].metric == column.metric
                && row.cells[position - 1].best;
            let (Some(mean), true, false) = (cell.mean, cell.best, repeats) else {
                continue;
            };
            let Some((other, second)) = nearest(rows, position, cell, mean) else {
                continue;
            };
            let sides = [members[index], members[other]];
            let sides = sides.map(|side| by_seed(runs, side, column));
            leads.push(lead(
                column,
                Placed::new(row, cell, mean),
                Placed::new(&rows[other], &rows[other].cells[position], second),
                &sides,
            ));
        }
    }
    leads
}

/// The row whose cell of the same protocol has the mean closest to that of `cell`, the best one.
fn nearest(
    rows: &[SummaryRow],
    position: usize,
    cell: &SummaryCell,
    mean: f64,
) -> Option<(usize, f64)> {
    let rivals = rows.iter().enumerate().filter_map(|(index, row)| {
        let rival = &row.cells[position];
        let value = rival.mean.filter(|value| value.is_finite())?;
        (rival.protocol == cell.protocol && !rival.best).then_some((index, value))
    });
    rivals.min_by(|(_, a), (_, b)| (mean - a).abs().total_cmp(&(mean - b).abs()))
}

type BySeed<'a> = IndexMap<String, &'a MetricRow>;

fn by_seed<'a>(runs: &'a [Run], members: &[usize], column: &SummaryColumn) -> BySeed<'a> {
    let rows = members.iter().filter_map(|run| {
        let run = &runs[*run];
        let row = run.pick(&column.metric, column.pick)?;
        Some((text(run.axes.get(SEED)?), row))
    });
    rows.collect()
}

fn lead(column: &SummaryColumn, best: Placed, second: Placed, sides: &[BySeed<'_>; 2]) -> Lead {
    let [one, other] = sides;
    let pairs: Vec<(f64, f64)> = one
        .iter()
        .filter_map(|(seed, row)| Some((row.value, other.get(seed)?.value)))
        .collect();
    let test = paired(&pairs);
    let tested = test.difference.filter(|_| test.n > 1);
    let difference = tested.unwrap_or(best.value - second.value);
    let direction = match column.arrow {
        "↓" => Direction::Lower,
        _ => Direction::Higher,
    };
    let verdict = match test.interval {
        Some(interval) if test.n >= FEWEST => {
            if interval.contains(0.0) {
                "no clear difference"
            } else if direction.better(0.0, difference) {
                "pairs say otherwise"
            } else if test.p.is_none() {
                "the same in all pairs"
            } else {
                "clear"
            }
        }
        _ => "too few seeds",
    };
    let uneven = test.n > 1 && (one.len() != test.n || other.len() != test.n);
    let note = uneven.then(|| {
        format!(
            "{}: the difference is over the {} seeds that both have, the values are means of all",
            column.metric, test.n
        )
    });
    Lead {
        metric: column.metric.clone(),
        arrow: column.arrow,
        pick: column.pick,
        difference,
        difference_text: significant(difference),
        interval: test.interval,
        range: test
            .interval
            .filter(|interval| interval.low < interval.high)
            .map_or_else(String::new, |interval| range(interval, difference)),
        p: test.p,
        p_text: test.p.map_or_else(String::new, chance),
        n: test.n,
        verdict,
        note: note.or(test.note),
        best,
        second,
    }
}
