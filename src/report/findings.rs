//! Sentences that follow from the summary table, by fixed rules.

use super::number::significant;
use super::summary::{Pick, Summary, SummaryCell, SummaryColumn, SummaryRow};

/// What the table says: which run is best and whether the lead is clear, where training went too far, and
/// what diverged.
pub fn findings(summary: &Summary) -> Vec<String> {
    let mut findings = Vec::new();
    for (position, column) in summary.columns.iter().enumerate() {
        for (row, cell) in winners(summary, position) {
            // The best checkpoints are worth a sentence where they put another run first.
            let repeats = column.pick == Pick::Best
                && winners(summary, position - 1).any(|(last, _)| last.name == row.name);
            if !repeats {
                findings.extend(lead(column, row, cell, nearest(summary, position, cell)));
            }
        }
    }
    findings.extend(
        summary
            .rows
            .iter()
            .flat_map(|row| overtrained(summary, row)),
    );
    findings.extend(
        summary
            .rows
            .iter()
            .filter(|row| row.outcome != "ok")
            .map(|row| format!("`{}`: {}.", row.name, row.outcome)),
    );
    findings
}

type Rival<'a> = (&'a SummaryRow, &'a SummaryCell);

/// The best cells of a column, one for each protocol.
fn winners(summary: &Summary, position: usize) -> impl Iterator<Item = Rival<'_>> {
    let cells = summary
        .rows
        .iter()
        .map(move |row| (row, &row.cells[position]));
    cells.filter(|(_, cell)| cell.best)
}

/// The cell of the same column and protocol whose mean is closest to that of `cell`, the best one.
fn nearest<'a>(summary: &'a Summary, position: usize, cell: &SummaryCell) -> Option<Rival<'a>> {
    let gap = |rival: &Rival<'_>| {
        (cell.mean.unwrap_or(f64::NAN) - rival.1.mean.unwrap_or(f64::NAN)).abs()
    };
    summary
        .rows
        .iter()
        .map(|row| (row, &row.cells[position]))
        .filter(|(_, rival)| rival.protocol == cell.protocol && !rival.best && rival.mean.is_some())
        .min_by(|a, b| gap(a).total_cmp(&gap(b)))
}

/// "Best X: A with 1.2, before B with 1.3", and whether the spread over seeds allows to say so.
fn lead(
    column: &SummaryColumn,
    row: &SummaryRow,
    cell: &SummaryCell,
    rival: Option<Rival<'_>>,
) -> Option<String> {
    let (second, other) = rival?;
    let at = match column.pick {
        Pick::Last => "at the last checkpoint",
        Pick::Best => "at the best checkpoint",
    };
    let gap = (cell.mean? - other.mean?).abs();
    let spread = cell.sd.unwrap_or(0.0).max(other.sd.unwrap_or(0.0));
    let weight = if cell.n < 2 || other.n < 2 {
        " (a single run has no spread to compare with)"
    } else if gap <= spread {
        " (within one standard deviation: no clear difference)"
    } else {
        ""
    };
    Some(format!(
        "Best {} {} {at}: `{}` with {}, before `{}` with {}{weight}.",
        column.metric, column.arrow, row.name, cell.text, second.name, other.text
    ))
}

/// "X was best at epoch 40 and then got worse", for a run on its own.
fn overtrained<'a>(summary: &'a Summary, row: &'a SummaryRow) -> impl Iterator<Item = String> + 'a {
    summary
        .columns
        .windows(2)
        .enumerate()
        .filter_map(move |(position, pair)| {
            let [last, best] = pair else { return None };
            if last.metric != best.metric || best.pick != Pick::Best {
                return None;
            }
            let (last_cell, best_cell) = (&row.cells[position], &row.cells[position + 1]);
            if last_cell.n != best_cell.n {
                return None;
            }
            let (at_last, at_best) = (last_cell.mean?, best_cell.mean?);
            let change = (at_last - at_best).abs() / at_best.abs().max(f64::MIN_POSITIVE);
            // A tenth is more than the noise of the sampling in any usual evaluation.
            (change > 0.1).then(|| {
                format!(
                    "{} of `{}` got worse after its best checkpoint: {} there, {} at the last.",
                    last.metric,
                    row.name,
                    significant(at_best),
                    significant(at_last)
                )
            })
        })
}
