//! From bytes to what networks read.

use super::image::ImageRef;

/// What each byte is as a float: x / 127.5 - 1.
static FLOATS: [f32; 256] = {
    let mut floats = [0.0; 256];
    let mut byte = 0;
    while byte < 256 {
        floats[byte] = byte as f32 / 127.5 - 1.0;
        byte += 1;
    }
    floats
};

/// Interleaved bytes (H, W, C) to planes of floats (C, H, W) in [-1, 1]: x / 127.5 - 1.
pub fn to_planes(image: &ImageRef<'_>, out: &mut [f32]) {
    if image.channels == 1 {
        for (float, byte) in out.iter_mut().zip(image.pixels) {
            *float = FLOATS[usize::from(*byte)];
        }
        return;
    }
    let (pixels, _) = image.pixels.as_chunks::<3>();
    let (red, others) = out.split_at_mut(pixels.len());
    let (green, blue) = others.split_at_mut(pixels.len());
    for (((pixel, red), green), blue) in pixels.iter().zip(red).zip(green).zip(blue) {
        *red = FLOATS[usize::from(pixel[0])];
        *green = FLOATS[usize::from(pixel[1])];
        *blue = FLOATS[usize::from(pixel[2])];
    }
}
