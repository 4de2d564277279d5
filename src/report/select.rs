//! Ordering the rows of a table: `value`, `-value`.

use polars::prelude::*;

use super::ReportError;
use crate::suggest;

/// `frame` ordered by `columns`, the first one first; a leading `-` puts the largest first. Rows that tie
/// keep their order; missing values come last.
pub fn sort(frame: &DataFrame, columns: &[String]) -> Result<DataFrame, ReportError> {
    let (names, descending): (Vec<&str>, Vec<bool>) = columns
        .iter()
        .map(|column| match column.strip_prefix('-') {
            Some(name) => (name, true),
            None => (column.as_str(), false),
        })
        .unzip();
    for name in &names {
        if frame.column(name).is_err() {
            return Err(unknown(name, frame.schema()));
        }
    }
    if names.is_empty() {
        return Ok(frame.clone());
    }
    let options = SortMultipleOptions::default()
        .with_order_descending_multi(descending)
        .with_nulls_last(true)
        .with_maintain_order(true);
    Ok(frame.sort(names, options)?)
}

fn unknown(column: &str, schema: &Schema) -> ReportError {
    let known: Vec<&str> = schema.iter_names().map(PlSmallStr::as_str).collect();
    ReportError::Column {
        column: column.to_owned(),
        help: suggest::nearest(column, known.iter().copied()).map_or_else(
            || format!("the table has {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        ),
    }
}
