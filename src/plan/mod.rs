//! From a pipeline to nodes with keys.

pub mod key;
