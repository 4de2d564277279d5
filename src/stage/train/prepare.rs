//! From settings and inputs to a task and a learner that has made no step.

use std::sync::Arc;

use indexmap::IndexMap;

use super::auxiliary::AuxiliarySettings;
use super::brief::Brief;
use super::config::TrainConfig;
use super::labels::LabelSettings;
use super::names::{LossName, ReductionName, TaskName};
use super::penalty::{Divergence, ZeroPenalty};
use crate::data::{LabelKind, Pack, Source};
use crate::loss::{AuxiliaryLoss, ClassifierLoss, Reduction};
use crate::model::weights::{NameMap, Surplus, load_into};
use crate::model::{Dims, ModelHeader, Network, SavedModel};
use crate::stage::{StageCtx, StageError, Status};
use crate::train::{
    AVERAGE, Classifier, CriticSteps, Gan, LabelNoise, Learner, Points, Task, TrainError, Vae,
};

/// Opens an input as training data.
pub(super) fn open(ctx: &StageCtx<'_>, input: &str) -> Result<Source, StageError> {
    Ok(Source::open(ctx.input(input)?.path()).map_err(TrainError::from)?)
}

/// What is trained.
pub(super) fn task(
    config: &TrainConfig,
    ctx: &StageCtx<'_>,
    data: &Pack,
) -> Result<Box<dyn Task>, StageError> {
    let validation = match ctx.optional("validation") {
        Some(_) => {
            let source = open(ctx, "validation")?;
            fits(data, &source.pack)?;
            Some(Arc::new(source))
        }
        None => None,
    };
    Ok(match config.task {
        TaskName::Gan => Box::new(gan(config, ctx.seed, data, validation)?),
        TaskName::Classifier => Box::new(Classifier {
            loss: classifier_loss(config.loss, data.schema().labels)?,
            seed: ctx.seed,
            validation,
            batch_size: config.batch_size,
        }),
        TaskName::Vae => Box::new(Vae {
            reconstruction: config
                .loss
                .reconstruction()
                .ok_or_else(|| wrong_loss(config.task))?,
            reconstruction_reduction: reduction(config.reconstruction_reduction),
            kl_reduction: reduction(config.kl_reduction),
            beta: config.beta.unwrap_or(1.0),
            seed: ctx.seed,
            validation,
            batch_size: config.batch_size,
        }),
    })
}

fn gan(
    config: &TrainConfig,
    seed: u64,
    data: &Pack,
    validation: Option<Arc<Source>>,
) -> Result<Gan, StageError> {
    let loss = config.loss.gan().ok_or_else(|| wrong_loss(config.task))?;
    let weight = config.adversarial_weight.as_deref();
    let zero = |penalty: &Option<Brief<ZeroPenalty>>, points, column| {
        penalty
            .as_ref()
            .map(|penalty| penalty.penalty(points, column))
    };
    let penalties = [
        config
            .gradient_penalty
            .as_ref()
            .map(|penalty| penalty.penalty()),
        zero(&config.r1, Points::Real, "r1"),
        zero(&config.r2, Points::Fake, "r2"),
        config.divergence.as_ref().map(Divergence::penalty),
    ];
    if let Some(auxiliary) = &config.auxiliary {
        one_label_a_group(auxiliary, data)?;
    }
    let critic_steps = config.critic_steps.as_ref();
    Ok(Gan {
        generator_weight: weight.map_or(1.0, |weight| weight.generator),
        discriminator_weight: weight.map_or(1.0, |weight| weight.discriminator),
        penalties: penalties.into_iter().flatten().collect(),
        critic_steps: critic_steps.map_or(CriticSteps::ONE, |steps| steps.critic_steps()),
        labels: config
            .labels
            .as_ref()
            .map_or(LabelNoise::NONE, LabelSettings::noise),
        auxiliary: config
            .auxiliary
            .as_ref()
            .map(|auxiliary| auxiliary.auxiliary(data.schema().classes.len())),
        weight_clip: config.weight_clip.as_ref().map(|clip| clip.weight_clip()),
        average: config.ema.as_ref().map(|average| average.average()),
        augment: config
            .diff_augment
            .iter()
            .map(|augment| augment.policy())
            .collect(),
        fresh_noise: config.fresh_noise,
        validation,
        batch_size: config.batch_size,
        ..Gan::new(loss, seed)
    })
}

/// An error unless every image has exactly one label in each group that a softmax chooses from.
fn one_label_a_group(auxiliary: &AuxiliarySettings, data: &Pack) -> Result<(), TrainError> {
    let classes = data.schema().classes.len();
    let AuxiliaryLoss::CrossEntropy { groups } = auxiliary.auxiliary(classes).loss else {
        return Ok(());
    };
    let mut labels = vec![0.0; classes];
    for image in 0..data.len() {
        data.label_vector(image, &mut labels);
        let mut rest = labels.as_slice();
        for &length in &groups {
            let (group, behind) = rest.split_at(length.min(rest.len()));
            rest = behind;
            if group.iter().filter(|&&label| label > 0.5).count() != 1 {
                return Err(TrainError::NotOneLabel {
                    image: data.name(image).to_owned(),
                    groups,
                });
            }
        }
    }
    Ok(())
}

fn reduction(name: Option<ReductionName>) -> Reduction {
    match name {
        Some(ReductionName::Mean) => Reduction::Mean,
        Some(ReductionName::Sum) | None => Reduction::Sum,
    }
}

fn wrong_loss(task: TaskName) -> StageError {
    StageError::Failed(format!(
        "`loss` is none of a {}: expected {}",
        task.name(),
        LossName::of(task)
    ))
}

fn classifier_loss(name: LossName, labels: LabelKind) -> Result<ClassifierLoss, TrainError> {
    match (name, labels) {
        (_, LabelKind::None) => Err(TrainError::NoLabels("a classifier learns labels")),
        (LossName::CrossEntropy, LabelKind::Multi) => Err(TrainError::ManyLabels),
        (LossName::CrossEntropy | LossName::ByLabels, LabelKind::Class) => {
            Ok(ClassifierLoss::CrossEntropy)
        }
        (LossName::Bce, _) | (LossName::ByLabels, LabelKind::Multi) => {
            Ok(ClassifierLoss::MultiLabel)
        }
        _ => Err(TrainError::NotAClassifiersLoss),
    }
}

/// An error unless a network trained on `data` can judge `validation`.
fn fits(data: &Pack, validation: &Pack) -> Result<(), TrainError> {
    let (expected, found) = (described(data)?, described(validation)?);
    if data.schema().classes != validation.schema().classes || expected != found {
        return Err(TrainError::Validation { expected, found });
    }
    Ok(())
}

fn described(pack: &Pack) -> Result<String, TrainError> {
    let ((height, width), schema) = (pack.sample_size()?, pack.schema());
    let classes = schema.classes.join(", ");
    Ok(format!(
        "{}×{height}×{width} images of {} classes ({classes})",
        schema.channels,
        schema.classes.len()
    ))
}

/// Networks with their initial values, and optimisers that have made no step.
pub(super) fn learner(
    config: &TrainConfig,
    ctx: &StageCtx<'_>,
    data: &Pack,
) -> Result<Learner, StageError> {
    let spec = config.model.spec().ok_or_else(|| {
        StageError::Failed("the model was not resolved before the stage ran".to_owned())
    })?;
    let (height, width) = data.sample_size().map_err(TrainError::from)?;
    let schema = data.schema();
    let dims = Dims {
        latent: config.latent.unwrap_or(0),
        classes: schema.classes.len(),
        channels: schema.channels,
        height,
        width,
    };
    let device = &ctx.compute.device;
    let mut spec = spec.clone();
    let mut networks = IndexMap::new();
    for (name, network) in &spec.networks {
        let new = || Network::new(name, network, &dims, config.init, ctx.seed, device);
        networks.insert(name.clone(), new().map_err(TrainError::from)?);
    }
    if config.ema.is_some() {
        // Averages start as the networks do: streams of initial values go by the network's own name.
        for name in config.task.averaged() {
            if let Some(network) = spec.networks.get(*name).cloned() {
                let average = format!("{name}{AVERAGE}");
                let new = Network::new(name, &network, &dims, config.init, ctx.seed, device);
                networks.insert(average.clone(), new.map_err(TrainError::from)?);
                spec.networks.insert(average, network);
            }
        }
    }
    start_from_init(config, ctx, &networks)?;
    let names = config.task.all_networks().into_iter();
    let training = names.map(|name| (name.to_owned(), config.training(name)));
    let model = SavedModel {
        networks,
        header: ModelHeader {
            task: config.task.name().to_owned(),
            dims,
            classes: schema.classes.clone(),
            multi_label: schema.labels == LabelKind::Multi,
            spec,
        },
    };
    Ok(Learner::new(model, training.collect(), device)?)
}

/// Sets the networks that `config` names, or all, to the weights of the input `init`, and their averages too.
fn start_from_init(
    config: &TrainConfig,
    ctx: &StageCtx<'_>,
    networks: &IndexMap<String, Network>,
) -> Result<(), StageError> {
    let Some(node) = ctx.optional("init") else {
        return Ok(());
    };
    if let Status::Diverged { epoch, .. } = node.status {
        return Err(StageError::Failed(format!(
            "the training of {}, which this one starts from, diverged in epoch {epoch}",
            node.node
        )));
    }
    let exact = NameMap::default();
    for network in networks.values() {
        let names = match config.weights.get(network.name()) {
            Some(names) => names,
            None if config.weights.is_empty() => &exact,
            None => continue,
        };
        load_into(network, node.path(), names, Surplus::Refuse).map_err(TrainError::from)?;
    }
    Ok(())
}
