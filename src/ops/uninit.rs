//! Results whose parts lie scattered, as those of a tile of a product do, written once without being zeroed first. Where
//! parts lie side by side, [`kernel::buffer`](crate::kernel::buffer) does the same without a promise.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// A vector of `length` elements, all of which `fill` writes.
///
/// # Safety
/// `fill` must write every element.
#[expect(
    unsafe_code,
    reason = "the caller promises that every element is written"
)]
pub(super) unsafe fn filled<T>(length: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    let mut out = Vec::with_capacity(length);
    fill(&mut out.spare_capacity_mut()[..length]);
    unsafe { out.set_len(length) };
    out
}

/// A slice that several tasks write to, each its own elements, which are not side by side.
pub(super) struct Shared<'a, T> {
    start: *mut MaybeUninit<T>,
    length: usize,
    slice: PhantomData<&'a mut [MaybeUninit<T>]>,
}

#[expect(
    unsafe_code,
    reason = "tasks write disjoint elements, as `range` demands"
)]
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(super) fn new(slice: &'a mut [MaybeUninit<T>]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            length: slice.len(),
            slice: PhantomData,
        }
    }

    /// The elements `first..first + count`.
    ///
    /// # Safety
    /// Nobody else may hold any of them.
    #[expect(
        clippy::mut_from_ref,
        reason = "the caller promises to be the only one"
    )]
    #[expect(
        unsafe_code,
        reason = "in bounds; the caller promises to be the only one"
    )]
    pub(super) unsafe fn range(&self, first: usize, count: usize) -> &mut [MaybeUninit<T>] {
        assert!(first + count <= self.length);
        unsafe { std::slice::from_raw_parts_mut(self.start.add(first), count) }
    }
}
