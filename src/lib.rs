//! retake runs experiments declared in YAML and never does the same work twice.

pub mod cli;
pub mod data;
pub mod device;
pub mod hash;
pub mod loss;
pub mod metric;
pub mod model;
pub mod ops;
pub mod plan;
pub mod report;
pub mod rng;
pub mod run;
pub mod spec;
pub mod stage;
pub mod store;
pub mod train;
