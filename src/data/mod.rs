//! Images with labels: packed files, readers that make them, steps that change them, batches.
//!
//! Readers ([`shapes`], [`faces`], [`idx`], [`cifar`], [`folder`], [`attributes`], [`multi_label`], `mnist_dir`)
//! write one [`pack`]; [`transform`] and [`recipe`] turn packs into packs; [`batch`] turns a pack into training batches, which
//! [`prefetch`] assembles ahead. Pixels are `u8`,
//! interleaved (H, W, C), until a batch makes them floats.

pub mod attributes;
pub mod augment;
pub mod batch;
pub mod card;
pub mod channels;
pub mod cifar;
pub mod colour;
pub mod crop;
pub mod error;
pub mod export;
pub mod faces;
pub mod files;
pub mod folder;
pub mod idx;
pub mod image;
pub mod label;
#[cfg(feature = "candle-datasets")]
pub mod mnist_dir;
pub mod multi_label;
pub mod pack;
pub mod planes;
pub mod prefetch;
pub mod prompts;
pub mod recipe;
pub mod resize;
pub mod rotate;
pub mod select;
pub mod shapes;
pub mod size;
pub mod split;
pub mod transform;
pub mod work;

pub use batch::{Batch, Batches, Source};
pub use error::DataError;
pub use image::{Image, ImageRef};
pub use label::{Label, LabelKind, PackSchema};
pub use pack::{Pack, PackWriter};
pub use prefetch::Prefetch;
pub use recipe::Recipe;
