//! `retake report --check`: every number and figure of a written report against the store and the lock file.
//!
//! A report is composed anew from the records, and what lies in the work tree is compared with that, line by line and
//! word by word; then what the lock file says of every node that the report shows is compared with the records. Where
//! the store lacks them, the lock file alone has to vouch for the report's bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::common::{CliError, Exit, Opened, display, print};
use super::{config, needs, some};
use crate::report::check::{Folder, compare, is_figure, numbers, unused};
use crate::run::finish::report_places;
use crate::run::ingredients::Ingredients;
use crate::run::resolve::Settled;
use crate::stage::report::{TEXT, folder};
use crate::store::{LockBlock, LockFile};

/// A report of another run altogether differs everywhere: so many differences are told of one.
const LISTED: usize = 100;

/// How a check ended.
enum Verdict {
    /// as the records say; so many numbers and figures
    Proven(usize, usize),
    /// the store has no records to compare with, and the lock file says the same
    Unproven(Vec<String>),
    /// something differs
    Different(Vec<String>),
}

pub fn run(opened: &Opened, reports: &[usize]) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    let mut text = String::new();
    if reports
        .iter()
        .all(|report| report_places(&opened.plan, *report).is_empty())
    {
        return Err(CliError::bad(
            "there is nothing to check: no report of the pipeline is published (none has an `out:`)",
        ));
    }
    let places = reports.iter().flat_map(|report| {
        let places = report_places(&opened.plan, *report).into_iter();
        places.map(move |place| (report, place))
    });
    for (report, place) in places {
        let shown = display(&place);
        match check(opened, *report, &place)? {
            Verdict::Proven(numbers, figures) => {
                text += &format!(
                    "{shown}: {numbers} numbers and {figures} figures are what the records give\n"
                );
            }
            Verdict::Unproven(absent) => {
                text += &format!(
                    "{shown}: its bytes are what the lock file says; its numbers cannot be compared, as the store lacks {}\n",
                    some(&absent)
                );
                if exit == Exit::Done {
                    exit = Exit::Stale;
                }
            }
            Verdict::Different(differences) => {
                for difference in differences.iter().take(LISTED) {
                    text += &format!("{shown}: {difference}\n");
                }
                if let more @ 1.. = differences.len().saturating_sub(LISTED) {
                    text += &format!("{shown}: … and {more} more differences\n");
                }
                exit = Exit::Different;
            }
        }
    }
    print(&text)?;
    Ok(exit)
}

fn check(opened: &Opened, report: usize, place: &Path) -> Result<Verdict, CliError> {
    if !place.is_dir() {
        return Ok(Verdict::Different(vec!["is missing".to_owned()]));
    }
    let (settled, absent) = needs(opened, report)?;
    if !absent.is_empty() {
        return by_lock_file(opened, report, place, absent);
    }
    let Some(config) = config(opened, report) else {
        return Ok(Verdict::Different(Vec::new()));
    };
    let ingredients =
        Ingredients::gather(&opened.session(), report, &settled).map_err(CliError::failed)?;
    let wanted = folder(config, &ingredients.material()).map_err(CliError::failed)?;
    let found = read(place)?;
    let mut differences: Vec<String> = (compare(&found, &wanted).iter())
        .map(ToString::to_string)
        .collect();
    let old = unused(found.keys().map(String::as_str), &wanted);
    differences.extend(
        old.iter()
            .map(|file| format!("{file}: no line of the report shows it; delete it")),
    );
    differences.extend(against_lock_file(opened, report, &settled));
    if !differences.is_empty() {
        return Ok(Verdict::Different(differences));
    }
    let text = wanted.get(TEXT).map(|text| String::from_utf8_lossy(text));
    Ok(Verdict::Proven(
        numbers(&text.unwrap_or_default()),
        wanted.len() - 1,
    ))
}

/// The files that lie in a report's folder.
fn read(place: &Path) -> Result<Folder, CliError> {
    let failed = |error| CliError::failed(format!("{}: {error}", display(place)));
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(place).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let (Some(name), true) = (name, path.is_file()) {
            files.insert(name.to_owned(), std::fs::read(&path).map_err(failed)?);
        }
    }
    Ok(files)
}

/// Where the lock file says something else than the records that the report comes from.
fn against_lock_file(opened: &Opened, report: usize, settled: &[Option<Settled>]) -> Vec<String> {
    let lock = display(&LockFile::path_for(&opened.plan.file));
    let profile = opened.plan.profile.as_deref();
    let mut differences = Vec::new();
    for id in opened.plan.upstream(&[report]) {
        let name = opened.plan.nodes[id].name.to_string();
        let Some(record) = settled[id].as_ref().map(|settled| &settled.record) else {
            continue;
        };
        let blocks: Vec<&LockBlock> = (opened.lock.classes(profile, &name))
            .map(|(_, block)| block)
            .collect();
        let Some(block) = blocks.iter().find(|block| block.key == record.key) else {
            differences.push(match blocks.as_slice() {
                [] => format!("{lock} does not name {name}: `retake run` writes it"),
                _ => format!("{lock} knows {name} by another key than the store"),
            });
            continue;
        };
        for output in both(&record.outputs, &block.outputs) {
            let digest = record.outputs.get(output).map(|artifact| artifact.digest);
            if block.outputs.get(output) != digest.as_ref() {
                differences.push(format!(
                    "{lock}: `{output}` of {name} has another digest than in the store"
                ));
            }
        }
        for scalar in both(&record.scalars, &block.scalars) {
            let (locked, value) = (block.scalars.get(scalar), record.scalars.get(scalar));
            if locked.map(|locked| locked.to_bits()) != value.map(|value| value.to_bits()) {
                let said = |value: Option<&f64>| value.map_or("nothing".to_owned(), f64::to_string);
                let (locked, value) = (said(locked), said(value));
                differences.push(format!(
                    "{lock}: {scalar} of {name} is {locked} where the store has {value}"
                ));
            }
        }
    }
    differences
}

/// The names in either map, sorted.
fn both<'a, A, B>(a: &'a BTreeMap<String, A>, b: &'a BTreeMap<String, B>) -> BTreeSet<&'a String> {
    a.keys().chain(b.keys()).collect()
}

/// What the lock file says of a report whose records the store lacks.
fn by_lock_file(
    opened: &Opened,
    report: usize,
    place: &Path,
    absent: Vec<String>,
) -> Result<Verdict, CliError> {
    let name = opened.plan.nodes[report].name.to_string();
    let profile = opened.plan.profile.as_deref();
    let mut locked = opened.lock.classes(profile, &name).peekable();
    if locked.peek().is_none() {
        return Err(CliError::failed(format!(
            "there is nothing to check {name} against: the store lacks {}, and no lock file names it\n  \
             help: `retake run {}` first",
            some(&absent),
            display(&opened.plan.file)
        )));
    }
    let found = read(place)?;
    let others = found.keys().map(String::as_str);
    let others: Vec<&str> = others
        .filter(|name| *name != TEXT && !is_figure(name))
        .collect();
    let (digest, _) = opened
        .store
        .digest_folder(place, &others)
        .map_err(CliError::failed)?;
    let mut vouched = locked.flat_map(|(_, block)| block.outputs.values());
    Ok(if vouched.any(|locked| *locked == digest) {
        Verdict::Unproven(absent)
    } else {
        Verdict::Different(vec![format!(
            "is not the report whose digest the lock file has (the store lacks {}, so it cannot be said where: \
             `retake run` first)",
            some(&absent)
        )])
    })
}
