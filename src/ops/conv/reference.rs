//! The convolutions as sums over kernel taps of matrix products: any geometry, device and type.

use candle_core::{Device, Result, Tensor};

use super::Conv;
use super::geometry::Geometry;

/// [`conv2d`](crate::ops::conv2d) without bias.
pub fn conv2d(x: &Tensor, weight: &Tensor, conv: &Conv) -> Result<Tensor> {
    let g = Geometry::of_conv(x.dims4()?, weight.dims4()?, conv)?;
    let weight = weight.reshape((g.groups, g.o, g.c, g.kernel.0, g.kernel.1))?;
    let padded = pad(x, conv)?;
    let shape = (g.samples, g.groups, g.o, g.positions());
    let mut map = Tensor::zeros(shape, x.dtype(), x.device())?;
    for i in 0..g.kernel.0 {
        for j in 0..g.kernel.1 {
            let seen = padded
                .index_select(&taps(i, g.stride.0, g.map.0, x.device())?, 2)?
                .index_select(&taps(j, g.stride.1, g.map.1, x.device())?, 3)?
                .reshape((g.samples, g.groups, g.c, g.positions()))?;
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

/// [`conv_transpose2d`](crate::ops::conv_transpose2d) without bias.
pub fn conv_transpose2d(
    x: &Tensor,
    weight: &Tensor,
    conv: &Conv,
    output_padding: (usize, usize),
) -> Result<Tensor> {
    let g = Geometry::of_conv_transpose(x.dims4()?, weight.dims4()?, conv, output_padding)?;
    let padding = conv.padding;
    let height = g.image.0 + padding.top + padding.bottom;
    let width = g.image.1 + padding.left + padding.right;
    let channels = g.groups * g.c;
    let weight = weight.reshape((g.groups, g.o, g.c, g.kernel.0, g.kernel.1))?;
    let x = x.reshape((g.samples, g.groups, g.o, g.positions()))?;
    let mut image = Tensor::zeros((g.samples, channels, height, width), x.dtype(), x.device())?;
    for i in 0..g.kernel.0 {
        for j in 0..g.kernel.1 {
            let tap = weight
                .narrow(3, i, 1)?
                .narrow(4, j, 1)?
                .reshape((g.groups, g.o, g.c))?;
            let term = tap
                .transpose(1, 2)?
                .unsqueeze(0)?
                .broadcast_matmul(&x)?
                .reshape((g.samples, channels, g.map.0, g.map.1))?;
            let rows = Tensor::zeros(
                (g.samples, channels, height, g.map.1),
                x.dtype(),
                x.device(),
            )?
            .index_add(&taps(i, g.stride.0, g.map.0, x.device())?, &term, 2)?;
            image = image.index_add(&taps(j, g.stride.1, g.map.1, x.device())?, &rows, 3)?;
        }
    }
    image
        .narrow(2, padding.top, g.image.0)?
        .narrow(3, padding.left, g.image.1)
}

fn pad(x: &Tensor, conv: &Conv) -> Result<Tensor> {
    let p = conv.padding;
    x.pad_with_zeros(2, p.top, p.bottom)?
        .pad_with_zeros(3, p.left, p.right)
}

/// Where kernel element `offset` of each of `count` windows lies in the padded image.
fn taps(offset: usize, stride: usize, count: usize, device: &Device) -> Result<Tensor> {
    let positions: Vec<u32> = (0..count)
        .map(|window| (window * stride + offset) as u32)
        .collect();
    Tensor::new(positions, device)
}
