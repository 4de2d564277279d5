//! Attribute tables as `CelebA` has them: a line with the number of images, a line with the names of the
//! attributes, then a line an image: its file and 1 or 0 (or -1) for each attribute.

use std::collections::HashSet;
use std::path::Path;

use super::error::DataError;
use super::files::{Entry, Reading, is_inside, pack_files, require_folder};
use super::label::{Label, LabelKind, PackSchema};
use super::work::Watch;

/// A table, read. Rows are (line number, name in the first column, attributes that are on).
pub(super) struct Table {
    /// the attributes
    pub names: Vec<String>,
    /// one an image, in the file's order
    pub rows: Vec<(usize, String, Vec<u32>)>,
}

/// Packs the images that `table` lists into `out`, in its order: files of `dir`, every attribute a class.
pub fn write(
    dir: &Path,
    table: &Path,
    reading: &Reading,
    out: &Path,
    watch: Watch<'_>,
) -> Result<(), DataError> {
    require_folder(dir)?;
    let Table { names, rows } = read_table(table, true)?;
    let mut seen = HashSet::new();
    for (line, file, _) in &rows {
        if !seen.insert(file) {
            return Err(at(table, *line, &format!("`{file}` is listed twice")));
        }
    }
    let mut entries = Vec::new();
    for (line, file, on) in rows.into_iter().take(reading.limit.unwrap_or(usize::MAX)) {
        if !is_inside(&file) {
            let reason = format!("`{file}` is no path inside the folder of images");
            return Err(at(table, line, &reason));
        }
        if !dir.join(&file).is_file() {
            let reason = format!("no image `{file}` in {}", dir.display());
            return Err(at(table, line, &reason));
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
        classes: names,
    };
    pack_files(dir, schema, entries, reading, out, watch)
}

/// Reads a table whose rows begin with a file name, or (`named` false) hold values alone.
pub(super) fn read_table(path: &Path, named: bool) -> Result<Table, DataError> {
    let text = std::fs::read_to_string(path).map_err(|source| DataError::io(path, source))?;
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()));
    let first = lines.next().map_or("", |(_, line)| line);
    let count: usize = first.parse().map_err(|_| {
        let reason = format!("`{first}` is no number of images");
        at(path, 1, &reason)
    })?;
    let names: Vec<String> = lines
        .next()
        .map_or("", |(_, line)| line)
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Err(at(path, 2, "names no attribute"));
    }
    let mut rows = Vec::new();
    for (line, text) in lines.filter(|(_, text)| !text.is_empty()) {
        let mut columns = text.split_whitespace();
        let name = match named.then(|| columns.next()).flatten() {
            Some(name) => name.to_owned(),
            None => format!("row {}", rows.len() + 1),
        };
        let values: Vec<&str> = columns.collect();
        if values.len() != names.len() {
            let reason = format!(
                "`{name}` has {} values, but line 2 names {} attributes",
                values.len(),
                names.len()
            );
            return Err(at(path, line, &reason));
        }
        let mut on = Vec::new();
        for ((class, attribute), value) in (0..).zip(&names).zip(values) {
            match value {
                "1" | "+1" => on.push(class),
                "0" | "-1" => {}
                _ => {
                    let reason =
                        format!("`{value}` for `{attribute}`: values are 1 (on) and 0 or -1 (off)");
                    return Err(at(path, line, &reason));
                }
            }
        }
        rows.push((line, name, on));
    }
    if rows.len() != count {
        let reason = format!("says {count} images, but {} are listed", rows.len());
        return Err(at(path, 1, &reason));
    }
    if rows.is_empty() {
        return Err(DataError::file(path, "lists no image"));
    }
    Ok(Table { names, rows })
}

/// An error on one line of a file.
fn at(path: &Path, line: usize, reason: &str) -> DataError {
    DataError::file(path, format!("line {line}: {reason}"))
}
