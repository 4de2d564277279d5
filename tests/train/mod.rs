//! Training: optimisers, the rule of trajectories, and the `train` kind from settings to bytes.

mod adversarial;
mod config;
pub mod harness;
mod history;
mod incremental;
mod learning;
mod losses;
mod networks;
mod optimiser;
mod schedules;
mod trajectory;
mod vae;
