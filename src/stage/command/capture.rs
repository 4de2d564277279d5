//! What a command prints: whole lines to the log, in as large pieces as they come, and the end of it kept.

use std::io::{self, ErrorKind, PipeReader, Read};

/// Read at once, as much as a pipe holds.
const CHUNK: usize = 64 << 10;
/// A line that is longer is broken there.
const LONGEST: usize = 64 << 10;
/// How much of the end is kept, in bytes.
const TAIL: usize = 8 << 10;

/// Takes output as it comes.
pub struct Capture<'a> {
    log: &'a dyn Fn(&str),
    buffer: Vec<u8>,
    /// what has come since the last line's end
    open: Vec<u8>,
    tail: String,
}

impl<'a> Capture<'a> {
    /// Lines go to `log`, one or many at once, without the last one's newline.
    pub fn new(log: &'a dyn Fn(&str)) -> Self {
        Self {
            log,
            buffer: Vec::new(),
            open: Vec::new(),
            tail: String::new(),
        }
    }

    /// Takes what is there, up to a limit; gives how many bytes that was, 0 where there is nothing now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&mut self, mut from: &PipeReader) -> io::Result<usize> {
        self.buffer.resize(CHUNK, 0);
        let bytes = match from.read(&mut self.buffer) {
            Ok(bytes) => bytes,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                0
            }
            Err(error) => return Err(error),
        };
        self.open.extend_from_slice(&self.buffer[..bytes]);
        match self.open.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                let rest = self.open.split_off(end + 1);
                self.open.truncate(end);
                self.pass_on();
                self.open = rest;
            }
            None if self.open.len() >= LONGEST => self.pass_on(),
            None => {}
        }
        Ok(bytes)
    }

    /// Passes on what no newline ended; gives the end of all.
    pub fn finish(mut self) -> String {
        if !self.open.is_empty() {
            self.pass_on();
        }
        self.tail
    }

    fn pass_on(&mut self) {
        // Bytes that are no text are shown as such.
        let text = String::from_utf8_lossy(&self.open);
        (self.log)(&text);
        let end = text.floor_char_boundary(text.len().saturating_sub(TAIL));
        self.tail.push_str(&text[end..]);
        self.tail.push('\n');
        let end = self
            .tail
            .floor_char_boundary(self.tail.len().saturating_sub(TAIL));
        self.tail.drain(..end);
        self.open.clear();
    }
}
