//! Plots of a report: curves and scores of one run, metrics and losses of several.

use super::failed;
use super::gather::read;
use crate::report::comparison::Trained;
use crate::report::document::{Figure, Files};
use crate::report::history::History;
use crate::report::overlay;
use crate::report::plot::{Bars, Chart, HistogramChart, Line};
use crate::report::runs::Run;
use crate::stage::{InputNode, StageError};

/// A chart of losses holds no more lines than this: where there are more, their terms have a chart of their own.
const TOGETHER: usize = 4;

/// Lines of fewer points are shown as they are.
const SMOOTHED: usize = 40;

/// The history of a trained node.
pub fn history(node: &InputNode) -> Result<Option<History>, StageError> {
    let Some(path) = node.paths.get("history") else {
        return Ok(None);
    };
    History::from_csv(&read(path)?).map(Some).map_err(failed)
}

/// Plots of losses and accuracies by step, of learning rates that change, and of gradients.
pub fn curves(history: &History, label: &str, files: &mut Files) -> Vec<Figure> {
    let mut losses = history.lines("loss");
    losses.extend(history.lines("penalty"));
    let mut terms = Vec::new();
    if losses.len() > TOGETHER {
        (losses, terms) = losses.into_iter().partition(|line| is_whole(&line.name));
    }
    let mut rates = history.lines("lr");
    rates.retain(|line| {
        let first = line.points[0].1.to_bits();
        line.points.iter().any(|(_, rate)| rate.to_bits() != first)
    });
    let plots = [
        ("Loss", "loss", losses, false),
        ("Terms of the loss", "loss", terms, false),
        ("Accuracy", "accuracy", history.lines("accuracy"), true),
        ("Learning rate", "learning rate", rates, false),
        (
            "Norm of the gradient",
            "norm",
            history.lines("grad_norm"),
            false,
        ),
    ];
    let mut figures = Vec::new();
    for (title, what, lines, linear) in plots {
        if lines.is_empty() {
            continue;
        }
        let noisy =
            what != "learning rate" && lines.iter().any(|line| line.points.len() >= SMOOTHED);
        let chart = Chart {
            title: format!("{title} of {label}"),
            about: about(&lines, noisy),
            x_label: "step".to_owned(),
            y_label: match lines.as_slice() {
                [line] => line.name.clone(),
                _ => what.to_owned(),
            },
            lines,
            noisy,
            linear,
            ..Chart::default()
        };
        figures.push(files.chart(&chart));
    }
    figures
}

/// Whether a column is the loss of a whole network, in training or on validation images.
fn is_whole(column: &str) -> bool {
    let column = column.strip_suffix("_validation").unwrap_or(column);
    ["loss", "loss_d", "loss_g"].contains(&column)
}

fn about(lines: &[Line], noisy: bool) -> String {
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let names = names.join(", ");
    if noisy {
        format!(
            "{names} by step: bold a running mean over a twentieth of the steps, behind it what it is the mean of."
        )
    } else {
        format!("{names} by step.")
    }
}

/// Metrics by epoch of all runs, and losses by step of stages with a matrix.
pub fn overlays(runs: &[Run], trained: &[Trained], files: &mut Files) -> Vec<Figure> {
    let charts = [overlay::by_epoch(runs), overlay::by_step(trained)].concat();
    charts.iter().map(|chart| files.chart(chart)).collect()
}

/// How the model's own discriminator scores real and generated images at the last checkpoint, where that was measured.
pub fn scores(run: &Run, label: &str, files: &mut Files) -> Option<Figure> {
    let measured = run.rows.iter().filter(|row| row.scores.is_some());
    let row = measured.max_by_key(|row| row.epoch)?;
    let scores = row.scores.as_ref()?;
    let bars = |name: &str, counts: &[u64]| Bars {
        name: name.to_owned(),
        counts: counts.to_vec(),
    };
    let epoch = row
        .epoch
        .map_or_else(String::new, |epoch| format!(" at epoch {epoch}"));
    let chart = HistogramChart {
        title: format!("Scores of the discriminator of {label}{epoch}"),
        about: "What it says of real images and of generated ones: above 0 it takes an image for real. The less the two \
                overlap, the better it tells them apart."
            .to_owned(),
        x_label: "score (logit)".to_owned(),
        range: (scores.low, scores.high),
        bars: vec![bars("real images", &scores.real), bars("generated images", &scores.generated)],
        threshold: Some(("taken for real to the right".to_owned(), 0.0)),
    };
    Some(files.histogram(&chart))
}
