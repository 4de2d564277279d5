//! Padding that cuDNN does not have: zeros that become part of the image.

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{CudaStorage, Result};

use crate::ops::conv::geometry::Geometry;

/// A margin of zeros around each channel of an image.
pub(super) struct Frame {
    /// the convolution as it was asked for
    inner: Geometry,
    /// the same convolution of the image in its frame, without padding
    outer: Geometry,
}

/// A geometry in one direction: the image's extent, the kernel's, the map's, the stride, zeros before.
type Direction = (usize, usize, usize, usize, usize);

impl Frame {
    /// cuDNN pads alike on opposite sides, and its documentation promises nothing for padding as wide as
    /// the kernel. `None` if that is enough for `g`.
    pub(super) fn needed(g: &Geometry) -> Option<Self> {
        let rows = (g.image.0, g.kernel.0, g.map.0, g.stride.0, g.origin.0);
        let columns = (g.image.1, g.kernel.1, g.map.1, g.stride.1, g.origin.1);
        if pads_alike(rows) && pads_alike(columns) {
            return None;
        }
        let outer = Geometry {
            image: (framed(rows), framed(columns)),
            origin: (0, 0),
            ..*g
        };
        Some(Self { inner: *g, outer })
    }

    /// The convolution of the framed image.
    pub(super) fn geometry(&self) -> &Geometry {
        &self.outer
    }

    /// `image`, from element `start` of its storage, in the frame.
    pub(super) fn put_around(&self, image: &CudaStorage, start: usize) -> Result<CudaStorage> {
        let ((top, left), (h, w)) = (self.inner.origin, self.inner.image);
        let (height, width) = self.outer.image;
        let planes = self.planes();
        let mut wide = self.zeros(image, h, width)?;
        image.copy2d(&mut wide, planes * h, w, w, width, start, left)?;
        let mut whole = self.zeros(image, height, width)?;
        let (from, to) = (h * width, height * width);
        wide.copy2d(&mut whole, planes, from, from, to, 0, top * width)?;
        Ok(whole)
    }

    /// The image in the frame that `whole` has.
    pub(super) fn taken_off(&self, whole: &CudaStorage) -> Result<CudaStorage> {
        let ((top, left), (h, w)) = (self.inner.origin, self.inner.image);
        let (height, width) = self.outer.image;
        let planes = self.planes();
        let mut wide = self.zeros(whole, h, width)?;
        let (from, to) = (height * width, h * width);
        whole.copy2d(&mut wide, planes, to, from, to, top * width, 0)?;
        let mut image = self.zeros(whole, h, w)?;
        wide.copy2d(&mut image, planes * h, w, width, w, left, 0)?;
        Ok(image)
    }

    fn planes(&self) -> usize {
        self.inner.samples * self.inner.groups * self.inner.c
    }

    /// Zeros of the device and type of `like`, for all channels.
    fn zeros(&self, like: &CudaStorage, rows: usize, columns: usize) -> Result<CudaStorage> {
        let shape = (self.planes(), rows, columns).into();
        like.device().zeros_impl(&shape, like.dtype())
    }
}

/// Whether as many zeros after the image as before it give the map asked for.
fn pads_alike((extent, kernel, count, stride, before): Direction) -> bool {
    let padded = extent + 2 * before;
    before < kernel && padded >= kernel && (padded - kernel) / stride + 1 == count
}

/// The extent of the image in its frame: zeros before it, and after it what the last window reaches.
fn framed((extent, kernel, count, stride, before): Direction) -> usize {
    ((count - 1) * stride + kernel).max(before + extent)
}
