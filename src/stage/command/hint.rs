//! What a command that failed may have lacked: files of the project that it names and that are none of its inputs.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::stage::{InputNode, StageCtx};

/// More than this many files are not named.
const MOST: usize = 3;

/// Lines to be added to what is said of a failed command: `run` is its command line, `tail` the end of what it printed,
/// `held` whether it was held to its bounds.
pub fn hint(run: &str, tail: &str, held: bool, ctx: &StageCtx<'_>) -> String {
    let Some(project) = &ctx.project else {
        return String::new();
    };
    let mut text = String::new();
    for path in undeclared(&[run, tail], project, ctx).iter().take(MOST) {
        text += &format!(
            "\n  help: `{}` is in the project but not an input of this stage: declare it under `inputs:`",
            path.display()
        );
    }
    let denied = ["Permission denied", "PermissionError", "EACCES"];
    if text.is_empty() && held && denied.iter().any(|words| tail.contains(words)) {
        text += "\n  help: a command reads nothing of the project but its inputs, and writes nowhere but in the \
                 directory it runs in and TMPDIR; `with: {hermetic: false}` lifts both";
    }
    text
}

/// The paths in `texts`, relative to `project`, of files there that are no inputs.
fn undeclared(texts: &[&str], project: &Path, ctx: &StageCtx<'_>) -> BTreeSet<PathBuf> {
    let inputs: Vec<&Path> = ctx
        .inputs
        .values()
        .flat_map(|input| &input.nodes)
        .map(InputNode::path)
        .collect();
    let mut found = BTreeSet::new();
    for word in texts.iter().flat_map(|text| words(text)) {
        let path = project.join(word);
        let Ok(relative) = path.strip_prefix(project) else {
            continue;
        };
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        let own = relative.starts_with("in") || relative.starts_with("out");
        // What is hidden is the store, or git's.
        let hidden = word
            .split('/')
            .any(|part| part.starts_with('.') && part != ".");
        if own || hidden || relative.as_os_str().is_empty() || !relative.components().all(plain) {
            continue;
        }
        let declared = inputs.iter().any(|input| path.starts_with(input));
        // A folder is named by many a word that means something else.
        if !declared && (path.is_file() || word.contains('/') && path.is_dir()) {
            found.insert(relative.components().collect());
        }
    }
    found
}

/// What may be paths in a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let between = |mark: char| mark.is_whitespace() || "'\"`=<>|;&(){}[],:".contains(mark);
    text.split(between).filter(|word| !word.is_empty())
}
