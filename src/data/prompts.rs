//! Prompts: what a conditional generator is told to draw, listed in a file.

use std::path::Path;

use serde::Deserialize;

use super::attributes::{Table, read_table};
use super::error::DataError;
use super::label::unknown_class;
use super::multi_label::{class_indices, read};

/// Reads prompts as condition vectors (K) of 0 and 1, one a prompt, `classes` giving their order. The file is
/// JSON, a list of lists of class names (`test.json` of i-CLEVR; a single name may stand without its list), or an attribute table without file names: a
/// line with the number of prompts, a line with the names of the attributes, a line of values a prompt.
pub fn read_prompts(path: &Path, classes: &[String]) -> Result<Vec<Vec<f32>>, DataError> {
    let is_json = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let prompts = if is_json || begins_as_json(path)? {
        from_json(path, classes)?
    } else {
        from_table(path, classes)?
    };
    if prompts.is_empty() {
        return Err(DataError::file(path, "lists no prompt"));
    }
    let vector = |on: Vec<u32>| condition(&on, classes.len());
    Ok(prompts.into_iter().map(vector).collect())
}

/// A condition vector (K) with 1 for each class in `names`. Says which one is unknown, and which is near.
pub fn multi_hot(names: &[String], classes: &[String]) -> Result<Vec<f32>, String> {
    Ok(condition(&class_indices(names, classes)?, classes.len()))
}

fn condition(on: &[u32], classes: usize) -> Vec<f32> {
    let mut vector = vec![0.0; classes];
    for &class in on {
        vector[class as usize] = 1.0;
    }
    vector
}

/// What one image is to show.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a list of class names, as in [\"red cube\"]"
)]
enum Prompt {
    One(String),
    Many(Vec<String>),
}

fn begins_as_json(path: &Path) -> Result<bool, DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::io(path, source))?;
    Ok(bytes.trim_ascii_start().starts_with(b"["))
}

fn from_json(path: &Path, classes: &[String]) -> Result<Vec<Vec<u32>>, DataError> {
    let lists: Vec<Prompt> = read(path, "a list of lists of class names")?;
    let prompt = |(index, prompt): (usize, &Prompt)| {
        let names = match prompt {
            Prompt::One(name) => std::slice::from_ref(name),
            Prompt::Many(names) => names,
        };
        class_indices(names, classes)
            .map_err(|reason| DataError::file(path, format!("prompt {}: {reason}", index + 1)))
    };
    lists.iter().enumerate().map(prompt).collect()
}

fn from_table(path: &Path, classes: &[String]) -> Result<Vec<Vec<u32>>, DataError> {
    let Table { names, rows } = read_table(path, false)?;
    let numbers = class_numbers(&names, classes)
        .map_err(|reason| DataError::file(path, format!("line 2: {reason}")))?;
    let prompt = |(_, _, on): (usize, String, Vec<u32>)| {
        on.into_iter()
            .map(|column| numbers[column as usize])
            .collect()
    };
    Ok(rows.into_iter().map(prompt).collect())
}

/// The number of each name, in the order of the names.
fn class_numbers(names: &[String], classes: &[String]) -> Result<Vec<u32>, String> {
    let number = |name: &String| {
        let found = classes.iter().position(|class| class == name);
        found
            .map(|index| index as u32)
            .ok_or_else(|| unknown_class(name, classes))
    };
    names.iter().map(number).collect()
}
