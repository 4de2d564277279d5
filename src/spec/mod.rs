//! The pipeline language: YAML text to stages, and faults with file, line and column.
//!
//! [`load()`] reads a file and what it includes ([`yaml`] → [`read`] → [`model`]), and settles vars
//! ([`vars`]). Interpolation ([`template`]) and input references ([`mod@reference`]) are parsed here and
//! applied by [`crate::plan`], which knows the axes. A fault is noted as a *path* into a file
//! ([`place`]); only when there is one are positions looked up ([`locate`]), so that what is right
//! carries no spans.

pub mod error;
pub mod limits;
pub mod load;
pub mod locate;
pub mod model;
pub mod place;
pub mod read;
pub mod reference;
pub mod root;
pub mod schema;
pub mod template;
pub mod vars;
pub mod yaml;

pub use error::{Fault, Faults, render};
pub use load::load;
pub use model::{LoadOptions, PipelineSpec};
