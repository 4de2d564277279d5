//! What can be wrong with a model.

use std::path::PathBuf;

/// Why a model could not be read, built, run or saved.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A name that no preset has.
    #[error("unknown model `{name}`{}", did_you_mean(suggestion.as_deref()))]
    UnknownPreset {
        /// the name asked for
        name: String,
        /// the nearest preset, where one is near
        suggestion: Option<String>,
    },
    /// A text that is no network's place.
    #[error(
        "`{0}` names no network of another model: write `PRESET:NETWORK` or `file:PATH:NETWORK`"
    )]
    BadReference(String),
    /// A network that the model it is to be taken from does not have.
    #[error("the model `{model}` has no network `{network}`{}", match suggestion {
        Some(near) => format!(": did you mean `{near}`?"),
        None => format!(" (networks: {networks})"),
    })]
    NoNetwork {
        /// the model it was asked of
        model: String,
        /// the name asked for
        network: String,
        /// the nearest of its networks, where one is near
        suggestion: Option<String>,
        /// all of them
        networks: String,
    },
    /// Files that take networks from each other without end.
    #[error("`{0}` leads back to itself: the files take networks from each other in a circle")]
    Circle(String),
    /// A model file that is not there.
    #[error("no model file `{}`", path.display())]
    MissingFile {
        /// the file looked for
        path: PathBuf,
    },
    /// A file that cannot be read or written.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// the file
        path: PathBuf,
        /// what the system says
        source: std::io::Error,
    },
    /// Text that describes no model.
    #[error("{}{message}", place(file.as_deref(), *position))]
    Text {
        /// the file it stands in; `None` for a text from elsewhere
        file: Option<PathBuf>,
        /// line and column, both from 1, where the parser knows them
        position: Option<(usize, usize)>,
        /// what is wrong
        message: String,
    },
    /// A parameter that none of the models has that networks are taken from.
    #[error("no model here has a parameter `{name}`{} (they have {parameters})", did_you_mean(suggestion.as_deref()))]
    NoParameter {
        /// the name
        name: String,
        /// the nearest parameter
        suggestion: Option<String>,
        /// all parameters
        parameters: String,
    },
    /// A network whose shapes do not fit.
    #[error("network `{network}`, {source}")]
    Shape {
        /// the network's name
        network: String,
        /// where and why
        source: ShapeError,
    },
    /// A forward pass without one of the network's inputs.
    #[error("network `{network}` needs the input `{input}`, which it was not given")]
    MissingInput {
        /// the network's name
        network: String,
        /// the input's name
        input: String,
    },
    /// A forward pass with an input of the wrong shape.
    #[error(
        "network `{network}`: input `{input}` has the shape {got:?}, expected a batch of {expected:?}"
    )]
    InputShape {
        /// the network's name
        network: String,
        /// the input's name
        input: String,
        /// its shape, batch included
        got: Vec<usize>,
        /// the declared shape, without the batch
        expected: Vec<usize>,
    },
    /// Features asked of a network that marks none.
    #[error("network `{network}` has no `tap: {tap}` layer to take features from")]
    NoTap {
        /// the network's name
        network: String,
        /// the tap's name
        tap: String,
    },
    /// A forward pass in training through a network that has been folded.
    #[error("network `{network}` is folded for evaluation and cannot be trained")]
    Folded {
        /// the network's name
        network: String,
    },
    /// A saved model that is damaged or was not written by retake.
    #[error("`{}` is not a usable model: {reason}", path.display())]
    Damaged {
        /// the file
        path: PathBuf,
        /// what is wrong with it
        reason: String,
    },
    /// Weights of another network.
    #[error("network `{network}` and the weights in `{}` do not fit: {}", path.display(), faults.join("; "))]
    Weights {
        /// the file
        path: PathBuf,
        /// the network's name
        network: String,
        /// tensors that are missing, superfluous or of another shape
        faults: Vec<String>,
    },
    /// A layer's computation failed.
    #[error("layer {path}: {source}")]
    Layer {
        /// the layer's path in its network
        path: String,
        /// candle's reason
        source: candle_core::Error,
    },
    /// A tensor operation failed outside any layer.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// Two shapes in a network that do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ShapeError {
    /// The layer's place in its network, as in the YAML: `layers.3.residual.layers.0`.
    pub path: String,
    /// The layer's name and both shapes.
    pub message: String,
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(
        || format!(" (presets: {})", super::ModelSpec::presets().join(", ")),
        |near| format!(": did you mean `{near}`?"),
    )
}

fn place(file: Option<&std::path::Path>, position: Option<(usize, usize)>) -> String {
    match (file, position) {
        (Some(file), Some((line, column))) => format!("{}:{line}:{column}: ", file.display()),
        (Some(file), None) => format!("{}: ", file.display()),
        (None, Some((line, column))) => format!("line {line}, column {column}: "),
        (None, None) => String::new(),
    }
}

/// The candidate nearest to `name`, when it is near enough to be a slip of the fingers.
pub(super) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.len() / 3))
        .min()
        .map(|(_, candidate)| candidate)
}
