//! Images side by side in one PNG.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};

use super::ReportError;

/// Tiles narrower than this are enlarged by a whole factor, pixel by pixel.
const LEGIBLE: u32 = 64;
/// Pixels between tiles and around them.
const GAP: u32 = 2;
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// `tiles` in rows of `columns`, left to right and top to bottom, on white. Tiles may differ in size; each
/// stands in the top left of a cell that holds the largest. An empty list gives a white scrap.
pub fn contact_sheet(tiles: &[RgbImage], columns: usize) -> RgbImage {
    let columns = columns.clamp(1, tiles.len().max(1)) as u32;
    let rows = (tiles.len() as u32).div_ceil(columns);
    let width = tiles.iter().map(RgbImage::width).max().unwrap_or(0);
    let height = tiles.iter().map(RgbImage::height).max().unwrap_or(0);
    let zoom = LEGIBLE.div_ceil(width.max(1)).clamp(1, 4);
    let (cell_width, cell_height) = (width * zoom + GAP, height * zoom + GAP);
    let size = |cells: u32, cell: u32| (cells * cell + GAP).max(1);
    let mut sheet = RgbImage::from_pixel(size(columns, cell_width), size(rows, cell_height), PAPER);
    for (index, tile) in tiles.iter().enumerate() {
        let left = GAP + index as u32 % columns * cell_width;
        let top = GAP + index as u32 / columns * cell_height;
        for (x, y, pixel) in tile.enumerate_pixels() {
            for (dx, dy) in (0..zoom).flat_map(|dx| (0..zoom).map(move |dy| (dx, dy))) {
                sheet.put_pixel(left + x * zoom + dx, top + y * zoom + dy, *pixel);
            }
        }
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
