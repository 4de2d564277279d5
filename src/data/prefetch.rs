//! Batches assembled ahead of the trainer.

use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;

use super::batch::{Batch, Batches};
use super::error::DataError;

/// Batches that wait assembled while the trainer computes.
const AHEAD: usize = 2;

/// The batches of an epoch in order, assembled on a thread of their own: [`Batches::prefetch`].
///
/// Ends after the first error; a panic of the thread goes on in [`Iterator::next`]. Dropping it ends the
/// thread, after the batch in work.
#[derive(Debug)]
pub struct Prefetch {
    /// `None` once nothing more is wanted
    batches: Option<Receiver<Result<Batch, DataError>>>,
    /// `None` once joined
    worker: Option<JoinHandle<()>>,
}

impl Prefetch {
    pub(super) fn new(batches: Batches, epoch: u64, from: usize) -> Self {
        let (sender, receiver) = mpsc::sync_channel(AHEAD);
        let worker = std::thread::spawn(move || {
            for index in from..batches.per_epoch() {
                let batch = batches.batch(epoch, index);
                let last = batch.is_err();
                // The receiver is gone when the trainer stopped early.
                if sender.send(batch).is_err() || last {
                    return;
                }
            }
        });
        Self {
            batches: Some(receiver),
            worker: Some(worker),
        }
    }
}

impl Iterator for Prefetch {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let received = self.batches.as_ref()?.recv().ok();
        if received.is_none()
            && let Some(Err(panic)) = self.worker.take().map(JoinHandle::join)
        {
            // Ending quietly would look like a shorter epoch.
            std::panic::resume_unwind(panic);
        }
        received
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // A worker that waits to send then finds nobody to send to.
        self.batches = None;
        if let Some(worker) = self.worker.take() {
            // What went wrong in a batch that nobody asked for is no fault of the trainer's.
            let _ = worker.join();
        }
    }
}
