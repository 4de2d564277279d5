//! Resizing: antialiased convolution in fixed point, so that every CPU gives the same bytes.

use fast_image_resize as fir;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::DataError;
use super::image::{Image, ImageRef};
use super::size::Size;

/// Settings of `resize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// height and width of the result
    pub size: Size,
    /// how pixels are weighted
    #[serde(default)]
    pub filter: ResizeFilter,
}

impl From<Size> for Resize {
    fn from(size: Size) -> Self {
        Self {
            size,
            filter: ResizeFilter::default(),
        }
    }
}

/// How pixels are weighted. All but `nearest` widen with the scale, so that shrinking does not alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeFilter {
    /// the pixel that lies nearest
    Nearest,
    /// a triangle of radius 1
    #[default]
    Bilinear,
    /// Catmull-Rom (a = -0.5), as in Pillow
    Bicubic,
    /// a windowed sinc of radius 3
    Lanczos,
}

/// `image` in another size.
pub fn resized(image: &ImageRef<'_>, resize: &Resize) -> Result<Image, DataError> {
    let Size { height, width } = resize.size;
    if (height, width) == (image.height, image.width) {
        return Ok(image.to_owned());
    }
    let unfit = |error: &dyn std::fmt::Display| DataError::Unfit(format!("resize: {error}"));
    let pixel = match image.channels {
        1 => fir::PixelType::U8,
        _ => fir::PixelType::U8x3,
    };
    let source =
        fir::images::ImageRef::new(image.width as u32, image.height as u32, image.pixels, pixel)
            .map_err(|error| unfit(&error))?;
    let mut target = fir::images::Image::new(width as u32, height as u32, pixel);
    let algorithm = match resize.filter {
        ResizeFilter::Nearest => fir::ResizeAlg::Nearest,
        ResizeFilter::Bilinear => fir::ResizeAlg::Convolution(fir::FilterType::Bilinear),
        ResizeFilter::Bicubic => fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom),
        ResizeFilter::Lanczos => {
            let filter =
                fir::Filter::new("lanczos", lanczos, 3.0).map_err(|error| unfit(&error))?;
            fir::ResizeAlg::Convolution(fir::FilterType::Custom(filter))
        }
    };
    let options = fir::ResizeOptions::new().resize_alg(algorithm);
    fir::Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|error| unfit(&error))?;
    Ok(Image {
        height,
        width,
        channels: image.channels,
        pixels: target.into_vec(),
    })
}

/// Lanczos's kernel of radius 3. The crate's own takes its sine from the platform's C library.
fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| match x * std::f64::consts::PI {
        0.0 => 1.0,
        angle => libm::sin(angle) / angle,
    };
    if x.abs() < 3.0 {
        sinc(x) * sinc(x / 3.0)
    } else {
        0.0
    }
}
