//! A file brought over HTTP, however many connections it takes.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::http::{Ask, Head, Piece, Request, agent};
use crate::stage::{Progress, StageCtx, StageError};

/// Tries in a row that bring nothing before the download fails.
const TRIES: u32 = 5;
/// Wait after the first such try; doubled with each.
const PAUSE: Duration = Duration::from_millis(200);
/// How often whoever waits looks whether to stop.
const LOOK: Duration = Duration::from_millis(100);

/// A file on its way.
pub(super) struct Transfer<'a> {
    ctx: &'a StageCtx<'a>,
    url: &'a str,
    file: File,
    /// bytes that are there
    pub have: u64,
    /// which version of the file they are of: `ETag` or `Last-Modified`
    pub version: Option<String>,
    /// bytes of the whole file, once a server has said it
    total: Option<u64>,
    /// whether the bytes came over more than one connection
    pub pieced: bool,
}

/// How one connection ended.
enum Ended {
    /// the file is whole
    Whole,
    /// something is missing, and why
    Cut(String),
}

impl<'a> Transfer<'a> {
    /// Goes on with what lies at `path`, of the version given; from nothing when there is no file.
    pub fn open(
        ctx: &'a StageCtx<'a>,
        url: &'a str,
        path: &Path,
        version: Option<String>,
    ) -> Result<Self, StageError> {
        let open = || -> io::Result<(File, u64)> {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            let have = file.seek(SeekFrom::End(0))?;
            Ok((file, have))
        };
        let (file, have) = open().map_err(|source| StageError::io(path, source))?;
        Ok(Self {
            ctx,
            url,
            file,
            have,
            version,
            total: None,
            pieced: have > 0,
        })
    }

    /// Asks until the file is whole.
    pub fn finish(&mut self) -> Result<(), StageError> {
        let agent = agent();
        let mut idle = 0;
        loop {
            let before = self.have;
            let ask = Ask {
                from: self.have,
                unchanged: self.version.clone(),
            };
            let why = match self.receive(&Request::start(&agent, self.url, ask))? {
                Ended::Whole => return Ok(()),
                Ended::Cut(why) => why,
            };
            idle = if self.have > before { 0 } else { idle + 1 };
            if idle == TRIES {
                return Err(self.failed(&format!("{why} ({TRIES} tries)")));
            }
            (self.ctx.log)(&format!(
                "{}: {why}: trying again at byte {}",
                self.url, self.have
            ));
            self.pieced = self.have > 0;
            self.pause(PAUSE * 2u32.pow(idle))?;
        }
    }

    /// Throws away what is there.
    pub fn restart(&mut self) -> Result<(), StageError> {
        let clear = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0)).map(|_| ())
        };
        clear(&mut self.file).map_err(|error| self.failed(&error.to_string()))?;
        (self.have, self.version, self.pieced) = (0, None, false);
        Ok(())
    }

    /// Reads one answer to its end.
    fn receive(&mut self, request: &Request) -> Result<Ended, StageError> {
        loop {
            let Some(piece) = request.next(LOOK) else {
                self.ctx.check_cancelled()?;
                continue;
            };
            match piece {
                Piece::Head(head) => {
                    if let Some(ended) = self.head(head)? {
                        return Ok(ended);
                    }
                }
                Piece::Bytes(bytes) => {
                    let written = self.file.write_all(&bytes);
                    written.map_err(|error| self.failed(&error.to_string()))?;
                    self.have += bytes.len() as u64;
                    self.show();
                    self.ctx.check_cancelled()?;
                }
                Piece::End => {
                    return Ok(match self.total {
                        Some(total) if self.have < total => {
                            Ended::Cut(format!("{} of {total} bytes came", self.have))
                        }
                        _ => Ended::Whole,
                    });
                }
                Piece::Cut(why) => return Ok(Ended::Cut(why)),
                Piece::Refused(why) => return Err(self.failed(&why)),
            }
        }
    }

    /// Makes ready for the body; gives how it ended where there is nothing to read.
    fn head(&mut self, head: Head) -> Result<Option<Ended>, StageError> {
        match head.status {
            // All of it: the server sends no parts, or the file is another one by now.
            200 => {
                self.restart()?;
                self.version = head.version;
                self.total = head.length;
            }
            206 if head.range.0 == Some(self.have) => self.total = head.range.1,
            // What is there is all, or more than there is.
            416 if self.have > 0 && head.range.1 == Some(self.have) => {
                return Ok(Some(Ended::Whole));
            }
            206 | 416 => {
                self.restart()?;
                let why = format!(
                    "the server answers {} to a request that it does not fit",
                    head.said
                );
                return Ok(Some(Ended::Cut(why)));
            }
            408 | 425 | 429 | 500..=599 => {
                return Ok(Some(Ended::Cut(format!(
                    "the server answers {}",
                    head.said
                ))));
            }
            _ => return Err(self.failed(&format!("the server answers {}", head.said))),
        }
        self.show();
        Ok(None)
    }

    fn show(&self) {
        (self.ctx.progress)(Progress {
            done: self.have,
            total: self.total.unwrap_or(self.have).max(self.have),
            ..Progress::default()
        });
    }

    fn pause(&self, time: Duration) -> Result<(), StageError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.ctx.check_cancelled()?;
            std::thread::sleep(LOOK.min(time));
        }
        Ok(())
    }

    fn failed(&self, why: &str) -> StageError {
        StageError::io(self.url, std::io::Error::other(why))
    }
}
