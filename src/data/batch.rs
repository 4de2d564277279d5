//! Training batches: a deterministic order of samples for every epoch.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::error::DataError;
use super::image::ImageRef;
use super::label::{Label, LabelKind};
use super::pack::Pack;
use super::planes::to_planes;
use super::prefetch::Prefetch;
use super::recipe::Recipe;
use crate::rng::{Stream, Streams};

/// Floats that one task assembles at least: some tens of microseconds of work.
const FLOATS_A_TASK: usize = 1 << 14;

/// What a trainer reads: images, and the augmentation it is to apply to them.
#[derive(Debug)]
pub struct Source {
    /// the images
    pub pack: Pack,
    /// random steps for every sample, drawn anew in every epoch
    pub recipe: Option<Recipe>,
}

impl Source {
    /// Opens a pack, with the recipe it carries if it carries one.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let pack = Pack::open(path)?;
        let recipe = pack.recipe().cloned();
        Ok(Self { pack, recipe })
    }
}

/// Samples ready for a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// (N, C, H, W), in [-1, 1]: x / 127.5 - 1
    pub images: Vec<f32>,
    /// (N, C, H, W)
    pub shape: (usize, usize, usize, usize),
    /// (N, K) one-hot or multi-hot; empty without labels
    pub labels: Vec<f32>,
    /// (N) class of each sample; empty unless each has exactly one
    pub classes: Vec<u32>,
    /// (N) which image of the pack each sample is
    pub indices: Vec<u32>,
}

impl Batch {
    /// The images `indices` of `pack` as they are, in that order.
    ///
    /// Errors when images differ in size.
    pub fn of(pack: &Pack, indices: &[u32]) -> Result<Self, DataError> {
        let size = pack.uniform_size()?;
        Ok(Self::assemble(pack, indices, size, &|_, image, out| {
            to_planes(&image, out);
        }))
    }

    /// `write` puts (place in the batch, image) as planes of `height` × `width` into its part of the batch.
    fn assemble(
        pack: &Pack,
        indices: &[u32],
        (height, width): (usize, usize),
        write: &(dyn Fn(usize, ImageRef<'_>, &mut [f32]) + Sync),
    ) -> Self {
        let schema = pack.schema();
        let (samples, classes) = (indices.len(), schema.classes.len());
        let floats = schema.channels * height * width;
        let mut batch = Self {
            images: vec![0.0; samples * floats],
            shape: (samples, schema.channels, height, width),
            labels: vec![0.0; samples * classes],
            classes: Vec::new(),
            indices: indices.to_vec(),
        };
        batch
            .images
            .par_chunks_exact_mut(floats)
            .with_min_len(FLOATS_A_TASK.div_ceil(floats))
            .enumerate()
            .for_each(|(place, out)| write(place, pack.image(indices[place] as usize), out));
        if classes > 0 {
            for (row, index) in batch.labels.chunks_exact_mut(classes).zip(indices) {
                pack.label_vector(*index as usize, row);
            }
        }
        if schema.labels == LabelKind::Class {
            let class = |index: &u32| match pack.label(*index as usize) {
                Label::Class(class) => Some(class),
                Label::None | Label::Multi(_) => None,
            };
            batch.classes = indices.iter().filter_map(class).collect();
        }
        batch
    }
}

/// The batches of every epoch: a function of (seed, epoch, index), whatever was asked before.
#[derive(Debug, Clone)]
pub struct Batches {
    source: Arc<Source>,
    seed: u64,
    augment: Streams,
    batch_size: usize,
    drop_last: bool,
    /// the epoch whose order was last asked for
    order: Arc<Mutex<Option<Order>>>,
}

#[derive(Debug)]
struct Order {
    epoch: u64,
    indices: Arc<[u32]>,
}

impl Batches {
    /// Batches of `batch_size` samples (at least 1). The last one of an epoch is smaller, or left out
    /// with `drop_last`.
    pub fn new(source: Arc<Source>, seed: u64, batch_size: usize, drop_last: bool) -> Self {
        Self {
            source,
            seed,
            augment: Streams::new(seed, "augment"),
            batch_size: batch_size.max(1),
            drop_last,
            order: Arc::default(),
        }
    }

    /// Batches in an epoch.
    pub fn per_epoch(&self) -> usize {
        let samples = self.source.pack.len();
        if self.drop_last {
            samples / self.batch_size
        } else {
            samples.div_ceil(self.batch_size)
        }
    }

    /// Batch `index` (from 0) of `epoch`. Sample `i` of the pack is augmented from the stream
    /// `("augment", epoch * n + i)`, so its pixels do not depend on the batch size.
    ///
    /// Errors when images differ in size.
    ///
    /// # Panics
    /// When `index` is not below [`Batches::per_epoch`].
    pub fn batch(&self, epoch: u64, index: usize) -> Result<Batch, DataError> {
        assert!(index < self.per_epoch(), "batch {index} of an epoch");
        let order = self.order(epoch);
        let start = index * self.batch_size;
        let indices = &order[start..order.len().min(start + self.batch_size)];
        let pack = &self.source.pack;
        let Some(recipe) = &self.source.recipe else {
            return Batch::of(pack, indices);
        };
        let before = epoch.wrapping_mul(pack.len() as u64);
        let size = pack.sample_size()?;
        Ok(Batch::assemble(
            pack,
            indices,
            size,
            &|place, image, out| {
                let counter = before.wrapping_add(u64::from(indices[place]));
                let mut stream = self.augment.stream(counter);
                to_planes(&recipe.apply(image.to_owned(), &mut stream).view(), out);
            },
        ))
    }

    /// The batches of `epoch` from batch `from` on, assembled ahead on another thread; the same values as
    /// [`Batches::batch`]. That thread shares its work with rayon's global pool, so a thread of that pool must
    /// not be the one that waits for the batches.
    pub fn prefetch(&self, epoch: u64, from: usize) -> Prefetch {
        Prefetch::new(self.clone(), epoch, from)
    }

    fn order(&self, epoch: u64) -> Arc<[u32]> {
        let mut cached = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(order) = cached.as_ref()
            && order.epoch == epoch
        {
            return Arc::clone(&order.indices);
        }
        let indices: Arc<[u32]> = Stream::new(self.seed, "order", epoch)
            .permutation(self.source.pack.len())
            .into();
        *cached = Some(Order {
            epoch,
            indices: Arc::clone(&indices),
        });
        indices
    }
}
