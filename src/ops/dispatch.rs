//! From candle's storages to slices and back.

use candle_core::{CpuStorage, DType, Layout, Result, Tensor, WithDType};

use super::real::Real;
use crate::kernel;

/// Whether the CPU kernels apply to `tensor`.
pub(super) fn has_kernel(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && matches!(tensor.dtype(), DType::F32 | DType::F64)
}

/// The elements of a contiguous tensor. Callers make their tensors contiguous first.
pub(super) fn elements<'a, T: WithDType>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => candle_core::bail!("internal: a kernel was given a strided tensor"),
    }
}

/// Runs a generic kernel for the element type of `$storage`.
macro_rules! by_type {
    ($name:expr, $storage:expr, $T:ident => $body:expr) => {
        match $storage {
            candle_core::CpuStorage::F32(_) => {
                type $T = f32;
                $body
            }
            candle_core::CpuStorage::F64(_) => {
                type $T = f64;
                $body
            }
            other => candle_core::bail!(
                "{} has no CPU kernel for {:?}",
                $name,
                candle_core::backend::BackendStorage::dtype(other)
            ),
        }
    };
}
pub(super) use by_type;

/// Runs a generic kernel for the element type of the tensor `$tensor`.
macro_rules! by_dtype {
    ($tensor:expr, $T:ident => $body:expr) => {
        match $tensor.dtype() {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => candle_core::bail!("internal: there is no CPU kernel for {other:?}"),
        }
    };
}
pub(super) use by_dtype;

/// Runs `work` on the elements of contiguous tensors on the CPU.
pub(super) fn with_elements<T: Real, R, const M: usize>(
    tensors: [&Tensor; M],
    work: impl FnOnce([&[T]; M]) -> R,
) -> Result<R> {
    let held = tensors.map(Tensor::storage_and_layout);
    let mut fault = false;
    let slices = held.each_ref().map(|(storage, layout)| {
        let slice = kernel::elements::elements::<T>(storage, layout);
        fault |= slice.is_none();
        slice.unwrap_or_default()
    });
    if fault {
        candle_core::bail!(
            "internal: a kernel was given a tensor that is strided or of another type"
        );
    }
    Ok(work(slices))
}
