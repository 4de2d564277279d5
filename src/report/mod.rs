//! Reports: tables, plots, grids, the graph, and the Markdown that holds them.
//!
//! This layer knows numbers and text only. [`runs::Run`] is what it is given; [`frame`] makes a polars table of
//! it, [`summary`] groups that over seeds, [`table`] writes tables in any format, [`plot`] draws curves (SVG),
//! [`grid`] images (PNG), [`animation`] images one after the other (GIF), [`mermaid`] the graph, and [`markdown`]
//! puts it all together with a template.
//! Everything is a function of its input to the byte: no clock, no machine, no iteration order of a hash.

pub mod animation;
pub mod comparison;
pub mod diagram;
pub mod document;
pub mod downsample;
pub mod findings;
pub mod frame;
pub mod grid;
pub mod history;
pub mod markdown;

pub mod mermaid;
pub mod number;
pub mod parquet;
pub mod plot;
pub mod runs;
pub mod select;
pub mod summary;
pub mod table;

/// Why a table, figure or report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// polars could not make or change a table.
    #[error("table: {0}")]
    Table(#[from] polars::error::PolarsError),
    /// A table could not be written as Parquet.
    #[error("parquet: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// A table in CSV could not be read or written.
    #[error("csv: {0}")]
    Csv(String),
    /// A condition that cannot be understood.
    #[error("`{0}` is not a condition: write COLUMN=VALUE, or with !=, <, <=, > or >=")]
    Condition(String),
    /// A column that a table lacks.
    #[error("no column `{column}`: the table has {known}")]
    Column {
        /// the one asked for
        column: String,
        /// those there are
        known: String,
    },
    /// A figure could not be drawn.
    #[error("plot: {0}")]
    Plot(String),
    /// An image could not be encoded.
    #[error("image: {0}")]
    Image(#[from] image::ImageError),
    /// Images that make no GIF.
    #[error("gif: {0}")]
    Gif(String),
    /// A template that does not parse or render.
    #[error("template: {0}")]
    Template(String),
    /// A value that JSON cannot hold.
    #[error("json: {0}")]
    Json(#[from] serde_json::Error),
}
