//! How many steps a discriminator makes for every step of its generator.

/// Discriminator steps before each generator step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CriticSteps {
    /// as a rule, at least 1
    pub steps: u64,
    /// and where it is to be near its optimum
    pub warm_up: Option<WarmUp>,
}

/// Generator steps that the discriminator prepares for more thoroughly, as in the code of Arjovsky et al. 2017:
/// 100 steps for the first 25 generator steps and for every 500th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmUp {
    /// discriminator steps before such a generator step, at least 1
    pub steps: u64,
    /// how many generator steps at the beginning are such
    pub first: u64,
    /// which later ones are: those whose number, from 0, is a multiple of this; none if 0
    pub every: u64,
}

impl CriticSteps {
    /// One discriminator step for each generator step.
    pub const ONE: Self = Self {
        steps: 1,
        warm_up: None,
    };

    /// Discriminator steps in all before generator step `generator` (from 0) is due.
    fn until(&self, generator: u64) -> u64 {
        let done = generator + 1;
        let Some(WarmUp {
            steps,
            first,
            every,
        }) = self.warm_up
        else {
            return self.steps.saturating_mul(done);
        };
        // Of 0 … generator: the first ones, and multiples of `every` beyond them.
        let multiples = |below: u64| {
            if every == 0 { 0 } else { below.div_ceil(every) }
        };
        let thorough = first.min(done) + multiples(done).saturating_sub(multiples(first.min(done)));
        let plain = self.steps.saturating_mul(done - thorough);
        steps.saturating_mul(thorough).saturating_add(plain)
    }

    /// Whether the generator, which has made `generator` steps, is due once the discriminator has made
    /// `discriminator` steps.
    pub fn due(&self, discriminator: u64, generator: u64) -> bool {
        discriminator >= self.until(generator)
    }
}
