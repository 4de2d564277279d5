//! The mean of each window.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, WithDType};

use super::fold::{Fold, fold, pays};
use super::reference;
use super::windows::Windows;
use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements, has_kernel};
use crate::ops::real::Real;

/// What a window's sum is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// its size
    Whole,
    /// the number of its elements inside the image
    Inside,
}

impl Counted {
    /// What each element of the window counts that has these rows and columns inside the image.
    fn share(self, windows: &Windows, rows: &Range<usize>, columns: &Range<usize>) -> f64 {
        let count = match self {
            Self::Whole => windows.kernel.0 * windows.kernel.1,
            Self::Inside => rows.len() * columns.len(),
        };
        1.0 / count as f64
    }
}

/// The mean of each window of `x`.
pub(super) fn mean(x: &Value, windows: Windows, counted: Counted) -> Result<Value> {
    let map = if has_kernel(x.tensor()) {
        let op = Mean(windows, counted);
        x.tensor().contiguous()?.apply_op1_no_bwd(&op)?
    } else {
        reference::mean(x.tensor(), &windows, counted)?
    };
    Ok(Value::record(map, &[x], move |back| {
        Ok(vec![Some(spread(back.gradient(), windows, counted)?)])
    }))
}

/// The adjoint of [`mean`].
fn spread(map: &Value, windows: Windows, counted: Counted) -> Result<Value> {
    let image = if has_kernel(map.tensor()) {
        let op = Spread(windows, counted);
        map.tensor().contiguous()?.apply_op1_no_bwd(&op)?
    } else {
        reference::spread(map.tensor(), &windows, counted)?
    };
    Ok(Value::record(image, &[map], move |back| {
        Ok(vec![Some(mean(back.gradient(), windows, counted)?)])
    }))
}

struct Mean(Windows, Counted);

impl CustomOp1 for Mean {
    fn name(&self) -> &'static str {
        "avg-pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Self(windows, counted) = self;
        let (pixels, width) = (windows.pixels(), windows.image.3);
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            if pays(windows) {
                let mut shares = vec![T::ZERO; windows.positions()];
                windows.each(|position, rows, columns| {
                    shares[position] = T::from_f64(counted.share(windows, &rows, &columns));
                });
                let shares = shares.as_slice();
                let with = Fold {
                    start: T::ZERO,
                    step: |sum: T, element| sum + element,
                    finish: |sum, position: usize| sum * shares[position],
                };
                return Ok((T::to_cpu_storage_owned(fold(windows, x, with)), windows.map.into()));
            }
            let map = windows.planewise(windows.positions(), |out: &mut [T], plane| {
                let image = &x[plane * pixels..(plane + 1) * pixels];
                windows.each(|position, rows, columns| {
                    let share = counted.share(windows, &rows, &columns);
                    let mut sum = T::ZERO;
                    for row in rows {
                        for &pixel in &image[row * width + columns.start..row * width + columns.end] {
                            sum += pixel;
                        }
                    }
                    out[position] = sum * T::from_f64(share);
                });
            });
            Ok((T::to_cpu_storage_owned(map), windows.map.into()))
        })
    }
}

struct Spread(Windows, Counted);

impl CustomOp1 for Spread {
    fn name(&self) -> &'static str {
        "avg-pool2d-gradient"
    }

    fn cpu_fwd(&self, map: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Self(windows, counted) = self;
        let (positions, width) = (windows.positions(), windows.image.3);
        by_type!(self.name(), map, T => {
            let map: &[T] = elements(map, layout)?;
            let image = windows.planewise(windows.pixels(), |out: &mut [T], plane| {
                let map = &map[plane * positions..(plane + 1) * positions];
                windows.each(|position, rows, columns| {
                    let value = map[position] * T::from_f64(counted.share(windows, &rows, &columns));
                    for row in rows {
                        for pixel in &mut out[row * width + columns.start..row * width + columns.end] {
                            *pixel += value;
                        }
                    }
                });
            });
            Ok((T::to_cpu_storage_owned(image), windows.image.into()))
        })
    }
}
