//! Networks as data.

mod conditional;
pub mod extractors;
mod folded;
mod forms;
mod golden;
mod init;
mod language;
mod names;
mod network;
mod presets;
mod saved;
mod shapes;
mod taken;
mod weights;

use retake::model::{Dims, ModelSpec};

/// The sizes of i-CLEVR at `side` pixels.
fn dims(side: usize) -> Dims {
    Dims {
        latent: 100,
        classes: 24,
        channels: 3,
        height: side,
        width: side,
    }
}

/// A model of one network, `net`, over `image` (channels, height, width) with these layers.
fn one(layers: &str) -> ModelSpec {
    read(&format!(
        "networks: {{net: {{inputs: {{image: [channels, height, width]}}, layers: {layers}}}}}"
    ))
}

fn read(yaml: &str) -> ModelSpec {
    ModelSpec::from_yaml(yaml).expect("a model")
}

/// What reading this text complains about.
fn complaint(yaml: &str) -> String {
    ModelSpec::from_yaml(yaml)
        .expect_err("not a model")
        .to_string()
}
