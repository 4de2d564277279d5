//! Conditions on rows: `loss == "wgan-gp" and fid < 60`.
//!
//! ```text
//! condition  = all { "or" all }
//! all        = one { "and" one }
//! one        = "not" one | "(" condition ")" | name operator value | name [ "not" ] "in" "[" value { "," value } "]"
//! operator   = "==" | "=" | "!=" | "<" | "<=" | ">" | ">="
//! ```
//!
//! A name is a column of the long table, a setting, or a metric; a bare word, or anything in backticks. A value is quoted, or
//! the words up to the next `and`, `or`, bracket, comma or the end. `parse` makes a tree of the text, `names` finds what
//! its names are, and a polars expression over those columns says of every row whether it is kept.

mod lexer;
pub mod names;
mod parse;
mod rows;

use std::fmt;
use std::ops::Range;

pub use rows::keep;

/// A condition that cannot be understood, or asks for what is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionError {
    /// the whole condition
    pub condition: String,
    /// where in it (bytes)
    pub at: Range<usize>,
    /// what is wrong there
    pub problem: String,
    /// what to do about it
    pub help: Option<String>,
}

impl fmt::Display for ConditionError {
    /// The problem, the condition with carets under the place, and the help.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |range: Range<usize>| {
            self.condition
                .get(range)
                .unwrap_or_default()
                .chars()
                .count()
        };
        let before = " ".repeat(width(0..self.at.start));
        let carets = "^".repeat(width(self.at.clone()).max(1));
        // One line, whatever the condition holds: carets count characters.
        let line: String = self
            .condition
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        write!(f, "{}\n\n  {line}\n  {before}{carets}", self.problem)?;
        match &self.help {
            Some(help) => write!(f, "\n\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConditionError {}

/// A fault without the text it is in.
struct Fault {
    at: Range<usize>,
    problem: String,
    help: Option<String>,
}

impl Fault {
    fn new(at: Range<usize>, problem: impl Into<String>) -> Self {
        Self {
            at,
            problem: problem.into(),
            help: None,
        }
    }

    fn help(self, help: impl Into<Option<String>>) -> Self {
        Self {
            help: help.into(),
            ..self
        }
    }

    fn within(self, condition: &str) -> ConditionError {
        ConditionError {
            condition: condition.to_owned(),
            at: self.at,
            problem: self.problem,
            help: self.help,
        }
    }
}
