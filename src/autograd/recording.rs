//! Whether operations are recorded.

use std::cell::Cell;

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations on this thread are recorded: they are, except within [`without_recording`].
///
/// An operation may take a shortcut that cannot be differentiated when they are not.
pub fn is_recording() -> bool {
    RECORDING.get()
}

/// Runs `work` without recording: results are constants, and nothing is kept for a way back.
pub fn without_recording<R>(work: impl FnOnce() -> R) -> R {
    /// Puts the old state back, also when `work` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(false));
    work()
}
