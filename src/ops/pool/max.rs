//! The largest element of each window.

use std::hint::select_unpredictable as select;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::fold::{Fold, fold, pays};
use super::reference;
use super::windows::Windows;
use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements, has_kernel};
use crate::ops::real::Real;

/// The largest element of each window of `x`.
pub(super) fn max(x: &Value, windows: Windows) -> Result<Value> {
    if !x.is_tracked() && has_kernel(x.tensor()) && pays(&windows) {
        let map = x
            .tensor()
            .contiguous()?
            .apply_op1_no_bwd(&Largest(windows))?;
        return Ok(Value::constant(map));
    }
    let winners = if has_kernel(x.tensor()) {
        x.tensor()
            .contiguous()?
            .apply_op1_no_bwd(&Winners(windows))?
    } else {
        reference::winners(x.tensor(), &windows)?
    };
    pick(x, &winners, windows)
}

/// From each window of `image`, the pixel that `winners` (N, C, OH, OW) names by its place in its plane.
fn pick(image: &Value, winners: &Tensor, windows: Windows) -> Result<Value> {
    let map = if has_kernel(image.tensor()) {
        let image = image.tensor().contiguous()?;
        image.apply_op2_no_bwd(winners, &Pick(windows))?
    } else {
        reference::pick(image.tensor(), winners, &windows)?
    };
    let winners = winners.clone();
    Ok(Value::record(map, &[image], move |back| {
        Ok(vec![Some(put(back.gradient(), &winners, windows)?)])
    }))
}

/// The adjoint of [`pick`]: each element of `map` added to the pixel that won.
fn put(map: &Value, winners: &Tensor, windows: Windows) -> Result<Value> {
    let image = if has_kernel(map.tensor()) {
        let map = map.tensor().contiguous()?;
        map.apply_op2_no_bwd(winners, &Put(windows))?
    } else {
        reference::put(map.tensor(), winners, &windows)?
    };
    let winners = winners.clone();
    Ok(Value::record(image, &[map], move |back| {
        Ok(vec![Some(pick(back.gradient(), &winners, windows)?)])
    }))
}

/// The place of each window's largest element in its plane: (N, C, OH, OW) of `u32`.
struct Winners(Windows);

impl CustomOp1 for Winners {
    fn name(&self) -> &'static str {
        "max-pool2d-winners"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (pixels, width) = (self.0.pixels(), self.0.image.3);
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let winners = self.0.planewise(self.0.positions(), |winners, plane| {
                let x = &x[plane * pixels..(plane + 1) * pixels];
                self.0.each(|position, rows, columns| {
                    let mut best = rows.start * width + columns.start;
                    for row in rows {
                        for pixel in row * width + columns.start..row * width + columns.end {
                            if is_larger(x[pixel], x[best]) {
                                best = pixel;
                            }
                        }
                    }
                    winners[position] = best as u32;
                });
            });
            Ok((CpuStorage::U32(winners), self.0.map.into()))
        })
    }
}

/// The largest elements alone, for when nobody asks where they were.
struct Largest(Windows);

impl CustomOp1 for Largest {
    fn name(&self) -> &'static str {
        "max-pool2d-largest"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let with = Fold {
                start: T::from_f64(f64::NEG_INFINITY),
                step: |best, element| select(is_larger(element, best), element, best),
                finish: |best, _| best,
            };
            Ok((T::to_cpu_storage_owned(fold(&self.0, x, with)), self.0.map.into()))
        })
    }
}

/// Whether `a` wins over `b`, which came first. NaN counts as largest.
#[inline(always)]
fn is_larger<T: Real>(a: T, b: T) -> bool {
    let is_nan = |x: T| x.partial_cmp(&x).is_none();
    // Without shortcuts, that loops over it become vectors.
    (a > b) | (is_nan(a) & !is_nan(b))
}

struct Pick(Windows);

impl CustomOp2 for Pick {
    fn name(&self) -> &'static str {
        "max-pool2d"
    }

    fn cpu_fwd(
        &self,
        image: &CpuStorage,
        image_layout: &Layout,
        winners: &CpuStorage,
        winners_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (pixels, positions) = (self.0.pixels(), self.0.positions());
        let winners: &[u32] = elements(winners, winners_layout)?;
        by_type!(self.name(), image, T => {
            let image: &[T] = elements(image, image_layout)?;
            let map = self.0.planewise(positions, |map: &mut [T], plane| {
                let image = &image[plane * pixels..(plane + 1) * pixels];
                let winners = &winners[plane * positions..];
                for (map, &winner) in map.iter_mut().zip(winners) {
                    *map = image[winner as usize];
                }
            });
            Ok((T::to_cpu_storage_owned(map), self.0.map.into()))
        })
    }
}

struct Put(Windows);

impl CustomOp2 for Put {
    fn name(&self) -> &'static str {
        "max-pool2d-gradient"
    }

    fn cpu_fwd(
        &self,
        map: &CpuStorage,
        map_layout: &Layout,
        winners: &CpuStorage,
        winners_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (pixels, positions) = (self.0.pixels(), self.0.positions());
        let winners: &[u32] = elements(winners, winners_layout)?;
        by_type!(self.name(), map, T => {
            let map: &[T] = elements(map, map_layout)?;
            let image = self.0.planewise(pixels, |image: &mut [T], plane| {
                let plane = plane * positions..(plane + 1) * positions;
                for (&value, &winner) in map[plane.clone()].iter().zip(&winners[plane]) {
                    image[winner as usize] += value;
                }
            });
            Ok((T::to_cpu_storage_owned(image), self.0.image.into()))
        })
    }
}
