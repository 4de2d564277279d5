//! Working memory that outlives an operation, so that the next one need not have it mapped again.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use super::real::Real;

/// Buffers kept at most.
const KEPT: usize = 4;

/// Elements with the values of an earlier use. Goes back to the others when dropped.
pub(super) struct Buffer<T: Real> {
    data: Vec<T>,
    length: usize,
}

/// Buffers of a type that nobody uses at the moment.
pub(super) type Spares<T> = Mutex<Vec<Vec<T>>>;

impl<T: Real> Buffer<T> {
    /// `length` elements.
    pub(super) fn take(length: usize) -> Self {
        let mut data = lock(T::spares()).pop().unwrap_or_default();
        if data.len() < length {
            // Growing would copy what nobody needs.
            data = vec![T::ZERO; length];
        }
        Self { data, length }
    }
}

impl<T: Real> Drop for Buffer<T> {
    fn drop(&mut self) {
        let mut spares = lock(T::spares());
        spares.push(std::mem::take(&mut self.data));
        // The largest last, where they are taken from.
        spares.sort_by_key(Vec::len);
        if spares.len() > KEPT {
            spares.remove(0);
        }
    }
}

impl<T: Real> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.data[..self.length]
    }
}

impl<T: Real> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[..self.length]
    }
}

fn lock<T>(spares: &Spares<T>) -> std::sync::MutexGuard<'_, Vec<Vec<T>>> {
    spares
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
