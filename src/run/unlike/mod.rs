//! Where two files or folders begin to differ, in the words of what they hold.

mod documents;
mod images;
mod tensors;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// Says where `made` begins to differ from `stored`; none where it does not, or neither can be read.
pub fn first_difference(stored: &Path, made: &Path) -> Option<String> {
    match (stored.is_dir(), made.is_dir()) {
        (true, true) => of_folders(stored, made),
        (false, false) => of_files(stored, made),
        (true, false) => Some("it was a folder and is a file".to_owned()),
        (false, true) => Some("it was a file and is a folder".to_owned()),
    }
}

fn of_folders(stored: &Path, made: &Path) -> Option<String> {
    let (before, after) = (below(stored), below(made));
    let all: BTreeSet<&PathBuf> = before.iter().chain(&after).collect();
    all.into_iter().find_map(|relative| {
        let name = relative.display();
        let (old, new) = (stored.join(relative), made.join(relative));
        match (before.contains(relative), after.contains(relative)) {
            (true, false) => Some(format!("{name}: it is missing now")),
            (false, true) => Some(format!("{name}: it was not there")),
            _ if old.is_dir() && new.is_dir() => None,
            _ if is_executable(&old) != is_executable(&new) => {
                Some(format!("{name}: who may execute it"))
            }
            _ => first_difference(&old, &new).map(|what| format!("{name}: {what}")),
        }
    })
}

fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = WalkDir::new(folder).min_depth(1).into_iter().flatten();
    let relative = entries.filter_map(|entry| {
        let path = entry.path().strip_prefix(folder).ok()?;
        Some(path.to_path_buf())
    });
    relative.collect()
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o100 != 0)
}

fn of_files(stored: &Path, made: &Path) -> Option<String> {
    let (before, after) = (fs::read(stored).ok()?, fs::read(made).ok()?);
    if before == after {
        return None;
    }
    let in_words = tensors::difference(&before, &after)
        .or_else(|| images::of_packs(stored, made))
        .or_else(|| images::of_pictures(&before, &after))
        .or_else(|| documents::of_json(&before, &after))
        .or_else(|| documents::of_tables(&before, &after))
        .or_else(|| documents::of_text(&before, &after));
    Some(in_words.unwrap_or_else(|| of_bytes(&before, &after)))
}

fn of_bytes(before: &[u8], after: &[u8]) -> String {
    let at = before.iter().zip(after).position(|(a, b)| a != b);
    match at {
        Some(at) => format!("byte {at}: {:#04x} → {:#04x}", before[at], after[at]),
        None => format!("its length: {} → {} bytes", before.len(), after.len()),
    }
}
