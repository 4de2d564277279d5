//! What a thread keeps of cuDNN from one call to the next.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use candle_core::cuda_backend::DeviceId;
use candle_core::cuda_backend::cudarc::cudnn::{Cudnn, CudnnError};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaViewMut};
use candle_core::{CudaDevice, DType, Error, Result};

use super::Operation;
use crate::ops::conv::geometry::Geometry;

thread_local! {
    /// cuDNN's handles are neither `Send` nor `Sync`: one for each thread and device.
    static SESSIONS: RefCell<HashMap<DeviceId, Session>> = RefCell::default();
}

/// What identifies a choice of algorithm.
type Key = (Operation, DType, Geometry);

/// cuDNN's answer to how much workspace an algorithm needs, or why it is not to be had.
type Bytes = std::result::Result<usize, CudnnError>;

/// A thread's handle for one device.
pub(super) struct Session {
    device: CudaDevice,
    cudnn: Arc<Cudnn>,
    /// The place of each shape's algorithm in its list, and the bytes it needs. Asking again would cost
    /// more than a small convolution.
    choices: HashMap<Key, (usize, usize)>,
    /// As large as the largest request so far. The operations of a stream use it one after the other.
    workspace: Option<CudaSlice<u8>>,
}

impl Session {
    /// Calls `f` with this thread's session of `device`.
    pub(super) fn with<R>(
        device: &CudaDevice,
        f: impl FnOnce(&mut Self) -> Result<R>,
    ) -> Result<R> {
        SESSIONS.with_borrow_mut(|sessions| {
            let session = match sessions.entry(device.id()) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(Self {
                    device: device.clone(),
                    cudnn: Cudnn::new(device.cuda_stream())?,
                    choices: HashMap::new(),
                    workspace: None,
                }),
            };
            f(session)
        })
    }

    pub(super) fn cudnn(&self) -> &Arc<Cudnn> {
        &self.cudnn
    }

    /// The first algorithm of `list` that is to be had for `key`, with its workspace. `bytes_of` is how much it
    /// needs.
    pub(super) fn choose<A: Copy>(
        &mut self,
        key: Key,
        list: &[A],
        bytes_of: impl Fn(A) -> Bytes,
    ) -> Result<(A, Option<CudaViewMut<'_, u8>>)> {
        let (place, bytes) = match self.choices.entry(key) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let choice = first_supported(list, bytes_of)?;
                *entry.insert(choice.ok_or_else(|| {
                    Error::msg(format!("cuDNN has no deterministic algorithm for {key:?}"))
                })?)
            }
        };
        Ok((list[place], self.workspace(bytes)?))
    }

    /// `bytes` of device memory. Never more, even if there is more: what an algorithm does must not depend
    /// on what ran before.
    fn workspace(&mut self, bytes: usize) -> Result<Option<CudaViewMut<'_, u8>>> {
        if bytes == 0 {
            return Ok(None);
        }
        let kept = self.workspace.as_ref().map_or(0, CudaSlice::len);
        if kept < bytes {
            // The smaller one goes first.
            self.workspace = None;
            self.workspace = Some(self.device.alloc_zeros(bytes)?);
        }
        let workspace = self.workspace.as_mut();
        Ok(workspace.map(|workspace| workspace.slice_mut(..bytes)))
    }
}

/// The place in `list` of the first algorithm that cuDNN supports, and the bytes that it needs.
fn first_supported<A: Copy>(
    list: &[A],
    bytes_of: impl Fn(A) -> Bytes,
) -> Result<Option<(usize, usize)>> {
    /// `CUDNN_STATUS_NOT_SUPPORTED`; its kinds are the numbers up to the next thousand.
    const NOT_SUPPORTED: u32 = 3000;
    for (place, &algorithm) in list.iter().enumerate() {
        match bytes_of(algorithm) {
            Ok(bytes) => return Ok(Some((place, bytes))),
            Err(CudnnError(status)) if status as u32 / 1000 * 1000 == NOT_SUPPORTED => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
