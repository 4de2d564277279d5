//! How nodes, outcomes and changes read in messages; one wording for every command.

use serde_json::Value;

use crate::plan::Plan;
use crate::plan::key::Change;
use crate::stage::Status;
use crate::stage::context::plain;

/// Longest value that is printed whole.
const VALUE_WIDTH: usize = 40;

/// `ok`, or `diverged @ epoch 37`.
pub fn status(status: &Status) -> String {
    match status {
        Status::Ok => "ok".to_owned(),
        Status::Diverged { epoch, .. } => format!("diverged @ epoch {epoch}"),
    }
}

/// `with.lr: 0.0002 → 0.0001`, `input data changed`, …
pub fn change(change: &Change) -> String {
    let value = |value: &Option<Value>| match value {
        Some(value) => shorten(&plain(value)),
        None => "(none)".to_owned(),
    };
    let mut path = change.field.split('.');
    match (path.next(), path.next()) {
        (Some("inputs"), Some(input)) => format!("input {input} changed"),
        (Some("version"), None) => {
            format!(
                "retake's implementation of this kind: version {} → {}",
                value(&change.before),
                value(&change.after)
            )
        }
        (Some("shown"), _) => "what it shows changed".to_owned(),
        _ => format!(
            "{}: {} → {}",
            change.field,
            value(&change.before),
            value(&change.after)
        ),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(VALUE_WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The pipeline file as seen from the project root: what names a pipeline in the store.
pub fn pipeline(plan: &Plan) -> String {
    let file = std::path::absolute(&plan.file).unwrap_or_else(|_| plan.file.clone());
    file.strip_prefix(&plan.root)
        .unwrap_or(&file)
        .to_string_lossy()
        .into_owned()
}

/// The command that runs a plan again, in canonical form: file from the project root, profile, settings in order.
/// Nodes and values are quoted where a shell would read them otherwise.
pub fn command(plan: &Plan) -> String {
    run(plan, &pipeline(plan), None)
}

/// The command that runs one node of a plan again from the folder that the user is in.
pub fn rerun(plan: &Plan, node: &str) -> String {
    run(plan, &plan.file.to_string_lossy(), Some(node))
}

fn run(plan: &Plan, file: &str, target: Option<&str>) -> String {
    let mut words = vec!["retake".to_owned(), "run".to_owned(), quote(file)];
    words.extend(target.map(quote));
    if let Some(profile) = &plan.profile {
        words.extend(["--profile".to_owned(), quote(profile)]);
    }
    for (name, value) in &plan.sets {
        words.extend(["--set".to_owned(), quote(&format!("{name}={value}"))]);
    }
    words.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
