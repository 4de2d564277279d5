//! `retake diff`: what differs between two states of a pipeline, or between two pipelines

use std::path::{Path, PathBuf};
use std::process::Command;

use super::common::{CliError, Exit, Opened, PipelineArgs, display, print, print_json, say};
use crate::report::number::significant;
use crate::run::difference::{
    Fate, NodeDifference, ScalarDifference, Side, compare, of_lock_files, of_plan,
};
use crate::run::survey::survey;
use crate::store::LockFile;

/// Say what differs: settings, bytes and results, node by node
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: PipelineArgs,
    /// What to compare with: a git revision or a lock file (against the lock file beside the pipeline), or another
    /// pipeline
    #[arg(value_name = "REV|LOCK|PIPELINE2")]
    other: String,
    /// Compare the first with this revision or lock file, not with the lock file beside the pipeline
    #[arg(value_name = "REV|LOCK")]
    second: Option<String>,
    /// One JSON object a node on standard output
    #[arg(long)]
    json: bool,
    /// Name nodes that are the same too, and show everything
    #[arg(short, long)]
    verbose: bool,
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let opened = args.common.open()?;
    let other = Path::new(&args.other);
    let (heading, differences) = if is_pipeline(other) {
        if args.second.is_some() {
            return Err(CliError::bad(
                "two pipelines are compared as they are: leave the third argument out",
            ));
        }
        let common = PipelineArgs {
            pipeline: other.to_path_buf(),
            ..args.common.clone()
        };
        let (before, after) = (of_pipeline(&opened)?, of_pipeline(&common.open()?)?);
        let heading = format!("{} → {}", display(&opened.plan.file), display(other));
        (heading, compare(&before, &after))
    } else {
        let beside = LockFile::path_for(&opened.plan.file);
        let before = lock_file(&args.other, &beside)?;
        let (name, after) = match &args.second {
            Some(second) => (second.clone(), lock_file(second, &beside)?),
            None => (
                display(&beside),
                LockFile::read(&beside).map_err(CliError::bad)?,
            ),
        };
        let profile = opened.plan.profile.as_deref();
        let (before, after) = of_lock_files(&before, &after, profile, &opened.store);
        if args.second.is_none() {
            tell_newer(&opened)?;
        }
        let heading = format!("{} → {name}", args.other);
        (heading, compare(&before, &after))
    };
    if args.json {
        let shown = differences
            .iter()
            .filter(|difference| args.verbose || difference.fate != Fate::Same);
        for difference in shown {
            print_json(difference)?;
        }
        return Ok(Exit::Done);
    }
    let mut text = format!("{heading}\n");
    for difference in &differences {
        text += &node(difference, args.verbose);
    }
    text += &summary(&differences);
    print(&text)?;
    Ok(Exit::Done)
}

fn is_pipeline(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml")) && path.is_file()
}

fn of_pipeline(opened: &Opened) -> Result<Side, CliError> {
    let session = opened.session();
    let all = opened.targets(&[])?;
    let (_, settled) = survey(&session, &all).map_err(CliError::failed)?;
    Ok(of_plan(&session, &settled))
}

/// Says what the lock file does not know yet, since the pipeline has changed and not run.
fn tell_newer(opened: &Opened) -> Result<(), CliError> {
    let profile = opened.plan.profile.as_deref();
    let all = opened.targets(&[])?;
    let (standings, _) = survey(&opened.session(), &all).map_err(CliError::failed)?;
    let newer: Vec<String> = standings
        .iter()
        .filter_map(|standing| {
            let name = opened.plan.nodes[standing.id].name.to_string();
            let key = standing.key?;
            let known = opened
                .lock
                .classes(profile, &name)
                .any(|(_, block)| block.key == key);
            (!known).then_some(name)
        })
        .collect();
    if !newer.is_empty() {
        say(&format!(
            "note      the pipeline is newer than its lock file, which this compares: {} changed and have not run",
            newer.join(", ")
        ));
    }
    Ok(())
}

/// The lock file that `name` is, or that the revision `name` has at `beside`.
fn lock_file(name: &str, beside: &Path) -> Result<LockFile, CliError> {
    let path = PathBuf::from(name);
    if is_pipeline(&path) {
        return Err(CliError::bad(format!(
            "{name} is a pipeline, and what it stands beside is a lock file or a revision; two pipelines are compared \
             by `retake diff A B`"
        )));
    }
    if path.is_file() {
        return LockFile::read(&path).map_err(CliError::bad);
    }
    let text = at_revision(name, beside)?;
    LockFile::parse(&text)
        .map_err(|(line, problem)| CliError::bad(format!("{name}, line {line}: {problem}")))
}

/// The text that git has of `file` at `revision`.
fn at_revision(revision: &str, file: &Path) -> Result<String, CliError> {
    let absolute = std::path::absolute(file).map_err(CliError::failed)?;
    let folder = absolute.parent().unwrap_or(Path::new("."));
    let name = absolute.file_name().unwrap_or_default().to_string_lossy();
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["show", "--end-of-options"])
        .arg(format!("{revision}:./{name}"))
        .output()
        .map_err(|error| CliError::bad(format!("git cannot be run: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(CliError::bad(format!(
            "`{revision}` is no file here, and git has no {name} at such a revision\n  git: {}",
            said.trim()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A node's settings that are shown; another network may differ in hundreds.
const SETTINGS: usize = 12;

/// A node's lines; nothing for one that is the same, unless asked for.
fn node(difference: &NodeDifference, verbose: bool) -> String {
    let fate = match difference.fate {
        Fate::Same if !verbose => return String::new(),
        Fate::Same => "the same",
        Fate::New => "new",
        Fate::Gone => "gone",
        Fate::Changed => "changed",
    };
    let note = difference.note.map(|note| format!(" ({note})"));
    let mut text = format!("{}: {fate}{}\n", difference.node, note.unwrap_or_default());
    let settings = &difference.settings;
    let shown = if verbose { settings.len() } else { SETTINGS };
    for words in settings.iter().take(shown) {
        text += &format!("  {words}\n");
    }
    if let Some(more) = settings.len().checked_sub(shown).filter(|more| *more > 0) {
        text += &format!("  … and {more} more settings (-v shows them)\n");
    }
    if !difference.outputs.is_empty() && difference.fate == Fate::Changed {
        text += &format!("  other bytes: {}\n", difference.outputs.join(", "));
    }
    let width = difference
        .scalars
        .iter()
        .map(|scalar| scalar.name.len())
        .max();
    for scalar in &difference.scalars {
        text += &format!(
            "  {:width$}  {}\n",
            scalar.name,
            change(scalar),
            width = width.unwrap_or(0)
        );
    }
    text
}

/// `61.82 → 59.10 (−2.720)`.
fn change(scalar: &ScalarDifference) -> String {
    let shown = |value: Option<f64>| value.map_or("–".to_owned(), significant);
    let difference = match (scalar.before, scalar.after) {
        (Some(before), Some(after)) => {
            let difference = after - before;
            let sign = if difference < 0.0 { "−" } else { "+" };
            format!(" ({sign}{})", significant(difference.abs()))
        }
        _ => String::new(),
    };
    format!(
        "{} → {}{difference}",
        shown(scalar.before),
        shown(scalar.after)
    )
}

/// `1 changed, 2 new, 8 the same`; what there is none of is left out.
fn summary(differences: &[NodeDifference]) -> String {
    let words = [
        (Fate::Changed, "changed"),
        (Fate::New, "new"),
        (Fate::Gone, "gone"),
        (Fate::Same, "the same"),
    ];
    let counted: Vec<String> = (words.iter())
        .map(|(fate, word)| (differences.iter().filter(|d| d.fate == *fate).count(), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    match counted.as_slice() {
        [] => "no nodes\n".to_owned(),
        counted => format!("{}\n", counted.join(", ")),
    }
}
