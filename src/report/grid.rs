//! Images side by side in one PNG, with words below, beside and above them.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::replace;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};

use super::ReportError;
use super::letters::Letters;

/// Tiles narrower than this are enlarged by a whole factor, pixel by pixel.
const LEGIBLE: u32 = 64;
/// Pixels between tiles and around them.
const GAP: u32 = 2;
/// Lines of words below a tile.
const MOST_LINES: usize = 3;
/// Pixels between words and what they are about.
const AIR: u32 = 3;
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// An image with words below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// the image
    pub image: RgbImage,
    /// what it shows; may be empty
    pub label: String,
}

impl From<RgbImage> for Tile {
    fn from(image: RgbImage) -> Self {
        Self {
            image,
            label: String::new(),
        }
    }
}

/// A row of images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// what this row and the next ones are; may be empty
    pub heading: String,
    /// the images
    pub tiles: Vec<Tile>,
}

/// `tiles` in rows of `columns`.
pub fn rows(tiles: Vec<Tile>, columns: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for tile in tiles {
        match rows.last_mut() {
            Some(row) if row.tiles.len() < columns.max(1) => row.tiles.push(tile),
            _ => rows.push(Row {
                tiles: vec![tile],
                ..Row::default()
            }),
        }
    }
    rows
}

/// Rows of tiles on white, left to right and top to bottom. Tiles may differ in size; each stands in the top left of a
/// cell that holds the largest.
pub struct Sheet {
    /// the whole of it
    pub image: RgbImage,
    /// where its first row ends without words, and with them
    pub first_row: (u32, u32),
}

impl Sheet {
    /// Draws `rows`. Words below tiles are broken into at most three lines. No rows give a white scrap.
    pub fn of(rows: &[Row]) -> Self {
        let tiles = || rows.iter().flat_map(|row| &row.tiles);
        let width = tiles().map(|tile| tile.image.width()).max().unwrap_or(0);
        let height = tiles().map(|tile| tile.image.height()).max().unwrap_or(0);
        let zoom = LEGIBLE.div_ceil(width.max(1)).clamp(1, 4);
        let (width, height) = (width * zoom, height * zoom);
        let (letters, headings) = (Letters::below(width), Letters::heading());
        let labels: Vec<Vec<Vec<String>>> = rows
            .iter()
            .map(|row| {
                row.tiles
                    .iter()
                    .map(|tile| letters.wrap(&tile.label, width, MOST_LINES))
                    .collect()
            })
            .collect();
        let below = |labels: &[Vec<String>]| match labels.iter().map(Vec::len).max().unwrap_or(0) {
            0 => 0,
            lines => lines as u32 * letters.height() + AIR,
        };
        let above = |row: &Row| match row.heading.as_str() {
            "" => 0,
            _ => headings.height() + 3 * AIR,
        };
        let columns = rows.iter().map(|row| row.tiles.len()).max().unwrap_or(1) as u32;
        let heading = rows
            .iter()
            .map(|row| headings.width(&row.heading) + AIR)
            .max()
            .unwrap_or(0);
        let wide = (columns * (width + GAP)).max(heading) + GAP;
        let heights = rows
            .iter()
            .zip(&labels)
            .map(|(row, labels)| above(row) + height + GAP + below(labels));
        let mut image = RgbImage::from_pixel(wide, heights.sum::<u32>() + GAP, PAPER);
        let mut top = GAP;
        let mut first_row = None;
        for (row, labels) in rows.iter().zip(&labels) {
            headings.write(&mut image, AIR, top + AIR, &row.heading);
            top += above(row);
            for ((tile, lines), column) in row.tiles.iter().zip(labels).zip(0..) {
                let left = GAP + column * (width + GAP);
                enlarge(&mut image, &tile.image, left, top, zoom);
                for (line, below) in lines.iter().zip(0..) {
                    let margin = width.saturating_sub(letters.width(line)) / 2;
                    let base = top + height + AIR + below * letters.height();
                    letters.write(&mut image, left + margin, base, line);
                }
            }
            let end = top + height;
            top = end + below(labels) + GAP;
            first_row.get_or_insert((end, end + below(labels)));
        }
        Self {
            image,
            first_row: first_row.unwrap_or((0, 0)),
        }
    }
}

fn enlarge(sheet: &mut RgbImage, tile: &RgbImage, left: u32, top: u32, zoom: u32) {
    for (x, y, pixel) in tile.enumerate_pixels() {
        for (dx, dy) in (0..zoom).flat_map(|dx| (0..zoom).map(move |dy| (dx, dy))) {
            sheet.put_pixel(left + x * zoom + dx, top + y * zoom + dy, *pixel);
        }
    }
}

/// `tiles` without words in rows of `columns`.
pub fn contact_sheet(tiles: &[RgbImage], columns: usize) -> RgbImage {
    let tiles = tiles.iter().cloned().map(Tile::from).collect();
    Sheet::of(&rows(tiles, columns)).image
}

/// `image` below a line that says `words`.
pub fn headed(image: &RgbImage, words: &str) -> RgbImage {
    let letters = Letters::heading();
    let above = letters.height() + 2 * AIR;
    let width = image.width().max(letters.width(words) + 2 * AIR);
    let mut sheet = RgbImage::from_pixel(width, image.height() + above, PAPER);
    letters.write(&mut sheet, AIR, AIR, words);
    replace(&mut sheet, image, 0, i64::from(above));
    sheet
}

/// `strips` one below the other, each with its name to the left.
pub fn stacked(strips: &[(String, RgbImage)]) -> RgbImage {
    let letters = Letters::heading();
    let names = strips
        .iter()
        .map(|(name, _)| letters.width(name))
        .max()
        .unwrap_or(0);
    let left = names + 2 * AIR;
    let width = strips
        .iter()
        .map(|(_, strip)| strip.width())
        .max()
        .unwrap_or(0);
    let height: u32 = strips.iter().map(|(_, strip)| strip.height()).sum();
    let mut sheet = RgbImage::from_pixel(left + width, height.max(1), PAPER);
    let mut top = 0;
    for (name, strip) in strips {
        let middle = top + strip.height().saturating_sub(letters.height()) / 2;
        letters.write(&mut sheet, AIR + names - letters.width(name), middle, name);
        replace(&mut sheet, strip, i64::from(left), i64::from(top));
        top += strip.height();
    }
    sheet
}

/// A tile from interleaved 8-bit pixels (H, W, C) of 1 or 3 channels; `None` when the count does not fit.
pub fn tile(height: usize, width: usize, channels: usize, pixels: &[u8]) -> Option<RgbImage> {
    let rgb = match channels {
        1 => pixels.iter().flat_map(|grey| [*grey; 3]).collect(),
        3 => pixels.to_vec(),
        _ => return None,
    };
    RgbImage::from_raw(width as u32, height as u32, rgb)
}

/// `image` as PNG; fixed compression, so the bytes depend on the pixels alone.
pub fn png(image: &RgbImage) -> Result<Vec<u8>, ReportError> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(
            image.as_raw(),
            image.width(),
            image.height(),
            ExtendedColorType::Rgb8,
        )?;
    Ok(bytes)
}
