//! Per-image work on all cores, results in order.

use rayon::prelude::*;

use super::error::DataError;

/// Images in work at a time: enough to keep many cores busy, few enough that large photographs fit in
/// memory.
const CHUNK: usize = 64;

/// Told (images done, images in all); says whether to go on.
pub type Watch<'a> = &'a dyn Fn(u64, u64) -> bool;

/// Calls `make` for 0 … `count` - 1 in parallel and `take` with each result in that order.
///
/// Errors: the first that `make` or `take` gives; [`DataError::Interrupted`] once `watch` says stop.
pub fn in_order<T: Send>(
    count: usize,
    watch: Watch<'_>,
    make: impl Fn(usize) -> Result<T, DataError> + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), DataError>,
) -> Result<(), DataError> {
    for start in (0..count).step_by(CHUNK) {
        let end = count.min(start + CHUNK);
        if !watch(start as u64, count as u64) {
            return Err(DataError::Interrupted);
        }
        let made: Vec<_> = (start..end).into_par_iter().map(&make).collect();
        for (index, item) in (start..end).zip(made) {
            take(index, item?)?;
        }
    }
    Ok(())
}
