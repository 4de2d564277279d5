//! Named, counter-based random streams: the only source of randomness in retake.
//!
//! A [`Stream`] is a function of (seed, purpose, index) and of nothing else: not of the thread, the
//! batch size, the order of calls or a stage's name. Sample `k` of purpose `"z"` is therefore the same
//! numbers in every model, batch and process. The generator is `ChaCha8` (D. J. Bernstein) keyed by
//! BLAKE3(seed, purpose), with the index as its stream number.
//!
//! Transcendental functions come from the `libm` crate, not from the platform's C library, whose last
//! bit differs between versions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// All streams of one purpose. Its key is derived once, so that many short streams cost little.
#[derive(Debug, Clone)]
pub struct Streams {
    key: [u8; 32],
}

impl Streams {
    /// The streams named by `(seed, purpose)`.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("retake random stream v1");
        hasher.update(&seed.to_le_bytes());
        hasher.update(purpose.as_bytes());
        Self {
            key: *hasher.finalize().as_bytes(),
        }
    }

    /// Stream `index`: the same numbers as [`Stream::new`] gives.
    pub fn stream(&self, index: u64) -> Stream {
        let mut chacha = ChaCha8Rng::from_seed(self.key);
        chacha.set_stream(index);
        Stream {
            chacha,
            spare: None,
        }
    }
}

/// One stream of random numbers.
#[derive(Clone)]
pub struct Stream {
    chacha: ChaCha8Rng,
    /// The second value of the last Box–Muller pair.
    spare: Option<f64>,
}

impl Stream {
    /// The stream named by `(seed, purpose, index)`; `index` counts samples, never batches.
    ///
    /// ```
    /// # use retake::rng::Stream;
    /// let a: Vec<u32> = (0..3).map({ let mut s = Stream::new(7, "z", 0); move |_| s.next_u32() }).collect();
    /// let b: Vec<u32> = (0..3).map({ let mut s = Stream::new(7, "z", 0); move |_| s.next_u32() }).collect();
    /// assert_eq!(a, b);
    /// assert_ne!(Stream::new(7, "z", 1).next_u32(), a[0]);
    /// assert_ne!(Stream::new(7, "order", 0).next_u32(), a[0]);
    /// ```
    pub fn new(seed: u64, purpose: &str, index: u64) -> Self {
        Streams::new(seed, purpose).stream(index)
    }

    /// 32 uniform bits.
    pub fn next_u32(&mut self) -> u32 {
        self.chacha.next_u32()
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.chacha.next_u64()
    }

    /// A uniform number in [0, 1) with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A uniform number in [`low`, `high`).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A uniform integer in [0, `bound`), without bias (Lemire 2019). `bound` must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(bound);
            if wide as u64 >= threshold {
                return (wide >> 64) as u64;
            }
        }
    }

    /// A standard normal number (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.unit());
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// Fills `values` with standard normal numbers.
    pub fn fill_normal(&mut self, values: &mut [f32]) {
        for value in values {
            *value = self.normal() as f32;
        }
    }

    /// A random permutation of 0 … `n` − 1 (Fisher–Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last as u64 + 1) as usize);
        }
        order
    }
}
