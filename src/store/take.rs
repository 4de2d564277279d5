//! From what a stage gives back to artifacts in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::folder::{Links, Manifest, is_inside, list, unsuitable};
use super::group::Move;
use super::objects::Staged;
use super::{FileEntry, Store, StoreError};
use crate::hash::Digest;
use crate::stage::{Artifact, Format, Product};

impl Store {
    /// Takes a product into the store. A made file or folder is *moved*, so it is gone afterwards.
    ///
    /// A folder may stand where [`Format::File`] is declared (a command says no more than a path); its
    /// artifact then is a [`Format::Folder`].
    ///
    /// # Errors
    /// When something can not be read or written, is of a type that cannot be stored, or does not fit
    /// `format`.
    pub fn take(&self, product: &Product, format: Format) -> Result<Artifact, StoreError> {
        let mut moves = Vec::new();
        let artifact = self.ready(product, format, &mut moves)?;
        self.name(moves)?;
        Ok(artifact)
    }

    /// The artifact that a product becomes once the files that are added to `moves` have their names.
    pub(super) fn ready(
        &self,
        product: &Product,
        format: Format,
        moves: &mut Vec<Move>,
    ) -> Result<Artifact, StoreError> {
        match product {
            Product::Bytes(bytes) => Ok(self.ready_file(self.stage_bytes(bytes)?, format, moves)),
            Product::Stored(artifact) => {
                self.check_artifact(artifact)?;
                Ok(stored_as(artifact, format))
            }
            Product::Tree(tree) => self.ready_tree(tree, moves),
            Product::Made(path) => {
                let meta = fs::symlink_metadata(path).map_err(|e| StoreError::io(path, e))?;
                let wrong = |problem: String| Err(StoreError::unsuitable(path, problem));
                if meta.is_file() && format == Format::Folder {
                    wrong("a file where a folder was declared".to_owned())
                } else if meta.is_file() {
                    Ok(self.ready_file(self.stage_file(path)?, format, moves))
                } else if !meta.is_dir() {
                    Err(unsuitable(path, &meta))
                } else if matches!(format, Format::Folder | Format::File) {
                    self.ready_folder(path, moves)
                } else {
                    wrong(format!("a folder where {format:?} was declared"))
                }
            }
        }
    }

    fn ready_file(&self, staged: Staged, format: Format, moves: &mut Vec<Move>) -> Artifact {
        let artifact = Artifact {
            digest: staged.digest,
            bytes: staged.bytes,
            format,
        };
        moves.extend(self.admit(vec![staged]));
        artifact
    }

    fn ready_folder(&self, folder: &Path, moves: &mut Vec<Move>) -> Result<Artifact, StoreError> {
        let listing = list(folder, Links::Refuse)?;
        let staged = listing
            .files
            .par_iter()
            .map(|(_, found)| self.stage_file(&found.path))
            .collect::<Result<Vec<_>, _>>()?;
        let files = listing.files.into_iter().zip(&staged);
        let files = files
            .map(|((path, found), file)| (path, found.entry(file.digest, file.bytes)))
            .collect();
        self.ready_manifest(&Manifest::new(files, listing.empty_folders), staged, moves)
    }

    fn ready_tree(
        &self,
        tree: &BTreeMap<String, Product>,
        moves: &mut Vec<Move>,
    ) -> Result<Artifact, StoreError> {
        let mut staged = Vec::new();
        let manifest = self.tree_manifest(tree, |bytes| {
            let file = self.stage_bytes(bytes)?;
            let entry = (file.digest, file.bytes);
            staged.push(file);
            Ok(entry)
        })?;
        self.ready_manifest(&manifest, staged, moves)
    }

    /// The artifact that [`Store::take`] would give, without writing anything. For small documents and
    /// what is stored already; `None` for files that a stage made.
    pub fn preview(&self, product: &Product, format: Format) -> Option<Artifact> {
        match product {
            Product::Made(_) => None,
            Product::Bytes(bytes) => Some(Artifact {
                digest: Digest::of_bytes(bytes),
                bytes: bytes.len() as u64,
                format,
            }),
            Product::Stored(artifact) => Some(stored_as(artifact, format)),
            Product::Tree(tree) => {
                let digest = |bytes: &[u8]| Ok((Digest::of_bytes(bytes), bytes.len() as u64));
                let manifest = self.tree_manifest(tree, digest).ok()?;
                Some(Artifact {
                    digest: Digest::of_bytes(&manifest.to_bytes()),
                    bytes: manifest.bytes(),
                    format: Format::Folder,
                })
            }
        }
    }

    /// The manifest of a folder that is put together; `add` is given the bytes of small documents and
    /// gives their digest and size.
    fn tree_manifest(
        &self,
        tree: &BTreeMap<String, Product>,
        mut add: impl FnMut(&[u8]) -> Result<(Digest, u64), StoreError>,
    ) -> Result<Manifest, StoreError> {
        let mut files = BTreeMap::new();
        let mut empty_folders = BTreeSet::new();
        for (path, product) in tree {
            if !is_inside(path) {
                return Err(StoreError::unsuitable(
                    path,
                    "not a path within the folder that is put together",
                ));
            }
            let (digest, bytes) = match product {
                Product::Bytes(bytes) => add(bytes)?,
                Product::Stored(artifact) if artifact.format == Format::Folder => {
                    self.check_artifact(artifact)?;
                    let inner = self.manifest(artifact)?;
                    let below = |name: &String| format!("{path}/{name}");
                    files.extend(inner.files.iter().map(|(name, file)| (below(name), *file)));
                    empty_folders.extend(inner.empty_folders.iter().map(below));
                    continue;
                }
                Product::Stored(artifact) => {
                    self.check(&artifact.digest)?;
                    (artifact.digest, artifact.bytes)
                }
                Product::Made(_) | Product::Tree(_) => {
                    return Err(StoreError::unsuitable(
                        path,
                        "only stored artifacts and bytes can be put together to a folder",
                    ));
                }
            };
            let executable = false;
            files.insert(
                path.clone(),
                FileEntry {
                    digest,
                    bytes,
                    executable,
                },
            );
        }
        Ok(Manifest::new(files, empty_folders))
    }

    fn ready_manifest(
        &self,
        manifest: &Manifest,
        mut staged: Vec<Staged>,
        moves: &mut Vec<Move>,
    ) -> Result<Artifact, StoreError> {
        let object = self.stage_bytes(&manifest.to_bytes())?;
        let artifact = Artifact {
            digest: object.digest,
            bytes: manifest.bytes(),
            format: Format::Folder,
        };
        staged.push(object);
        moves.extend(self.admit(staged));
        Ok(artifact)
    }

    /// Whether an artifact that was read is still what it was, for all a `stat` can tell.
    ///
    /// # Errors
    /// As [`Store::path`]: it has to be made again.
    pub fn is_untouched(&self, artifact: &Artifact) -> Result<(), StoreError> {
        self.check_artifact(artifact)
    }

    /// Whether an artifact's objects are all there and, for all a `stat` can tell, sound.
    pub(super) fn check_artifact(&self, artifact: &Artifact) -> Result<(), StoreError> {
        if artifact.format != Format::Folder {
            return self.check(&artifact.digest);
        }
        let manifest = self.manifest(artifact)?;
        let mut files = manifest.files.values();
        files.try_for_each(|file| self.check(&file.digest))
    }
}

/// A stored artifact as an output declared as `format`; a folder stays one.
fn stored_as(artifact: &Artifact, format: Format) -> Artifact {
    let is_folder = artifact.format == Format::Folder;
    Artifact {
        format: if is_folder { Format::Folder } else { format },
        ..artifact.clone()
    }
}
