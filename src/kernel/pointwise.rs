//! One result element from the elements at its place: parallel, vectorised, written once.

use super::buffer::collect_chunks;
use super::simd::vectorised;

/// Elements of one parallel task.
pub(crate) const CHUNK: usize = 1 << 15;

/// f(a) for each element.
pub(crate) fn map<T: Copy + Send + Sync>(
    a: &[T],
    f: impl Fn(T) -> T + Copy + Send + Sync,
) -> Vec<T> {
    collect_chunks(a.len(), CHUNK, |part, out| {
        let a = &a[part * CHUNK..][..out.len()];
        vectorised!(out.fill(|i| f(a[i])))
    })
}

/// f(a, b) for each pair of elements.
///
/// # Panics
/// If `b` is shorter than `a`.
pub(crate) fn zip<T: Copy + Send + Sync>(
    a: &[T],
    b: &[T],
    f: impl Fn(T, T) -> T + Copy + Send + Sync,
) -> Vec<T> {
    collect_chunks(a.len(), CHUNK, |part, out| {
        let a = &a[part * CHUNK..][..out.len()];
        let b = &b[part * CHUNK..][..out.len()];
        vectorised!(out.fill(|i| f(a[i], b[i])))
    })
}
