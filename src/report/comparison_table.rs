//! The comparison with what others have reported as a table of its own.

use polars::prelude::*;

use super::ReportError;
use super::cells::{Cells, heading};
use super::comparison::{ComparedFigure, Comparison};
use super::inference::Interval;
use super::number::{mean_sd, range, significant};
use super::table::{NOTHING, Text};

/// Columns after the experiments' names.
const COLUMNS: [&str; 16] = [
    "stage",
    "words",
    "metric",
    "better",
    "pick",
    "reported",
    "reported_epoch",
    "mean",
    "sd",
    "n",
    "low",
    "high",
    "difference",
    "verdict",
    "comparable",
    "protocol",
];

/// A row for each reported number and group of runs; of experiments that were reported in words alone, one for each of our
/// values, or one without any.
pub fn frame(table: &Comparison) -> Result<DataFrame, ReportError> {
    let mut rows: Vec<(String, String, Option<ComparedFigure>)> = Vec::new();
    for (index, row) in table.rows.iter().enumerate() {
        let mut add = |figure: Option<&ComparedFigure>| {
            rows.push((row.name.clone(), row.reported.clone(), figure.cloned()));
        };
        let figures = table.figures.iter().filter(|figure| figure.row == row.name);
        if figures.clone().next().is_none() {
            row.ours.iter().for_each(|ours| add(Some(ours)));
            if row.ours.is_empty() {
                add(None);
            }
        } else if index == 0 || table.rows[index - 1].name != row.name {
            // An experiment with several groups of runs has several rows there, and all its figures here at once.
            figures.for_each(|figure| add(Some(figure)));
        }
    }
    let column = |name: &str, values: Vec<Option<String>>| Column::new(name.into(), values);
    let text = |name: &str, of: &dyn Fn(&ComparedFigure) -> Option<String>| {
        column(
            name,
            rows.iter().map(|(.., row)| of(row.as_ref()?)).collect(),
        )
    };
    let number = |name: &str, of: &dyn Fn(&ComparedFigure) -> Option<f64>| {
        let values = rows.iter().map(|(.., row)| of(row.as_ref()?));
        Column::new(name.into(), values.collect::<Vec<_>>())
    };
    let count = |name: &str, of: &dyn Fn(&ComparedFigure) -> Option<u64>| {
        let values = rows.iter().map(|(.., row)| of(row.as_ref()?));
        Column::new(name.into(), values.collect::<Vec<_>>())
    };
    let some = |text: &str| (!text.is_empty() && text != NOTHING).then(|| text.to_owned());
    let better = |arrow: &str| match arrow {
        "↓" => Some("lower".to_owned()),
        "↑" => Some("higher".to_owned()),
        _ => None,
    };
    // Of a number that nobody reported there is nothing to say.
    let told = |row: &ComparedFigure| row.reported.map(|_| ());
    let comparable = rows.iter().map(|(.., row)| {
        let row = row.as_ref()?;
        told(row).map(|()| row.comparable)
    });
    Ok(DataFrame::new_infer_height(vec![
        column(
            &heading(&table.axis, &COLUMNS),
            rows.iter().map(|(name, ..)| Some(name.clone())).collect(),
        ),
        text("stage", &|row| some(&row.stage)),
        column(
            "words",
            rows.iter().map(|(_, said, _)| Some(said.clone())).collect(),
        ),
        text("metric", &|row| some(&row.metric)),
        text("better", &|row| better(row.arrow)),
        text("pick", &|row| some(row.pick)),
        number("reported", &|row| row.reported),
        count("reported_epoch", &|row| row.epoch),
        number("mean", &|row| row.ours),
        number("sd", &|row| row.sd),
        count("n", &|row| Some(row.n as u64)),
        number("low", &|row| Some(row.interval?.low)),
        number("high", &|row| Some(row.interval?.high)),
        number("difference", &|row| row.difference),
        text("verdict", &|row| some(row.verdict)),
        Column::new("comparable".into(), comparable.collect::<Vec<_>>()),
        text("protocol", &|row| {
            told(row).and_then(|()| some(&row.protocol))
        }),
    ])?)
}

/// A table of [`frame`] (in any order) as people read it.
pub fn text(frame: &DataFrame) -> Result<Text, ReportError> {
    let cells = Cells::new(frame);
    let mut text = Text::default();
    let rows = 0..frame.height();
    cells.copy_before("words", &mut text)?;
    cells.metrics(&mut text);
    cells.optional("of", false, &|row| cells.text("pick", row), &mut text);
    let reported = |row: usize| {
        let Some(value) = cells.number("reported", row) else {
            return cells.text("words", row).unwrap_or_default();
        };
        let epoch = cells.text("reported_epoch", row);
        let epoch = epoch.map_or_else(String::new, |epoch| format!(" @ {epoch}"));
        significant(value) + &epoch
    };
    text.column("reported", false, rows.clone().map(reported));
    let here = |row: usize| -> Option<String> {
        Some(mean_sd(cells.number("mean", row)?, cells.number("sd", row)))
    };
    cells.optional("here", true, &here, &mut text);
    cells.optional("n", true, &|row| cells.text("n", row), &mut text);
    let between = |row: usize| -> Option<String> {
        let (low, high) = (cells.number("low", row)?, cells.number("high", row)?);
        Some(range(Interval { low, high }, cells.number("mean", row)?))
    };
    cells.optional("95 % interval", true, &between, &mut text);
    let difference = |row: usize| {
        let difference = cells.number("difference", row)?;
        let sign = if difference > 0.0 { "+" } else { "" };
        Some(format!("{sign}{}", significant(difference)))
    };
    cells.optional("here − reported", true, &difference, &mut text);
    let verdict = |row: usize| -> Option<String> {
        let apart = cells.text("comparable", row).as_deref() == Some("false");
        if apart && cells.number("difference", row).is_some() {
            return Some("not comparable".to_owned());
        }
        let verdict = cells.text("verdict", row)?;
        Some(format!("{verdict} the interval"))
    };
    cells.optional("verdict", false, &verdict, &mut text);
    cells.optional(
        "protocol",
        false,
        &|row| cells.text("protocol", row),
        &mut text,
    );
    Ok(text)
}
