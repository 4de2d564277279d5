//! `${name}` in strings.
//!
//! A string that is exactly one `${name}` becomes the value itself, with its YAML type; within a longer
//! string a scalar is put in as text. `$${` is a literal `${`, every other `$` is itself.

use serde_json::Value;

use crate::stage::PathItem;
use crate::stage::context::plain;

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// nothing has this name
    #[error("`${{{0}}}` is not defined")]
    Undefined(String),
    /// a list or mapping inside a longer string
    #[error("`${{{0}}}` is {1} and cannot stand inside a longer text")]
    NotText(String, &'static str),
    /// no closing brace
    #[error("`${{` is never closed")]
    Unclosed,
    /// no name between the braces
    #[error("`${{{0}}}` does not hold a name")]
    NotAName(String),
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// Whether `name` may be a var, an axis or a stage: letters, digits, `_`, `-` and `.`.
pub fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars()
        .next()
        .is_some_and(|c| c.is_alphanumeric() || c == '_')
        && name.chars().all(inner)
}

/// Whether `text` holds anything to be interpolated (or unescaped).
pub fn is_template(text: &str) -> bool {
    text.contains("${")
}

/// Makes a text that interpolates to `text`.
///
/// ```
/// # use retake::spec::template::{escape, interpolate};
/// let text = "costs ${5}";
/// assert_eq!(interpolate(&escape(text), &|_| None).unwrap(), text);
/// ```
pub fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            pieces.push(Piece::Text(&rest[..start - 1]));
            pieces.push(Piece::Text("${"));
            rest = &rest[start + 2..];
            continue;
        }
        pieces.push(Piece::Text(&rest[..start]));
        let inner = &rest[start + 2..];
        let end = inner.find('}').ok_or(TemplateError::Unclosed)?;
        let name = inner[..end].trim();
        if !is_name(name) {
            return Err(TemplateError::NotAName(inner[..end].to_owned()));
        }
        pieces.push(Piece::Name(name));
        rest = &inner[end + 1..];
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    Ok(pieces)
}

/// The names in `text`; none where it is malformed.
pub fn names(text: &str) -> Vec<&str> {
    let name = |piece| match piece {
        Piece::Name(name) => Some(name),
        Piece::Text(_) => None,
    };
    let pieces = pieces(text).unwrap_or_default();
    pieces.into_iter().filter_map(name).collect()
}

/// What a name stands for.
pub type Lookup<'a> = dyn Fn(&str) -> Option<&'a Value> + 'a;

/// Interpolates one string.
pub fn interpolate(text: &str, lookup: &Lookup<'_>) -> Result<Value, TemplateError> {
    if !is_template(text) {
        return Ok(text.into());
    }
    let pieces = pieces(text)?;
    let find = |name: &str| lookup(name).ok_or_else(|| TemplateError::Undefined(name.to_owned()));
    if let [Piece::Name(name)] = pieces.as_slice() {
        return find(name).cloned();
    }
    let mut whole = String::with_capacity(text.len());
    for piece in pieces {
        match piece {
            Piece::Text(text) => whole.push_str(text),
            Piece::Name(name) => match find(name)? {
                Value::Array(_) => return Err(TemplateError::NotText(name.to_owned(), "a list")),
                Value::Object(_) => {
                    return Err(TemplateError::NotText(name.to_owned(), "a mapping"));
                }
                value => whole.push_str(&plain(value)),
            },
        }
    }
    Ok(whole.into())
}

/// Interpolates as far as names are known: the start of the text, and the first name that is not.
pub fn interpolate_start<'t>(text: &'t str, lookup: &Lookup<'_>) -> (Value, Option<&'t str>) {
    let unknown = names(text).into_iter().find(|name| lookup(name).is_none());
    let Some(name) = unknown else {
        return (interpolate(text, lookup).unwrap_or_default(), None);
    };
    let mut start = String::new();
    for piece in pieces(text).unwrap_or_default() {
        match piece {
            Piece::Text(text) => start.push_str(text),
            Piece::Name(this) if this == name => break,
            Piece::Name(known) => start.push_str(&lookup(known).map(plain).unwrap_or_default()),
        }
    }
    (start.into(), Some(name))
}

/// A template error and where in the value it is.
pub type Misfit = (Vec<PathItem>, TemplateError);

/// Interpolates every string in `value` (keys are left alone).
pub fn interpolate_all(value: &Value, lookup: &Lookup<'_>) -> Result<Value, Vec<Misfit>> {
    let mut misfits = Vec::new();
    let mut path = Vec::new();
    let whole = walk(value, lookup, &mut path, &mut misfits);
    if misfits.is_empty() {
        Ok(whole)
    } else {
        Err(misfits)
    }
}

fn walk(
    value: &Value,
    lookup: &Lookup<'_>,
    path: &mut Vec<PathItem>,
    misfits: &mut Vec<Misfit>,
) -> Value {
    match value {
        Value::String(text) => interpolate(text, lookup).unwrap_or_else(|error| {
            misfits.push((path.clone(), error));
            Value::Null
        }),
        Value::Array(items) => {
            let item = |(index, item)| {
                path.push(PathItem::Index(index));
                let whole = walk(item, lookup, path, misfits);
                path.pop();
                whole
            };
            items.iter().enumerate().map(item).collect()
        }
        Value::Object(items) => {
            let item = |(key, item): (&String, &Value)| {
                path.push(PathItem::Key(key.clone()));
                let whole = walk(item, lookup, path, misfits);
                path.pop();
                (key.clone(), whole)
            };
            Value::Object(items.iter().map(item).collect())
        }
        other => other.clone(),
    }
}

/// All names used anywhere in `value`, each once, in order of appearance.
pub fn names_in(value: &Value) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if is_template(text) => {
                for name in names(text) {
                    if !found.iter().any(|known| known == name) {
                        found.push(name.to_owned());
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(items) => items.values().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(value, &mut found);
    found
}
