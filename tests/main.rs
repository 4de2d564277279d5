//! All integration tests, in one binary: linking polars and candle once is enough.

mod cache;
mod evaluate;
mod layers;
mod metric;
mod ops;
mod pipelines;
mod readme;
mod report;
mod report_stage;
mod stage_support;
mod support;
