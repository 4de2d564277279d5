//! The gate between those who add to the store, or rely on it, and whoever clears it up.
//!
//! Two files that are locked (`flock`). *Shared* is short: while a result is taken in, from the first look whether its
//! bytes are there already to the record that names them; or, for longer, while a run that does no work yet looks around.
//! *Exclusive* is a batch of deletions. Whoever wants either passes the first file, so that clearing up comes to its
//! turn however many share; who holds the gate must not ask for it again.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::{Store, StoreError};

/// How long others are kept from passing while one who holds the gate open is waited for; then they may pass for as long.
const LONGEST_TURN: Duration = Duration::from_secs(1);
/// How often the gate is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(2);

/// The gate, held for as long as this lives.
#[derive(Debug)]
pub(in super::super) struct Gate {
    _files: Vec<File>,
}

impl Store {
    /// Keeps deletions out. `None` where the store cannot be written or locked: nobody can clear it up then.
    pub(in super::super) fn share(&self) -> Option<Gate> {
        let turn = open(&self.gate("turn").ok()?).ok()?;
        turn.lock_shared().ok()?;
        let door = open(&self.gate("door").ok()?).ok()?;
        door.lock_shared().ok()?;
        Some(Gate { _files: vec![door] })
    }

    /// Keeps everybody else out; waits for those who share.
    pub(super) fn exclude(&self) -> Result<Gate, StoreError> {
        let (turn_path, door_path) = (self.gate("turn")?, self.gate("door")?);
        loop {
            let turn = open(&turn_path).map_err(|e| StoreError::io(&turn_path, e))?;
            turn.lock().map_err(|e| StoreError::io(&turn_path, e))?;
            let door = open(&door_path).map_err(|e| StoreError::io(&door_path, e))?;
            let begun = Instant::now();
            // Nobody passes meanwhile: not longer than others can be made to wait for.
            while begun.elapsed() < LONGEST_TURN {
                match door.try_lock() {
                    Ok(()) => {
                        return Ok(Gate {
                            _files: vec![door, turn],
                        });
                    }
                    Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
                    Err(TryLockError::Error(e)) => return Err(StoreError::io(door_path, e)),
                }
            }
            drop(turn);
            std::thread::sleep(LONGEST_TURN);
        }
    }

    fn gate(&self, name: &str) -> Result<std::path::PathBuf, StoreError> {
        Ok(self.folder("gate")?.join(name))
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}
