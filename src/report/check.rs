//! A report as it lies in the work tree against what the records give: which numbers and figures differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use similar::{DiffOp, TextDiff};

use super::document::NAME_DIGITS;

/// The files of a report by name.
pub type Folder = BTreeMap<String, Vec<u8>>;

/// One thing in which a report differs from the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// a file is not there
    Missing {
        /// its name
        file: String,
    },
    /// a figure has other bytes than its name and the records say
    Figure {
        /// its name
        file: String,
    },
    /// words of a line differ
    Words {
        /// the file
        file: String,
        /// the line, from 1
        line: usize,
        /// what stands there, and what the records give
        words: Vec<(String, String)>,
    },
    /// a line that the records do not give
    Surplus {
        /// the file
        file: String,
        /// the line, from 1
        line: usize,
        /// its text
        text: String,
    },
    /// a line that the records give is not there
    Lost {
        /// the file
        file: String,
        /// it should follow this line, from 1; 0 is the beginning
        after: usize,
        /// its text
        text: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { file } => write!(f, "{file}: is missing"),
            Self::Figure { file } => write!(f, "{file}: is not what the records give"),
            Self::Words { file, line, words } => {
                write!(f, "{file}, line {line}: ")?;
                for (index, (found, wanted)) in words.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}`{found}` where the records give `{wanted}`")?;
                }
                Ok(())
            }
            Self::Surplus { file, line, text } => {
                write!(
                    f,
                    "{file}, line {line}: not from the records: {}",
                    cut(text)
                )
            }
            Self::Lost { file, after, text } => {
                write!(f, "{file}, after line {after}: is missing: {}", cut(text))
            }
        }
    }
}

/// Longer lines are cut in messages.
const WIDTH: usize = 100;

fn cut(text: &str) -> String {
    if text.trim().is_empty() {
        return "(an empty line)".to_owned();
    }
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What differs in `found` from `wanted`. Files that `wanted` does not have are none of its business.
pub fn compare(found: &Folder, wanted: &Folder) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (name, wanted) in wanted {
        let file = name.clone();
        match found.get(name) {
            None => differences.push(Difference::Missing { file }),
            Some(found) if found == wanted => {}
            Some(found) => match (std::str::from_utf8(found), std::str::from_utf8(wanted)) {
                (Ok(found), Ok(wanted)) if is_text(name) => {
                    differences.extend(lines(name, found, wanted));
                }
                _ => differences.push(Difference::Figure { file }),
            },
        }
    }
    differences
}

fn is_text(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| extension == "md")
}

/// What differs line by line.
fn lines(file: &str, found: &str, wanted: &str) -> Vec<Difference> {
    let mut differences = Vec::new();
    let (old, new): (Vec<&str>, Vec<&str>) = (found.lines().collect(), wanted.lines().collect());
    let surplus = |line: usize| Difference::Surplus {
        file: file.to_owned(),
        line: line + 1,
        text: old[line].to_owned(),
    };
    let lost = |after: usize, line: usize| Difference::Lost {
        file: file.to_owned(),
        after,
        text: new[line].to_owned(),
    };
    let diff = TextDiff::from_slices(&old, &new);
    for op in diff.ops() {
        match *op {
            DiffOp::Equal { .. } => {}
            DiffOp::Delete {
                old_index, old_len, ..
            } => differences.extend((old_index..old_index + old_len).map(surplus)),
            DiffOp::Insert {
                old_index,
                new_index,
                new_len,
            } => {
                let lines = new_index..new_index + new_len;
                differences.extend(lines.map(|line| lost(old_index, line)));
            }
            DiffOp::Replace {
                old_index,
                old_len,
                new_index,
                new_len,
            } => {
                let paired = old_len.min(new_len);
                for offset in 0..paired {
                    let (at, from) = (old_index + offset, new_index + offset);
                    if let Some(words) = words(old[at], new[from]) {
                        differences.push(Difference::Words {
                            file: file.to_owned(),
                            line: at + 1,
                            words,
                        });
                    } else {
                        differences.push(surplus(at));
                        differences.push(lost(at + 1, from));
                    }
                }
                differences.extend((old_index + paired..old_index + old_len).map(surplus));
                let rest = new_index + paired..new_index + new_len;
                differences.extend(rest.map(|line| lost(old_index + old_len, line)));
            }
        }
    }
    if differences.is_empty() {
        // Equal line by line: what differs is how lines end.
        differences.push(Difference::Figure {
            file: file.to_owned(),
        });
    }
    differences
}

/// The words of two lines that differ, where the lines have as many and most agree.
fn words(found: &str, wanted: &str) -> Option<Vec<(String, String)>> {
    // Tags within a cell part words as spaces do.
    let parts = |line: &'_ str| -> Vec<String> {
        let line = line
            .replace("<br>", " ")
            .replace("<sub>", " ")
            .replace("</sub>", " ");
        line.split_whitespace().map(str::to_owned).collect()
    };
    let (old, new) = (parts(found), parts(wanted));
    if old.len() != new.len() {
        return None;
    }
    let differ: Vec<(String, String)> = (old.iter().zip(&new))
        .filter(|(old, new)| old != new)
        .map(|(old, new)| (bare(old), bare(new)))
        .collect();
    (!differ.is_empty() && 2 * differ.len() <= old.len().max(2)).then_some(differ)
}

/// A word without the marks of Markdown around it.
fn bare(word: &str) -> String {
    let bare = word.trim_matches(['*', '|', '`']);
    if bare.is_empty() { word } else { bare }.to_owned()
}

/// How many numbers a text holds: runs of digits with what may stand within a number.
pub fn numbers(text: &str) -> usize {
    let within = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.split(|c| !within(c))
        .filter(|word| word.trim_matches('.').parse::<f64>().is_ok())
        .filter(|word| word.contains(|c: char| c.is_ascii_digit()))
        .count()
}

/// Whether a file is called as a report calls its figures: `fig-0123456789ab.svg`.
pub fn is_figure(name: &str) -> bool {
    let stem = name
        .strip_prefix("fig-")
        .and_then(|name| name.split_once('.'));
    stem.is_some_and(|(digits, _)| {
        digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The figures among `files` that no line of the report's text names: what an older report has left.
pub fn unused<'a>(files: impl IntoIterator<Item = &'a str>, wanted: &Folder) -> BTreeSet<&'a str> {
    let is_unused = |name: &&str| is_figure(name) && !wanted.contains_key(*name);
    files.into_iter().filter(is_unused).collect()
}
