//! Which checkpoint is the best, by what was measured of them.

use crate::metric::document::Metrics;
use crate::metric::{Direction, best};
use crate::stage::generate::failed;
use crate::stage::{StageCtx, StageError};

/// The epoch at which `metric` is best by the input `scores`; none where nothing was measured.
pub fn best_epoch(ctx: &StageCtx<'_>, metric: &str) -> Result<Option<u64>, StageError> {
    let path = ctx.input("scores")?.path();
    let bytes = std::fs::read(path).map_err(|error| StageError::io(path, error))?;
    let metrics = Metrics::from_json(&bytes)
        .map_err(|error| failed(format!("{}: {error}", path.display())))?;
    if metrics.rows.is_empty() {
        return Ok(None);
    }
    let rows = || metrics.of(metric).filter(|row| row.epoch.is_some());
    let refuse = |why: &str| {
        let mut known: Vec<&str> = metrics.rows.iter().map(|row| row.metric.as_str()).collect();
        known.dedup();
        failed(format!(
            "`{metric}` in the input `scores` {why} (it has {})",
            known.join(", ")
        ))
    };
    match rows().next() {
        None => Err(refuse("was measured at no checkpoint")),
        Some(row) if row.direction == Direction::Neither => {
            Err(refuse("has no best value: it is not ranked"))
        }
        Some(_) => match best(rows()) {
            Some(row) => Ok(row.epoch),
            None => Err(refuse("has no finite value")),
        },
    }
}
