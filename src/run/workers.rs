//! Threads that run jobs: as many as are at work at once, used again.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

/// Jobs for threads, and threads for jobs.
#[derive(Debug)]
pub(super) struct Workers<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    /// threads that wait for a job
    idle: usize,
    closed: bool,
}

/// Ends the threads on drop, however the scheduler ends: whoever started them waits for them.
pub(super) struct Closing<'a, J: Send>(&'a Workers<J>);

impl<J: Send> Drop for Closing<'_, J> {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

impl<J: Send> Workers<J> {
    /// Without threads yet.
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                idle: 0,
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Has `work` done on `job` at once: by a thread that waits, else by a new one.
    pub(super) fn start<'scope>(
        &'scope self,
        threads: &'scope Scope<'scope, '_>,
        job: J,
        work: impl Fn(J) + Send + 'scope,
    ) {
        let mut state = self.state();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            self.changed.notify_one();
            return;
        }
        drop(state);
        threads.spawn(move || {
            while let Some(job) = self.next() {
                work(job);
            }
        });
    }

    /// Lets threads that wait end, once what is given back is dropped.
    pub(super) fn closing(&self) -> Closing<'_, J> {
        Closing(self)
    }

    fn next(&self) -> Option<J> {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
