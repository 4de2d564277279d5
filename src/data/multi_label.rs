//! Several classes an image, in JSON, as the i-CLEVR set has them: one file that numbers the classes
//! (`{"gray cube": 0, …}`), one that lists the classes of every image (`{"CLEVR_train_0.png": ["gray cube"], …}`).

use std::path::Path;

use indexmap::IndexMap;
use serde::de::DeserializeOwned;

use super::error::DataError;
use super::files::{Entry, Reading, is_inside, pack_files, require_folder};
use super::label::{Label, LabelKind, PackSchema, unknown_class};
use super::work::Watch;

/// Packs the images that `labels` lists into `out`, in its order: files of `dir`, classes as `classes`
/// numbers them.
pub fn write(
    dir: &Path,
    labels: &Path,
    classes: &Path,
    reading: &Reading,
    out: &Path,
    watch: Watch<'_>,
) -> Result<(), DataError> {
    require_folder(dir)?;
    let classes = read_classes(classes)?;
    let listed: IndexMap<String, Vec<String>> = read(labels, "{file: [class, …], …}")?;
    if listed.is_empty() {
        return Err(DataError::file(labels, "lists no image"));
    }
    let mut entries = Vec::new();
    for (file, names) in listed {
        let bad = |reason: &str| DataError::file(labels, format!("`{file}`: {reason}"));
        let on = class_indices(&names, &classes).map_err(|reason| bad(&reason))?;
        if !is_inside(&file) {
            return Err(bad("no path inside the folder of images"));
        }
        if entries.len() < reading.limit.unwrap_or(usize::MAX) && !dir.join(&file).is_file() {
            return Err(bad(&format!("no such image in {}", dir.display())));
        }
        entries.push(Entry {
            name: file.clone(),
            file,
            label: Label::Multi(on),
        });
    }
    let schema = PackSchema {
        channels: reading.channels,
        labels: LabelKind::Multi,
        classes,
    };
    pack_files(dir, schema, entries, reading, out, watch)
}

/// Class names in the order of their numbers, which must be 0, 1, ….
pub fn read_classes(path: &Path) -> Result<Vec<String>, DataError> {
    let numbers: IndexMap<String, usize> = read(path, "{class: number, …}")?;
    let mut classes = vec![None; numbers.len()];
    for (name, number) in &numbers {
        let bad = |reason: String| DataError::file(path, format!("class `{name}`: {reason}"));
        match classes.get_mut(*number) {
            Some(place @ None) => *place = Some(name.clone()),
            Some(Some(other)) => return Err(bad(format!("number {number} is that of `{other}`"))),
            None => {
                let last = numbers.len().saturating_sub(1);
                let reason = format!(
                    "number {number}, but {} classes are 0 to {last}",
                    numbers.len()
                );
                return Err(bad(reason));
            }
        }
    }
    let classes: Vec<String> = classes.into_iter().flatten().collect();
    if classes.is_empty() {
        return Err(DataError::file(path, "names no class"));
    }
    Ok(classes)
}

/// The numbers of the classes `names`, ascending, each once; or what is wrong.
pub(super) fn class_indices(names: &[String], classes: &[String]) -> Result<Vec<u32>, String> {
    let number = |name: &String| {
        let found = classes.iter().position(|class| class == name);
        found
            .map(|index| index as u32)
            .ok_or_else(|| unknown_class(name, classes))
    };
    let mut on = names.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    on.sort_unstable();
    on.dedup();
    Ok(on)
}

/// Reads JSON of the form `expected`.
pub(super) fn read<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<T, DataError> {
    let text = std::fs::read_to_string(path).map_err(|source| DataError::io(path, source))?;
    serde_json::from_str(&text)
        .map_err(|error| DataError::file(path, format!("{error}; expected {expected}")))
}
