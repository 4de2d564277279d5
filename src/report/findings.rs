//! Sentences that follow from the summary table, by fixed rules.

use super::number::significant;
use super::summary::{Pick, Summary, SummaryRow};

/// What the summary tells of one group each: where training went too far, and what diverged or collapsed.
pub fn findings(summary: &Summary) -> Vec<String> {
    let rows = summary.rows.iter();
    let overtrained = rows.clone().flat_map(|row| overtrained(summary, row));
    let failed = rows.filter(|row| row.outcome != "ok");
    let failed = failed.map(|row| format!("`{}`: {}.", row.name, row.outcome));
    overtrained.chain(failed).collect()
}

/// "X got worse after its best checkpoint", for a group of as many runs at both.
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
