//! The shuffles of `numpy.random.RandomState`, by which published implementations choose their subsets.
//!
//! numpy keeps this stream frozen (NEP 19). Everything of our own draws from [`crate::rng`] instead.

use rand_mt::Mt;

/// numpy's legacy generator: the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998).
#[derive(Debug, Clone)]
pub struct RandomState {
    twister: Mt,
}

impl RandomState {
    /// `numpy.random.RandomState(seed)`.
    pub fn new(seed: u32) -> Self {
        Self {
            twister: Mt::new(seed),
        }
    }

    /// `permutation(n)`: 0 … `n` − 1 in random order.
    pub fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last as usize, self.up_to(last) as usize);
        }
        order
    }

    /// `choice(n, size, replace=False)`: the first of a permutation.
    pub fn choice(&mut self, n: u32, size: usize) -> Vec<u32> {
        let mut order = self.permutation(n);
        order.truncate(size);
        order
    }

    /// A number in [0, `most`], not 0: the lowest bits of draws, until they are not above it.
    fn up_to(&mut self, most: u32) -> u32 {
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let value = self.twister.next_u32() & mask;
            if value <= most {
                return value;
            }
        }
    }
}
