//! Reading tables back cell by cell, to show them.

use std::collections::HashMap;

use polars::prelude::*;
use serde_json::Value;

use super::ReportError;
use super::condition::names::suggestion;
use super::frame::COLUMNS;
use super::runs::{AXIS_MARK, Run, text};
use super::table::{NOTHING, Text, cell};
use crate::metric::Direction;

/// A table's cells by column and row.
pub struct Cells<'a> {
    frame: &'a DataFrame,
}

impl<'a> Cells<'a> {
    /// Of `frame`.
    pub const fn new(frame: &'a DataFrame) -> Self {
        Self { frame }
    }

    fn value(&self, name: &str, row: usize) -> Option<Value> {
        let column = self.frame.column(name).ok()?;
        if row >= column.len() {
            return None;
        }
        cell(column, row).ok().filter(|value| !value.is_null())
    }

    /// A cell as text; none where it holds nothing.
    pub fn text(&self, name: &str, row: usize) -> Option<String> {
        self.value(name, row).map(|value| text(&value))
    }

    /// A number; none where there is none.
    pub fn number(&self, name: &str, row: usize) -> Option<f64> {
        let value = self.value(name, row)?;
        // What JSON cannot hold is text: NaN and the infinities.
        value.as_f64().or_else(|| value.as_str()?.parse().ok())
    }

    /// Whether a cell is true.
    pub fn flag(&self, name: &str, row: usize) -> bool {
        self.value(name, row) == Some(Value::Bool(true))
    }

    /// Adds the columns before `name` to `text`, as they are.
    pub fn copy_before(&self, name: &str, text: &mut Text) -> Result<(), ReportError> {
        let columns = self.frame.columns().iter();
        for column in columns.take_while(|column| column.name() != name) {
            let cells = (0..column.len()).map(|row| {
                let value = cell(column, row)?;
                Ok(if value.is_null() {
                    NOTHING.to_owned()
                } else {
                    super::runs::text(&value)
                })
            });
            let cells = cells.collect::<Result<Vec<String>, ReportError>>()?;
            let numeric = column.dtype().is_primitive_numeric();
            text.column(column.name(), numeric, cells);
        }
        Ok(())
    }

    /// Adds the column `metric`, with arrows by `better`.
    pub fn metrics(&self, text: &mut Text) {
        let cells = (0..self.frame.height()).map(|row| {
            let Some(metric) = self.text("metric", row) else {
                return NOTHING.to_owned();
            };
            match self.text("better", row).as_deref() {
                Some("lower") => format!("{metric} {}", Direction::Lower.arrow()),
                Some("higher") => format!("{metric} {}", Direction::Higher.arrow()),
                _ => metric,
            }
        });
        text.column("metric", false, cells);
    }

    /// Adds a column, unless it holds nothing in any row.
    pub fn optional(
        &self,
        heading: &str,
        numeric: bool,
        of: &dyn Fn(usize) -> Option<String>,
        text: &mut Text,
    ) {
        let cells: Vec<Option<String>> = (0..self.frame.height()).map(of).collect();
        if cells.iter().any(Option::is_some) {
            let shown = cells
                .into_iter()
                .map(|cell| cell.unwrap_or_else(|| NOTHING.to_owned()));
            text.column(heading, numeric, shown);
        }
    }
}

/// A name as a column's heading: marked where a table has a column called so.
pub fn heading(name: &str, taken: &[&str]) -> String {
    if taken.contains(&name) {
        format!("{AXIS_MARK}{name}")
    } else {
        name.to_owned()
    }
}

/// An error where one of `names` is neither an axis nor a setting of any run, nor `stage`.
pub fn names_exist(runs: &[Run], names: &[String]) -> Result<(), ReportError> {
    for name in names {
        if !runs.iter().any(|run| run.facet(name).is_some()) {
            let help = if COLUMNS.contains(&name.as_str()) {
                Some(
                    "it is a column of the long table; axes and settings are what runs differ in"
                        .to_owned(),
                )
            } else {
                suggestion(name, runs, false)
            };
            return Err(ReportError::Name {
                what: "axis or setting",
                name: name.clone(),
                help,
            });
        }
    }
    Ok(())
}

/// Metric → its direction.
pub fn directions(runs: &[Run]) -> HashMap<&str, Direction> {
    let rows = runs.iter().flat_map(|run| &run.rows);
    rows.map(|row| (row.metric.as_str(), row.direction))
        .collect()
}
