//! A folder of PNG and JPEG files.
//!
//! Labels come from `labels.csv` where the folder has one (the layout that [`super::export`] writes),
//! else from sub-folders: one folder a class. Nothing outside the folder is read.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use walkdir::WalkDir;

use super::error::DataError;
use super::files::{Entry, Reading, is_inside, pack_files, require_folder};
use super::label::{Label, LabelKind, PackSchema};
use super::select::{Filter, Selection};
use super::work::Watch;

/// The table of labels in a folder.
pub const LABELS_FILE: &str = "labels.csv";
/// The class names of a folder, one a line, in the order of label indices.
pub const CLASSES_FILE: &str = "classes.txt";
/// Column of the image's path in the folder.
pub const FILE_COLUMN: &str = "file";
/// Column of the image's name; the path stands in where there is none.
pub const NAME_COLUMN: &str = "name";
/// Column of the class, where each image has one.
pub const LABEL_COLUMN: &str = "label";
/// Column of the classes, separated by [`SEPARATOR`], where an image may have any number.
pub const LABELS_COLUMN: &str = "labels";
/// Separates the classes of one image.
pub const SEPARATOR: char = ';';

/// Endings of the files that count as images, in lower case.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// Packs the images of `dir` into `out`: in the order of `labels.csv`, or sorted by path; with `keep`, those
/// that show none but these classes.
pub fn write(
    dir: &Path,
    keep: Option<&[String]>,
    reading: &Reading,
    out: &Path,
    watch: Watch<'_>,
) -> Result<(), DataError> {
    require_folder(dir)?;
    let (labels, classes, mut entries) = if dir.join(LABELS_FILE).exists() {
        from_table(dir)?
    } else {
        from_sub_folders(dir)?
    };
    let mut schema = PackSchema {
        channels: reading.channels,
        labels,
        classes,
    };
    if let Some(keep) = keep {
        let selection = Selection::new([Filter::Keep(keep.to_vec())].iter(), &schema)?;
        entries = entries
            .into_iter()
            .filter_map(|entry| {
                let label = selection.label(&entry.label)?;
                Some(Entry { label, ..entry })
            })
            .collect();
        schema.classes = selection.classes().to_vec();
    }
    pack_files(dir, schema, entries, reading, out, watch)
}

type Listing = (LabelKind, Vec<String>, Vec<Entry>);

fn from_sub_folders(dir: &Path) -> Result<Listing, DataError> {
    let files = image_files(dir)?;
    if files.is_empty() {
        return Err(DataError::file(dir, "holds no .png, .jpg or .jpeg file"));
    }
    let class_of = |file: &str| file.split_once('/').map(|(class, _)| class.to_owned());
    let classes: BTreeSet<String> = files.iter().filter_map(|file| class_of(file)).collect();
    let classes: Vec<String> = classes.into_iter().collect();
    let entry = |file: String| {
        let label = match class_of(&file) {
            Some(class) => Label::Class(classes.binary_search(&class).unwrap_or_default() as u32),
            None if classes.is_empty() => Label::None,
            None => {
                let reason = "lies beside folders of classes: move it into one of them, or list all \
                              images in `labels.csv`";
                return Err(DataError::file(&dir.join(&file), reason));
            }
        };
        Ok(Entry {
            name: file.clone(),
            file,
            label,
        })
    };
    let entries = files.into_iter().map(entry).collect::<Result<_, _>>()?;
    let kind = if classes.is_empty() {
        LabelKind::None
    } else {
        LabelKind::Class
    };
    Ok((kind, classes, entries))
}

/// Image files under `dir` by path, sorted, so that the order does not depend on the file system.
pub fn image_files(dir: &Path) -> Result<Vec<String>, DataError> {
    let mut files = Vec::new();
    for entry in WalkDir::new(dir).follow_links(true) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(dir).to_owned();
            DataError::io(&path, error.into())
        })?;
        let path = entry.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        let is_image = ending.is_some_and(|e| ENDINGS.contains(&e.to_ascii_lowercase().as_str()));
        if !is_image || !entry.file_type().is_file() {
            continue;
        }
        let relative = path.strip_prefix(dir).unwrap_or(path);
        let parts: Option<Vec<&str>> = relative.iter().map(|part| part.to_str()).collect();
        let Some(parts) = parts else {
            return Err(DataError::file(path, "its name is not UTF-8: rename it"));
        };
        files.push(parts.join("/"));
    }
    files.sort_unstable();
    Ok(files)
}

fn from_table(dir: &Path) -> Result<Listing, DataError> {
    let path = dir.join(LABELS_FILE);
    let bad = |reason: String| DataError::file(&path, reason);
    let unreadable = |error: csv::Error| bad(error.to_string());
    let mut table = csv::Reader::from_path(&path).map_err(unreadable)?;
    let header = table.headers().map_err(unreadable)?.clone();
    let column = |name: &str| header.iter().position(|column| column == name);
    let file_column = column(FILE_COLUMN)
        .ok_or_else(|| bad(format!("no column `{FILE_COLUMN}` that names the images")))?;
    let name_column = column(NAME_COLUMN).unwrap_or(file_column);
    let (kind, label_column) = match (column(LABEL_COLUMN), column(LABELS_COLUMN)) {
        (Some(label), None) => (LabelKind::Class, Some(label)),
        (None, Some(labels)) => (LabelKind::Multi, Some(labels)),
        (None, None) => (LabelKind::None, None),
        (Some(_), Some(_)) => {
            let reason = format!("both `{LABEL_COLUMN}` and `{LABELS_COLUMN}`: keep one");
            return Err(bad(reason));
        }
    };

    let mut rows = Vec::new();
    for row in table.records() {
        let row = row.map_err(unreadable)?;
        let file = row[file_column].to_owned();
        if !is_inside(&file) {
            return Err(bad(format!("`{file}` is no path inside the folder")));
        }
        let names: Vec<String> = match label_column {
            None => Vec::new(),
            Some(column) if kind == LabelKind::Class => vec![row[column].trim().to_owned()],
            Some(column) => row[column]
                .split(SEPARATOR)
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
        };
        rows.push((file, row[name_column].to_owned(), names));
    }
    if rows.is_empty() {
        return Err(bad("lists no image".to_owned()));
    }

    let classes = match std::fs::read_to_string(dir.join(CLASSES_FILE)) {
        Ok(text) if kind != LabelKind::None => text.lines().map(str::to_owned).collect(),
        _ => {
            let named: BTreeSet<&String> = rows.iter().flat_map(|(_, _, names)| names).collect();
            named.into_iter().cloned().collect::<Vec<_>>()
        }
    };
    let index: HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let entry = |(file, name, names): (String, String, Vec<String>)| {
        let class = |name: &String| {
            index.get(name.as_str()).copied().ok_or_else(|| {
                bad(format!(
                    "`{file}` has class `{name}`, which `{CLASSES_FILE}` does not list"
                ))
            })
        };
        let mut on = names.iter().map(class).collect::<Result<Vec<_>, _>>()?;
        on.sort_unstable();
        on.dedup();
        let label = match kind {
            LabelKind::None => Label::None,
            LabelKind::Class => Label::Class(on[0]),
            LabelKind::Multi => Label::Multi(on),
        };
        Ok(Entry { file, name, label })
    };
    let entries = rows
        .into_iter()
        .map(entry)
        .collect::<Result<_, DataError>>()?;
    Ok((kind, classes, entries))
}
