//! A report's text: a `MiniJinja` template over a [`Document`].

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde_json::Value as Json;

use super::ReportError;
use super::document::Document;
use super::table::escape;

/// The template used when the user brings none.
pub const TEMPLATE: &str = include_str!("template.md.j2");

/// Renders `document` with `template` (or [`TEMPLATE`]). A template that names what does not exist is an
/// error with its line. Filters beside the usual ones: `cell` makes text safe inside a Markdown table.
pub fn render(template: Option<&str>, document: &Document) -> Result<String, ReportError> {
    let mut environment = environment()?;
    environment
        .add_template("report.md", template.unwrap_or(TEMPLATE))
        .map_err(failed)?;
    let data = value(serde_json::to_value(document)?);
    environment
        .get_template("report.md")
        .and_then(|template| template.render(data))
        .map_err(failed)
}

/// Whether `template` can be parsed; an error names the line.
pub fn check(template: &str) -> Result<(), ReportError> {
    let mut environment = environment()?;
    environment
        .add_template("report.md", template)
        .map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> ReportError {
    ReportError::Template(error.to_string())
}

fn environment<'t>() -> Result<Environment<'t>, ReportError> {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .map_err(failed)?;
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("cell", |text: &str| escape(text));
    Ok(environment)
}

/// JSON as the template engine's own values.
fn value(json: Json) -> Value {
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
