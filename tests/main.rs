//! All integration tests, in one binary: linking polars and candle once is enough.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test that fails should say where, and equal bytes mean equal numbers"
)]

mod autograd;
mod bad;
mod cache;
#[cfg(feature = "cuda")]
mod cuda;
mod data;
mod diff;
mod download;
mod evaluate;
mod extract;
mod grids;
mod language;
mod layers;
mod metric;
mod model;
mod ops;
mod page;
mod pipelines;
mod plots;
mod readme;
mod report;
mod report_command;
mod report_stage;
mod sample;
mod stage_support;
mod steps;
mod store;
mod support;
mod train;
mod training;
mod watch;
