//! The values behind each cell of the summary: one list a (group, metric).

use indexmap::IndexMap;
use polars::prelude::*;

use super::metrics;
use crate::metric::best;
use crate::report::ReportError;
use crate::report::runs::{Ending, Run};

/// The values of one metric in one group, in the order of the runs.
pub struct Lists {
    pub last: Vec<f64>,
    pub best: Vec<f64>,
    pub best_epochs: Vec<u64>,
    pub protocol: String,
}

/// Collects last and best values by (group, metric).
pub fn aggregate(
    runs: &[Run],
    groups: &[(String, Vec<usize>)],
) -> Result<IndexMap<(usize, String), Lists>, ReportError> {
    let (mut group, mut metric, mut last, mut top, mut epoch, mut protocol) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    for (index, (_, members)) in groups.iter().enumerate() {
        for run in members.iter().map(|run| &runs[*run]) {
            for name in metrics(std::slice::from_ref(run)) {
                let rows = || run.rows.iter().filter(|row| row.metric == name);
                let (Some(final_row), Some(best_row)) =
                    (rows().max_by_key(|row| row.epoch), best(rows()))
                else {
                    continue;
                };
                group.push(index as u64);
                metric.push(name.clone());
                last.push((run.ending == Ending::Ok).then_some(final_row.value));
                top.push(best_row.value);
                epoch.push(best_row.epoch);
                protocol.push(final_row.protocol_digest().short());
            }
        }
    }
    let frame = df!(
        "group" => group, "metric" => metric, "last" => last, "best" => top, "epoch" => epoch, "protocol" => protocol
    )?;
    // The lists keep the runs' order; mean and deviation are summed in it, whatever the threads do.
    let grouped = frame
        .lazy()
        .group_by_stable([col("group"), col("metric")])
        .agg([
            col("last"),
            col("best"),
            col("epoch"),
            col("protocol").first(),
        ])
        .collect()?;
    let mut lists = IndexMap::new();
    for row in 0..grouped.height() {
        let floats = |name: &str| -> Result<Vec<f64>, ReportError> {
            let list = grouped.column(name)?.list()?.get_as_series(row);
            Ok(list.map_or(Ok(Vec::new()), |list| {
                list.f64().map(|values| values.iter().flatten().collect())
            })?)
        };
        let epochs = grouped.column("epoch")?.list()?.get_as_series(row);
        let epochs = epochs.map_or(Ok(Vec::new()), |list| {
            list.u64().map(|values| values.iter().flatten().collect())
        })?;
        let group = grouped.column("group")?.u64()?.get(row).unwrap_or(0) as usize;
        let text = |name: &str| -> Result<String, ReportError> {
            Ok(grouped
                .column(name)?
                .str()?
                .get(row)
                .unwrap_or_default()
                .to_owned())
        };
        lists.insert(
            (group, text("metric")?),
            Lists {
                last: floats("last")?,
                best: floats("best")?,
                best_epochs: epochs,
                protocol: text("protocol")?,
            },
        );
    }
    Ok(lists)
}
