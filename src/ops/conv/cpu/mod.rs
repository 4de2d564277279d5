//! The convolutions' kernels for the CPU, on slices: products with the matrix of windows (im2col;
//! Chellapilla et al. 2006) that never make the matrix.
//!
//! | | rows | columns | depth |
//! | --- | --- | --- | --- |
//! | forward | map channels | map pixels | window elements |
//! | data gradient, for each phase of the stride | image channels | image pixels of the phase | map channels × taps of the phase |
//! | weight gradient | window elements | map channels | map pixels |
//!
//! Work is divided into tasks by the shapes alone. A task copies the block of images it works on into
//! [`planes`], where each element of a window has a fixed distance; the products read from there.

pub(super) mod data_gradient;
mod epilogue;
pub(super) mod forward;
mod planes;
mod tasks;
pub(super) mod weight_gradient;

pub(in crate::ops) use epilogue::Epilogue;
