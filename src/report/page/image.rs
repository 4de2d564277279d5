//! Figures as addresses that hold their bytes, and their sizes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::super::document::Files;

/// A figure that a page holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// a `data:` address
    pub src: String,
    /// `svg`, `png` or `gif`
    pub kind: String,
    /// pixels, where they are known
    pub width: Option<u32>,
    /// pixels, where they are known
    pub height: Option<u32>,
}

/// All figures by file name.
#[derive(Debug, Clone, Default)]
pub struct Images(BTreeMap<String, Image>);

impl Images {
    /// The figures among `files`.
    pub fn of(files: &Files) -> Self {
        let images = files.0.iter().filter_map(|(name, bytes)| {
            let (_, extension) = name.rsplit_once('.')?;
            Some((name.clone(), Image::of(bytes, extension)?))
        });
        Self(images.collect())
    }

    /// Every figure with its file's name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Image)> {
        self.0.iter().map(|(name, image)| (name.as_str(), image))
    }

    /// The figure of the file `name`.
    pub fn get(&self, name: &str) -> Option<&Image> {
        self.0.get(name)
    }
}

impl Image {
    /// A file with `extension`; `None` of what browsers do not draw.
    pub fn of(bytes: &[u8], extension: &str) -> Option<Self> {
        let big = |at: usize| -> Option<u32> {
            Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
        };
        let little = |at: usize| -> Option<u32> {
            let pair = bytes.get(at..at + 2)?.try_into().ok()?;
            Some(u32::from(u16::from_le_bytes(pair)))
        };
        let (src, size) = match extension {
            "svg" => {
                let text = std::str::from_utf8(bytes).ok()?;
                (svg_address(text), svg_size(text))
            }
            // the header's width and height, at fixed places
            "png" => (address("image/png", bytes), (big(16), big(20))),
            "gif" => (address("image/gif", bytes), (little(6), little(8))),
            "jpg" | "jpeg" => (address("image/jpeg", bytes), (None, None)),
            _ => return None,
        };
        Some(Self {
            src,
            kind: extension.to_owned(),
            width: size.0,
            height: size.1,
        })
    }
}

fn address(kind: &str, bytes: &[u8]) -> String {
    let mut text = format!("data:{kind};base64,");
    text.reserve(bytes.len().div_ceil(3) * 4);
    base64(bytes, &mut text);
    text
}

/// SVG stays text, which is shorter than base64 of it: only what an address or an attribute may not hold is escaped.
fn svg_address(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    out.push_str("data:image/svg+xml;charset=utf-8,");
    for byte in text.trim().bytes() {
        match byte {
            b'"'
            | b'#'
            | b'%'
            | b'&'
            | b'\''
            | b'<'
            | b'>'
            | b'['
            | b'\\'
            | b']'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | 0..b' '
            | 0x7f.. => {
                let _ = write!(out, "%{byte:02X}");
            }
            byte => out.push(char::from(byte)),
        }
    }
    out
}

/// Width and height of an SVG in pixels, from the attributes of its first element.
fn svg_size(text: &str) -> (Option<u32>, Option<u32>) {
    let head = text.find("<svg").map_or("", |start| &text[start..]);
    let head = head.split('>').next().unwrap_or_default();
    let attribute = |name: &str| {
        let value = head
            .split(&format!(" {name}=\""))
            .nth(1)?
            .split('"')
            .next()?;
        let pixels: f64 = value.trim_end_matches("px").parse().ok()?;
        Some(pixels.round() as u32)
    };
    (attribute("width"), attribute("height"))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            out.push(if digit <= chunk.len() {
                char::from(DIGITS[value as usize])
            } else {
                '='
            });
        }
    }
}
