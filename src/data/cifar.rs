//! CIFAR-10 and CIFAR-100 in the binary form (A. Krizhevsky 2009): records of one label byte (CIFAR-100: coarse,
//! then fine) and 32 × 32 pixels, red plane, green plane, blue plane.

use std::path::{Path, PathBuf};

use super::card;
use super::error::DataError;
use super::image::Image;
use super::label::{Label, LabelKind, PackSchema};
use super::pack::PackWriter;
use super::work::Watch;

/// height and width
const SIDE: usize = 32;
/// bytes of one colour plane
const PLANE: usize = SIDE * SIDE;
/// images between two looks at whether to go on
const CHUNK: usize = 1000;

/// Which of the two sets, as its files show.
struct Layout {
    dir: PathBuf,
    /// label bytes before the pixels; the last one counts
    labels: usize,
    classes: usize,
    /// the file of class names
    names: &'static str,
}

/// Packs the training part of the set in `dir` into `out`, or its test part with `test`; the first `limit`
/// images if there is a limit. Classes are named as the set's own file names them.
pub fn write(
    dir: &Path,
    test: bool,
    limit: Option<usize>,
    out: &Path,
    watch: Watch<'_>,
) -> Result<(), DataError> {
    let layout = layout(dir)?;
    let classes = class_names(&layout)?;
    let schema = PackSchema {
        channels: 3,
        labels: LabelKind::Class,
        classes,
    };
    let record = layout.labels + 3 * PLANE;
    let mut writer = PackWriter::create(out, schema)?;
    let limit = limit.unwrap_or(usize::MAX);
    let mut done = 0;
    for path in parts(&layout, test)? {
        if done >= limit {
            break;
        }
        let bytes = std::fs::read(&path).map_err(|source| DataError::io(&path, source))?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let reason = format!(
                "{} bytes are no whole number of records of {record} bytes: it is damaged or not of this set",
                bytes.len()
            );
            return Err(DataError::file(&path, reason));
        }
        for (index, record) in bytes.chunks_exact(record).enumerate() {
            if done >= limit {
                break;
            }
            if done.is_multiple_of(CHUNK) && !watch(done as u64, done as u64) {
                return Err(DataError::Interrupted);
            }
            let (labels, planes) = record.split_at(layout.labels);
            let label = u32::from(labels[layout.labels - 1]);
            if label as usize >= layout.classes {
                let reason = format!(
                    "image {index} has label {label}, beyond the {} classes",
                    layout.classes
                );
                return Err(DataError::file(&path, reason));
            }
            writer.push(
                &image(planes).view(),
                &Label::Class(label),
                &format!("{done:05}"),
            )?;
            done += 1;
        }
    }
    writer.finish()
}

/// Planes (3, 32, 32) as an image.
fn image(planes: &[u8]) -> Image {
    let pixel = |at| (0..3).map(move |channel| planes[channel * PLANE + at]);
    Image {
        height: SIDE,
        width: SIDE,
        channels: 3,
        pixels: (0..PLANE).flat_map(pixel).collect(),
    }
}

/// Finds the files in `dir`, or in the folder that the archives hold.
fn layout(dir: &Path) -> Result<Layout, DataError> {
    let sets = [
        (
            "cifar-10-batches-bin",
            ["data_batch_1.bin", "test_batch.bin"],
            1,
            10,
            "batches.meta.txt",
        ),
        (
            "cifar-100-binary",
            ["train.bin", "test.bin"],
            2,
            100,
            "fine_label_names.txt",
        ),
    ];
    for (folder, files, labels, classes, names) in sets {
        for dir in [dir.to_owned(), dir.join(folder)] {
            if files.iter().any(|file| dir.join(file).is_file()) {
                return Ok(Layout {
                    dir,
                    labels,
                    classes,
                    names,
                });
            }
        }
    }
    let reason = "holds neither data_batch_1.bin and test_batch.bin (CIFAR-10) nor train.bin and test.bin \
                  (CIFAR-100), the binary version";
    Err(DataError::file(dir, reason))
}

/// The files of the training or the test part.
fn parts(layout: &Layout, test: bool) -> Result<Vec<PathBuf>, DataError> {
    let Layout { dir, classes, .. } = layout;
    let parts: Vec<PathBuf> = match (*classes, test) {
        (10, true) => vec![dir.join("test_batch.bin")],
        (10, false) => {
            let batch = |number: usize| dir.join(format!("data_batch_{number}.bin"));
            // Of the five, small copies may hold fewer; a gap among them is a lost file.
            let last = (1..=5).rev().find(|number| batch(*number).is_file());
            (1..=last.unwrap_or(1)).map(batch).collect()
        }
        (_, true) => vec![dir.join("test.bin")],
        (_, false) => vec![dir.join("train.bin")],
    };
    match parts.iter().find(|path| !path.is_file()) {
        Some(missing) => Err(DataError::file(missing, "there is no such file")),
        None => Ok(parts),
    }
}

/// One name a line; without the file, the names of CIFAR-10, the numbers of CIFAR-100.
fn class_names(layout: &Layout) -> Result<Vec<String>, DataError> {
    let path = layout.dir.join(layout.names);
    let Ok(text) = std::fs::read_to_string(&path) else {
        let known = card::named("cifar-10").filter(|card| card.classes.len() == layout.classes);
        let numbers = || (0..layout.classes).map(|class| class.to_string()).collect();
        return Ok(known.map_or_else(numbers, |card| card.classes.clone()));
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let names: Vec<String> = lines.map(str::to_owned).collect();
    if names.len() != layout.classes {
        let reason = format!(
            "names {} classes instead of {}",
            names.len(),
            layout.classes
        );
        return Err(DataError::file(&path, reason));
    }
    Ok(names)
}
