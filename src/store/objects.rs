//! Objects: immutable bytes under their digest.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::group::Move;
use super::write::{copy, is_sealed, seal, seal_open};
use super::{Notice, Store, StoreError, guard, shard};
use crate::hash::Digest;

/// A file on its way in: sealed, private to this process, its final name known.
pub(super) struct Staged {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    pub(super) bytes: u64,
}

impl Store {
    /// Where the object called `digest` lies, or would lie.
    pub(super) fn object_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("objects").join(shard(digest))
    }

    /// Writes `bytes` to a private file, ready for [`Store::admit`].
    pub(super) fn stage_bytes(&self, bytes: &[u8]) -> Result<Staged, StoreError> {
        let staged = Staged {
            path: self.stage(bytes)?.0,
            digest: Digest::of_bytes(bytes),
            bytes: bytes.len() as u64,
        };
        Ok(staged)
    }

    /// Writes `bytes` to a private file, sealed; gives its path and inode.
    pub(super) fn stage(&self, bytes: &[u8]) -> Result<(PathBuf, u64), StoreError> {
        let path = self.session()?.fresh("file");
        let write = || -> io::Result<u64> {
            let mut file = File::create_new(&path)?;
            file.write_all(bytes)?;
            seal_open(&file, false)?;
            Ok(file.metadata()?.ino())
        };
        let written = write().map_err(|error| {
            discard(&path);
            StoreError::io(&path, error)
        });
        written.map(|inode| (path, inode))
    }

    /// Takes the file at `path` out of an attempt, ready for [`Store::admit`]. It is left where it is until then; copied
    /// only where it lies outside the store, or where something else shares its bytes (a hard link).
    pub(super) fn stage_file(&self, path: &Path) -> Result<Staged, StoreError> {
        let failed = |e| StoreError::io(path, e);
        let mut path = path.to_path_buf();
        let shared = fs::symlink_metadata(&path).map_err(failed)?.nlink() > 1;
        if shared || !path.starts_with(&self.root) {
            let aside = self.session()?.fresh("file");
            copy(&path, &aside).map_err(|e| {
                discard(&aside);
                failed(e)
            })?;
            path = aside;
        }
        let file = open_made(&path).map_err(failed)?;
        // Sealed first, so that a program that goes on writing gives itself away.
        seal_open(&file, false).map_err(failed)?;
        let digest = Digest::of_open(&file).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok(Staged {
            path,
            digest,
            bytes,
        })
    }

    /// What is to be named so that staged files become objects; those that are there already, and sound, are discarded.
    pub(super) fn admit(&self, staged: Vec<Staged>) -> Vec<Move> {
        let mut moves = Vec::with_capacity(staged.len());
        for staged in staged {
            if self.verify(&staged.digest).is_ok() {
                discard(&staged.path);
                continue;
            }
            moves.push(Move {
                from: staged.path,
                to: self.object_path(&staged.digest),
            });
            guard(&self.verified).insert(staged.digest);
        }
        moves
    }

    /// Whether an object is there and, for all a `stat` can tell, sound: one that was touched since it
    /// was sealed is hashed.
    pub(super) fn check(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.object_path(digest);
        match fs::symlink_metadata(&path) {
            Ok(meta) if is_sealed(&meta) => {
                if guard(&self.spoilt).contains(digest) {
                    return Err(StoreError::Missing { digest: *digest });
                }
                Ok(())
            }
            Ok(_) => self.rehash(digest),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Missing { digest: *digest })
            }
            Err(error) => Err(StoreError::io(path, error)),
        }
    }

    /// Whether an object is there and sound, by its bytes: hashed once a process, and again when touched.
    pub(super) fn verify(&self, digest: &Digest) -> Result<(), StoreError> {
        self.check(digest)?;
        if guard(&self.verified).contains(digest) {
            return Ok(());
        }
        self.rehash(digest)
    }

    /// The bytes of a small object, verified.
    pub(super) fn read(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.object_path(digest);
        self.check(digest)?;
        let bytes = fs::read(&path).map_err(|e| StoreError::io(&path, e))?;
        if Digest::of_bytes(&bytes) == *digest {
            Ok(bytes)
        } else {
            Err(self.quarantine(digest))
        }
    }

    fn rehash(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.object_path(digest);
        let meta = fs::symlink_metadata(&path).map_err(|e| StoreError::io(&path, e))?;
        if meta.is_file() && meta.mode() & 0o400 == 0 {
            // A command has taken away what is needed to read it. Should that fail, reading says so.
            let _ = fs::set_permissions(&path, Permissions::from_mode(0o444));
        }
        let sound = meta.is_file()
            && Digest::of_file(&path).map_err(|e| StoreError::io(&path, e))? == *digest;
        if !sound {
            return Err(self.quarantine(digest));
        }
        if !is_sealed(&meta) {
            // In a store that cannot be written it is hashed again next time.
            let _ = seal(&path, false);
        }
        guard(&self.verified).insert(*digest);
        Ok(())
    }

    /// Moves a corrupt object out of the way and says so; gives the error to report.
    pub(super) fn quarantine(&self, digest: &Digest) -> StoreError {
        guard(&self.verified).remove(digest);
        let moved_to = self.folder("quarantine").ok().and_then(|folder| {
            let place = folder.join(digest.to_string());
            fs::rename(self.object_path(digest), &place)
                .is_ok()
                .then_some(place)
        });
        if moved_to.is_none() {
            guard(&self.spoilt).insert(*digest);
        }
        (self.notice)(&Notice::CorruptObject {
            digest: *digest,
            moved_to: moved_to.clone(),
        });
        StoreError::Corrupt {
            digest: *digest,
            moved_to,
        }
    }
}

fn discard(path: &Path) {
    // It lies in the session's folder, which is removed in any case.
    let _ = fs::remove_file(path);
}

/// Opens a file that a stage made; one that it made unreadable, too.
fn open_made(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o400))?;
            File::open(path)
        }
        other => other,
    }
}
