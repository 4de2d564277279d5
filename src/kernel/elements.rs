//! From candle's storages to slices.

use candle_core::{Layout, Storage, WithDType};

/// The elements of a contiguous tensor on the CPU; `None` where it is elsewhere, strided, or of another type.
pub(crate) fn elements<'a, T: WithDType>(storage: &'a Storage, layout: &Layout) -> Option<&'a [T]> {
    match (storage, layout.contiguous_offsets()) {
        (Storage::Cpu(storage), Some((from, to))) => {
            T::cpu_storage_as_slice(storage).ok()?.get(from..to)
        }
        _ => None,
    }
}
