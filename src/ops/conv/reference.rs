//! The convolutions as sums over kernel taps of matrix products: any geometry, device and type.

use candle_core::{Device, Result, Tensor};

use super::geometry::Geometry;

/// See [`forward`](super::forward).
pub(super) fn forward(image: &Tensor, weight: &Tensor, g: &Geometry) -> Result<Tensor> {
    let weight = weight.reshape((g.groups, g.o, g.c, g.kernel.0, g.kernel.1))?;
    let padded = pad(image, g)?;
    let shape = (g.samples, g.groups, g.o, g.positions());
    let mut map = Tensor::zeros(shape, image.dtype(), image.device())?;
    for i in 0..g.kernel.0 {
        for j in 0..g.kernel.1 {
            let seen = seen(&padded, g, (i, j))?;
            let tap = weight
                .narrow(3, i, 1)?
                .narrow(4, j, 1)?
                .reshape((g.groups, g.o, g.c))?;
            let term = tap.unsqueeze(0)?.broadcast_matmul(&seen)?;
            map = (map + term)?;
        }
    }
    map.reshape(g.map_shape())
}

/// See [`data_gradient`](super::data_gradient).
pub(super) fn data_gradient(map: &Tensor, weight: &Tensor, g: &Geometry) -> Result<Tensor> {
    let (height, width) = padded_size(g);
    let channels = g.groups * g.c;
    let weight = weight.reshape((g.groups, g.o, g.c, g.kernel.0, g.kernel.1))?;
    let map = map.reshape((g.samples, g.groups, g.o, g.positions()))?;
    let zeros = |height, width| {
        let shape = (g.samples, channels, height, width);
        Tensor::zeros(shape, map.dtype(), map.device())
    };
    let mut image = zeros(height, width)?;
    for i in 0..g.kernel.0 {
        for j in 0..g.kernel.1 {
            let tap = weight
                .narrow(3, i, 1)?
                .narrow(4, j, 1)?
                .reshape((g.groups, g.o, g.c))?;
            let term = tap
                .transpose(1, 2)?
                .unsqueeze(0)?
                .broadcast_matmul(&map)?
                .reshape((g.samples, channels, g.map.0, g.map.1))?;
            let rows = taps(i, g.stride.0, g.map.0, map.device())?;
            let columns = taps(j, g.stride.1, g.map.1, map.device())?;
            let tall = zeros(height, g.map.1)?.index_add(&rows, &term, 2)?;
            image = image.index_add(&columns, &tall, 3)?;
        }
    }
    image
        .narrow(2, g.origin.0, g.image.0)?
        .narrow(3, g.origin.1, g.image.1)
}

/// See [`weight_gradient`](super::weight_gradient).
pub(super) fn weight_gradient(image: &Tensor, map: &Tensor, g: &Geometry) -> Result<Tensor> {
    let padded = pad(image, g)?;
    let map = map.reshape((g.samples, g.groups, g.o, g.positions()))?;
    let mut rows = Vec::with_capacity(g.kernel.0);
    for i in 0..g.kernel.0 {
        let mut columns = Vec::with_capacity(g.kernel.1);
        for j in 0..g.kernel.1 {
            let seen = seen(&padded, g, (i, j))?;
            let tap = map.matmul(&seen.transpose(2, 3)?)?.sum(0)?;
            columns.push(tap.reshape((g.groups * g.o, g.c, 1, 1))?);
        }
        rows.push(Tensor::cat(&columns, 3)?);
    }
    Tensor::cat(&rows, 2)
}

/// The height and width of the image with the zeros around it that windows cover.
fn padded_size(g: &Geometry) -> (usize, usize) {
    let side = |map: usize, stride: usize, kernel: usize, origin: usize, image: usize| {
        ((map - 1) * stride + kernel).max(origin + image)
    };
    (
        side(g.map.0, g.stride.0, g.kernel.0, g.origin.0, g.image.0),
        side(g.map.1, g.stride.1, g.kernel.1, g.origin.1, g.image.1),
    )
}

fn pad(image: &Tensor, g: &Geometry) -> Result<Tensor> {
    let (height, width) = padded_size(g);
    image
        .pad_with_zeros(2, g.origin.0, height - g.origin.0 - g.image.0)?
        .pad_with_zeros(3, g.origin.1, width - g.origin.1 - g.image.1)
}

/// What kernel element `tap` of each window sees of the padded image: (N, groups, c, positions).
fn seen(padded: &Tensor, g: &Geometry, tap: (usize, usize)) -> Result<Tensor> {
    padded
        .index_select(&taps(tap.0, g.stride.0, g.map.0, padded.device())?, 2)?
        .index_select(&taps(tap.1, g.stride.1, g.map.1, padded.device())?, 3)?
        .reshape((g.samples, g.groups, g.c, g.positions()))
}

/// Where kernel element `offset` of each of `count` windows lies in the padded image.
fn taps(offset: usize, stride: usize, count: usize, device: &Device) -> Result<Tensor> {
    let positions: Vec<u32> = (0..count)
        .map(|window| (window * stride + offset) as u32)
        .collect();
    Tensor::new(positions, device)
}
