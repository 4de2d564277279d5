//! What retake and a guard say to each other: frames of a length (`u32`, little endian) and that many bytes.
//!
//! An order is a list of texts, each of a letter that says what it is, the text, and a NUL, which no path, variable or
//! command line can hold. An empty frame means "stop".

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A command to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// the command line
    pub run: OsString,
    /// where it runs, absolute
    pub directory: PathBuf,
    /// its whole environment
    pub env: Vec<(OsString, OsString)>,
    /// what it may touch; anything without
    pub bounds: Option<Bounds>,
}

/// What a command may touch. All paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// of what lies in here, it reads only what `reads` names; elsewhere it reads anything
    pub project: Option<PathBuf>,
    /// files and folders that it reads
    pub reads: Vec<PathBuf>,
    /// folders that it writes
    pub writes: Vec<PathBuf>,
}

/// How an order was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// the command ended, and so did all that it started
    Ended {
        /// its status, as `wait` gives it
        status: i32,
        /// whether processes that it left running had to be ended
        leftovers: bool,
    },
    /// it could not be started, and why
    NotStarted(String),
}

impl Order {
    /// Sends it.
    ///
    /// # Errors
    /// When a text holds a NUL, or nobody listens.
    pub fn send(&self, to: &mut impl Write) -> io::Result<()> {
        let mut frame = Vec::with_capacity(1024);
        put(&mut frame, b'c', &self.run)?;
        put(&mut frame, b'd', self.directory.as_os_str())?;
        for (name, value) in &self.env {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            put(&mut frame, b'e', &pair)?;
        }
        if let Some(bounds) = &self.bounds {
            let project = bounds.project.as_deref().unwrap_or("".as_ref());
            put(&mut frame, b'p', project.as_os_str())?;
            for path in &bounds.reads {
                put(&mut frame, b'r', path.as_os_str())?;
            }
            for path in &bounds.writes {
                put(&mut frame, b'w', path.as_os_str())?;
            }
        }
        send(to, &frame)
    }

    /// The next order; none when whoever gives them is gone.
    ///
    /// # Errors
    /// When what comes is no order.
    pub fn receive(from: &mut impl Read) -> io::Result<Option<Self>> {
        loop {
            match receive(from)? {
                None => return Ok(None),
                // A stop that crossed the answer to what it was to stop.
                Some(frame) if frame.is_empty() => {}
                Some(frame) => return Self::read(&frame).map(Some),
            }
        }
    }

    fn read(frame: &[u8]) -> io::Result<Self> {
        let mut order = Self::default();
        for text in frame.split(|byte| *byte == 0) {
            let Some((letter, text)) = text.split_first() else {
                continue;
            };
            let owned = || OsString::from_vec(text.to_vec());
            let bounds = &mut order.bounds;
            match letter {
                b'c' => order.run = owned(),
                b'd' => order.directory = owned().into(),
                b'e' => {
                    // A name may begin with `=`, as in no shell but in some environments.
                    let at = text.iter().skip(1).position(|byte| *byte == b'=');
                    let (name, value) = text.split_at(at.map_or(text.len(), |at| at + 1));
                    let value = value.get(1..).unwrap_or_default();
                    let own = |text: &[u8]| OsString::from_vec(text.to_vec());
                    order.env.push((own(name), own(value)));
                }
                b'p' => {
                    let project = (!text.is_empty()).then(|| owned().into());
                    bounds.get_or_insert_default().project = project;
                }
                b'r' => bounds.get_or_insert_default().reads.push(owned().into()),
                b'w' => bounds.get_or_insert_default().writes.push(owned().into()),
                _ => return Err(garbled()),
            }
        }
        Ok(order)
    }
}

impl Answer {
    /// Sends it.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn send(&self, to: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Ended { status, leftovers } => {
                let [a, b, c, d] = status.to_le_bytes();
                send(to, &[b'e', u8::from(*leftovers), a, b, c, d])
            }
            Self::NotStarted(why) => send(to, &[b"f", why.as_bytes()].concat()),
        }
    }

    /// The answer; none when the guard is gone.
    ///
    /// # Errors
    /// When what comes is no answer.
    pub fn receive(from: &mut impl Read) -> io::Result<Option<Self>> {
        let Some(frame) = receive(from)? else {
            return Ok(None);
        };
        match frame.as_slice() {
            [b'e', leftovers, a, b, c, d] => Ok(Some(Self::Ended {
                status: i32::from_le_bytes([*a, *b, *c, *d]),
                leftovers: *leftovers != 0,
            })),
            [b'f', why @ ..] => Ok(Some(Self::NotStarted(
                String::from_utf8_lossy(why).into_owned(),
            ))),
            _ => Err(garbled()),
        }
    }
}

/// Asks that the command be ended.
///
/// # Errors
/// When nobody listens.
pub fn send_stop(to: &mut impl Write) -> io::Result<()> {
    send(to, &[])
}

fn put(frame: &mut Vec<u8>, letter: u8, text: &OsStr) -> io::Result<()> {
    if text.as_bytes().contains(&0) {
        let message = "a command line, variable or path holds a NUL";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    frame.push(letter);
    frame.extend_from_slice(text.as_bytes());
    frame.push(0);
    Ok(())
}

fn send(to: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| garbled())?;
    // In one piece, so that the other side wakes once.
    to.write_all(&[&length.to_le_bytes(), frame].concat())
}

/// The next frame; none at the end.
pub fn receive(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if let Err(error) = from.read_exact(&mut length) {
        let over = [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
        ];
        return if over.contains(&error.kind()) {
            Ok(None)
        } else {
            Err(error)
        };
    }
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut frame)?;
    Ok(Some(frame))
}

fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a message of a guard's")
}
