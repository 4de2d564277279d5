//! What can be wrong with the settings of a train stage.

use super::config::{LossName, TaskName, TrainConfig};
use crate::model::{Dims, ModelSpec, NetworkSpec, output_shape};
use crate::stage::{DataSchema, Fault};

/// Every fault of a resolved configuration, given what is known of the data.
pub(super) fn faults(config: &TrainConfig, data: &DataSchema) -> Vec<Fault> {
    let mut faults = values(config);
    if let Some(spec) = config.model.spec() {
        let before = faults.len();
        faults.extend(networks(config.task, spec));
        if faults.len() == before {
            faults.extend(shapes(config, spec, data));
        }
    }
    faults
}

/// Values out of range, or of another task.
fn values(config: &TrainConfig) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut require = |holds: bool, path: &str, message: String| {
        if !holds {
            faults.push(Fault::at(path, message));
        }
    };
    let at_least_one = |what: &str| format!("{what} must be at least 1");
    require(
        config.epochs >= 1,
        "epochs",
        at_least_one("the number of epochs"),
    );
    require(
        config.checkpoint_every >= 1,
        "checkpoint_every",
        at_least_one("the epochs between checkpoints"),
    );
    require(
        config.batch_size >= 1,
        "batch_size",
        at_least_one("the batch size"),
    );
    require(
        config.latent != Some(0),
        "latent",
        at_least_one("the length of z"),
    );
    require(
        config.latent.is_none() || config.task == TaskName::Gan,
        "latent",
        format!(
            "a {} takes no noise, so `latent` means nothing here",
            config.task.name()
        ),
    );
    let penalised = config.loss == LossName::WganGp;
    for (path, given) in [
        ("gradient_penalty", config.gradient_penalty.is_some()),
        ("critic_steps", config.critic_steps.is_some()),
    ] {
        require(
            penalised || !given,
            path,
            "means something for `loss: wgan-gp` only".to_owned(),
        );
    }
    require(
        config
            .gradient_penalty
            .is_none_or(|weight| weight.is_finite() && weight > 0.0),
        "gradient_penalty",
        "the weight of the gradient penalty must be greater than 0".to_owned(),
    );
    require(
        config.critic_steps != Some(0),
        "critic_steps",
        at_least_one("the number of discriminator steps"),
    );
    let networks = config.task.networks();
    for (network, &rate) in &config.lr {
        let known = networks.contains(&network.as_str());
        let path = format!("lr.{network}");
        require(
            known,
            &path,
            format!(
                "task `{}` trains no network `{network}`, only {}",
                config.task.name(),
                networks.join(" and ")
            ),
        );
        require(
            !known || (rate.is_finite() && rate > 0.0),
            &path,
            format!("a learning rate must be greater than 0, not {rate}"),
        );
    }
    faults.extend(config.constants.faults(config.optimiser));
    let fits = match config.task {
        TaskName::Gan => config.loss.gan().is_some(),
        TaskName::Classifier => {
            matches!(
                config.loss,
                LossName::ByLabels | LossName::Bce | LossName::CrossEntropy
            )
        }
    };
    if !fits {
        let message = match config.task {
            TaskName::Gan => "no loss of a GAN: expected bce or wgan-gp",
            TaskName::Classifier => {
                "no loss of a classifier: expected by-labels, bce or cross-entropy"
            }
        };
        faults.push(Fault::at("loss", message));
    }
    faults
}

/// Networks that are missing or superfluous, and inputs that nothing feeds.
fn networks(task: TaskName, spec: &ModelSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in task.networks() {
        if !spec.networks.contains_key(*name) {
            let have: Vec<&str> = spec.networks.keys().map(String::as_str).collect();
            let message = format!(
                "task `{}` needs a network `{name}`; this model has {}",
                task.name(),
                have.join(", ")
            );
            faults.push(Fault::at("model", message));
        }
    }
    for (name, network) in &spec.networks {
        let path = format!("model.networks.{name}");
        let Some(feeds) = feeds(task, name) else {
            let message = format!(
                "task `{}` trains no network `{name}`, only {}",
                task.name(),
                task.networks().join(" and ")
            );
            faults.push(Fault::at(&path, message));
            continue;
        };
        for input in network
            .inputs
            .keys()
            .filter(|input| !feeds.contains(&input.as_str()))
        {
            let message = format!(
                "nothing feeds the input `{input}` of the {name}: it may take {}",
                feeds.join(" and ")
            );
            faults.push(Fault::at(&format!("{path}.inputs.{input}"), message));
        }
    }
    faults
}

/// The inputs that a task gives its network `name`; `None` for a network it does not train.
fn feeds(task: TaskName, name: &str) -> Option<&'static [&'static str]> {
    match (task, name) {
        (TaskName::Gan, "generator") => Some(&["z", "condition"]),
        (TaskName::Gan, "discriminator") => Some(&["image", "condition"]),
        (TaskName::Classifier, "classifier") => Some(&["image"]),
        _ => None,
    }
}

/// Shapes that do not fit, as far as the data is known.
fn shapes(config: &TrainConfig, spec: &ModelSpec, data: &DataSchema) -> Vec<Fault> {
    let labels_needed = config.task == TaskName::Classifier
        || spec
            .networks
            .values()
            .any(|network| network.inputs.contains_key("condition"));
    if labels_needed && data.classes == Some(0) {
        let fault = Fault::at("model", "this model needs labels, but its data has none");
        return vec![fault.help("give it labelled data, or choose a model without `condition`")];
    }
    let (Some(channels), Some((height, width))) = (data.channels, data.size) else {
        return Vec::new();
    };
    if labels_needed && data.classes.is_none() {
        return Vec::new();
    }
    let dims = Dims {
        latent: config.latent.unwrap_or(0),
        classes: data.classes.unwrap_or(0),
        channels,
        height,
        width,
    };
    let expected = |name: &str| match name {
        "generator" => (vec![channels, height, width], "images of the data's shape"),
        "classifier" => (vec![dims.classes], "a score for each of the data's classes"),
        _ => (vec![1], "one logit for each image"),
    };
    let check = |(name, network): (&String, &NetworkSpec)| {
        let path = format!("model.networks.{name}");
        match output_shape(network, &dims) {
            Err(error) => Some(Fault::at(
                &format!("{path}.{}", error.path),
                format!("{name}: {error}"),
            )),
            Ok(shape) => {
                let (wanted, what) = expected(name);
                // A discriminator may end in a 1×1 map.
                let fits =
                    shape == wanted || (wanted == [1] && shape.iter().product::<usize>() == 1);
                (!fits).then(|| {
                    Fault::at(
                        &path,
                        format!("the {name} gives {shape:?}, but must give {what}: {wanted:?}"),
                    )
                    .help("choose a model for this data, or `resize` the images in a preprocess stage before")
                })
            }
        }
    };
    spec.networks.iter().filter_map(check).collect()
}
