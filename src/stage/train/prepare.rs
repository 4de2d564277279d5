//! From settings and inputs to a task and a learner that has made no step.

use std::sync::Arc;

use super::config::{LossName, TaskName, TrainConfig};
use crate::data::{LabelKind, Pack, Source};
use crate::loss::ClassifierLoss;
use crate::model::{Dims, ModelHeader, Network, SavedModel};
use crate::stage::{StageCtx, StageError};
use crate::train::{Classifier, Gan, Learner, Task, TrainError};

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
    Ok(match config.task {
        TaskName::Gan => {
            let loss = config.loss.gan().ok_or_else(|| {
                StageError::Failed("`loss` is none of a GAN: expected bce or wgan-gp".to_owned())
            })?;
            Box::new(Gan {
                loss,
                gradient_penalty: config.gradient_penalty,
                critic_steps: config.critic_steps.unwrap_or(1),
                seed: ctx.seed,
            })
        }
        TaskName::Classifier => {
            let mut validation = None;
            if ctx.optional("validation").is_some() {
                let source = open(ctx, "validation")?;
                fits(data, &source.pack)?;
                validation = Some(Arc::new(source));
            }
            Box::new(Classifier {
                loss: classifier_loss(config.loss, data.schema().labels)?,
                seed: ctx.seed,
                validation,
                batch_size: config.batch_size,
            })
        }
    })
}

fn classifier_loss(name: LossName, labels: LabelKind) -> Result<ClassifierLoss, TrainError> {
    match (name, labels) {
        (_, LabelKind::None) => Err(TrainError::NoLabels("a classifier learns labels")),
        (LossName::CrossEntropy, LabelKind::Multi) => Err(TrainError::ManyLabels),
        (LossName::WganGp, _) => Err(TrainError::NotAClassifiersLoss),
        (LossName::CrossEntropy | LossName::ByLabels, LabelKind::Class) => {
            Ok(ClassifierLoss::CrossEntropy)
        }
        (LossName::Bce, _) | (LossName::ByLabels, LabelKind::Multi) => {
            Ok(ClassifierLoss::MultiLabel)
        }
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
    let networks = spec.networks.iter().map(|(name, network)| {
        let network = Network::new(name, network, &dims, config.init, ctx.seed, device)?;
        Ok((name.clone(), network))
    });
    let model = SavedModel {
        networks: networks.collect::<Result<_, TrainError>>()?,
        header: ModelHeader {
            task: config.task.name().to_owned(),
            dims,
            classes: schema.classes.clone(),
            multi_label: schema.labels == LabelKind::Multi,
            spec: spec.clone(),
        },
    };
    Ok(Learner::new(
        model,
        config.optimiser(),
        config.lr.clone(),
        device,
    )?)
}
