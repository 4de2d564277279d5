//! The mean of each window.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, WithDType};

use super::reference;
use super::windows::Windows;
use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements, has_kernel};
use crate::ops::real::Real;

/// The mean of each window of `x`.
pub(super) fn mean(x: &Value, windows: Windows) -> Result<Value> {
    let map = if has_kernel(x.tensor()) {
        x.tensor().contiguous()?.apply_op1_no_bwd(&Mean(windows))?
    } else {
        reference::mean(x.tensor(), &windows)?
    };
    Ok(Value::record(map, &[x], move |back| {
        Ok(vec![Some(spread(back.gradient(), windows)?)])
    }))
}

/// The adjoint of [`mean`].
fn spread(map: &Value, windows: Windows) -> Result<Value> {
    let image = if has_kernel(map.tensor()) {
        map.tensor()
            .contiguous()?
            .apply_op1_no_bwd(&Spread(windows))?
    } else {
        reference::spread(map.tensor(), &windows)?
    };
    Ok(Value::record(image, &[map], move |back| {
        Ok(vec![Some(mean(back.gradient(), windows)?)])
    }))
}

struct Mean(Windows);

impl CustomOp1 for Mean {
    fn name(&self) -> &'static str {
        "avg-pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (pixels, width) = (self.0.pixels(), self.0.image.3);
        let share = 1.0 / (self.0.kernel.0 * self.0.kernel.1) as f64;
        by_type!(self.name(), x, T => {
            let x: &[T] = elements(x, layout)?;
            let map = self.0.planewise(self.0.positions(), |out: &mut [T], plane| {
                let image = &x[plane * pixels..(plane + 1) * pixels];
                self.0.each(|position, rows, columns| {
                    let mut sum = T::ZERO;
                    for row in rows {
                        for &pixel in &image[row * width + columns.start..row * width + columns.end] {
                            sum += pixel;
                        }
                    }
                    out[position] = sum * T::from_f64(share);
                });
            });
            Ok((T::to_cpu_storage_owned(map), self.0.map.into()))
        })
    }
}

struct Spread(Windows);

impl CustomOp1 for Spread {
    fn name(&self) -> &'static str {
        "avg-pool2d-gradient"
    }

    fn cpu_fwd(&self, map: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (positions, width) = (self.0.positions(), self.0.image.3);
        let share = 1.0 / (self.0.kernel.0 * self.0.kernel.1) as f64;
        by_type!(self.name(), map, T => {
            let map: &[T] = elements(map, layout)?;
            let image = self.0.planewise(self.0.pixels(), |out: &mut [T], plane| {
                let map = &map[plane * positions..(plane + 1) * positions];
                self.0.each(|position, rows, columns| {
                    let value = map[position] * T::from_f64(share);
                    for row in rows {
                        for pixel in &mut out[row * width + columns.start..row * width + columns.end] {
                            *pixel += value;
                        }
                    }
                });
            });
            Ok((T::to_cpu_storage_owned(image), self.0.image.into()))
        })
    }
}
