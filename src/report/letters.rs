//! Words on images, in the fixed fonts of X11: every pixel is where it is meant to be, on any machine.

use embedded_graphics::geometry::{OriginDimensions, Point};
use embedded_graphics::image::GetPixel;
use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_7X13};
use embedded_graphics::pixelcolor::BinaryColor;
use image::{Rgb, RgbImage};

/// Cells from this width on have room for the larger letters.
const WIDE: u32 = 112;
/// Black enough.
const INK: Rgb<u8> = Rgb([36, 41, 47]);

/// A font of letters that are all of one size. What is not in Latin-1 shows as `?`.
#[derive(Clone, Copy)]
pub struct Letters(&'static MonoFont<'static>);

impl Letters {
    /// Letters for words below images `width` pixels wide.
    pub fn below(width: u32) -> Self {
        Self(if width < WIDE { &FONT_6X10 } else { &FONT_7X13 })
    }

    /// Letters for headings.
    pub fn heading() -> Self {
        Self(&FONT_7X13)
    }

    /// The height of a line.
    pub fn height(self) -> u32 {
        self.0.character_size.height
    }

    /// The width of `text`.
    pub fn width(self, text: &str) -> u32 {
        text.chars().count() as u32 * self.0.character_size.width
    }

    /// Writes `text` with its upper left corner at (`left`, `top`); what is beyond the image's edge is cut off.
    pub fn write(self, image: &mut RgbImage, left: u32, top: u32, text: &str) {
        let (width, height) = (self.0.character_size.width, self.0.character_size.height);
        for (index, letter) in (0..).zip(text.chars()) {
            let left = left + index * width;
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                if self.inked(letter, x, y)
                    && let Some(pixel) = image.get_pixel_mut_checked(left + x, top + y)
                {
                    *pixel = INK;
                }
            }
        }
    }

    fn inked(self, letter: char, x: u32, y: u32) -> bool {
        let size = self.0.character_size;
        // It is not in Latin-1.
        if letter == '…' {
            return y == self.0.baseline && x.is_multiple_of(2) && x < 5;
        }
        let in_a_row = (self.0.image.size().width / size.width).max(1);
        let glyph = self.0.glyph_mapping.index(letter) as u32;
        let corner = (
            glyph % in_a_row * size.width,
            glyph / in_a_row * size.height,
        );
        let at = Point::new((corner.0 + x) as i32, (corner.1 + y) as i32);
        self.0.image.pixel(at) == Some(BinaryColor::On)
    }

    /// `text` in at most `most` lines that fit into `width` pixels, broken after blanks, `-`, `_` and `/`, and wherever
    /// there is a line break. What does not fit ends in `…`.
    pub fn wrap(self, text: &str, width: u32, most: usize) -> Vec<String> {
        let room = ((width / self.0.character_size.width) as usize).max(2);
        let mut lines: Vec<String> = Vec::new();
        for paragraph in text.lines() {
            let mut line = String::new();
            for word in paragraph.split_inclusive([' ', '-', '_', '/']) {
                let length = |text: &str| text.trim_end().chars().count();
                if !line.is_empty() && length(&(line.clone() + word)) > room {
                    lines.push(std::mem::take(&mut line));
                }
                line += word;
            }
            lines.push(line);
        }
        let cut = |line: &str, more: bool| {
            let line = line.trim();
            if line.chars().count() <= room && !more {
                return line.to_owned();
            }
            let head: String = line.chars().take(room - 1).collect();
            head.trim_end_matches([' ', ',']).to_owned() + "…"
        };
        let last = lines.len().min(most.max(1));
        let more = lines.len() > last;
        (0..last)
            .map(|at| cut(&lines[at], more && at + 1 == last))
            .collect()
    }
}
