//! Three ways to make an image larger or smaller, each to the bit (or nearly) what a reference implementation does.
//!
//! Values of FID depend on the resampling as much as on the generator (Parmar et al., "On Aliased Resizing and
//! Surprising Subtleties in GAN Evaluation", 2022), so each protocol has its own and none is improved upon. One
//! plane (H, W) of floats at a time, values as they come (0 … 255).

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resample {
    /// `TensorFlow` 1's `resize_bilinear` without aligned corners: pixel k of the result lies at k · scale. Bit-exact.
    TensorFlowBilinear,
    /// `PyTorch`'s `interpolate(mode="bilinear", align_corners=False)`: pixel centres at (k + ½) · scale − ½, without
    /// antialiasing.
    TorchBilinear,
    /// Pillow's `resize(BICUBIC)` of a float image (`F`): Catmull-Rom (a = −0.5), widened with the scale.
    PillowBicubic,
}

/// One axis of a resampling: for each pixel of the result, the first pixel it looks at and how each counts.
struct Axis<W> {
    starts: Vec<usize>,
    /// `taps` weights a pixel; those beyond the image's end are zero
    weights: Vec<W>,
    taps: usize,
}

/// From one size to another.
pub struct Resampler {
    from: (usize, usize),
    to: (usize, usize),
    how: How,
}

enum How {
    Bilinear {
        rows: Axis<f32>,
        columns: Axis<f32>,
        tensorflow: bool,
    },
    Bicubic {
        rows: Axis<f64>,
        columns: Axis<f64>,
    },
}

impl Resampler {
    /// Resampling from `from` (H, W) to `to` (H, W); none of them zero.
    pub fn new(resample: Resample, from: (usize, usize), to: (usize, usize)) -> Self {
        let bilinear = |place: fn(f32, f32) -> f32, tensorflow| How::Bilinear {
            rows: linear(from.0, to.0, place),
            columns: linear(from.1, to.1, place),
            tensorflow,
        };
        let how = match resample {
            Resample::TensorFlowBilinear => bilinear(|scale, k| k * scale, true),
            Resample::TorchBilinear => {
                bilinear(|scale, k| (scale * (k + 0.5) - 0.5).max(0.0), false)
            }
            Resample::PillowBicubic => How::Bicubic {
                rows: cubic(from.0, to.0),
                columns: cubic(from.1, to.1),
            },
        };
        Self { from, to, how }
    }

    /// Writes the plane `source` (H, W), in the new size, to `target`.
    pub fn apply(&self, source: &[f32], target: &mut [f32]) {
        match &self.how {
            How::Bilinear {
                rows,
                columns,
                tensorflow: true,
            } => self.bilinear(rows, columns, source, target, |a, b, share| {
                a + (b - a) * share
            }),
            How::Bilinear { rows, columns, .. } => {
                self.bilinear(rows, columns, source, target, |a, b, share| {
                    a * (1.0 - share) + b * share
                });
            }
            How::Bicubic { rows, columns } => self.bicubic(rows, columns, source, target),
        }
    }

    #[inline(always)]
    fn bilinear(
        &self,
        rows: &Axis<f32>,
        columns: &Axis<f32>,
        source: &[f32],
        target: &mut [f32],
        mix: impl Fn(f32, f32, f32) -> f32,
    ) {
        let (height, width) = self.from;
        let row_of = |y: usize| &source[y * width..(y + 1) * width];
        // Each row of the image once in its new width; rows of the result mix two of them.
        let mut wide: [(usize, Vec<f32>); 2] =
            std::array::from_fn(|_| (usize::MAX, vec![0.0; self.to.1]));
        let pairs: Vec<(usize, usize, f32)> = (columns.starts.iter().zip(&columns.weights))
            .map(|(low, share)| (*low, (low + 1).min(width - 1), *share))
            .collect();
        for (y, out) in target.chunks_exact_mut(self.to.1).enumerate() {
            let low = rows.starts[y];
            let high = (low + 1).min(height - 1);
            for line in [low, high] {
                let slot = &mut wide[line % 2];
                if slot.0 != line {
                    slot.0 = line;
                    let row = row_of(line);
                    for (to, (low, high, share)) in slot.1.iter_mut().zip(&pairs) {
                        *to = mix(row[*low], row[*high], *share);
                    }
                }
            }
            let share = rows.weights[y];
            let (upper, lower) = (&wide[low % 2].1, &wide[high % 2].1);
            for ((to, a), b) in out.iter_mut().zip(upper).zip(lower) {
                *to = mix(*a, *b, share);
            }
        }
    }

    /// Rows first, then columns, sums in f64 and each pass rounded to f32, as Pillow does.
    fn bicubic(&self, rows: &Axis<f64>, columns: &Axis<f64>, source: &[f32], target: &mut [f32]) {
        let (height, width) = self.from;
        let mut wide = vec![0.0f32; height * self.to.1];
        for (row, out) in source
            .chunks_exact(width)
            .zip(wide.chunks_exact_mut(self.to.1))
        {
            let weights = columns.weights.chunks_exact(columns.taps);
            for ((to, start), weights) in out.iter_mut().zip(&columns.starts).zip(weights) {
                let pixels = &row[*start..(start + columns.taps).min(width)];
                let terms = pixels.iter().zip(weights);
                *to = terms
                    .map(|(pixel, weight)| f64::from(*pixel) * weight)
                    .sum::<f64>() as f32;
            }
        }
        let mut sums = vec![0.0f64; self.to.1];
        let weights = rows.weights.chunks_exact(rows.taps);
        let lines = target.chunks_exact_mut(self.to.1);
        for ((out, start), weights) in lines.zip(&rows.starts).zip(weights) {
            sums.fill(0.0);
            let taps = wide.chunks_exact(self.to.1).skip(*start).zip(weights);
            for (row, weight) in taps {
                for (sum, pixel) in sums.iter_mut().zip(row) {
                    *sum += f64::from(*pixel) * weight;
                }
            }
            for (to, sum) in out.iter_mut().zip(&sums) {
                *to = *sum as f32;
            }
        }
    }
}

/// Two neighbours a pixel: the first, and the share of the second. `place`(scale, k) is where pixel k lies.
fn linear(from: usize, to: usize, place: impl Fn(f32, f32) -> f32) -> Axis<f32> {
    let scale = (from as f64 / to as f64) as f32;
    let places = (0..to).map(|k| place(scale, k as f32));
    let (starts, weights) = places
        .map(|place| {
            // Rounding may carry the last place beyond the last pixel.
            let low = (place as usize).min(from - 1);
            (low, place - low as f32)
        })
        .unzip();
    Axis {
        starts,
        weights,
        taps: 1,
    }
}

/// The weights of Pillow's `precompute_coeffs` for its bicubic filter.
fn cubic(from: usize, to: usize) -> Axis<f64> {
    const RADIUS: f64 = 2.0;
    let scale = from as f64 / to as f64;
    let widened = scale.max(1.0);
    let support = RADIUS * widened;
    let taps = support.ceil() as usize * 2 + 1;
    let mut axis = Axis {
        starts: Vec::with_capacity(to),
        weights: vec![0.0; to * taps],
        taps,
    };
    for (k, weights) in axis.weights.chunks_exact_mut(taps).enumerate() {
        let center = (k as f64 + 0.5) * scale;
        let first = ((center - support + 0.5) as usize).min(from);
        let end = ((center + support + 0.5) as usize).min(from);
        let mut sum = 0.0;
        for (weight, pixel) in weights.iter_mut().zip(first..end) {
            *weight = catmull_rom((pixel as f64 - center + 0.5) * (1.0 / widened));
            sum += *weight;
        }
        for weight in weights {
            *weight /= sum;
        }
        axis.starts.push(first);
    }
    axis
}

fn catmull_rom(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}
