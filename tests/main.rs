//! All integration tests, in one binary: linking polars and candle once is enough.

mod cache;
mod layers;
mod metric;
mod readme;
mod support;
mod ops;
mod report;
mod pipelines;
