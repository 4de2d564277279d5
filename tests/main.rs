//! All integration tests, in one binary: linking polars and candle once is enough.

mod model;
mod ops;
