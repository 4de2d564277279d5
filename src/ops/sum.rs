//! Sums over dimensions: in blocks by the element type, across blocks in `f64`, in an order that the shape decides.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

use super::dispatch::{by_type, elements, has_kernel};
use super::real::Real;
use super::reduce::{CHUNK, Planes, sum_of};

/// The sums of `x` over the dimensions `dims` (ascending), which stay with length 1.
pub(super) fn sum_keepdim(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    for &dim in dims {
        shape[dim] = 1;
    }
    let Some(kernel) = Sum::over(dims, x.rank()).filter(|_| has_kernel(x) && x.elem_count() > 0)
    else {
        return x.sum_keepdim(dims);
    };
    x.contiguous()?.apply_op1_no_bwd(&kernel)?.reshape(shape)
}

/// The patterns that there are kernels for.
enum Sum {
    /// over all dimensions from this one on
    Rows(usize),
    /// over all dimensions but the second
    Channels,
}

impl Sum {
    fn over(dims: &[usize], rank: usize) -> Option<Self> {
        let first = *dims.first()?;
        if dims.iter().copied().eq(first..rank) {
            return Some(Self::Rows(first));
        }
        let but_the_second = (0..rank).filter(|&dim| dim != 1);
        dims.iter()
            .copied()
            .eq(but_the_second)
            .then_some(Self::Channels)
    }
}

impl CustomOp1 for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let sums: Vec<T> = match *self {
                Self::Rows(first) => rows(x, layout.dims()[first..].iter().product()),
                Self::Channels => channels(x, Planes::of(layout.shape())?),
            };
            let count = sums.len();
            Ok((T::to_cpu_storage_owned(sums), count.into()))
        })
    }
}

/// The sums of rows of `length` elements, at least 1.
fn rows<T: Real>(x: &[T], length: usize) -> Vec<T> {
    let sum = |row: &[T]| sum_of(row, row, |x, _| x);
    if length >= CHUNK {
        let of_row = |row: &[T]| {
            let parts: Vec<f64> = row.par_chunks(CHUNK).map(sum).collect();
            T::from_f64(parts.iter().sum())
        };
        return x.chunks(length).map(of_row).collect();
    }
    x.par_chunks(length)
        .with_min_len(CHUNK.div_ceil(length))
        .map(|row| T::from_f64(sum(row)))
        .collect()
}

/// The sums of channels of a tensor (N, C, …).
fn channels<T: Real>(x: &[T], planes: Planes) -> Vec<T> {
    (0..planes.channels)
        .into_par_iter()
        .map(|channel| T::from_f64(planes.channel_sum(x, x, channel, |x, _| x)))
        .collect()
}
