//! Training: optimisers, the rule of trajectories, and the `train` kind from settings to bytes.

mod config;
mod harness;
mod history;
mod incremental;
mod learning;
mod optimiser;
mod trajectory;
