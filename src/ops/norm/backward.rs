//! The way back of a normalisation. With g the gradient behind the activation, x̂ = (x − mean) / std and m the
//! size of a group:
//!
//! - of beta: Σ g, of gamma: Σ g · x̂, per channel;
//! - of x: (gamma · g − (Σ gamma · g + x̂ · Σ gamma · g · x̂) / m) / std, with sums over the group, which are
//!   how its statistics move with x.

use std::hint::select_unpredictable as select;
use std::ops::Range;

use candle_core::{Result, Tensor, WithDType};
use rayon::prelude::*;

use super::groups::Strip;
use super::sums::sums;
use super::{Center, Fused};
use crate::kernel::pointwise::CHUNK;
use crate::kernel::simd::vectorised;
use crate::ops::dispatch::{by_dtype, with_elements};
use crate::ops::real::Real;
use crate::ops::reduce::{planewise, rowwise};

/// What the way back reads, all contiguous.
pub(super) struct Given<'a> {
    pub x: &'a Tensor,
    /// the result, whose sign tells on which side of zero the activation was
    pub y: &'a Tensor,
    pub gradient: &'a Tensor,
    pub gamma: &'a Tensor,
}

/// What is wanted.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub x: bool,
    pub parameters: bool,
}

/// The gradients that are wanted.
pub(super) struct Gradients {
    pub x: Option<Tensor>,
    /// those of gamma and beta
    pub parameters: Option<[Tensor; 2]>,
}

/// Goes back.
pub(super) fn backward(fused: &Fused, given: &Given<'_>, wanted: Wanted) -> Result<Gradients> {
    let Given {
        x,
        y,
        gradient,
        gamma,
    } = *given;
    by_dtype!(x, T => {
        let (of_x, parameters) = with_elements([x, y, gradient, gamma], |[x, y, gradient, gamma]| {
            let way = Way::<T> {
                fused,
                x,
                y,
                gradient,
                gamma,
                below_zero: T::from_f64(fused.factor_below_zero),
            };
            match fused.groups.row() {
                Some(length) => way.by_rows(length, wanted),
                None => way.by_planes(wanted),
            }
        })?;
        let tensor = |of_x| Tensor::from_vec(of_x, x.shape(), x.device());
        let vector = |sums: Vec<f64>| {
            Tensor::from_vec(sums, gamma.shape(), gamma.device())?.to_dtype(gamma.dtype())
        };
        Ok(Gradients {
            x: of_x.map(tensor).transpose()?,
            parameters: match parameters {
                Some([of_gamma, of_beta]) => Some([vector(of_gamma)?, vector(of_beta)?]),
                None => None,
            },
        })
    })
}

/// Σ g and Σ g · x̂, each over some part of the tensor.
type Pair = [f64; 2];

/// The gradients of x, and of gamma and beta.
type Computed<T> = (Option<Vec<T>>, Option<[Vec<f64>; 2]>);

struct Way<'a, T> {
    fused: &'a Fused,
    x: &'a [T],
    y: &'a [T],
    gradient: &'a [T],
    gamma: &'a [T],
    below_zero: T,
}

/// What the gradient of a group's elements has in common: it is
/// gamma · `factor` · g − `offset` − (x − `mean`) · `tilt`.
struct Plan<T> {
    mean: T,
    factor: T,
    offset: T,
    tilt: T,
}

impl<T: Real> Way<'_, T> {
    /// The plan of a group with these sums of gamma · g and gamma · g · x̂.
    fn plan(&self, group: usize, sums: Pair) -> Plan<T> {
        let scale = &self.fused.scales[group];
        let Center { mean, rest } = scale.center();
        let share = if self.fused.statistics_are_given {
            0.0
        } else {
            scale.inverse_std / self.fused.groups.size() as f64
        };
        let tilt = sums[1] * share * scale.inverse_std;
        Plan {
            mean,
            factor: T::from_f64(scale.inverse_std),
            offset: T::from_f64(sums[0] * share - rest * tilt),
            tilt: T::from_f64(tilt),
        }
    }

    /// g, from the result and its gradient. Holds its constant itself, which keeps it out of the loops' memory.
    #[inline(always)]
    fn behind(&self) -> impl Fn(T, T) -> T + Copy + Send + Sync + use<T> {
        let below_zero = self.below_zero;
        let closed = below_zero == T::ZERO;
        move |y, gradient| {
            let below = select(closed, T::ZERO, gradient * below_zero);
            select(y > T::ZERO, gradient, below)
        }
    }

    fn by_planes(&self, wanted: Wanted) -> Computed<T> {
        let groups = self.fused.groups;
        let segments: Vec<Pair> = (0..groups.segments())
            .into_par_iter()
            .with_min_len(CHUNK.div_ceil(groups.segment(0).size()))
            .map(|segment| self.segment(groups.segment(segment), groups.of_plane(segment)))
            .collect();
        let channels = self.gamma.len();
        let of_x = wanted.x.then(|| {
            let mut of_groups = vec![[0.0; 2]; groups.count()];
            for (segment, sums) in segments.iter().enumerate() {
                let weight = self.gamma[segment % channels].to_f64();
                let of_group = &mut of_groups[groups.of_plane(segment)];
                of_group[0] += weight * sums[0];
                of_group[1] += weight * sums[1];
            }
            planewise(groups.planes, |plane, at, out| {
                let group = groups.of_plane(plane);
                let plan = self.plan(group, of_groups[group]);
                let factor = plan.factor * self.gamma[plane % channels];
                let (x, y) = (&self.x[at.clone()], &self.y[at.clone()]);
                let gradient = &self.gradient[at];
                let behind = self.behind();
                out.fill(move |i| {
                    let g = behind(y[i], gradient[i]);
                    factor * g - plan.offset - (x[i] - plan.mean) * plan.tilt
                })
            })
        });
        let parameters = wanted.parameters.then(|| {
            let mut totals = [vec![0.0; channels], vec![0.0; channels]];
            for (segment, sums) in segments.iter().enumerate() {
                totals[0][segment % channels] += sums[1];
                totals[1][segment % channels] += sums[0];
            }
            totals
        });
        (of_x, parameters)
    }

    fn segment(&self, strip: Strip, group: usize) -> Pair {
        let scale = &self.fused.scales[group];
        let Center { mean, rest } = scale.center::<T>();
        let inputs = [self.x, self.y, self.gradient];
        let behind = self.behind();
        let [plain, centered] = vectorised!(sums(strip, inputs, move |[x, y, gradient]| {
            let g = behind(y, gradient);
            [g, g * (x - mean)]
        }));
        [plain, (centered - rest * plain) * scale.inverse_std]
    }

    /// Where each group is a row of `length` elements with factors of their own.
    fn by_rows(&self, length: usize, wanted: Wanted) -> Computed<T> {
        let channels = self.gamma.len();
        let of_x = wanted.x.then(|| {
            rowwise(self.x.len(), length, |row, at, out| {
                let gamma = &self.gamma[at.start % channels..][..length];
                let (x, y) = (&self.x[at.clone()], &self.y[at.clone()]);
                let gradient = &self.gradient[at];
                let plan = self.plan(row, self.row(row, [x, y, gradient, gamma]));
                let behind = self.behind();
                out.fill(move |i| {
                    let g = behind(y[i], gradient[i]);
                    plan.factor * gamma[i] * g - plan.offset - (x[i] - plan.mean) * plan.tilt
                })
            })
        });
        (of_x, wanted.parameters.then(|| self.columns(length)))
    }

    /// Σ gamma · g and Σ gamma · g · x̂ of a row.
    #[inline(always)]
    fn row(&self, row: usize, inputs: [&[T]; 4]) -> Pair {
        let scale = &self.fused.scales[row];
        let Center { mean, rest } = scale.center::<T>();
        let strip = Strip::slice(0, inputs[0].len());
        let behind = self.behind();
        let [plain, centered] = sums(strip, inputs, |[x, y, gradient, gamma]| {
            let g = gamma * behind(y, gradient);
            [g, g * (x - mean)]
        });
        [plain, (centered - rest * plain) * scale.inverse_std]
    }

    /// Σ g · x̂ and Σ g over samples, for each channel.
    fn columns(&self, length: usize) -> [Vec<f64>; 2] {
        const WIDTH: usize = 512;
        let channels = self.gamma.len();
        let mut totals = [vec![0.0; channels], vec![0.0; channels]];
        let [of_gamma, of_beta] = &mut totals;
        of_gamma
            .par_chunks_mut(WIDTH)
            .zip(of_beta.par_chunks_mut(WIDTH))
            .enumerate()
            .for_each(|(block, (of_gamma, of_beta))| {
                let first = block * WIDTH;
                let sample = first..first + of_beta.len();
                for start in (0..self.x.len()).step_by(channels) {
                    // The block of this sample, in parts that are normalised together.
                    let mut at = start + sample.start;
                    while at < start + sample.end {
                        let row = at / length;
                        let part = at..((row + 1) * length).min(start + sample.end);
                        let of_channels = part.start - start - first..part.end - start - first;
                        let sums = [
                            &mut of_gamma[of_channels.clone()],
                            &mut of_beta[of_channels],
                        ];
                        at = part.end;
                        vectorised!(self.add_part(row, part, sums));
                    }
                }
            });
        totals
    }

    /// Adds g · x̂ and g of a part of a row, element by element, to `sums`.
    #[inline(always)]
    fn add_part(&self, row: usize, part: Range<usize>, [of_gamma, of_beta]: [&mut [f64]; 2]) {
        let scale = &self.fused.scales[row];
        let (x, y) = (&self.x[part.clone()], &self.y[part.clone()]);
        let inputs = x.iter().zip(y.iter().zip(&self.gradient[part]));
        let sums = of_gamma.iter_mut().zip(of_beta);
        let behind = self.behind();
        for ((of_gamma, of_beta), (x, (&y, &gradient))) in sums.zip(inputs) {
            let g = behind(y, gradient).to_f64();
            *of_gamma += g * (x.to_f64() - scale.mean) * scale.inverse_std;
            *of_beta += g;
        }
    }
}
