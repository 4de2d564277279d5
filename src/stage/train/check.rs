//! What can be wrong with the settings of a train stage.

use super::adversarial;
use super::config::TrainConfig;
use super::names::{ClipSettings, LossName, TaskName};
use super::range::positive;
use crate::model::{Dims, LayerSpec, ModelSpec, NetworkSpec, output_shape, outputs};
use crate::stage::{DataSchema, Fault};

/// Every fault of a resolved configuration, given what is known of the data.
pub(super) fn faults(config: &TrainConfig, data: &DataSchema) -> Vec<Fault> {
    let mut faults = values(config);
    faults.extend(adversarial::faults(config, data.classes));
    if let Some(spec) = config.model.spec() {
        let before = faults.len();
        faults.extend(companions(config, spec));
        faults.extend(networks(config.task, spec));
        if faults.len() == before {
            faults.extend(shapes(config, spec, data));
        }
    }
    faults
}

/// What is sound, but seldom meant.
pub(super) fn warnings(config: &TrainConfig) -> Vec<String> {
    let centred = config.r1.is_some() || config.r2.is_some();
    let penalised = config.gradient_penalty.is_some() || config.divergence.is_some() || centred;
    let critic = config
        .model
        .spec()
        .and_then(|spec| spec.networks.get("discriminator"));
    let mut warnings = Vec::new();
    if penalised && critic.is_some_and(|critic| mixes_samples(&critic.layers)) {
        warnings.push(
            "the discriminator has batch norm, which mixes samples, but a gradient penalty is one of each \
             sample by itself (Gulrajani et al. 2017, section 4)"
                .to_owned(),
        );
    }
    let bare = config.loss == LossName::Wasserstein && !penalised && config.weight_clip.is_none();
    if bare && critic.is_some_and(|critic| !is_spectral(critic)) {
        warnings.push(
            "nothing keeps the critic from growing steep: a Wasserstein loss wants a gradient penalty, a weight \
             clip, a divergence or spectral norms"
                .to_owned(),
        );
    }
    warnings
}

/// Whether any layer normalises over the batch.
fn mixes_samples(layers: &[LayerSpec]) -> bool {
    layers.iter().any(|layer| match layer {
        LayerSpec::BatchNorm(_) => true,
        LayerSpec::Block(layers) => mixes_samples(layers),
        LayerSpec::Named(named) => mixes_samples(std::slice::from_ref(&named.layer)),
        LayerSpec::Branches(branches) => branches.0.iter().any(|layers| mixes_samples(layers)),
        LayerSpec::Residual(residual) => {
            mixes_samples(&residual.layers) || mixes_samples(&residual.shortcut)
        }
        _ => false,
    })
}

/// Whether any layer of the network is divided by its spectral norm.
fn is_spectral(network: &NetworkSpec) -> bool {
    serde_json::to_string(&network.layers).is_ok_and(|text| text.contains("\"spectral_norm\""))
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
        config.latent.is_none() || config.task.has_latent(),
        "latent",
        format!(
            "a {} takes no noise, so `latent` means nothing here",
            config.task.name()
        ),
    );
    for (setting, given, task) in extras(config) {
        require(
            !given || config.task == task,
            setting,
            format!("means something for `task: {}` only", task.name()),
        );
    }
    let networks = config.task.all_networks();
    for (network, &rate) in &config.lr {
        let known = networks.contains(&network.as_str());
        let path = format!("lr.{network}");
        require(known, &path, untrained(config.task, network));
        require(
            !known || (rate.is_finite() && rate > 0.0),
            &path,
            format!("a learning rate must be greater than 0, not {rate}"),
        );
    }
    faults.extend(config.constants.faults(config.optimiser));
    for (network, other) in &config.optimisers {
        let path = format!("optimisers.{network}");
        if !networks.contains(&network.as_str()) {
            faults.push(Fault::at(&path, untrained(config.task, network)));
        }
        let inner = other.constants.faults(other.optimiser).into_iter();
        faults.extend(inner.map(|fault| fault.below(&path)));
    }
    for network in config.weights.keys() {
        if !networks.contains(&network.as_str()) {
            let path = format!("weights.{network}");
            faults.push(Fault::at(&path, untrained(config.task, network)));
        }
    }
    if let Some(schedules) = &config.schedule {
        faults.extend(schedules.faults(&networks));
    }
    if let Some(clip) = config.gradient_clip {
        let (path, limit) = match clip {
            ClipSettings::Norm(limit) => ("gradient_clip.norm", limit),
            ClipSettings::Value(limit) => ("gradient_clip.value", limit),
        };
        positive(&mut faults, path, "the limit of gradients", limit);
    }
    let fits = match config.task {
        TaskName::Gan => config.loss.gan().is_some(),
        TaskName::Classifier => {
            matches!(
                config.loss,
                LossName::ByLabels | LossName::Bce | LossName::CrossEntropy
            )
        }
        TaskName::Vae => config.loss.reconstruction().is_some(),
    };
    if !fits {
        let message = format!(
            "no loss of a {}: expected {}",
            config.task.spoken(),
            LossName::of(config.task)
        );
        faults.push(Fault::at("loss", message));
    }
    let beta = config.beta.unwrap_or(1.0);
    if !(beta.is_finite() && beta >= 0.0) {
        faults.push(Fault::at("beta", format!("must be at least 0, not {beta}")));
    }
    faults
}

/// Settings of one task: name, whether it is there, and whose it is.
fn extras(config: &TrainConfig) -> [(&'static str, bool, TaskName); 15] {
    use TaskName::{Gan, Vae};
    [
        ("gradient_penalty", config.gradient_penalty.is_some(), Gan),
        ("r1", config.r1.is_some(), Gan),
        ("r2", config.r2.is_some(), Gan),
        ("divergence", config.divergence.is_some(), Gan),
        ("critic_steps", config.critic_steps.is_some(), Gan),
        ("weight_clip", config.weight_clip.is_some(), Gan),
        ("labels", config.labels.is_some(), Gan),
        ("auxiliary", config.auxiliary.is_some(), Gan),
        (
            "adversarial_weight",
            config.adversarial_weight.is_some(),
            Gan,
        ),
        ("diff_augment", !config.diff_augment.is_empty(), Gan),
        ("fresh_noise", config.fresh_noise, Gan),
        ("ema", config.ema.is_some(), Gan),
        ("beta", config.beta.is_some(), Vae),
        ("kl_reduction", config.kl_reduction.is_some(), Vae),
        (
            "reconstruction_reduction",
            config.reconstruction_reduction.is_some(),
            Vae,
        ),
    ]
}

fn untrained(task: TaskName, network: &str) -> String {
    format!(
        "task `{}` trains no network `{network}`, only {}",
        task.name(),
        task.all_networks().join(" and ")
    )
}

/// Settings of a network that the task could train, if the model had it.
fn companions(config: &TrainConfig, spec: &ModelSpec) -> Vec<Fault> {
    let absent = config
        .task
        .companions()
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !spec.networks.contains_key(*name));
    let mut faults = Vec::new();
    for name in absent {
        let named = [
            ("lr", config.lr.contains_key(name)),
            ("optimisers", config.optimisers.contains_key(name)),
            ("weights", config.weights.contains_key(name)),
            (
                "schedule",
                config.schedule.as_ref().is_some_and(|all| all.names(name)),
            ),
        ];
        for (setting, _) in named.into_iter().filter(|(_, there)| *there) {
            let message = format!("the model has no network `{name}`");
            faults.push(Fault::at(&format!("{setting}.{name}"), message));
        }
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
    faults.extend(mapping(spec));
    for (name, network) in &spec.networks {
        let path = format!("model.networks.{name}");
        let Some(feeds) = feeds(task, name) else {
            faults.push(Fault::at(&path, untrained(task, name)));
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

/// A mapping without a reader, or the other way round.
fn mapping(spec: &ModelSpec) -> Option<Fault> {
    let generator = spec.networks.get("generator")?;
    match (
        spec.networks.contains_key("mapping"),
        generator.inputs.contains_key("w"),
    ) {
        (true, false) => Some(Fault::at(
            "model.networks.mapping",
            "the generator has no input `w` for what the mapping makes of z",
        )),
        (false, true) => Some(Fault::at(
            "model.networks.generator.inputs.w",
            "nothing feeds the input `w` of the generator: the model has no network `mapping`",
        )),
        _ => None,
    }
}

/// The inputs that a task gives its network `name`; `None` for a network it does not train.
fn feeds(task: TaskName, name: &str) -> Option<&'static [&'static str]> {
    match (task, name) {
        (TaskName::Gan, "generator") => Some(&["z", "w", "condition"]),
        (TaskName::Gan, "mapping") | (TaskName::Vae, "decoder") => Some(&["z", "condition"]),
        (TaskName::Gan, "discriminator") | (TaskName::Vae, "encoder") => {
            Some(&["image", "condition"])
        }
        (TaskName::Classifier, "classifier") => Some(&["image"]),
        _ => None,
    }
}

/// Shapes that do not fit, as far as the data is known.
fn shapes(config: &TrainConfig, spec: &ModelSpec, data: &DataSchema) -> Vec<Fault> {
    let labels_needed = config.task == TaskName::Classifier
        || config.auxiliary.is_some()
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
        "generator" | "decoder" => (vec![channels, height, width], "images of the data's shape"),
        "mapping" => (vec![dims.latent], "a w as long as z"),
        "encoder" => (
            vec![2 * dims.latent],
            "means and log-variances of z, twice its length",
        ),
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
                // A discriminator may end in a 1×1 map, an encoder in any shape.
                let flat = wanted.len() == 1 && name != "classifier";
                let fits =
                    shape == wanted || (flat && shape.iter().product::<usize>() == wanted[0]);
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
    let mut faults: Vec<Fault> = spec.networks.iter().filter_map(check).collect();
    if config.auxiliary.is_some() && faults.is_empty() {
        faults.extend(auxiliary_head(spec, &dims));
    }
    faults
}

/// A discriminator whose head `auxiliary` is missing, or scores another number of labels.
fn auxiliary_head(spec: &ModelSpec, dims: &Dims) -> Option<Fault> {
    let shapes = outputs(spec.networks.get("discriminator")?, dims).ok()?;
    match shapes.heads.get("auxiliary") {
        Some(shape) if *shape == [dims.classes] => None,
        Some(shape) => Some(Fault::at(
            "model.networks.discriminator",
            format!(
                "the head `auxiliary` gives {shape:?}, but must give a score for each of the data's classes: [{}]",
                dims.classes
            ),
        )),
        None => Some(
            Fault::at(
                "auxiliary",
                "the discriminator has no head of that name to learn labels",
            )
            .help("give it a layer `head: {name: auxiliary, layers: [linear: {out: classes}]}`"),
        ),
    }
}
