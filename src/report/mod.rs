//! Reports: tables, plots, grids, the graph, and the Markdown that holds them.
//!
//! This layer knows numbers and text only. [`runs::Run`] is what it is given; [`collapse`] finds those whose images are
//! all the same, [`condition`] chooses among them, [`frame`] makes a polars table of them, [`summary`] and [`grouped`]
//! average over seeds, [`contrast`] pairs two settings by seed, [`comparison`] sets what others have reported beside
//! ours, [`inference`] says what a few runs can tell, [`table`] writes tables in any format, [`plot`] draws curves (SVG),
//! [`grid`] images (PNG), [`animation`] images one after the other (GIF), [`mermaid`] the graph, and [`markdown`]
//! puts it all together with a template, [`page`] as one HTML page.
//! Everything is a function of its input to the byte: no clock, no machine, no iteration order of a hash.

pub mod animation;
pub mod cells;
pub mod check;
pub mod collapse;
pub mod comparison;
pub mod comparison_table;
pub mod condition;
pub mod contrast;
pub mod diagram;
pub mod document;
pub mod downsample;
pub mod findings;
pub mod frame;
pub mod grid;
pub mod grouped;
pub mod history;
pub mod inference;
pub mod letters;
pub mod markdown;
pub mod mermaid;
pub mod names;
pub mod number;
pub mod overlay;
pub mod page;
pub mod parquet;
pub mod plot;
pub mod quote;
pub mod reported;
pub mod runs;
pub mod select;
pub mod smooth;
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
    #[error(transparent)]
    Condition(#[from] Box<condition::ConditionError>),
    /// A column that a table lacks.
    #[error("no column `{column}`: {help}")]
    Column {
        /// the one asked for
        column: String,
        /// a near one, or those there are
        help: String,
    },
    /// A name that is no axis, setting or metric of the runs.
    #[error("{what} `{name}` is not there{}", help.as_ref().map_or_else(String::new, |help| format!(": {help}")))]
    Name {
        /// what it was taken for
        what: &'static str,
        /// the one asked for
        name: String,
        /// a near one, or those there are
        help: Option<String>,
    },
    /// An image could not be encoded.
    #[error("image: {0}")]
    Image(#[from] image::ImageError),
    /// Images that make no GIF.
    #[error("gif: {0}")]
    Gif(String),
    /// A template that does not parse or render.
    #[error("{0}")]
    Template(String),
    /// A value that JSON cannot hold.
    #[error("json: {0}")]
    Json(#[from] serde_json::Error),
}
