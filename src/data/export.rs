//! A pack as a folder of PNG files with `labels.csv`, for people and for other programs.

use std::path::Path;

use image::ColorType;

use super::error::DataError;
use super::folder::{
    CLASSES_FILE, FILE_COLUMN, LABEL_COLUMN, LABELS_COLUMN, LABELS_FILE, NAME_COLUMN, SEPARATOR,
};
use super::label::{Label, LabelKind};
use super::pack::Pack;
use super::work::in_order;

/// Writes the images of `pack` to `dest` as `000000.png`, `000001.png`, …, with `labels.csv` (file, name
/// and label or labels) and, where there are labels, `classes.txt`. [`super::folder`] reads it back.
pub fn export_folder(pack: &Pack, dest: &Path) -> Result<(), DataError> {
    std::fs::create_dir_all(dest).map_err(|source| DataError::io(dest, source))?;
    let classes = &pack.schema().classes;
    let table_path = dest.join(LABELS_FILE);
    let unwritable = |error: csv::Error| DataError::io(&table_path, error.into());
    let mut table = csv::Writer::from_path(&table_path).map_err(unwritable)?;
    let header: &[&str] = match pack.schema().labels {
        LabelKind::None => &[FILE_COLUMN, NAME_COLUMN],
        LabelKind::Class => &[FILE_COLUMN, NAME_COLUMN, LABEL_COLUMN],
        LabelKind::Multi => &[FILE_COLUMN, NAME_COLUMN, LABELS_COLUMN],
    };
    table.write_record(header).map_err(unwritable)?;
    in_order(
        pack.len(),
        &|_, _| true,
        |index| {
            let image = pack.image(index);
            let color = match image.channels {
                1 => ColorType::L8,
                _ => ColorType::Rgb8,
            };
            let file = format!("{index:06}.png");
            let path = dest.join(&file);
            let (width, height) = (image.width as u32, image.height as u32);
            image::save_buffer(&path, image.pixels, width, height, color)
                .map_err(|error| DataError::file(&path, error.to_string()))?;
            Ok(file)
        },
        |index, file| {
            let mut row = vec![file, pack.name(index).to_owned()];
            match pack.label(index) {
                Label::None => {}
                Label::Class(class) => row.push(classes[class as usize].clone()),
                Label::Multi(on) => {
                    let names: Vec<&str> = on
                        .iter()
                        .map(|class| classes[*class as usize].as_str())
                        .collect();
                    row.push(names.join(&SEPARATOR.to_string()));
                }
            }
            table.write_record(&row).map_err(unwritable)
        },
    )?;
    table
        .flush()
        .map_err(|source| DataError::io(&table_path, source))?;
    if classes.is_empty() {
        return Ok(());
    }
    let list = dest.join(CLASSES_FILE);
    let text = classes.join("\n") + "\n";
    std::fs::write(&list, text).map_err(|source| DataError::io(&list, source))
}
