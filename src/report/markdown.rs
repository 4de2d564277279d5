//! A report's text: a `MiniJinja` template over a [`Document`].

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde_json::Value as Json;

use super::ReportError;
use super::document::{Document, headline};
use super::number::significant;
use super::quote::{Quotes, add_functions};
use super::table::escape;
use crate::suggest;

/// A template with the name that errors call it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template<'a> {
    /// a file's path, or a place in the pipeline
    pub name: &'a str,
    /// the text
    pub text: &'a str,
}

/// The template used when the user brings none.
pub const TEMPLATE: Template<'static> = Template {
    name: "report.md.j2",
    text: include_str!("template.md.j2"),
};

/// Renders `document` with `template`, which may quote `quotes`. A template that names what does not exist is an
/// error with its line. Filters beside the usual ones: `cell` makes text safe inside a Markdown table, `number` writes
/// four significant digits, `headline` is the first sentence of a caption.
pub fn render(
    template: Template<'_>,
    document: &Document,
    quotes: &Quotes,
) -> Result<String, ReportError> {
    let mut environment = environment()?;
    add_functions(&mut environment, quotes.clone());
    let failed = |error: minijinja::Error| template.failed(&error);
    environment
        .add_template(template.name, template.text)
        .map_err(failed)?;
    let data = value(serde_json::to_value(document)?);
    environment
        .get_template(template.name)
        .and_then(|template| template.render(data))
        .map_err(failed)
}

/// Whether `template` can be parsed and names nothing that a report does not have; an error names the line.
pub fn check(template: Template<'_>) -> Result<(), ReportError> {
    let mut environment = environment()?;
    add_functions(&mut environment, Quotes::default());
    let failed = |error: minijinja::Error| template.failed(&error);
    environment
        .add_template(template.name, template.text)
        .map_err(failed)?;
    let undeclared = environment
        .get_template(template.name)
        .map_err(failed)?
        .undeclared_variables(false);
    let document = serde_json::to_value(Document::default())?;
    let known: Vec<&str> = (document.as_object().into_iter().flatten())
        .map(|(name, _)| name.as_str())
        .chain(environment.globals().map(|(name, _)| name))
        .collect();
    let unknown = undeclared
        .iter()
        .filter(|name| !known.contains(&name.as_str()));
    match unknown.min_by_key(|name| template.text.find(name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let help = suggest::help(name, known.iter().copied());
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            let line = template.line_of(name);
            Err(template.at(line, &format!("there is no `{name}` in a report{help}")))
        }
    }
}

impl Template<'_> {
    fn failed(self, error: &minijinja::Error) -> ReportError {
        let mut message = match error.detail() {
            Some(detail) => detail.to_owned(),
            None => error.kind().to_string(),
        };
        if error.kind() == minijinja::ErrorKind::UndefinedError {
            message = format!("{message} (a name that is not there)");
        }
        self.at(error.line(), &message)
    }

    /// `message` with the template's name, the line's number (from 1) and its text.
    fn at(self, line: Option<usize>, message: &str) -> ReportError {
        let Some(line) = line else {
            return ReportError::Template(format!("{}: {message}", self.name));
        };
        let text = self.text.lines().nth(line.saturating_sub(1));
        let shown = text.map(|text| format!("\n  {line} | {text}"));
        ReportError::Template(format!(
            "{}, line {line}: {message}{}",
            self.name,
            shown.unwrap_or_default()
        ))
    }

    /// The first line that holds `name` as a word.
    fn line_of(self, name: &str) -> Option<usize> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let holds = |line: &str| line.split(|c| !is_word(c)).any(|word| word == name);
        self.text.lines().position(holds).map(|index| index + 1)
    }
}

fn environment<'t>() -> Result<Environment<'t>, ReportError> {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .map_err(|error| ReportError::Template(error.to_string()))?;
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Whatever a file is called: what comes out is Markdown.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_filter("cell", |text: &str| escape(text));
    environment.add_filter("number", significant);
    environment.add_filter("headline", |caption: &str| headline(caption).to_owned());
    Ok(environment)
}

/// JSON as the template engine's own values.
pub(super) fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(flag),
        Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => Value::from(number),
            (_, Some(number), _) => Value::from(number),
            (.., number) => Value::from(number),
        },
        Json::String(text) => Value::from(text),
        Json::Array(items) => Value::from(items.into_iter().map(value).collect::<Vec<_>>()),
        Json::Object(map) => {
            let map = map.into_iter().map(|(name, item)| (name, value(item)));
            Value::from(map.collect::<BTreeMap<String, Value>>())
        }
    }
}
