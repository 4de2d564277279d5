//! The values behind each cell of a table: one list a (group, metric, protocol).

use polars::prelude::*;

use crate::report::ReportError;
use crate::report::runs::{Pick, Run, metrics_of};

/// The values of one metric in one group, measured by one protocol.
pub struct Lists {
    /// its place among the groups
    pub group: usize,
    /// the metric
    pub metric: String,
    /// short digest of all that must agree for two values to compare
    pub protocol: String,
    /// of the runs whose training came to its end, in the order of the runs
    pub last: Picked,
    /// of all runs
    pub best: Picked,
}

/// Values with the epochs they are of.
#[derive(Default)]
pub struct Picked {
    pub values: Vec<f64>,
    pub epochs: Vec<u64>,
}

impl Lists {
    /// The values that `pick` names.
    pub fn of(&self, pick: Pick) -> &Picked {
        match pick {
            Pick::Last => &self.last,
            Pick::Best => &self.best,
        }
    }
}

/// Collects last and best values of `groups` of runs.
pub fn aggregate<'a>(
    runs: &[Run],
    groups: impl IntoIterator<Item = &'a [usize]>,
) -> Result<Vec<Lists>, ReportError> {
    let (mut group, mut metric, mut protocol) = (vec![], vec![], vec![]);
    let (mut last, mut last_epoch, mut top, mut top_epoch) = (vec![], vec![], vec![], vec![]);
    for (index, members) in groups.into_iter().enumerate() {
        for run in members.iter().map(|run| &runs[*run]) {
            for name in metrics_of(std::slice::from_ref(run)) {
                let (end, best) = (run.pick(&name, Pick::Last), run.pick(&name, Pick::Best));
                let Some(row) = end.or(best) else { continue };
                group.push(index as u64);
                protocol.push(row.protocol_digest().short());
                metric.push(name);
                last.push(end.map(|row| row.value));
                last_epoch.push(end.and_then(|row| row.epoch));
                top.push(best.map(|row| row.value));
                top_epoch.push(best.and_then(|row| row.epoch));
            }
        }
    }
    let frame = df!(
        "group" => group, "metric" => metric, "protocol" => protocol,
        "last" => last, "last_epoch" => last_epoch, "best" => top, "best_epoch" => top_epoch
    )?;
    // The lists keep the runs' order; mean and deviation are summed in it, whatever the threads do.
    let grouped = frame
        .lazy()
        .group_by_stable([col("group"), col("metric"), col("protocol")])
        .agg(["last", "last_epoch", "best", "best_epoch"].map(col))
        .collect()?;
    let text = |name: &str, row: usize| -> Result<String, ReportError> {
        let text = grouped.column(name)?.str()?.get(row);
        Ok(text.unwrap_or_default().to_owned())
    };
    let picked = |name: &str, row: usize| -> Result<Picked, ReportError> {
        let list =
            |name: &str| Ok::<_, PolarsError>(grouped.column(name)?.list()?.get_as_series(row));
        let values =
            list(name)?.map(|list| Ok::<_, PolarsError>(list.f64()?.iter().flatten().collect()));
        let epochs = list(&format!("{name}_epoch"))?;
        let epochs =
            epochs.map(|list| Ok::<_, PolarsError>(list.u64()?.iter().flatten().collect()));
        Ok(Picked {
            values: values.transpose()?.unwrap_or_default(),
            epochs: epochs.transpose()?.unwrap_or_default(),
        })
    };
    let rows = 0..grouped.height();
    rows.map(|row| {
        let group = grouped.column("group")?.u64()?.get(row).unwrap_or(0) as usize;
        Ok(Lists {
            group,
            metric: text("metric", row)?,
            protocol: text("protocol", row)?,
            last: picked("last", row)?,
            best: picked("best", row)?,
        })
    })
    .collect()
}
