//! Why training stops before its end.

use std::path::PathBuf;

use crate::data::DataError;
use crate::model::ModelError;

/// Why a training step, or saving or restoring a training run, failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A network failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The model lacks a network that the task trains.
    #[error("the model has no network `{0}`")]
    NoNetwork(&'static str),
    /// The task needs labels and the data has none.
    #[error("the data has no labels, but {0}")]
    NoLabels(&'static str),
    /// The network lacks a head that the task reads.
    #[error("the {network} has no `head` called `{head}`")]
    NoHead {
        /// the network
        network: String,
        /// the head
        head: &'static str,
    },
    /// Softmax cross-entropy on images with several labels.
    #[error(
        "cross-entropy needs exactly one label an image, but the data has several: use `loss: bce`"
    )]
    ManyLabels,
    /// Softmax cross-entropy of an auxiliary head on an image without exactly one label in each group.
    #[error(
        "`auxiliary: {{loss: cross-entropy}}` needs exactly one label in each of the groups {groups:?}, but `{image}` \
         has none or several: set `groups`, or `loss: bce`"
    )]
    NotOneLabel {
        /// the image's name
        image: String,
        /// lengths of the groups
        groups: Vec<usize>,
    },
    /// A loss for two networks given to one.
    #[error("this loss is not one of a classifier: use `by-labels`, `bce` or `cross-entropy`")]
    NotAClassifiersLoss,
    /// A set of images that differs from the training data in what the network sees.
    #[error("the validation data has {found}, the training data {expected}")]
    Validation {
        /// what the training data has
        expected: String,
        /// what the validation data has
        found: String,
    },
    /// Nothing to train on.
    #[error("the data holds {images} images, fewer than one batch of {batch_size}")]
    NoBatch {
        /// images in the data
        images: usize,
        /// images in a batch
        batch_size: usize,
    },
    /// A resume state that is damaged or belongs to another model.
    #[error("resume state `{}`: {reason}", path.display())]
    State {
        /// the file
        path: PathBuf,
        /// what is wrong with it
        reason: String,
    },
}
