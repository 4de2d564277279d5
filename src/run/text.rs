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
    let text = |value: &Option<Value>| value.as_ref().map(|value| one_line(&plain(value)));
    let (before, after) = (text(&change.before), text(&change.after));
    let shared = shared_start(before.as_deref(), after.as_deref());
    let show = |text: &Option<String>| match text {
        Some(text) => shorten(text, shared),
        None => "(none)".to_owned(),
    };
    let (before, after) = (show(&before), show(&after));
    let mut path = change.field.split('.');
    match (path.next(), path.next()) {
        (Some("inputs"), Some(input)) => format!("input {input} changed"),
        (Some("version"), None) => {
            format!("retake's implementation of this kind: version {before} → {after}")
        }
        (Some("shown"), _) => "what it shows changed".to_owned(),
        _ => format!("{}: {before} → {after}", change.field),
    }
}

/// A text of several lines in one.
fn one_line(text: &str) -> String {
    text.replace('\n', "\\n")
}

/// How many characters at the start of long texts are the same and not worth showing.
fn shared_start(before: Option<&str>, after: Option<&str>) -> usize {
    let (Some(before), Some(after)) = (before, after) else {
        return 0;
    };
    let pairs = before.chars().zip(after.chars());
    let same = pairs.take_while(|(a, b)| a == b).count();
    if same < VALUE_WIDTH {
        0
    } else {
        same - VALUE_WIDTH / 4
    }
}

/// `text` from its character number `from` on, as far as it is printed.
fn shorten(text: &str, from: usize) -> String {
    let start = text
        .char_indices()
        .nth(from)
        .map_or(text.len(), |(at, _)| at);
    let rest = &text[start..];
    let ellipsis = if from > 0 { "…" } else { "" };
    match rest.char_indices().nth(VALUE_WIDTH) {
        Some((end, _)) => format!("{ellipsis}{}…", &rest[..end]),
        None => format!("{ellipsis}{rest}"),
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
