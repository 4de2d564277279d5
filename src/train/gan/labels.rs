//! What a discriminator is told of real and generated images: 1 and 0, or something softer (Salimans et al. 2016).

use crate::rng::Stream;

/// Labels drawn for each image on its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelNoise {
    /// labels of real images are uniform in this range; may leave [0, 1]
    pub real: (f64, f64),
    /// labels of generated images, likewise
    pub fake: (f64, f64),
    /// probability that an image is told the other kind's label
    pub flip: f64,
}

impl LabelNoise {
    /// 1 and 0.
    pub const NONE: Self = Self {
        real: (1.0, 1.0),
        fake: (0.0, 0.0),
        flip: 0.0,
    };

    /// Labels of the real images of samples `first` …, `count` of them; `None` when they are 1 without exception.
    pub(super) fn of_real(&self, seed: u64, first: u64, count: usize) -> Option<Vec<f32>> {
        self.draw((seed, "label-real"), (self.real, self.fake), first, count)
    }

    /// The same of generated images; `None` when they are 0.
    pub(super) fn of_fake(&self, seed: u64, first: u64, count: usize) -> Option<Vec<f32>> {
        self.draw((seed, "label-fake"), (self.fake, self.real), first, count)
    }

    fn draw(
        &self,
        (seed, purpose): (u64, &str),
        (own, other): ((f64, f64), (f64, f64)),
        first: u64,
        count: usize,
    ) -> Option<Vec<f32>> {
        if *self == Self::NONE {
            return None;
        }
        let label = |sample| {
            let mut stream = Stream::new(seed, purpose, sample);
            let flipped = stream.unit() < self.flip;
            let (low, high) = if flipped { other } else { own };
            (low + (high - low) * stream.unit()) as f32
        };
        Some((first..).take(count).map(label).collect())
    }
}
