//! One image in memory.

/// A borrowed image: `pixels` are interleaved (H, W, C), rows from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageRef<'a> {
    /// rows
    pub height: usize,
    /// columns
    pub width: usize,
    /// 1 (grey) or 3 (RGB)
    pub channels: usize,
    /// `height * width * channels` bytes
    pub pixels: &'a [u8],
}

/// An owned image; fields as in [`ImageRef`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// rows
    pub height: usize,
    /// columns
    pub width: usize,
    /// 1 (grey) or 3 (RGB)
    pub channels: usize,
    /// `height * width * channels` bytes
    pub pixels: Vec<u8>,
}

impl Image {
    /// An image filled with `value`.
    pub fn filled(height: usize, width: usize, channels: usize, value: u8) -> Self {
        Self {
            height,
            width,
            channels,
            pixels: vec![value; height * width * channels],
        }
    }

    /// The same image, borrowed.
    pub fn view(&self) -> ImageRef<'_> {
        ImageRef {
            height: self.height,
            width: self.width,
            channels: self.channels,
            pixels: &self.pixels,
        }
    }
}

impl<'a> ImageRef<'a> {
    /// A copy.
    pub fn to_owned(&self) -> Image {
        Image {
            height: self.height,
            width: self.width,
            channels: self.channels,
            pixels: self.pixels.to_vec(),
        }
    }

    /// Row `y`: `width * channels` bytes.
    pub fn row(&self, y: usize) -> &'a [u8] {
        let stride = self.width * self.channels;
        &self.pixels[y * stride..(y + 1) * stride]
    }
}
