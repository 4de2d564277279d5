//! Images: packed data and pictures.

use std::path::Path;

use crate::data::pack::Pack;

/// The first image, label or name that differs between two packs of data; none when either is no pack.
pub(super) fn of_packs(stored: &Path, made: &Path) -> Option<String> {
    let (old, new) = (Pack::open(stored).ok()?, Pack::open(made).ok()?);
    if old.len() != new.len() {
        return Some(format!("{} images → {}", old.len(), new.len()));
    }
    (0..old.len())
        .find_map(|index| {
            let (before, after) = (old.image(index), new.image(index));
            let size =
                |image: &crate::data::ImageRef<'_>| (image.height, image.width, image.channels);
            let what = if size(&before) != size(&after) {
                format!("size {:?} → {:?}", size(&before), size(&after))
            } else if let Some(at) = before
                .pixels
                .iter()
                .zip(after.pixels)
                .position(|(a, b)| a != b)
            {
                pixel(
                    at,
                    before.width,
                    before.channels,
                    before.pixels[at],
                    after.pixels[at],
                )
            } else if old.label(index) != new.label(index) {
                format!("label {:?} → {:?}", old.label(index), new.label(index))
            } else if old.name(index) != new.name(index) {
                format!("name {} → {}", old.name(index), new.name(index))
            } else {
                return None;
            };
            Some(format!("image {index}: {what}"))
        })
        .or_else(|| Some("its header".to_owned()))
}

/// The first pixel that differs between two PNG or JPEG files; none when either is neither.
pub(super) fn of_pictures(before: &[u8], after: &[u8]) -> Option<String> {
    let decode = |bytes| image::load_from_memory(bytes).ok();
    let (old, new) = (decode(before)?, decode(after)?);
    if (old.width(), old.height(), old.color()) != (new.width(), new.height(), new.color()) {
        let form = |image: &image::DynamicImage| {
            format!("{}×{} {:?}", image.width(), image.height(), image.color())
        };
        return Some(format!("{} → {}", form(&old), form(&new)));
    }
    let (a, b) = (old.as_bytes(), new.as_bytes());
    let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else {
        return Some("the same pixels, written otherwise".to_owned());
    };
    let channels = usize::from(old.color().bytes_per_pixel());
    Some(pixel(at, old.width() as usize, channels, a[at], b[at]))
}

/// A byte of an image whose channels lie together.
fn pixel(at: usize, width: usize, channels: usize, before: u8, after: u8) -> String {
    let (at, channel) = (at / channels.max(1), at % channels.max(1));
    let (x, y) = (at % width.max(1), at / width.max(1));
    format!("pixel ({x}, {y}), channel {channel}: {before} → {after}")
}
