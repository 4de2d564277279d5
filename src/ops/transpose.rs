//! Transposing matrices without defeating the caches.

use super::real::Real;

/// Rows and columns moved at a time: a cache line of `f32` each way. Pitches are often powers of two, at
/// which a plain loop's lines would evict each other before they are used up.
pub(super) const TILE: usize = 16;

/// Writes the transpose of `source` (`rows` × `columns`, rows `pitch` apart) to `out`, whose rows are
/// `out_pitch` apart.
pub(super) fn transpose<T: Real>(
    source: &[T],
    pitch: usize,
    (rows, columns): (usize, usize),
    out: &mut [T],
    out_pitch: usize,
) {
    for row in (0..rows).step_by(TILE) {
        let height = TILE.min(rows - row);
        for column in (0..columns).step_by(TILE) {
            let width = TILE.min(columns - column);
            let mut tile = [[T::ZERO; TILE]; TILE];
            for i in 0..height {
                let start = (row + i) * pitch + column;
                for (line, &value) in tile.iter_mut().zip(&source[start..start + width]) {
                    line[i] = value;
                }
            }
            for (j, values) in tile[..width].iter().enumerate() {
                let start = (column + j) * out_pitch + row;
                out[start..start + height].copy_from_slice(&values[..height]);
            }
        }
    }
}
