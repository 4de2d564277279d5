//! What must hold while a node is worked on: its lock is ours, and the user's files are what its key says.

use super::executor::Job;
use crate::hash::Digest;
use crate::stage::StageError;
use crate::store::{KeyLock, Record, Store};

/// The user's files, which are read where they lie, must be the same before the work and after it.
pub(super) fn are_unchanged(store: &Store, job: &Job) -> Result<(), StageError> {
    for (name, input) in &job.keyed.inputs {
        let users = input.nodes.iter().filter(|node| node.node.stage.is_empty());
        for node in users {
            for (output, path) in &node.paths {
                let known = node.outputs.get(output).map(|artifact| artifact.digest);
                let digest = store.digest_input(path)?.0;
                if known != Some(digest) {
                    return Err(StageError::Failed(format!(
                        "input `{name}`: {} changed while the run went on; run again when it is complete",
                        path.display()
                    )));
                }
            }
        }
    }
    Ok(())
}

/// What another machine has made of `key` after it took the work over from this one, which slept. It has told others
/// what came of it: that stays.
pub(super) fn theirs(store: &Store, lock: &KeyLock, key: &Digest) -> Option<Record> {
    if lock.is_held() {
        return None;
    }
    store.record(key)
}

/// Whether work failed because another machine took it over, and swept what lay here half done. It is to be asked
/// for once more.
pub(super) fn is_lost(error: &StageError, lock: &KeyLock) -> bool {
    !matches!(error, StageError::Cancelled) && !lock.is_held()
}
