//! Prompts: which classes each image of a set is to show.
//!
//! The form is that of the i-CLEVR course files (`test.json`): a JSON list with one list of class names an image,
//! `[["red cube", "blue sphere"], ["gray cylinder"]]`. A single name may stand without its list.

use std::path::Path;

use serde::Deserialize;

use super::error::DataError;

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

/// The prompts in the file at `path` as multi-hot rows over `classes`.
pub fn read_prompts(path: &Path, classes: &[String]) -> Result<Vec<Vec<f32>>, DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::io(path, source))?;
    let prompts: Vec<Prompt> = serde_json::from_slice(&bytes).map_err(|error| {
        DataError::file(
            path,
            format!("not a list of prompts, [[\"class\", …], …]: {error}"),
        )
    })?;
    if prompts.is_empty() {
        return Err(DataError::file(path, "holds no prompt"));
    }
    let rows = prompts.iter().enumerate().map(|(k, prompt)| {
        let names = match prompt {
            Prompt::One(name) => std::slice::from_ref(name),
            Prompt::Many(names) => names,
        };
        multi_hot(names, classes)
            .map_err(|reason| DataError::file(path, format!("prompt {}: {reason}", k + 1)))
    });
    rows.collect()
}

/// A row with 1 for each class in `names`, else 0. Says which class is unknown, and which is near.
pub fn multi_hot(names: &[String], classes: &[String]) -> Result<Vec<f32>, String> {
    let mut row = vec![0.0; classes.len()];
    for name in names {
        let class = classes.iter().position(|class| class == name);
        let class = class.ok_or_else(|| unknown(name, classes))?;
        row[class] = 1.0;
    }
    Ok(row)
}

fn unknown(name: &str, classes: &[String]) -> String {
    let distance = |class: &String| {
        let (a, b) = (name.to_lowercase(), class.to_lowercase());
        strsim::damerau_levenshtein(&a, &b)
    };
    let near = classes
        .iter()
        .map(|class| (distance(class), class))
        .filter(|(distance, class)| *distance <= (class.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, near)) => format!("unknown class `{name}`: did you mean `{near}`?"),
        None => format!(
            "unknown class `{name}`: there are {} (`{}` …)",
            classes.len(),
            classes.first().map_or("", String::as_str)
        ),
    }
}
