//! Choosing and ordering the rows of a table: `loss=bce`, `value<20`, `-value`.

use polars::prelude::*;

use super::ReportError;

/// Comparisons, longest first so that `<=` is not read as `<`.
const OPERATORS: [&str; 6] = ["!=", "<=", ">=", "=", "<", ">"];

/// The rows of `frame` that meet every condition. Numbers compare as numbers, anything else as text;
/// a missing value meets no condition.
pub fn filter(frame: DataFrame, conditions: &[String]) -> Result<DataFrame, ReportError> {
    let mut frame = frame.lazy();
    for condition in conditions {
        let schema = frame.collect_schema()?;
        let (name, operator, value) =
            split(condition).ok_or_else(|| ReportError::Condition(condition.clone()))?;
        let dtype = schema.get(name).ok_or_else(|| unknown(name, &schema))?;
        let (column, value) = match (dtype.is_primitive_numeric(), value.parse::<f64>()) {
            (true, Ok(number)) => (col(name).cast(DataType::Float64), lit(number)),
            _ => (col(name).cast(DataType::String), lit(value)),
        };
        frame = frame.filter(match operator {
            "=" => column.eq(value),
            "!=" => column.neq(value),
            "<" => column.lt(value),
            "<=" => column.lt_eq(value),
            ">" => column.gt(value),
            _ => column.gt_eq(value),
        });
    }
    Ok(frame.collect()?)
}

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

/// `COLUMN OPERATOR VALUE` at the leftmost operator.
fn split(condition: &str) -> Option<(&str, &str, &str)> {
    let (at, operator) = OPERATORS
        .iter()
        .filter_map(|operator| condition.find(operator).map(|at| (at, *operator)))
        .min_by_key(|(at, operator)| (*at, std::cmp::Reverse(operator.len())))?;
    let (name, value) = (&condition[..at], &condition[at + operator.len()..]);
    (!name.trim().is_empty()).then(|| (name.trim(), operator, value.trim()))
}

fn unknown(column: &str, schema: &Schema) -> ReportError {
    let known: Vec<&str> = schema.iter_names().map(PlSmallStr::as_str).collect();
    ReportError::Column {
        column: column.to_owned(),
        known: known.join(", "),
    }
}
