//! `retake report --html`: reports as pages that need no network, from what the store has.

use std::path::{Path, PathBuf};

use super::super::common::{CliError, Exit, Opened, display, say};
use super::{PAGE, config, needs, not_yet};
use crate::report::page;
use crate::run::finish::report_places;
use crate::run::ingredients::Ingredients;
use crate::stage::report::compose;

pub fn run(opened: &Opened, reports: &[usize], output: Option<&Path>) -> Result<Exit, CliError> {
    if output.is_some() && reports.len() > 1 {
        return Err(CliError::bad(
            "the pipeline has several reports: name the one that is to be written to the file",
        ));
    }
    for report in reports {
        let file = match output {
            Some(file) => file.to_path_buf(),
            None => beside(opened, *report)?,
        };
        if let Some(absent) = write(opened, *report, &file)? {
            return Ok(not_yet(opened, &absent));
        }
        say(&format!("wrote     {}", display(&file)));
    }
    Ok(Exit::Done)
}

/// In the folder where the report's text is published.
fn beside(opened: &Opened, report: usize) -> Result<PathBuf, CliError> {
    let place = report_places(&opened.plan, report).into_iter().next_back();
    let place = place.ok_or_else(|| {
        CliError::bad(format!(
            "{} is published nowhere (it has no `out:`): name a file, `--html -o FILE`",
            opened.plan.nodes[report].name
        ))
    })?;
    Ok(place.join(PAGE))
}

/// Writes the page, unless the store lacks something: then what.
fn write(opened: &Opened, report: usize, file: &Path) -> Result<Option<Vec<String>>, CliError> {
    let (settled, absent) = needs(opened, report)?;
    let Some(config) = config(opened, report).filter(|_| absent.is_empty()) else {
        return Ok(Some(absent));
    };
    let ingredients =
        Ingredients::gather(&opened.session(), report, &settled).map_err(CliError::failed)?;
    let composed = compose(config, &ingredients.material()).map_err(CliError::failed)?;
    let text = page::render(&composed.document, &composed.files).map_err(CliError::failed)?;
    let failed = |error| CliError::failed(format!("{}: {error}", display(file)));
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(file, text).map_err(failed)?;
    Ok(None)
}
