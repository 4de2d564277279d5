//! Content digests (BLAKE3) and the canonical encoding that keys are hashed from.
//!
//! A [`Digest`] names bytes. Two ways lead to one: hashing bytes as they are
//! ([`Digest::of_bytes`], [`Digest::of_file`]) and hashing a *value* in its canonical encoding
//! ([`Digest::of_value`]), which does not depend on key order, white space or number spelling.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Files are read in blocks of this size; a whole one is hashed by several threads.
const BLOCK_BYTES: u64 = 4 << 20;

/// From this many bytes on, a block is worth several threads.
const SPREAD_FROM_BYTES: usize = 256 << 10;

/// A BLAKE3 digest; 64 lower-case hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of a file's content.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        Self::of_open(&File::open(path)?)
    }

    /// The digest of what an open file holds from where it stands to its end.
    ///
    /// It is read, not mapped: a file that somebody truncates meanwhile gives other bytes then, where touching a map
    /// of it would end the process.
    pub fn of_open(file: &File) -> io::Result<Self> {
        Self::of_reader(file, file.metadata()?.len(), u64::MAX)
    }

    /// The digest of the first `size` bytes of a file, or of all when there are fewer.
    pub fn of_start(file: &File, size: u64) -> io::Result<Self> {
        Self::of_reader(file, size, size)
    }

    fn of_reader(file: &File, expected: u64, most: u64) -> io::Result<Self> {
        let mut file = file.take(most);
        let mut block = vec![0; expected.clamp(1 << 12, BLOCK_BYTES) as usize];
        let mut hasher = blake3::Hasher::new();
        loop {
            let filled = read_full(&mut file, &mut block)?;
            match filled {
                SPREAD_FROM_BYTES.. => hasher.update_rayon(&block[..filled]),
                _ => hasher.update(&block[..filled]),
            };
            if filled < block.len() || file.limit() == 0 {
                return Ok(Self(*hasher.finalize().as_bytes()));
            }
        }
    }

    /// The digest of a value in canonical encoding: equal values, and only those, hash equally.
    ///
    /// ```
    /// # use retake::hash::Digest;
    /// # use serde_json::json;
    /// let a = Digest::of_value(&json!({"lr": 0.1, "steps": [1, 2]}));
    /// let b = Digest::of_value(&json!({"steps": [1, 2], "lr": 0.1}));
    /// assert_eq!(a, b);
    /// assert_ne!(Digest::of_value(&json!(["ab", "cd"])), Digest::of_value(&json!(["a", "bcd"])));
    /// ```
    pub fn of_value(value: &Value) -> Self {
        let mut hasher = blake3::Hasher::new();
        feed(&mut hasher, value);
        Self(*hasher.finalize().as_bytes())
    }

    /// The raw 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

/// Feeds `value` to `hasher`: a type tag, then the content; lengths before sequences, map keys sorted.
fn feed(hasher: &mut blake3::Hasher, value: &Value) {
    let tagged = |hasher: &mut blake3::Hasher, tag: u8, bytes: &[u8]| {
        hasher.update(&[tag]);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match value {
        Value::Null => tagged(hasher, b'n', &[]),
        Value::Bool(b) => tagged(hasher, b'b', &[u8::from(*b)]),
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(u), _) => tagged(hasher, b'u', &u.to_le_bytes()),
            (None, Some(i)) => tagged(hasher, b'i', &i.to_le_bytes()),
            (None, None) => {
                let float = n.as_f64().unwrap_or(f64::NAN);
                tagged(hasher, b'f', &float.to_bits().to_le_bytes());
            }
        },
        Value::String(s) => tagged(hasher, b's', s.as_bytes()),
        Value::Array(items) => {
            tagged(hasher, b'a', &(items.len() as u64).to_le_bytes());
            for item in items {
                feed(hasher, item);
            }
        }
        Value::Object(map) => {
            tagged(hasher, b'm', &(map.len() as u64).to_le_bytes());
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            for (key, item) in entries {
                tagged(hasher, b'k', key.as_bytes());
                feed(hasher, item);
            }
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

/// Text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: expected 64 hexadecimal digits")]
pub struct NotADigest(String);

impl FromStr for Digest {
    type Err = NotADigest;
    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let bad = || NotADigest(text.to_owned());
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;
    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Fills `block` from `source`; how much of it, less than all at the end only.
fn read_full(source: &mut io::Take<&File>, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match source.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The SHA-256 of a file in hexadecimal: the digest that publishers of files give. Keys and the store use
/// [`Digest`].
pub fn sha256_of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
    let mut block = vec![0; 1 << 18];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex(&hasher.finalize())),
            read => hasher.update(&block[..read]),
        }
    }
}

/// The SHA-256 of bytes at hand, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex(&mut text, bytes);
    text
}

/// Adds lower-case hexadecimal digits to a text.
pub fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}
