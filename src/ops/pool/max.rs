//! The largest element of each window.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};

use super::reference;
use super::windows::Windows;
use crate::autograd::Value;
use crate::ops::dispatch::{by_type, elements, has_kernel};
use crate::ops::real::Real;

/// From each window of `values`, the element at the place where the window of `key` is largest.
pub(super) fn pick(key: &Tensor, values: &Value, windows: Windows) -> Result<Value> {
    let picked = if has_kernel(key) {
        let values = values.tensor().contiguous()?;
        key.apply_op2_no_bwd(&values, &Pick(windows))?
    } else {
        reference::pick(key, values.tensor(), &windows)?
    };
    let key = key.clone();
    Ok(Value::record(picked, &[values], move |back| {
        Ok(vec![Some(put(&key, back.gradient(), windows)?)])
    }))
}

/// The adjoint of [`pick`]: each element of `map` added to where the window of `key` is largest.
fn put(key: &Tensor, map: &Value, windows: Windows) -> Result<Value> {
    let image = if has_kernel(key) {
        key.apply_op2_no_bwd(&map.tensor().contiguous()?, &Put(windows))?
    } else {
        reference::put(key, map.tensor(), &windows)?
    };
    let key = key.clone();
    Ok(Value::record(image, &[map], move |back| {
        Ok(vec![Some(pick(&key, back.gradient(), windows)?)])
    }))
}

struct Pick(Windows);

impl CustomOp2 for Pick {
    fn name(&self) -> &'static str {
        "max-pool2d"
    }

    fn cpu_fwd(
        &self,
        key: &CpuStorage,
        key_layout: &Layout,
        values: &CpuStorage,
        values_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let pixels = self.0.pixels();
        by_type!(self.name(), key, T => {
            let (key, values): (&[T], &[T]) = (elements(key, key_layout)?, elements(values, values_layout)?);
            let picked = self.0.planewise(self.0.positions(), |out, plane| {
                let span = plane * pixels..(plane + 1) * pixels;
                let values = &values[span.clone()];
                each_largest(&self.0, &key[span], |position, pixel| out[position] = values[pixel]);
            });
            Ok((T::to_cpu_storage_owned(picked), self.0.map.into()))
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
        key: &CpuStorage,
        key_layout: &Layout,
        map: &CpuStorage,
        map_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (pixels, positions) = (self.0.pixels(), self.0.positions());
        by_type!(self.name(), key, T => {
            let (key, map): (&[T], &[T]) = (elements(key, key_layout)?, elements(map, map_layout)?);
            let image = self.0.planewise(pixels, |out, plane| {
                let map = &map[plane * positions..(plane + 1) * positions];
                let key = &key[plane * pixels..(plane + 1) * pixels];
                each_largest(&self.0, key, |position, pixel| out[pixel] += map[position]);
            });
            Ok((T::to_cpu_storage_owned(image), self.0.image.into()))
        })
    }
}

/// Calls `f`(map pixel, image pixel of the largest element) for each window of one plane.
fn each_largest<T: Real>(windows: &Windows, plane: &[T], mut f: impl FnMut(usize, usize)) {
    windows.each(|position, rows, columns| {
        let mut best = rows.start * windows.image.3 + columns.start;
        for row in rows {
            for pixel in row * windows.image.3 + columns.start..row * windows.image.3 + columns.end
            {
                let (value, largest) = (plane[pixel], plane[best]);
                let is_nan = value.partial_cmp(&value).is_none();
                if value > largest || (is_nan && largest.partial_cmp(&largest).is_some()) {
                    best = pixel;
                }
            }
        }
        f(position, best);
    });
}
