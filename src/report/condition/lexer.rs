//! A condition's text as tokens.

use std::ops::Range;

use super::Fault;

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// a bare word: a name, a value, or `and`, `or`, `not`, `in`
    Word(String),
    /// text in quotes: a value
    Quoted(String),
    /// text in backticks: a name
    Ticked(String),
    /// a comparison
    Operator(Operator),
    /// one of `()[],`
    Mark(char),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A token and where it stands (bytes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub at: Range<usize>,
}

impl Token {
    /// Whether it is the word `word`, in whichever case.
    pub fn is(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own.eq_ignore_ascii_case(word))
    }
}

/// Longest first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Operator); 7] = [
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// Characters that end a bare word.
const ENDS: &str = "()[],<>=!\"'`&|";

/// The tokens of `text`.
pub fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = match first {
            '(' | ')' | '[' | ']' | ',' => (Kind::Mark(first), 1),
            '"' | '\'' | '`' => {
                let Some(end) = rest[1..].find(first) else {
                    return Err(Fault::new(
                        at..at + 1,
                        format!("this {first} is never closed"),
                    ));
                };
                let inner = rest[1..=end].to_owned();
                let kind = match first {
                    '`' => Kind::Ticked(inner),
                    _ => Kind::Quoted(inner),
                };
                (kind, end + 2)
            }
            '&' | '|' => {
                let length = rest.len() - rest.trim_start_matches(first).len();
                let word = if first == '&' { "and" } else { "or" };
                let fault = Fault::new(at..at + length, "this is no part of a condition");
                return Err(fault.help(format!("write `{word}`")));
            }
            _ => match OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)) {
                Some((sign, operator)) => (Kind::Operator(*operator), sign.len()),
                None if first == '!' => {
                    let fault = Fault::new(at..at + 1, "this is no part of a condition");
                    return Err(fault.help("write `not`, or `!=`".to_owned()));
                }
                None => {
                    let ends = |c: char| c.is_whitespace() || ENDS.contains(c);
                    let length = rest.find(ends).unwrap_or(rest.len());
                    (Kind::Word(rest[..length].to_owned()), length)
                }
            },
        };
        tokens.push(Token {
            kind,
            at: at..at + length,
        });
        at += length;
    }
    Ok(tokens)
}
