//! Which rows meet conditions: a polars expression over the columns that the conditions name.

use indexmap::IndexMap;
use polars::prelude::*;

use super::Fault;
use super::lexer::Operator;
use super::names::{Field, both, suggestion};
use super::parse::{Operand, Tree, parse};
use crate::report::ReportError;
use crate::report::frame::rows_of;
use crate::report::runs::Run;

/// The runs with those rows that meet all of `conditions`; runs without any are left out. Numbers compare as numbers,
/// anything else as text. A missing value meets no condition, nor the opposite of one.
pub fn keep(runs: Vec<Run>, conditions: &[String]) -> Result<Vec<Run>, ReportError> {
    if conditions.is_empty() {
        return Ok(runs);
    }
    let mut columns = Columns::new(&runs);
    let mut all = lit(true);
    for condition in conditions {
        let wrong = |fault: Fault| ReportError::Condition(Box::new(fault.within(condition)));
        let tree = parse(condition).map_err(wrong)?;
        all = all.and(columns.expression(&tree).map_err(wrong)?);
    }
    let frame = DataFrame::new(columns.height, columns.made)?;
    let kept = frame.lazy().select([all.alias("kept")]).collect()?;
    let kept = kept.column("kept")?.bool()?;
    // A condition on nothing that differs between rows is one value for all of them.
    let one = (kept.len() == 1).then(|| kept.get(0));
    let mut next = 0;
    let mut is_kept = || {
        let row = next;
        next += 1;
        one.unwrap_or_else(|| kept.get(row)) == Some(true)
    };
    let chosen = runs.into_iter().filter_map(|mut run| {
        if run.rows.is_empty() {
            return is_kept().then_some(run);
        }
        run.rows.retain(|_| is_kept());
        (!run.rows.is_empty()).then_some(run)
    });
    Ok(chosen.collect())
}

/// The columns that conditions name, each as text and as numbers.
struct Columns<'a> {
    runs: &'a [Run],
    height: usize,
    made: Vec<Column>,
    known: IndexMap<String, Known>,
}

/// One name's columns.
#[derive(Clone, Copy)]
struct Known {
    place: usize,
    /// whether all its values are numbers
    numeric: bool,
    outcome: bool,
}

impl<'a> Columns<'a> {
    fn new(runs: &'a [Run]) -> Self {
        Self {
            runs,
            height: rows_of(runs).count(),
            made: Vec::new(),
            known: IndexMap::new(),
        }
    }

    fn expression(&mut self, tree: &Tree) -> Result<Expr, Fault> {
        Ok(match tree {
            Tree::Not(inner) => self.expression(inner)?.not(),
            Tree::And(a, b) => self.expression(a)?.and(self.expression(b)?),
            Tree::Or(a, b) => self.expression(a)?.or(self.expression(b)?),
            Tree::In(name, values) => {
                let known = self.find(name)?;
                let mut any: Option<Expr> = None;
                for value in values {
                    let one = compare(known, name, Operator::Equal, value)?;
                    any = Some(match any {
                        Some(any) => any.or(one),
                        None => one,
                    });
                }
                any.unwrap_or_else(|| lit(false))
            }
            Tree::Compare(name, operator, value) => {
                let known = self.find(name)?;
                compare(known, name, *operator, value)?
            }
        })
    }

    /// The columns of `name`, made on first use.
    fn find(&mut self, name: &Operand) -> Result<Known, Fault> {
        if let Some(known) = self.known.get(&name.text) {
            return Ok(*known);
        }
        let Some(field) = Field::find(&name.text, self.runs) else {
            let problem = format!(
                "no column, axis, setting or metric is called `{}`",
                name.text
            );
            let help = suggestion(&name.text, self.runs, true);
            return Err(Fault::new(name.at.clone(), problem).help(help));
        };
        let place = self.known.len();
        let values = field.values(self.runs);
        let split = values.iter().map(|value| value.as_ref().map(both).unzip());
        let (texts, numbers): (Vec<Option<String>>, Vec<_>) = split.unzip();
        let numbers: Vec<Option<f64>> = numbers.into_iter().map(Option::flatten).collect();
        let numeric = texts
            .iter()
            .zip(&numbers)
            .all(|(text, number)| text.is_none() || number.is_some());
        let known = Known {
            place,
            numeric,
            outcome: field == Field::Column("outcome"),
        };
        self.made
            .push(Column::new(format!("text {place}").into(), texts));
        self.made
            .push(Column::new(format!("number {place}").into(), numbers));
        self.known.insert(name.text.clone(), known);
        Ok(known)
    }
}

/// `name operator value` over its columns.
fn compare(
    known: Known,
    name: &Operand,
    operator: Operator,
    value: &Operand,
) -> Result<Expr, Fault> {
    let text = col(format!("text {}", known.place));
    let number = col(format!("number {}", known.place));
    let wanted = value
        .text
        .parse::<f64>()
        .ok()
        .filter(|wanted| wanted.is_finite());
    if known.numeric && wanted.is_none() {
        let problem = format!(
            "`{}` holds numbers, and `{}` is none",
            name.text, value.text
        );
        return Err(Fault::new(value.at.clone(), problem));
    }
    let as_number = wanted.filter(|_| known.numeric || !value.quoted);
    let equal = || {
        let mut equal = text.clone().eq(lit(value.text.as_str()));
        if let Some(wanted) = as_number {
            equal = equal.or(number.clone().eq(lit(wanted)).fill_null(lit(false)));
        }
        if known.outcome {
            // `diverged` is `diverged @ epoch 37` too, whatever the epoch.
            let from = format!("{} @", value.text);
            let to = format!("{} A", value.text);
            let longer = text.clone().gt_eq(lit(from)).and(text.clone().lt(lit(to)));
            equal = equal.or(longer);
        }
        equal
    };
    Ok(match (operator, as_number) {
        (Operator::Equal, _) => equal(),
        (Operator::Unequal, _) => equal().not(),
        (Operator::Less, Some(wanted)) => number.lt(lit(wanted)),
        (Operator::AtMost, Some(wanted)) => number.lt_eq(lit(wanted)),
        (Operator::Greater, Some(wanted)) => number.gt(lit(wanted)),
        (Operator::AtLeast, Some(wanted)) => number.gt_eq(lit(wanted)),
        (Operator::Less, None) => text.lt(lit(value.text.as_str())),
        (Operator::AtMost, None) => text.lt_eq(lit(value.text.as_str())),
        (Operator::Greater, None) => text.gt(lit(value.text.as_str())),
        (Operator::AtLeast, None) => text.gt_eq(lit(value.text.as_str())),
    })
}
