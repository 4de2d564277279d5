//! Changing the values of tensors that others hold too: parameters, optimiser state.

use std::cell::RefCell;
use std::ops::Range;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor};

/// Copies the values of `from` into the storage of `to`, which must be contiguous.
///
/// # Errors
/// Tensors of different shapes, types or devices, or that share their storage.
pub(super) fn assign(to: &Tensor, from: &Tensor) -> Result<()> {
    if to.dims() != from.dims() {
        candle_core::bail!("values {:?} for a tensor {:?}", from.dims(), to.dims());
    }
    let count = to.elem_count();
    let from = from.contiguous()?.reshape(count)?;
    to.reshape(count)?.slice_set(&from, 0, 0)
}

/// The elements of a contiguous `f32` tensor on the CPU, taken out of its storage and put back on drop.
///
/// So any number of tensors can be edited in one parallel loop, with neither a lock held nor a copy made.
/// Nobody may read them meanwhile.
pub(super) struct Lent<'a> {
    tensor: &'a Tensor,
    elements: Vec<f32>,
    range: Range<usize>,
}

impl<'a> Lent<'a> {
    /// Takes the elements of `tensor`.
    ///
    /// # Errors
    /// Another type, device or layout; elements that are lent already, because two tensors share them.
    pub fn new(tensor: &'a Tensor) -> Result<Self> {
        let Some((start, end)) = tensor.layout().contiguous_offsets() else {
            candle_core::bail!("a tensor that is edited in place must be contiguous");
        };
        let mut elements = Vec::new();
        tensor.inplace_op1(&Swap(RefCell::new(&mut elements)))?;
        if elements.len() < end {
            candle_core::bail!("two tensors that are edited in place share their elements");
        }
        Ok(Self {
            tensor,
            elements,
            range: start..end,
        })
    }

    /// The elements.
    pub fn elements(&mut self) -> &mut [f32] {
        &mut self.elements[self.range.clone()]
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // It cannot fail: the same operation took the elements out.
        let _ = self
            .tensor
            .inplace_op1(&Swap(RefCell::new(&mut self.elements)));
    }
}

/// Exchanges a tensor's elements for those held here. (In a cell because candle calls it by `&self`.)
struct Swap<'a>(RefCell<&'a mut Vec<f32>>);

impl InplaceOp1 for Swap<'_> {
    fn name(&self) -> &'static str {
        "edit in place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> Result<()> {
        match storage {
            CpuStorage::F32(elements) => {
                std::mem::swap(elements, *self.0.borrow_mut());
                Ok(())
            }
            _ => candle_core::bail!("a tensor that is edited in place must be f32"),
        }
    }
}
