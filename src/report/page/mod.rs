//! A report as one HTML page that needs no network: the same [`Document`] as the Markdown, its figures within it.
//!
//! The page reads without its script, which sorts tables, filters runs, enlarges figures and takes animations apart,
//! so that one can step through the epochs. Like the Markdown it is a function of its input to the byte.

mod image;
mod live;
mod markdown;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

use self::image::{Image, Images};
pub use self::live::{Live, LiveGroup, LiveNode};
use super::ReportError;
use super::diagram;
use super::document::{Document, Files, Section};
use super::markdown::value;
use super::number::significant;

const TEMPLATE: &str = include_str!("page.html.j2");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the template is given.
#[derive(Serialize)]
struct Page<'a> {
    #[serde(flatten)]
    document: &'a Document,
    /// epochs of the frames of an animation, by its file
    epochs: BTreeMap<&'a str, &'a [u64]>,
    /// stills that an animation ends with
    repeated: BTreeSet<&'a str>,
    diagram: Option<Image>,
    live: Option<&'a Live>,
    /// runs that stand open, however many there are
    opened: &'a [String],
    style: &'static str,
    script: &'static str,
}

/// The page of `document`, whose figures are among `files`.
pub fn render(document: &Document, files: &Files) -> Result<String, ReportError> {
    page(document, files, None)
}

/// The page of a run that goes on, with what there is of its report.
pub fn render_live(document: &Document, files: &Files, live: &Live) -> Result<String, ReportError> {
    page(document, files, Some(live))
}

fn page(document: &Document, files: &Files, live: Option<&Live>) -> Result<String, ReportError> {
    let series = document.sections.iter().flat_map(|section| &section.series);
    let images = Images::of(files);
    let sections = document.sections.iter();
    let page = Page {
        repeated: sections.flat_map(repeated).collect(),
        document,
        epochs: series
            .map(|series| (series.file.as_str(), series.epochs.as_slice()))
            .collect(),
        diagram: Image::of(diagram::svg(&document.vertices).as_bytes(), "svg"),
        live,
        opened: live.map_or(&[], |live| &live.opened),
        style: STYLE,
        script: SCRIPT,
    };
    let data = value(serde_json::to_value(&page)?);
    let environment = environment(images)?;
    let template = environment.template_from_named_str("page.html", TEMPLATE);
    template
        .and_then(|template| template.render(data))
        .map_err(failed)
}

/// Images that an animation over the epochs ends with, which stands among the run's figures too: a page of many runs need
/// not hold them twice.
fn repeated(section: &Section) -> impl Iterator<Item = &str> {
    let films = section.series.iter().filter(|film| !film.epochs.is_empty());
    films.filter_map(|film| film.still.as_deref())
}

fn failed(error: impl std::fmt::Display) -> ReportError {
    ReportError::Template(error.to_string())
}

fn environment(images: Images) -> Result<Environment<'static>, ReportError> {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .map_err(failed)?;
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let values = images
        .iter()
        .map(|(file, image)| Ok((file.to_owned(), value(serde_json::to_value(image)?))))
        .collect::<Result<BTreeMap<String, Value>, ReportError>>()?;
    environment.add_function("image", move |file: &str| values.get(file).cloned());
    let images = Arc::new(images);
    let figures = Arc::clone(&images);
    environment.add_filter("markdown", move |text: &str| {
        markdown::blocks(text, &figures)
    });
    environment.add_filter("inline", move |text: &str| markdown::inline(text, &images));
    environment.add_filter("number", significant);
    environment.add_filter("anchor", |name: &str| {
        format!("run-{}", name.replace(char::is_whitespace, "_"))
    });
    Ok(environment)
}
