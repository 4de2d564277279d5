//! Group commit: files of several threads are synced together and then get their final names.
//!
//! Waiting for the disk is what costs when results are small. Whoever comes first leads: it takes what waits by then,
//! syncs all of it at once, renames it, and wakes the others. What comes meanwhile waits for the next round. (As
//! databases write their logs: `DeWitt` et al., *Implementation techniques for main memory database systems*, 1984.)

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};

use super::write::{parent, rename, sync, sync_file_system};
use super::{Store, StoreError, guard};

/// From this many files at once, one sync of the file system is cheaper than one of each file.
const SYNC_ALL_FROM: usize = 8;

/// A finished file and the name it is to get.
#[derive(Debug)]
pub(super) struct Move {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
}

/// What one thread wants to be renamed, in this order.
#[derive(Debug)]
struct Entry {
    moves: Vec<Move>,
    result: Mutex<Option<Result<(), StoreError>>>,
    waiter: Thread,
}

/// What waits for the next round.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<Arc<Entry>>,
    /// whether somebody leads a round
    led: bool,
    /// whether names of earlier rounds are not on disk yet
    names_open: bool,
}

impl Store {
    /// Gives files their final names in the given order, all of them on disk before the first. They lie on the file
    /// system of the store. Waits until that is done; what other threads bring at the same time goes with it.
    ///
    /// # Errors
    /// When a file cannot be synced or renamed; those before it have their names then.
    pub(super) fn name(&self, moves: Vec<Move>) -> Result<(), StoreError> {
        if moves.is_empty() {
            return Ok(());
        }
        let own = Arc::new(Entry {
            moves,
            result: Mutex::default(),
            waiter: thread::current(),
        });
        guard(&self.queue).waiting.push(Arc::clone(&own));
        loop {
            if let Some(result) = guard(&own.result).take() {
                return result;
            }
            match self.next_round() {
                Some(round) => self.lead(&round),
                // Woken with a result, to lead, or for nothing: the loop looks which.
                None => thread::park(),
            }
        }
    }

    /// What waits, if nobody is at it.
    fn next_round(&self) -> Option<Vec<Arc<Entry>>> {
        let mut queue = guard(&self.queue);
        let free = !queue.led && !queue.waiting.is_empty();
        queue.led |= free;
        free.then(|| std::mem::take(&mut queue.waiting))
    }

    fn lead(&self, round: &[Arc<Entry>]) {
        let results = self.name_round(round);
        let next = {
            let mut queue = guard(&self.queue);
            queue.led = false;
            queue.waiting.first().map(|entry| entry.waiter.clone())
        };
        for (entry, result) in round.iter().zip(results) {
            *guard(&entry.result) = Some(result);
            entry.waiter.unpark();
        }
        if let Some(next) = next {
            next.unpark();
        }
    }

    fn name_round(&self, round: &[Arc<Entry>]) -> Vec<Result<(), StoreError>> {
        let files = || round.iter().flat_map(|entry| &entry.moves);
        let names_open = std::mem::take(&mut guard(&self.queue).names_open);
        let many = names_open || files().count() >= SYNC_ALL_FROM;
        let synced = if many {
            sync_file_system(&self.root)
        } else {
            files().try_for_each(|file| sync(&file.from))
        };
        if let Err(error) = synced {
            guard(&self.queue).names_open |= names_open;
            return round.iter().map(|_| Err(again(&error))).collect();
        }
        let rename_all = |entry: &Arc<Entry>| {
            let mut moves = entry.moves.iter();
            moves.try_for_each(|file| rename(&file.from, &file.to))
        };
        let mut results: Vec<_> = round.iter().map(rename_all).collect();
        // What failed says why itself, and may have no folder to be synced.
        let named = round
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_ok());
        let named: Vec<&Move> = named.flat_map(|(entry, _)| &entry.moves).collect();
        if let Err(error) = self.sync_names(named.into_iter(), many) {
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(again(&error));
            }
        }
        results
    }

    /// Sees to it that the new names are on disk; those of many are left to the next round, if there is one.
    fn sync_names<'m>(
        &self,
        files: impl Iterator<Item = &'m Move>,
        many: bool,
    ) -> Result<(), StoreError> {
        if !many {
            let folders: BTreeSet<&Path> = files.map(|file| parent(&file.to)).collect();
            return folders.into_iter().try_for_each(sync);
        }
        let mut queue = guard(&self.queue);
        if !queue.waiting.is_empty() {
            queue.names_open = true;
            return Ok(());
        }
        drop(queue);
        sync_file_system(&self.root)
    }
}

/// The same error for another thread.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Io { path, source } => {
            let source = source.raw_os_error().map_or_else(
                || io::Error::new(source.kind(), source.to_string()),
                io::Error::from_raw_os_error,
            );
            StoreError::io(path, source)
        }
        other => StoreError::unsuitable("", other.to_string()),
    }
}
