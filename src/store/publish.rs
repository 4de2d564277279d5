//! Artifacts in the work tree: published files, exports, and the trash for what people edited.
//!
//! What lies outside the store is a copy ([`super::write::copy`]), never a hard link: of a file that people may edit,
//! the store must hold another. Hard links are used within the store alone, for folders laid out for reading.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::hold::copy_held;
use super::trash::move_across;
use super::write::{copy, is_executable, make_folder, parent};
use super::{FileEntry, Store, StoreError};
use crate::hash::Digest;
use crate::stage::{Artifact, Format};

/// What publishing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The destination already holds the artifact.
    Unchanged,
    /// It was missing or out of date.
    Written,
    /// It was not as last published: what was there now lies in the trash, at this path.
    ReplacedEdited(PathBuf),
}

/// What was last published to a destination.
#[derive(Debug, Default, Serialize, Deserialize)]
struct LastPublished {
    /// for people
    dest: PathBuf,
    /// path relative to `dest`, empty for `dest` itself → content
    files: BTreeMap<String, Digest>,
}

impl Store {
    /// Makes `dest` hold the artifact: compares, and rewrites what is missing or different. A file that
    /// is not as last published there was edited by hand, and goes to the trash first. Files in a
    /// published folder that were never published are left alone, but for those that are named by their content.
    ///
    /// # Errors
    /// When the artifact cannot be read or the destination cannot be written.
    pub fn publish(&self, artifact: &Artifact, dest: &Path) -> Result<Published, StoreError> {
        let dest = &std::path::absolute(dest).map_err(|e| StoreError::io(dest, e))?;
        let wanted = self.files_of(artifact)?;
        let last = self.last_published(dest);
        let mut trash = None;
        let mut written = false;

        let is_folder = artifact.format == Format::Folder;
        if fs::metadata(dest).is_ok_and(|meta| meta.is_dir() != is_folder) {
            self.trash_into(&mut trash, dest, "")?;
        }
        self.make_folders(artifact, dest)?;
        for (relative, file) in &wanted {
            let place = join(dest, relative);
            match self.state(&place, file, last.files.get(relative))? {
                State::Wanted => continue,
                State::Edited => self.trash_into(&mut trash, dest, relative)?,
                State::Absent | State::Outdated => (),
            }
            self.write_out(file, &place)?;
            written = true;
        }
        for (relative, digest) in &last.files {
            let place = join(dest, relative);
            if wanted.contains_key(relative) || !place.is_file() {
                continue;
            }
            if self.digest_file(&place)?.0 == *digest {
                fs::remove_file(&place).map_err(|e| StoreError::io(&place, e))?;
            } else {
                self.trash_into(&mut trash, dest, relative)?;
            }
            written = true;
        }

        if is_folder {
            for place in self.outdated(dest, &wanted)? {
                fs::remove_file(&place).map_err(|e| StoreError::io(&place, e))?;
                written = true;
            }
        }

        let files = wanted
            .iter()
            .map(|(path, file)| (path.clone(), file.digest));
        let now = LastPublished {
            dest: dest.clone(),
            files: files.collect(),
        };
        if now.files != last.files {
            self.remember_published(&now)?;
        }
        Ok(match (trash, written) {
            (Some(trash), _) => Published::ReplacedEdited(trash),
            (None, true) => Published::Written,
            (None, false) => Published::Unchanged,
        })
    }

    /// The files in `dest` that are named by their own content and are not wanted there: figures that an older report
    /// has left, perhaps of another store. Nobody but retake gives such names, and one that was edited has lost its.
    fn outdated(
        &self,
        dest: &Path,
        wanted: &BTreeMap<String, FileEntry>,
    ) -> Result<Vec<PathBuf>, StoreError> {
        let mut outdated = Vec::new();
        for entry in fs::read_dir(dest).map_err(|e| StoreError::io(dest, e))? {
            let path = entry.map_err(|e| StoreError::io(dest, e))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some((name, digits)) = name.and_then(|name| Some((name, named_digits(name)?)))
            else {
                continue;
            };
            if wanted.contains_key(name) || !path.is_file() {
                continue;
            }
            if self.digest_file(&path)?.0.to_string().starts_with(digits) {
                outdated.push(path);
            }
        }
        Ok(outdated)
    }

    /// Copies an artifact out: a file to `dest` (replacing a file there), a folder to a new or empty
    /// folder `dest`.
    ///
    /// # Errors
    /// When the artifact cannot be read, or `dest` cannot be written or holds something else.
    pub fn export(&self, artifact: &Artifact, dest: &Path) -> Result<(), StoreError> {
        let is_folder = artifact.format == Format::Folder;
        if dest.is_dir() != is_folder && dest.exists() {
            let is = if is_folder { "a file" } else { "a folder" };
            return Err(StoreError::unsuitable(
                dest,
                format!("{is} is in the way; name another destination"),
            ));
        }
        if is_folder {
            make_folder(dest)?;
            let mut entries = fs::read_dir(dest).map_err(|e| StoreError::io(dest, e))?;
            if entries.next().is_some() {
                return Err(StoreError::unsuitable(
                    dest,
                    "the folder is not empty; name another destination",
                ));
            }
        }
        if let Some(path) = self.held(artifact)? {
            return copy_held(&path, dest);
        }
        self.make_folders(artifact, dest)?;
        for (relative, file) in self.files_of(artifact)? {
            self.write_out(&file, &join(dest, &relative))?;
        }
        Ok(())
    }

    /// The files an artifact consists of, by relative path (empty for a single file).
    fn files_of(&self, artifact: &Artifact) -> Result<BTreeMap<String, FileEntry>, StoreError> {
        if artifact.format == Format::Folder {
            return Ok(self.manifest(artifact)?.files);
        }
        let file = FileEntry {
            digest: artifact.digest,
            bytes: artifact.bytes,
            executable: false,
        };
        Ok(BTreeMap::from([(String::new(), file)]))
    }

    /// Makes `dest` and the empty folders in it, for a folder artifact.
    fn make_folders(&self, artifact: &Artifact, dest: &Path) -> Result<(), StoreError> {
        if artifact.format != Format::Folder {
            return Ok(());
        }
        make_folder(dest)?;
        let empty = self.manifest(artifact)?.empty_folders;
        empty
            .iter()
            .try_for_each(|name| make_folder(&dest.join(name)))
    }

    /// Copies one file out, whole or not at all.
    fn write_out(&self, file: &FileEntry, place: &Path) -> Result<(), StoreError> {
        self.verify(&file.digest)?;
        make_folder(parent(place))?;
        let object = self.object_path(&file.digest);
        self.replace(place, file.executable, |temporary| copy(&object, temporary))
    }

    /// How what lies at `place` compares with what is wanted there and what was last published there.
    fn state(
        &self,
        place: &Path,
        wanted: &FileEntry,
        last: Option<&Digest>,
    ) -> Result<State, StoreError> {
        let meta = match fs::symlink_metadata(place) {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => return Ok(State::Edited),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Absent),
            Err(error) => return Err(StoreError::io(place, error)),
        };
        let (digest, _) = self.digest_file(place)?;
        Ok(if digest == wanted.digest {
            if is_executable(&meta) == wanted.executable {
                State::Wanted
            } else {
                State::Outdated
            }
        } else if Some(&digest) == last {
            State::Outdated
        } else {
            State::Edited
        })
    }

    /// Moves `relative` in `dest` to the trash; one publication has one folder there.
    fn trash_into(
        &self,
        trash: &mut Option<PathBuf>,
        dest: &Path,
        relative: &str,
    ) -> Result<(), StoreError> {
        let folder = match trash {
            Some(folder) => folder,
            None => trash.insert(self.trash_place(dest)?),
        };
        let place = join(folder, relative);
        make_folder(parent(&place))?;
        move_across(&join(dest, relative), &place)
    }

    /// What was last published to `dest`; nothing where that is not known.
    fn last_published(&self, dest: &Path) -> LastPublished {
        let text = fs::read(self.published_path(dest)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn remember_published(&self, now: &LastPublished) -> Result<(), StoreError> {
        let path = self.published_path(&now.dest);
        self.folder("published")?;
        let json = serde_json::to_vec(now).map_err(|e| StoreError::io(&path, e.into()))?;
        self.write_whole(&path, &json)
    }

    /// Destinations are told apart by their path from the store's parent, so that a project can move.
    fn published_path(&self, dest: &Path) -> PathBuf {
        let from = dest.strip_prefix(parent(&self.root)).unwrap_or(dest);
        let name = Digest::of_bytes(from.as_os_str().as_encoded_bytes());
        self.root.join("published").join(format!("{name}.json"))
    }
}

/// The hexadecimal digits, 12 at least, in a name like `fig-0123456789ab.svg`.
fn named_digits(name: &str) -> Option<&str> {
    let (digits, _) = name.strip_prefix("fig-")?.split_once('.')?;
    let is_digest = digits.len() >= 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then_some(digits)
}

/// What lies where a file is to be published.
enum State {
    /// nothing
    Absent,
    /// the file
    Wanted,
    /// what was published before
    Outdated,
    /// something of the user's
    Edited,
}

/// `relative` below `base`; `base` itself when it is empty (joining "" would add a slash).
fn join(base: &Path, relative: &str) -> PathBuf {
    if relative.is_empty() {
        base.to_path_buf()
    } else {
        base.join(relative)
    }
}
