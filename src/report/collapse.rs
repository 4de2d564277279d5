//! Mode collapse as a number: a run whose images became nearly all the same.
//!
//! A generator that collapses stays a network without NaN, so nothing ends its run; what it loses is `diversity`, the mean
//! distance between two of its images. How large that is when all is well depends on extractor and images, so it is held
//! against the largest known: of other checkpoints, other runs, and real images.

use std::collections::{BTreeMap, BTreeSet};

use super::runs::{Ending, Run};
use crate::hash::Digest;
use crate::metric::{Direction, MetricRow};

/// Below this share of the largest diversity known, images count as nearly all the same.
///
/// A third lies between what was seen of runs that work (from 0.75 of the largest, with dropout), of young ones (0.40 after
/// a fourth of the training) and of one that collapsed (0.28 of the others).
pub const SHARE: f64 = 1.0 / 3.0;

/// What two diversities must share to be held against each other: metric, extractor, number of images, the protocol
/// without what it says after a semicolon of whose images they are (`; real images`, `; mean of 25 draws`), and the data
/// that they are to resemble, where a table holds models of several.
type Scale<'a> = (&'a str, Option<Digest>, u64, &'a str, Option<Digest>);

/// Marks the runs that collapsed: from some epoch to its last checkpoint, a run's diversity lies below [`SHARE`] of the
/// largest known of that metric, extractor and number of images, and
///
/// - it was above before, so that it was lost, or
/// - another run was above with no more training, so that it should be there.
///
/// Neither holds of a run that has only begun, whose images are all the same grey: real images show that it lacks
/// diversity, and not that it ever will. Runs that diverged stay diverged.
pub fn mark_collapsed(runs: &mut [Run]) {
    let all = runs.iter().flat_map(|run| &run.rows);
    let references: BTreeSet<Digest> = all.filter_map(|row| row.reference).collect();
    let apart = references.len() > 1;
    let scale = |row| scale(row, apart);
    let mut largest: BTreeMap<Scale<'_>, f64> = BTreeMap::new();
    for row in runs.iter().flat_map(|run| &run.rows) {
        if let Some(scale) = scale(row) {
            let known = largest.entry(scale).or_insert(row.value);
            *known = known.max(row.value);
        }
    }
    let above = |scale: &Scale<'_>, value: f64| value >= SHARE * largest[scale];
    let mut reached: BTreeMap<Scale<'_>, Vec<(usize, u64)>> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        for row in &run.rows {
            if let (Some(scale), Some(epoch)) = (scale(row), row.epoch)
                && above(&scale, row.value)
            {
                reached.entry(scale).or_default().push((index, epoch));
            }
        }
    }
    let collapsed: Vec<Option<u64>> = runs
        .iter()
        .enumerate()
        .map(|(index, run)| {
            let mut checkpoints: BTreeMap<Scale<'_>, BTreeMap<u64, f64>> = BTreeMap::new();
            for row in &run.rows {
                if let (Some(scale), Some(epoch)) = (scale(row), row.epoch) {
                    let own = checkpoints.entry(scale).or_default();
                    own.insert(epoch, row.value);
                }
            }
            let since = checkpoints.iter().filter_map(|(scale, values)| {
                let below = values.iter().rev();
                let below = below.take_while(|(_, value)| !above(scale, **value));
                let (first, _) = below.last()?;
                let (last, _) = values.last_key_value()?;
                let reached = reached.get(scale)?;
                let lost = |(run, epoch): &(usize, u64)| *run == index || *epoch <= *last;
                reached.iter().any(lost).then_some(*first)
            });
            since.min()
        })
        .collect();
    for (run, since) in runs.iter_mut().zip(collapsed) {
        if let (Ending::Ok, Some(epoch)) = (run.ending, since) {
            run.ending = Ending::Collapsed { epoch };
        }
    }
}

/// Of a row that is a diversity: what it may be held against; of others than its reference's only where all are one.
fn scale(row: &MetricRow, apart: bool) -> Option<Scale<'_>> {
    let name = row.metric.as_str();
    let diversity = name == "diversity" || name.starts_with("diversity-");
    // Deviations and intervals are no diversities (and have no direction); nor is the best of several draws.
    let one = row.direction == Direction::Higher && !name.ends_with("-top");
    let protocol = row.protocol.split(';').next().unwrap_or_default();
    (diversity && one && row.value.is_finite()).then_some((
        name,
        row.extractor,
        row.samples,
        protocol,
        row.reference.filter(|_| apart),
    ))
}
