//! An exponential moving average of a network's weights (Karras et al. 2018; Yazıcı et al. 2019).

use candle_core::Result;

use super::in_place::assign;
use crate::model::Network;

/// What the name of a network that is an average ends in: `generator_ema`.
pub const AVERAGE: &str = "_ema";

/// How weights are averaged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Average {
    /// share of the average that stays at each step of the network, in [0, 1)
    pub decay: f64,
    /// steps of the network for which the average simply follows it
    pub start: u64,
}

impl Average {
    /// Moves `average` towards `network`, which has made `steps` steps. Buffers, such as the running statistics of
    /// batch norms, are copied.
    pub fn follow(&self, average: &Network, network: &Network, steps: u64) -> Result<()> {
        let pairs = average.parameters().iter().zip(network.parameters());
        for (average, parameter) in pairs {
            let (average, parameter) = (average.value.tensor(), parameter.value.tensor());
            if steps <= self.start {
                assign(average, &parameter.copy()?)?;
            } else {
                let kept = average.affine(self.decay, 0.0)?;
                assign(
                    average,
                    &kept.add(&parameter.affine(1.0 - self.decay, 0.0)?)?,
                )?;
            }
        }
        for (average, buffer) in average.buffers().iter().zip(network.buffers()) {
            assign(average.value.tensor(), &buffer.value.tensor().copy()?)?;
        }
        Ok(())
    }
}
