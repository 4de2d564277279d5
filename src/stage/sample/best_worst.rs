//! Of many generated images those that the judge is surest of, and those that it is least sure of.

use image::RgbImage;

use super::conditions::Conditions;
use super::config::SampleConfig;
use super::draw::COLUMNS;
use crate::data::image::Image;
use crate::data::pack::Pack;
use crate::report::grid::{Row, Sheet, Tile, rows};
use crate::stage::checkpoint::Checkpoint;
use crate::stage::generate::{BATCH, Generator, Noise, failed};
use crate::stage::measure::Eye;
use crate::stage::{StageCtx, StageError};

/// An image and what the judge makes of it.
struct Judged {
    image: RgbImage,
    label: String,
    /// in [0, 1]
    confidence: f64,
}

/// The best images above the worst, each with what it was to show and how sure the judge is that it does. Of a generator
/// that is not told what to draw, with the class that the judge sees in it.
pub fn sheet(
    config: &SampleConfig,
    ctx: &StageCtx<'_>,
    checkpoint: &Checkpoint,
    data: Option<&Pack>,
    progress: &dyn Fn(u64, u64),
) -> Result<RgbImage, StageError> {
    let device = &ctx.compute.device;
    let generator = Generator::load(&checkpoint.path, device, config.average)?;
    let conditions = Conditions::of(config, ctx, &generator, data)?;
    let judge = Eye::judge(ctx.input("judge")?, device)?;
    let names = &judge.class_names;
    if generator.conditional() && generator.class_names() != names {
        return Err(failed(format!(
            "the generator's classes ({}) are not the judge's ({})",
            generator.class_names().join(", "),
            names.join(", ")
        )));
    }
    let images = conditions.count().unwrap_or(config.images);
    let noise = Noise::first(ctx.seed);
    let mut judged: Vec<Judged> = Vec::new();
    for first in (0..images).step_by(BATCH) {
        ctx.check_cancelled()?;
        let n = BATCH.min((images - first) as usize);
        let drawn = generator.draw(noise, first, n, &|k, row| conditions.write(k, row))?;
        let views = drawn.images()?;
        let views: Vec<_> = views.iter().map(Image::view).collect();
        let seen = judge.extractor.look(&views).map_err(failed)?;
        let scores = seen.scores.chunks_exact(seen.classes.max(1));
        for ((k, image), scores) in (first..).zip(drawn.tiles()?).zip(scores) {
            let sure = confidences(scores, judge.multi_label);
            let mut asked = vec![0.0; sure.len()];
            if generator.conditional() {
                conditions.write(k, &mut asked);
            }
            judged.push(judge_one(image, &sure, &asked, names));
        }
        progress(first + n as u64, images);
    }
    // A stable sort: of equals the lower number first.
    judged.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let best = judged.len().min(config.show() as usize);
    let worst = (judged.len() - best).min(config.show() as usize);
    let columns = config.columns.unwrap_or(COLUMNS) as usize;
    let block = |heading: &str, judged: &mut dyn Iterator<Item = &Judged>| -> Vec<Row> {
        let tiles = judged.map(|judged| tile(judged, config.labels)).collect();
        let mut rows = rows(tiles, columns);
        if let Some(first) = rows.first_mut() {
            heading.clone_into(&mut first.heading);
        }
        rows
    };
    let of = format!("of {} images", judged.len());
    let best = block(
        &format!("best {best} {of}, by the judge"),
        &mut judged.iter().take(best),
    );
    let worst = block(
        &format!("worst {worst}"),
        &mut judged.iter().rev().take(worst),
    );
    Ok(Sheet::of(&[best, worst].concat()).image)
}

/// How sure the judge is of each class, from its logits: softmax, or with several labels an image the logistic function
/// of each.
fn confidences(logits: &[f32], multi_label: bool) -> Vec<f64> {
    let exp = |logit: f32, shift: f32| libm::exp(f64::from(logit) - f64::from(shift));
    if multi_label {
        return logits
            .iter()
            .map(|logit| 1.0 / (1.0 + exp(-logit, 0.0)))
            .collect();
    }
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| exp(*logit, largest)).sum();
    logits
        .iter()
        .map(|logit| exp(*logit, largest) / sum)
        .collect()
}

/// Of several classes asked for, the mean; of none the class that it is surest of.
fn judge_one(image: RgbImage, sure: &[f64], asked: &[f32], names: &[String]) -> Judged {
    let asked: Vec<usize> = (0..sure.len())
        .filter(|class| asked[*class] > 0.5)
        .collect();
    let shown = match asked.as_slice() {
        [] => (0..sure.len())
            .max_by(|a, b| sure[*a].total_cmp(&sure[*b]).then(b.cmp(a)))
            .into_iter()
            .collect(),
        _ => asked,
    };
    let sum: f64 = shown.iter().map(|class| sure[*class]).sum();
    let label: Vec<&str> = shown
        .iter()
        .filter_map(|class| names.get(*class))
        .map(String::as_str)
        .collect();
    Judged {
        image,
        label: label.join(", "),
        confidence: sum / shown.len().max(1) as f64,
    }
}

fn tile(judged: &Judged, labels: bool) -> Tile {
    let percent = judged.confidence * 100.0;
    let decimals = usize::from(percent < 9.95);
    let label = if labels {
        format!("{percent:.decimals$} %\n{}", judged.label)
    } else {
        String::new()
    };
    Tile {
        image: judged.image.clone(),
        label,
    }
}
