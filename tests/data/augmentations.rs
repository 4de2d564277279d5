use std::sync::Arc;

use retake::data::colour::{Change, changed};
use retake::data::{Batches, DataError, Image, Label, LabelKind, Pack, Recipe, Source, augment};
use retake::rng::Stream;
use serde_json::{Value, from_value, json};

use super::{go_on, noise, pack_of, schema};

fn recipe(steps: Value) -> Recipe {
    from_value(steps).unwrap()
}

/// An image whose pixel (y, x) is 10 y + x.
fn numbered(height: usize, width: usize) -> Image {
    let pixels = (0..height * width).map(|at| (at / width * 10 + at % width) as u8);
    Image {
        pixels: pixels.collect(),
        ..Image::filled(height, width, 1, 0)
    }
}

fn apply(steps: &Value, image: &Image, index: u64) -> Image {
    recipe(steps.clone()).apply(image.clone(), &mut Stream::new(0, "test", index))
}

#[test]
fn random_crops_are_windows_at_every_place() {
    let image = numbered(5, 6);
    let steps = json!([{"random-crop": {"size": [3, 4]}}]);
    let mut corners = std::collections::BTreeMap::new();
    for index in 0..900 {
        let crop = apply(&steps, &image, index);
        assert_eq!((crop.height, crop.width), (3, 4));
        let corner = crop.pixels[0];
        let expected = (0..12).map(|at| corner + (at / 4 * 10 + at % 4) as u8);
        assert!(
            crop.pixels.iter().copied().eq(expected),
            "{:?}",
            crop.pixels
        );
        *corners.entry(corner).or_insert(0) += 1;
    }
    let places: Vec<u8> = corners.keys().copied().collect();
    assert_eq!(places, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
    assert!(
        corners.values().all(|n| (60..140).contains(n)),
        "{corners:?}"
    );
}

#[test]
fn padding_lets_a_crop_move_at_full_size() {
    let image = numbered(4, 4);
    let steps = json!([{"random-crop": {"size": 4, "padding": 1, "fill": 200}}]);
    let mut borders = 0;
    for index in 0..100 {
        let crop = apply(&steps, &image, index);
        assert_eq!((crop.height, crop.width), (4, 4));
        let border = |value: &&u8| **value >= 200;
        let fill = crop.pixels.iter().filter(border).count();
        assert!([0, 4, 7].contains(&fill), "{:?}", crop.pixels);
        borders += usize::from(fill > 0);
    }
    // One place of nine shows no border.
    assert!((75..100).contains(&borders), "{borders} of 100");
}

#[test]
fn random_resized_crops_have_the_size_asked_and_stay_in_range() {
    // Horizontal ramp: its slope after the crop tells the width of what was cut out.
    let image = Image {
        pixels: (0..64 * 64).map(|at| (at % 64 * 4) as u8).collect(),
        ..Image::filled(64, 64, 1, 0)
    };
    let steps = json!([{"random-resized-crop": {"size": [8, 16], "scale": [0.25, 0.25], "ratio": [1.0, 1.0]}}]);
    for index in 0..50 {
        let crop = apply(&steps, &image, index);
        assert_eq!((crop.height, crop.width), (8, 16));
        let rise = i32::from(crop.pixels[15]) - i32::from(crop.pixels[0]);
        // 32 columns in 16: 15 steps of 8, ends flattened by the filter.
        assert!((116..=122).contains(&rise), "{rise}");
    }
    let narrow = Image::filled(4, 100, 3, 9);
    let any = json!([{"random-resized-crop": {"size": 5}}]);
    let sizes: Vec<_> = (0..50)
        .map(|index| apply(&any, &narrow, index).pixels.len())
        .collect();
    assert_eq!(
        sizes, [75; 50],
        "images of extreme shape fall back to the middle"
    );
}

#[test]
fn vflip_mirrors_top_and_bottom() {
    let image = Image {
        pixels: vec![1, 2, 3, 4, 5, 6],
        ..Image::filled(2, 1, 3, 0)
    };
    assert_eq!(
        apply(&json!([{"vflip": {"p": 1}}]), &image, 0).pixels,
        [4, 5, 6, 1, 2, 3]
    );
    assert_eq!(apply(&json!([{"vflip": {"p": 0}}]), &image, 0), image);
}

/// Compares to one step of 255: the expected values were rounded from f64, ours come from f32.
fn assert_near(found: &[u8], expected: &[[u8; 3]]) {
    let near = found
        .iter()
        .zip(expected.as_flattened())
        .all(|(a, b)| a.abs_diff(*b) <= 1);
    assert!(
        near && found.len() == 3 * expected.len(),
        "{found:?}\n{expected:?}"
    );
}

#[test]
fn colours_change_as_torchvision_defines_it() {
    let image = Image {
        pixels: vec![
            200, 30, 60, 10, 120, 250, 90, 200, 40, 128, 128, 128, 255, 255, 0, 0, 0, 0,
        ],
        ..Image::filled(1, 6, 3, 0)
    };
    let after = |change| {
        let mut image = image.clone();
        changed(&mut image, &[change]);
        image.pixels
    };
    // tests/golden/colour.py
    let turned = [
        [145, 200, 30],
        [250, 10, 240],
        [40, 170, 200],
        [128, 128, 128],
        [0, 255, 128],
        [0, 0, 0],
    ];
    assert_near(&after(Change::Hue(0.25)), &turned);
    let back = [
        [30, 128, 200],
        [216, 250, 10],
        [200, 40, 154],
        [128, 128, 128],
        [153, 0, 255],
        [0, 0, 0],
    ];
    assert_near(&after(Change::Hue(-0.4)), &back);
    let bright = [
        [255, 45, 90],
        [15, 180, 255],
        [135, 255, 60],
        [192, 192, 192],
        [255, 255, 0],
        [0, 0, 0],
    ];
    assert_near(&after(Change::Brightness(1.5)), &bright);
    let flat = [
        [157, 72, 87],
        [62, 117, 182],
        [102, 157, 77],
        [121, 121, 121],
        [185, 185, 57],
        [57, 57, 57],
    ];
    assert_near(&after(Change::Contrast(0.5)), &flat);
    let vivid = [
        [255, 0, 45],
        [0, 131, 255],
        [55, 231, 0],
        [128, 128, 128],
        [255, 255, 0],
        [0, 0, 0],
    ];
    assert_near(&after(Change::Saturation(1.6)), &vivid);
    let grey = numbered(3, 3);
    for change in [Change::Hue(0.3), Change::Saturation(2.0)] {
        let mut same = grey.clone();
        changed(&mut same, &[change]);
        assert_eq!(same, grey, "grey images have no hue");
    }
}

#[test]
fn colour_jitter_draws_within_its_range() {
    let image = Image::filled(2, 2, 1, 100);
    let steps = json!([{"colour-jitter": {"brightness": 0.2}}]);
    let drawn: Vec<u8> = (0..500)
        .map(|index| apply(&steps, &image, index).pixels[0])
        .collect();
    let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
    assert!(
        (80..=82).contains(least) && (118..=120).contains(most),
        "{least} to {most}"
    );
    let american = json!([{"color-jitter": {"brightness": 0.2}}]);
    assert_eq!(
        recipe(american),
        recipe(steps),
        "both spellings are one setting"
    );
}

#[test]
fn bytes_of_augmented_images_stay_the_same() {
    let image = noise(12, 10, 3, 0);
    let steps = json!([
        {"random-crop": {"size": 9, "padding": 2}},
        {"colour-jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2}},
        {"random-resized-crop": {"size": 7}},
    ]);
    let bytes: Vec<u8> = (0..20)
        .flat_map(|index| apply(&steps, &image, index).pixels)
        .collect();
    // On every CPU. Other bytes call for a new version of the kind `augment`.
    assert_eq!(
        retake::hash::Digest::of_bytes(&bytes).short(),
        "0688ead7e400"
    );
}

fn images(path: &std::path::Path, sizes: &[(usize, usize)]) -> Pack {
    let items: Vec<_> = (0..)
        .zip(sizes)
        .map(|(index, (height, width))| (noise(*height, *width, 3, index), Label::None))
        .collect();
    pack_of(path, schema(3, LabelKind::None, 0), &items)
}

#[test]
fn online_crops_give_batches_of_the_cropped_size() {
    let dir = tempfile::tempdir().unwrap();
    let pack = images(&dir.path().join("in"), &[(8, 8), (9, 7), (6, 6)]);
    let out = dir.path().join("out");
    let steps = json!([{"random-crop": {"size": [6, 5]}}]);
    augment::attach(&pack, recipe(steps), &out, &go_on).unwrap();
    let source = Source::open(&out).unwrap();
    assert_eq!(source.pack.sample_size().unwrap(), (6, 5));
    let batches = Batches::new(Arc::new(source), 1, 2, false);
    let batch = batches.batch(0, 0).unwrap();
    assert_eq!(batch.shape, (2, 3, 6, 5));
    assert_eq!(batch.images.len(), 2 * 3 * 6 * 5);
}

#[test]
fn a_crop_that_does_not_fit_names_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let pack = images(&dir.path().join("in"), &[(8, 8), (5, 8)]);
    let out = dir.path().join("out");
    let crop = || recipe(json!([{"random-crop": {"size": 8, "padding": [1, 0]}}]));
    let expected =
        "image `image 1`: random-crop: 8×8 does not fit into 7×8 pixels, padding included";
    let said = |result: Result<(), DataError>| result.unwrap_err().to_string();
    assert_eq!(said(augment::attach(&pack, crop(), &out, &go_on)), expected);
    assert_eq!(
        said(augment::expand(&pack, &crop(), 2, false, 0, &out, &go_on)),
        expected
    );
}
