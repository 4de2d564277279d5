//! Random matrices with orthonormal rows or columns.
//!
//! Q of the decomposition of a normal matrix, taken as the one whose R has a positive diagonal: that makes it
//! unique and uniformly distributed (Mezzadri 2007), and is what `PyTorch`'s `orthogonal_` computes.

use rayon::prelude::*;

use crate::rng::Stream;

/// Vectors that are projected out of all later ones together; they stay in the cache meanwhile.
const PANEL: usize = 16;

/// Partial sums of an inner product: fixes the order of summation, and lets the processor add several at once.
const LANES: usize = 8;

/// A row-major (`rows`, `columns`) matrix whose rows are orthonormal, or its columns where they are fewer.
pub(super) fn orthonormal(rows: usize, columns: usize, stream: &mut Stream) -> Vec<f32> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = (0..count)
        .map(|_| (0..length).map(|_| stream.normal()).collect())
        .collect();
    // What rounding leaves of non-orthogonality after the first time goes with the second.
    gram_schmidt(&mut vectors);
    gram_schmidt(&mut vectors);
    if rows <= columns {
        let all = vectors.iter().flatten();
        return all.map(|&x| x as f32).collect();
    }
    (0..rows)
        .flat_map(|row| vectors.iter().map(move |vector| vector[row] as f32))
        .collect()
}

/// Modified Gram–Schmidt: each vector, scaled to length 1, is taken out of all that follow. The order of every
/// sum is that of the textbook whatever [`PANEL`] and the threads.
fn gram_schmidt(vectors: &mut [Vec<f64>]) {
    let mut rest = vectors;
    while !rest.is_empty() {
        let ready = PANEL.min(rest.len());
        let (panel, later) = std::mem::take(&mut rest).split_at_mut(ready);
        for at in 0..panel.len() {
            let (done, following) = panel.split_at_mut(at + 1);
            let unit = &mut done[at];
            let length = inner(unit, unit).sqrt();
            for x in unit.iter_mut() {
                *x /= length;
            }
            for vector in following {
                project_out(vector, unit);
            }
        }
        later.par_iter_mut().for_each(|vector| {
            for unit in &*panel {
                project_out(vector, unit);
            }
        });
        rest = later;
    }
}

/// Takes the share of `unit` out of `vector`.
fn project_out(vector: &mut [f64], unit: &[f64]) {
    let share = inner(vector, unit);
    for (x, u) in vector.iter_mut().zip(unit) {
        *x -= share * u;
    }
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}
