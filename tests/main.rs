//! All integration tests, in one binary: linking polars and candle once is enough.

mod ops;
mod train;
