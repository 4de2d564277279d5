//! Augmentation that gradients pass through (Zhao, Liu, Lin, Zhu and Han 2020, "Differentiable augmentation for
//! data-efficient GAN training"), by the definitions of the authors' code.

use candle_core::{Result, Tensor, bail};

use crate::autograd::Value;

/// A kind of change; several are made in the order given (`color,translation,cutout` in the paper).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// brightness, then saturation, then contrast
    Color,
    /// moved by up to 1/8 of each side, zeros from outside
    Translation,
    /// a rectangle of half of each side set to 0, which may reach beyond the border
    Cutout,
}

/// The random numbers of one sample, each uniform in [0, 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// added after moving it to [−½, ½)
    pub brightness: f64,
    /// distances from grey are multiplied by twice as much
    pub saturation: f64,
    /// distances from the image's mean are multiplied by ½ more
    pub contrast: f64,
    /// which of the possible places, down and right
    pub translation: [f64; 2],
    /// which of the possible places, down and right
    pub cutout: [f64; 2],
}

impl Draw {
    /// Takes all numbers from `unit`, which gives one uniform in [0, 1) at each call. Always the same number of them,
    /// whatever the policy.
    pub fn new(mut unit: impl FnMut() -> f64) -> Self {
        Self {
            brightness: unit(),
            saturation: unit(),
            contrast: unit(),
            translation: [unit(), unit()],
            cutout: [unit(), unit()],
        }
    }
}

/// Sides are moved by up to 1/8 of them.
const SHIFT: f64 = 0.125;
/// Cut-outs measure half of each side.
const CUT: f64 = 0.5;

/// `images` (N, C, H, W) in [−1, 1], changed by `policy`, sample n by `draws[n]`. Linear in the images but for an offset,
/// so that second derivatives pass through it as well.
///
/// # Errors
/// Another rank, or another number of draws than samples.
pub fn diff_augment(images: &Value, draws: &[Draw], policy: &[Policy]) -> Result<Value> {
    let [samples, ..] = *images.dims() else {
        bail!("diff_augment: a scalar is no batch of images");
    };
    if images.rank() != 4 || draws.len() != samples {
        let shape = images.shape();
        bail!("diff_augment: {} draws for images {shape:?}", draws.len());
    }
    policy
        .iter()
        .try_fold(images.clone(), |images, policy| match policy {
            Policy::Color => color(&images, draws),
            Policy::Translation => translation(&images, draws),
            Policy::Cutout => cutout(&images, draws),
        })
}

/// Brightness: x + b − ½. Saturation: (x − m) · 2s + m with m the mean over channels of each pixel. Contrast:
/// (x − m) · (c + ½) + m with m the mean of the whole image.
fn color(images: &Value, draws: &[Draw]) -> Result<Value> {
    let (_, channels, height, width) = images.tensor().dims4()?;
    let brightness = column(images, draws, |draw| draw.brightness - 0.5)?;
    let images = images.add(&brightness.broadcast_as(images.shape().clone())?)?;
    let images = stretch(
        &images,
        channels,
        &[draws.len(), 1, height, width],
        |d| 2.0 * d.saturation,
        draws,
    )?;
    let count = channels * height * width;
    stretch(
        &images,
        count,
        &[draws.len(), 1, 1, 1],
        |d| d.contrast + 0.5,
        draws,
    )
}

/// (x − m) · factor + m, with m the mean over `count` numbers that leaves the shape `means`.
fn stretch(
    images: &Value,
    count: usize,
    means: &[usize],
    factor: impl Fn(&Draw) -> f64,
    draws: &[Draw],
) -> Result<Value> {
    let shape = images.shape().clone();
    let mean = images.sum_to(means)?.affine(1.0 / count as f64, 0.0)?;
    let mean = mean.broadcast_as(shape.clone())?;
    let factor = column(images, draws, factor)?.broadcast_as(shape)?;
    images.sub(&mean)?.mul(&factor)?.add(&mean)
}

/// A constant (N, 1, 1, 1).
fn column(images: &Value, draws: &[Draw], number: impl Fn(&Draw) -> f64) -> Result<Value> {
    let numbers: Vec<f64> = draws.iter().map(number).collect();
    let tensor = Tensor::from_vec(numbers, (draws.len(), 1, 1, 1), images.device())?;
    Ok(tensor.to_dtype(images.dtype())?.into())
}

/// Rounds half up, as the authors' code does.
fn part(side: usize, ratio: f64) -> usize {
    (side as f64 * ratio + 0.5) as usize
}

/// One of `count` whole numbers from 0 on, by a uniform number in [0, 1).
fn pick(unit: f64, count: usize) -> usize {
    ((unit * count as f64) as usize).min(count.saturating_sub(1))
}

fn translation(images: &Value, draws: &[Draw]) -> Result<Value> {
    let (_, _, height, width) = images.tensor().dims4()?;
    let shift = |side: usize, unit: f64| {
        let most = part(side, SHIFT);
        pick(unit, 2 * most + 1) as i64 - most as i64
    };
    let shifts = draws
        .iter()
        .map(|draw| {
            let [down, right] = draw.translation;
            (shift(height, down), shift(width, right))
        })
        .collect();
    shifted(images, shifts)
}

/// Pixel (y, x) of sample n becomes (y + shifts[n].0, x + shifts[n].1) of `images`, or 0 where there is none. What undoes
/// it for gradients is the move back.
fn shifted(images: &Value, shifts: Vec<(i64, i64)>) -> Result<Value> {
    let moved = shifts
        .iter()
        .enumerate()
        .map(|(n, (down, right))| {
            let image = images.tensor().narrow(0, n, 1)?;
            along(&along(&image, 2, *down)?, 3, *right)
        })
        .collect::<Result<Vec<Tensor>>>()?;
    let tensor = Tensor::cat(&moved, 0)?;
    Ok(Value::record(tensor, &[images], move |back| {
        let undo = shifts.iter().map(|(down, right)| (-down, -right));
        Ok(vec![Some(shifted(back.gradient(), undo.collect())?)])
    }))
}

/// Element i of dimension `dim` becomes element i + `shift`, or 0 where there is none.
fn along(image: &Tensor, dim: usize, shift: i64) -> Result<Tensor> {
    let length = image.dim(dim)?;
    let by = (shift.unsigned_abs() as usize).min(length);
    let (start, before, after) = if shift >= 0 { (by, 0, by) } else { (0, by, 0) };
    image
        .narrow(dim, start, length - by)?
        .pad_with_zeros(dim, before, after)
}

fn cutout(images: &Value, draws: &[Draw]) -> Result<Value> {
    let (samples, _, height, width) = images.tensor().dims4()?;
    // The rows, or columns, of a side that are cut out.
    let cut = |side: usize, unit: f64| {
        let length = part(side, CUT);
        let offset = pick(unit, side + (1 - length % 2));
        let start = offset as i64 - (length / 2) as i64;
        let clamp = |at: i64| at.clamp(0, side as i64 - 1) as usize;
        // Places beyond the border count as the nearest within, as in the authors' code.
        clamp(start)..=clamp(start + length as i64 - 1)
    };
    let mut mask = vec![1.0_f32; samples * height * width];
    for (draw, mask) in draws.iter().zip(mask.chunks_exact_mut(height * width)) {
        let columns = cut(width, draw.cutout[1]);
        for row in cut(height, draw.cutout[0]) {
            mask[row * width..(row + 1) * width][columns.clone()].fill(0.0);
        }
    }
    let mask = Tensor::from_vec(mask, (samples, 1, height, width), images.device())?;
    let mask: Value = mask.to_dtype(images.dtype())?.into();
    images.mul(&mask.broadcast_as(images.shape().clone())?)
}
