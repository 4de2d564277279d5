//! Results that are written once, without being zeroed first.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// A part of a result, not yet written.
pub(crate) struct Slots<'a, T>(&'a mut [MaybeUninit<T>]);

/// A vector of `length` elements, written in parallel in parts of `size` (the last may be shorter): `fill` gets
/// the number of a part and the part, and gives it back written.
///
/// # Panics
/// If `fill` gives back anything but its part.
pub(crate) fn collect_chunks<T: Send>(
    length: usize,
    size: usize,
    fill: impl for<'a> Fn(usize, Slots<'a, T>) -> &'a mut [T] + Sync,
) -> Vec<T> {
    let mut out = Vec::with_capacity(length);
    out.spare_capacity_mut()[..length]
        .par_chunks_mut(size.max(1))
        .enumerate()
        .for_each(|(part, slots)| written(slots, |slots| fill(part, slots)));
    #[expect(unsafe_code, reason = "the elements were never anything but written")]
    // SAFETY: there is room for `length` elements, and `written` has seen every part of them written.
    unsafe {
        out.set_len(length);
    }
    out
}

impl<'a, T> Slots<'a, T> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes `element`(i) at every place i.
    #[inline(always)]
    pub fn fill(self, mut element: impl FnMut(usize) -> T) -> &'a mut [T] {
        for (at, slot) in self.0.iter_mut().enumerate() {
            slot.write(element(at));
        }
        assume_written(self.0)
    }

    /// Copies `parts` one after the other, which have as many elements together.
    ///
    /// # Panics
    /// If they have not.
    pub fn join<'b>(self, parts: impl Iterator<Item = &'b [T]>) -> &'a mut [T]
    where
        T: Copy + 'b,
    {
        let mut rest = &mut *self.0;
        for part in parts {
            let (slots, others) = rest.split_at_mut(part.len());
            slots.write_copy_of_slice(part);
            rest = others;
        }
        assert!(rest.is_empty(), "parts are shorter than their place");
        assume_written(self.0)
    }

    /// Writes parts of `size` one after the other, as [`collect_chunks`] does.
    #[inline(always)]
    pub fn fill_chunks(
        self,
        size: usize,
        mut fill: impl for<'b> FnMut(usize, Slots<'b, T>) -> &'b mut [T],
    ) -> &'a mut [T] {
        for (part, slots) in self.0.chunks_mut(size).enumerate() {
            written(slots, |slots| fill(part, slots));
        }
        assume_written(self.0)
    }
}

/// Has `fill` write `slots`. What it gives back proves that it did: a slice of elements at that place.
#[inline(always)]
fn written<T>(
    slots: &mut [MaybeUninit<T>],
    fill: impl for<'b> FnOnce(Slots<'b, T>) -> &'b mut [T],
) {
    let (start, length) = (slots.as_ptr().cast::<T>(), slots.len());
    let filled = fill(Slots(slots));
    assert!(
        std::ptr::eq(filled.as_ptr(), start) && filled.len() == length,
        "a part of a result was not written"
    );
}

#[inline(always)]
fn assume_written<T>(slots: &mut [MaybeUninit<T>]) -> &mut [T] {
    #[expect(unsafe_code, reason = "the callers have just written every element")]
    // SAFETY: `fill` writes every slot in its loop, `join` until none is left, `fill_chunks` has every part `written`.
    unsafe {
        slots.assume_init_mut()
    }
}
