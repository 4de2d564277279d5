//! All integration tests, in one binary: linking polars and candle once is enough.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test that fails should say where, and equal bytes mean equal numbers"
)]

mod archive;
mod autograd;
mod bad;
mod cache;
mod check;
mod commands;
mod crash;
#[cfg(feature = "cuda")]
mod cuda;
mod data;
mod diff;
mod download;
mod engine_facts;
mod evaluate;
mod extract;
mod fingerprints;
mod gc;
mod grids;
mod inputs;
mod language;
mod layers;
mod metric;
mod model;
mod ops;
mod page;
mod pipelines;
mod places;
mod plots;
mod readme;
mod report;
mod report_command;
mod report_stage;
mod sample;
mod schedule;
mod stage_support;
mod steps;
mod store;
mod support;
mod train;
mod training;
mod verify;
mod watch;
