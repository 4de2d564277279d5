//! Training objectives on logits and images: one family a file, each an enum with an exhaustive match.

mod auxiliary;
mod classifier;
mod gan;
mod penalty;
mod vae;

pub use auxiliary::AuxiliaryLoss;
pub use classifier::ClassifierLoss;
pub use gan::GanLoss;
pub use penalty::{Steepness, around, as_printed, between, gradient_penalty, slope_penalty};
pub use vae::{Reconstruction, Reduction, kl_divergence, reparameterise};
