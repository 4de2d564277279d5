//! Training objectives on logits: one family a file, each an enum with an exhaustive match.

mod classifier;
mod gan;
mod penalty;

pub use classifier::ClassifierLoss;
pub use gan::GanLoss;
pub use penalty::gradient_penalty;
