//! Packs, readers, steps, batches and the three kinds that use them.

mod augmentations;
mod batches;
mod cards;
mod faces;
mod kinds;
mod pack;
mod readers;
mod sets;
mod shapes;
mod steps;

use std::path::Path;

use retake::data::{Image, Label, LabelKind, Pack, PackSchema, PackWriter};
use retake::rng::Stream;

/// Class names "a", "b", …
fn classes(count: usize) -> Vec<String> {
    ('a'..).take(count).map(String::from).collect()
}

fn schema(channels: usize, labels: LabelKind, count: usize) -> PackSchema {
    PackSchema {
        channels,
        labels,
        classes: classes(count),
    }
}

/// An image of noise, a function of `index`.
fn noise(height: usize, width: usize, channels: usize, index: u64) -> Image {
    let mut stream = Stream::new(0, "noise", index);
    let mut image = Image::filled(height, width, channels, 0);
    image.pixels.fill_with(|| stream.next_u32() as u8);
    image
}

/// Packs `items` at `path` under their index as name.
fn pack_of(path: &Path, schema: PackSchema, items: &[(Image, Label)]) -> Pack {
    let mut writer = PackWriter::create(path, schema).unwrap();
    for (index, (image, label)) in items.iter().enumerate() {
        writer
            .push(&image.view(), label, &format!("image {index}"))
            .unwrap();
    }
    writer.finish().unwrap();
    Pack::open(path).unwrap()
}

/// `count` grey images of 6 × 6 noise with classes a, b, c in turn.
fn small_pack(path: &Path, count: usize) -> Pack {
    let items: Vec<_> = (0..count)
        .map(|i| (noise(6, 6, 1, i as u64), Label::Class(i as u32 % 3)))
        .collect();
    pack_of(path, schema(1, LabelKind::Class, 3), &items)
}

fn go_on(_: u64, _: u64) -> bool {
    true
}
