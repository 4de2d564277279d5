//! Objects: immutable bytes under their digest.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::write::{is_sealed, parent, rename, seal, sync, sync_file_system};
use super::{Notice, Store, StoreError, guard, shard};
use crate::hash::Digest;

/// From this many objects at once, one sync of the file system is cheaper than one of each file.
const SYNC_ALL_FROM: usize = 8;

/// A file on its way in: sealed, private to this process, its final name known.
pub(super) struct Staged {
    path: PathBuf,
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
            path: self.session()?.fresh("object"),
            digest: Digest::of_bytes(bytes),
            bytes: bytes.len() as u64,
        };
        let write = || File::create_new(&staged.path)?.write_all(bytes);
        if let Err(error) = write() {
            discard(&staged);
            return Err(StoreError::io(&staged.path, error));
        }
        seal(&staged.path, false)?;
        Ok(staged)
    }

    /// Takes the file at `path` out of an attempt, ready for [`Store::admit`]. It is moved; copied only
    /// where that is impossible, or where something else shares its bytes (a hard link).
    pub(super) fn stage_file(&self, path: &Path) -> Result<Staged, StoreError> {
        let failed = |e| StoreError::io(path, e);
        let staged = self.session()?.fresh("object");
        let shared = fs::symlink_metadata(path).map_err(failed)?.nlink() > 1;
        if shared || fs::rename(path, &staged).is_err() {
            fs::copy(path, &staged).map_err(|e| {
                let _ = fs::remove_file(&staged);
                failed(e)
            })?;
        }
        // Sealed first, so that a program that goes on writing gives itself away.
        seal(&staged, false)?;
        let digest = Digest::of_file(&staged).map_err(failed)?;
        let bytes = fs::metadata(&staged).map_err(failed)?.len();
        Ok(Staged {
            path: staged,
            digest,
            bytes,
        })
    }

    /// Gives staged files their final names, all of them on disk before the first.
    pub(super) fn admit(&self, staged: Vec<Staged>) -> Result<(), StoreError> {
        let (present, new): (Vec<_>, Vec<_>) = staged
            .into_iter()
            .partition(|staged| self.verify(&staged.digest).is_ok());
        for staged in &present {
            discard(staged);
        }
        let Some(first) = new.first() else {
            return Ok(());
        };
        let many = new.len() >= SYNC_ALL_FROM;
        if many {
            sync_file_system(&first.path)?;
        } else {
            new.iter().try_for_each(|staged| sync(&staged.path))?;
        }
        self.folder("objects")?;
        for staged in &new {
            let place = self.object_path(&staged.digest);
            rename(&staged.path, &place)?;
            if !many {
                sync(parent(&place))?;
            }
            guard(&self.verified).insert(staged.digest);
        }
        if many {
            sync_file_system(&self.root)?;
        }
        Ok(())
    }

    /// Whether an object is there and, for all a `stat` can tell, sound: one that was touched since it
    /// was sealed is hashed.
    pub(super) fn check(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.object_path(digest);
        match fs::symlink_metadata(&path) {
            Ok(meta) if is_sealed(&meta) => Ok(()),
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

fn discard(staged: &Staged) {
    // It lies in the session's folder, which is removed in any case.
    let _ = fs::remove_file(&staged.path);
}
