//! Logs of attempts: what a stage's work said, kept in a file, and why it failed.
//!
//! A log keeps the first and the last part of what was said, whatever the amount: neither the disk nor memory fills.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::hash::Digest;
use crate::stage::StageError;
use crate::store::Store;

/// What the last line of a failed attempt's log begins with.
const FAILED: &str = "retake: failed: ";
/// Lines of a log that a failure shows.
const TAIL: usize = 20;
/// Of a line that a failure shows, in bytes.
const SHOWN: usize = 2000;
/// The first part that is kept, in bytes.
const FIRST: usize = 1 << 20;
/// The last part that is kept, in bytes.
const LAST: usize = 1 << 20;
/// How often the last part is written down while it goes on.
const EVERY: Duration = Duration::from_secs(1);
/// Where a log's last line is looked for: so many bytes before its end.
const END: u64 = 64 << 10;

/// Why the last attempt at `key` failed, as its log says.
pub fn last_failure(store: &Store, key: &Digest) -> Option<String> {
    let mut file = File::open(store.log_path(key)).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(END)))
        .ok()?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).ok()?;
    let end = String::from_utf8_lossy(&end);
    end.lines().last()?.strip_prefix(FAILED).map(str::to_owned)
}

/// The log of one attempt: a file, made with its first line, and the last lines in memory.
pub(super) struct Log {
    /// where
    pub(super) path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// once there is a line for it
    file: Option<File>,
    /// bytes of the first part
    first: usize,
    last: Option<Last>,
    tail: VecDeque<String>,
}

/// What came after the first part: its end, and how much there was before that.
struct Last {
    kept: Vec<u8>,
    left_out: u64,
    written: Instant,
}

impl Log {
    /// The log at `path`.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            inner: Mutex::default(),
        }
    }

    /// Adds a line, or several. A log that cannot be written must not fail the work, so errors are dropped.
    pub(super) fn line(&self, text: &str) {
        let mut inner = self.inner();
        if inner.file.is_none() {
            if let Some(parent) = self.path.parent() {
                let _ = fs::create_dir_all(parent);
            }
            inner.file = File::create(&self.path).ok();
        }
        inner.write(text);
        inner.note(text);
    }

    /// Removes the log of an earlier attempt, whose last line may tell of a failure, if this one said nothing.
    pub(super) fn succeeded(&self) {
        let mut inner = self.inner();
        inner.write_last();
        if inner.file.is_none() {
            // Mostly there is none.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Notes why the attempt gave nothing; gives the lines before.
    pub(super) fn failed(&self, error: &StageError) -> Vec<String> {
        let tail = std::mem::take(&mut self.inner().tail);
        // An attempt that the user stopped has not failed, nor has one that lacks an input's bytes.
        if !matches!(error, StageError::Cancelled | StageError::Damaged(_)) {
            // One line, so that it is the last one whatever the message.
            let error = error.to_string().replace('\n', " ");
            self.line(&format!("{FAILED}{error}"));
        }
        self.inner().write_last();
        tail.into()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, text: &str) {
        let mut rest = text;
        if self.last.is_none() {
            let fits = FIRST.saturating_sub(self.first);
            if text.len() < fits {
                rest = "";
                self.append(text);
            } else {
                let (first, after) = text.split_at(boundary(text, fits));
                if !first.is_empty() {
                    self.append(first.strip_suffix('\n').unwrap_or(first));
                }
                rest = after;
                self.last = Some(Last {
                    kept: Vec::new(),
                    left_out: 0,
                    written: Instant::now(),
                });
            }
            if rest.is_empty() {
                return;
            }
        }
        if let Some(last) = &mut self.last {
            last.push(rest);
            if last.written.elapsed() > EVERY {
                self.write_last();
            }
        }
    }

    /// Adds a line to the first part.
    fn append(&mut self, text: &str) {
        if let Some(file) = &mut self.file {
            // In one piece, so that readers see whole lines.
            let _ = file.write_all(&[text.as_bytes(), b"\n"].concat());
        }
        self.first += text.len() + 1;
    }

    /// Writes down what is kept of the last part.
    fn write_last(&mut self) {
        let (Some(file), Some(last)) = (&mut self.file, &mut self.last) else {
            return;
        };
        let kept = last.recent();
        let left_out = last.left_out + (last.kept.len() - kept.len()) as u64;
        let mut text = Vec::with_capacity(kept.len() + 64);
        if left_out > 0 {
            text.extend_from_slice(format!("retake: {left_out} bytes left out here\n").as_bytes());
        }
        text.extend_from_slice(kept);
        let _ = file
            .set_len(self.first as u64)
            .and_then(|()| file.seek(SeekFrom::Start(self.first as u64)))
            .and_then(|_| file.write_all(&text));
        last.written = Instant::now();
    }

    /// Remembers the last lines.
    fn note(&mut self, text: &str) {
        let mut lines: Vec<String> = text.rsplit('\n').take(TAIL).map(shown).collect();
        while self.tail.len() + lines.len() > TAIL && self.tail.pop_front().is_some() {}
        lines.reverse();
        self.tail.extend(lines);
    }
}

impl Last {
    fn push(&mut self, text: &str) {
        self.kept.extend_from_slice(text.as_bytes());
        self.kept.push(b'\n');
        // Not at every line: what is moved to the front is then no more than what came.
        if self.kept.len() > 2 * LAST {
            let dropped = self.kept.len() - self.recent().len();
            self.kept.drain(..dropped);
            self.left_out += dropped as u64;
        }
    }

    /// The last part: from a line's beginning, or that of a letter where a line is longer.
    fn recent(&self) -> &[u8] {
        let from = self.kept.len().saturating_sub(LAST);
        if from == 0 {
            return &self.kept;
        }
        let end = &self.kept[from..];
        let line = end[..end.len() - 1].iter().position(|byte| *byte == b'\n');
        let letter = end.iter().position(|byte| byte & 0xc0 != 0x80);
        &end[line.map_or(letter.unwrap_or(0), |at| at + 1)..]
    }
}

/// Where to part `text`, after a line, so that at most `most` bytes are before.
fn boundary(text: &str, most: usize) -> usize {
    let most = text.floor_char_boundary(most);
    text[..most].rfind('\n').map_or(0, |at| at + 1)
}

/// A line as it is shown to people: what a carriage return wrote over is not, nor what a terminal would obey.
fn shown(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut text: String = line[..line.floor_char_boundary(SHOWN)]
        .chars()
        .map(|letter| match letter {
            '\t' => letter,
            _ if letter.is_control() => char::REPLACEMENT_CHARACTER,
            _ => letter,
        })
        .collect();
    if line.len() > SHOWN {
        text.push('…');
    }
    text
}
