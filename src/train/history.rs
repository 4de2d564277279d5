//! The history of a training run: one row a step, as CSV.

use std::fmt::Write as _;

/// Columns that every task's history begins with.
const COUNTERS: [&str; 2] = ["step", "epoch"];

/// Rows of figures under named columns, beginning with `step` and `epoch` (both from 1).
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

/// The figures of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// optimiser steps made, this one included
    pub step: u64,
    /// the epoch it belongs to, from 1
    pub epoch: u64,
    /// One figure a column, in the task's order; `None` where it is not measured at this step.
    pub figures: Vec<Option<f32>>,
}

impl History {
    /// An empty history with a task's `columns` (without `step` and `epoch`).
    pub fn new(columns: &[&'static str]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds the next step.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The rows so far.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Takes the last row back, to complete it with what is measured at the end of an epoch.
    pub fn pop(&mut self) -> Option<Row> {
        self.rows.pop()
    }

    /// The mean of every column that was measured at all, over the rows where it was.
    pub fn means(&self) -> Vec<(&'static str, f64)> {
        let mean = |(index, column): (usize, &&'static str)| {
            let measured = || {
                self.rows
                    .iter()
                    .filter_map(|row| row.figures.get(index).copied().flatten())
            };
            let count = measured().count();
            let sum: f64 = measured().map(f64::from).sum();
            (count > 0).then(|| (*column, sum / count as f64))
        };
        self.columns.iter().enumerate().filter_map(mean).collect()
    }

    /// CSV with a header line. A figure is the shortest text that reads back to the same `f32`; what was
    /// not measured is empty.
    pub fn to_csv(&self) -> String {
        let mut text = [&COUNTERS, self.columns.as_slice()].concat().join(",") + "\n";
        for row in &self.rows {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{},{}", row.step, row.epoch);
            for figure in &row.figures {
                let _ = match figure {
                    Some(figure) => write!(text, ",{figure}"),
                    None => write!(text, ","),
                };
            }
            text.push('\n');
        }
        text
    }
}

/// One table of the tables of consecutive epochs, all with the same header.
pub fn concatenate<'a>(chunks: impl IntoIterator<Item = &'a str>) -> String {
    let mut whole = String::new();
    for chunk in chunks {
        let rows = if whole.is_empty() {
            chunk
        } else {
            chunk.split_once('\n').map_or("", |(_, rows)| rows)
        };
        whole.push_str(rows);
    }
    whole
}
