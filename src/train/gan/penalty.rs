//! Which penalties a discriminator pays, and where they are taken.

use candle_core::Tensor;

use crate::loss::{Steepness, around, as_printed, between};

/// A penalty on the discriminator's slope, part of its loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Penalty {
    /// what is held against a slope
    pub steepness: Steepness,
    /// where the slope is taken
    pub points: Points,
    /// the term's weight in the loss
    pub weight: f64,
    /// taken in every so many steps only, at so many times its weight (Karras et al. 2020)
    pub every: u64,
    /// the history's column of the term without its weight
    pub column: &'static str,
}

/// Where a slope is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Points {
    /// between real and generated images (Gulrajani et al. 2017)
    Between,
    /// at the formula of [`as_printed`]
    AsPrinted,
    /// near real images (Kodali et al. 2017)
    AroundReal,
    /// at real images
    Real,
    /// at generated images
    Fake,
    /// at both: the mean of the two terms
    RealAndFake,
}

/// What points are made of.
pub(super) struct Material<'a> {
    /// (N, C, H, W)
    pub real: &'a Tensor,
    /// (N, C, H, W)
    pub fake: &'a Tensor,
    /// N numbers in [0, 1)
    pub mix: &'a dyn Fn() -> Vec<f32>,
    /// numbers in [0, 1), shaped like `real`
    pub noise: &'a dyn Fn() -> candle_core::Result<Tensor>,
}

impl Points {
    /// One or two batches of points.
    pub(super) fn of(self, material: &Material<'_>) -> candle_core::Result<Vec<Tensor>> {
        let Material {
            real,
            fake,
            mix,
            noise,
        } = material;
        Ok(match self {
            Self::Between => vec![between(real, fake, &mix())?],
            Self::AsPrinted => vec![as_printed(real, fake, &mix())?],
            Self::AroundReal => vec![around(real, &noise()?, &mix())?],
            Self::Real => vec![(*real).clone()],
            Self::Fake => vec![(*fake).clone()],
            Self::RealAndFake => vec![(*real).clone(), (*fake).clone()],
        })
    }
}

impl Penalty {
    /// The weight in step `step` (from 0); `None` where the step does not take it.
    pub fn weight_at(&self, step: u64) -> Option<f64> {
        let every = self.every.max(1);
        step.is_multiple_of(every)
            .then_some(self.weight * every as f64)
    }
}
