use retake::data::recipe::{AugmentStep, Hflip, Rotate};
use retake::data::resize::{Resize, ResizeFilter, resized};
use retake::data::rotate::{Edge, rotated};
use retake::data::select::Filter;
use retake::data::size::Size;
use retake::data::split::Split;
use retake::data::transform::{Step, Transform};
use retake::data::{Image, Label, LabelKind, Pack, Recipe, augment};
use retake::hash::Digest;
use retake::rng::Stream;
use serde_json::{from_value, json};

use super::{go_on, noise, pack_of, schema, small_pack};

fn steps(value: serde_json::Value) -> Vec<Step> {
    from_value(value).unwrap()
}

/// What `steps` make of one image.
fn transformed(image: Image, with: serde_json::Value) -> Image {
    let dir = tempfile::tempdir().unwrap();
    let channels = image.channels;
    let items = [(image, Label::None)];
    let pack = pack_of(
        &dir.path().join("in"),
        schema(channels, LabelKind::None, 0),
        &items,
    );
    let (steps, out) = (steps(with), dir.path().join("out"));
    let transform = Transform::new(&pack, &steps).unwrap();
    transform.write(&[0], &out, &go_on).unwrap();
    Pack::open(&out).unwrap().image(0).to_owned()
}

fn grey(height: usize, width: usize, pixels: &[u8]) -> Image {
    Image {
        height,
        width,
        channels: 1,
        pixels: pixels.to_vec(),
    }
}

#[test]
fn sizes_may_be_written_short_and_serialise_in_full() {
    let written = json!([
        {"resize": 64}, {"resize": [48, 64]}, {"resize": {"size": 8, "filter": "lanczos"}},
        {"center-crop": 28}, {"pad": 2}, {"pad": {"margin": [1, 0], "fill": 255}},
    ]);
    let full = json!([
        {"resize": {"size": [64, 64], "filter": "bilinear"}},
        {"resize": {"size": [48, 64], "filter": "bilinear"}},
        {"resize": {"size": [8, 8], "filter": "lanczos"}},
        {"center-crop": [28, 28]},
        {"pad": {"margin": [2, 2], "fill": 0}},
        {"pad": {"margin": [1, 0], "fill": 255}},
    ]);
    assert_eq!(serde_json::to_value(steps(written)).unwrap(), full);
    assert_eq!(steps(full.clone()), steps(full));
    for wrong in [
        json!([{"resize": -1}]),
        json!([{"resize": [1, 2, 3]}]),
        json!([{"resize": {"sise": 3}}]),
    ] {
        assert!(from_value::<Vec<Step>>(wrong).is_err());
    }
}

#[test]
fn resizing_interpolates() {
    let image = grey(1, 2, &[0, 200]);
    let wide = |filter| {
        let size = Size {
            height: 1,
            width: 4,
        };
        resized(&image.view(), &Resize { size, filter })
            .unwrap()
            .pixels
    };
    assert_eq!(wide(ResizeFilter::Nearest), [0, 0, 200, 200]);
    assert_eq!(wide(ResizeFilter::Bilinear), [0, 50, 150, 200]);
    let checks: Vec<u8> = (0..64)
        .map(|i| if (i / 8 + i) % 2 == 0 { 0 } else { 200 })
        .collect();
    for filter in [
        ResizeFilter::Bilinear,
        ResizeFilter::Bicubic,
        ResizeFilter::Lanczos,
    ] {
        let size = Size {
            height: 2,
            width: 2,
        };
        let small = resized(&grey(8, 8, &checks).view(), &Resize { size, filter }).unwrap();
        let even = small.pixels.iter().all(|v| v.abs_diff(100) <= 12);
        assert!(even, "{filter:?} does not alias: {:?}", small.pixels);
    }
}

#[test]
fn resized_and_rotated_bytes_stay_the_same() {
    // On every CPU. Other bytes call for a new version of the kinds `preprocess` and `augment`.
    let mut bytes = Vec::new();
    for channels in [1, 3] {
        let image = noise(13, 17, channels, 0);
        for filter in [
            ResizeFilter::Nearest,
            ResizeFilter::Bilinear,
            ResizeFilter::Bicubic,
            ResizeFilter::Lanczos,
        ] {
            for (height, width) in [(7, 9), (31, 40)] {
                let size = Size { height, width };
                let resized = resized(&image.view(), &Resize { size, filter }).unwrap();
                bytes.extend(resized.pixels);
            }
        }
        bytes.extend(rotated(&image.view(), 12.5, Edge::Replicate).pixels);
        bytes.extend(rotated(&image.view(), -77.0, Edge::Fill(9)).pixels);
    }
    assert_eq!(Digest::of_bytes(&bytes).short(), "6b5020beac37");
}

#[test]
fn steps_crop_pad_and_change_channels() {
    let image = grey(3, 3, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(
        transformed(image.clone(), json!([{"center-crop": 1}])).pixels,
        [5]
    );
    assert_eq!(
        transformed(image.clone(), json!([{"center-crop": [1, 2]}])).pixels,
        [4, 5]
    );
    let padded = transformed(image, json!([{"pad": {"margin": [1, 0], "fill": 9}}]));
    assert_eq!((padded.height, padded.width), (5, 3));
    assert_eq!(padded.pixels, [9, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9]);
    let rgb = transformed(grey(1, 1, &[7]), json!([{"channels": 3}]));
    assert_eq!(rgb.pixels, [7, 7, 7]);
    let red = Image {
        channels: 3,
        ..grey(1, 1, &[255, 0, 0])
    };
    // Pillow: Image.new("RGB", (1, 1), (255, 0, 0)).convert("L").getpixel((0, 0)) == 76
    assert_eq!(transformed(red, json!([{"channels": 1}])).pixels, [76]);
}

#[test]
fn a_crop_that_does_not_fit_names_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let pack = small_pack(&dir.path().join("in"), 2);
    let steps = steps(json!([{"center-crop": 7}]));
    let transform = Transform::new(&pack, &steps).unwrap();
    let error = transform
        .write(&[1], &dir.path().join("out"), &go_on)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "image `image 1`: center-crop: 7×7 does not fit into 6×6 pixels"
    );
}

#[test]
fn filters_choose_by_class_and_renumber() {
    let dir = tempfile::tempdir().unwrap();
    let pack = small_pack(&dir.path().join("in"), 9);
    let run = |with| {
        let (steps, out) = (steps(with), dir.path().join("out"));
        let transform = Transform::new(&pack, &steps)?;
        let selected = transform.selected()?;
        transform.write(&selected, &out, &go_on)?;
        Ok::<_, retake::data::DataError>((selected, Pack::open(&out)?))
    };
    let (selected, kept) = run(json!([{"filter": {"keep": ["c", "a"]}}])).unwrap();
    assert_eq!(selected, [0, 2, 3, 5, 6, 8]);
    assert_eq!(
        kept.schema().classes,
        ["a", "c"],
        "classes keep their order"
    );
    assert_eq!(kept.label(1), Label::Class(1));
    assert_eq!(kept.name(1), "image 2");
    let (selected, _) =
        run(json!([{"filter": {"drop": ["a"]}}, {"filter": {"drop": ["b"]}}])).unwrap();
    assert_eq!(selected, [2, 5, 8]);
    let unknown = run(json!([{"filter": {"keep": ["d"]}}]))
        .unwrap_err()
        .to_string();
    assert!(
        unknown.contains("unknown class `d`") && unknown.contains("(classes: a, b, c)"),
        "{unknown}"
    );
    let none = run(json!([{"filter": {"drop": ["a", "b", "c"]}}]))
        .unwrap_err()
        .to_string();
    assert!(none.contains("no class is left"), "{none}");
}

#[test]
fn filters_on_several_labels() {
    let dir = tempfile::tempdir().unwrap();
    let labels = [vec![0], vec![0, 1], vec![1, 2], vec![]];
    let items: Vec<_> = labels
        .into_iter()
        .map(|on| (noise(1, 1, 1, 0), Label::Multi(on)))
        .collect();
    let pack = pack_of(
        &dir.path().join("in"),
        schema(1, LabelKind::Multi, 3),
        &items,
    );
    let selected = |filter: Filter| {
        let steps = [Step::Filter(filter)];
        Transform::new(&pack, &steps).unwrap().selected().unwrap()
    };
    assert_eq!(
        selected(Filter::Keep(vec!["a".into(), "b".into()])),
        [0, 1, 3]
    );
    assert_eq!(selected(Filter::Drop(vec!["b".into()])), [0, 3]);
}

#[test]
fn a_split_divides_everything_once() {
    let split = Split {
        validation: 0.1,
        test: 0.25,
    };
    let items: Vec<usize> = (100..200).collect();
    let parts = split.divide(&items, 3).unwrap();
    let sizes: Vec<_> = parts
        .iter()
        .map(|(part, images)| (*part, images.len()))
        .collect();
    assert_eq!(sizes, [("train", 65), ("validation", 10), ("test", 25)]);
    assert!(parts.iter().all(|(_, images)| images.is_sorted()));
    let mut all: Vec<usize> = parts
        .iter()
        .flat_map(|(_, images)| images.clone())
        .collect();
    all.sort_unstable();
    assert_eq!(all, items);
    assert_eq!(parts, split.divide(&items, 3).unwrap());
    assert_ne!(parts, split.divide(&items, 4).unwrap());
    let error = split.divide(&items[..3], 3).unwrap_err().to_string();
    assert!(
        error.contains("`validation` gets none of 3 images"),
        "{error}"
    );
}

#[test]
fn rotation_turns_counter_clockwise() {
    let image = grey(3, 3, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let turned = |degrees| rotated(&image.view(), degrees, Edge::Replicate).pixels;
    assert_eq!(turned(90.0), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
    assert_eq!(turned(-90.0), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
    assert_eq!(turned(0.0), image.pixels);
    let corner = |edge| rotated(&image.view(), 45.0, edge).pixels[0];
    assert!(corner(Edge::Fill(200)) > 50);
    assert!(corner(Edge::Replicate) <= 9);
}

#[test]
fn hflip_mirrors_with_its_probability() {
    let image = Image {
        channels: 3,
        ..grey(1, 2, &[1, 2, 3, 4, 5, 6])
    };
    let flip = |p, index| {
        let recipe = Recipe(vec![AugmentStep::Hflip(Hflip { p })]);
        recipe
            .apply(image.clone(), &mut Stream::new(0, "test", index))
            .pixels
    };
    assert_eq!(flip(1.0, 0), [4, 5, 6, 1, 2, 3]);
    assert_eq!(flip(0.0, 0), image.pixels);
    let flipped = (0..1000).filter(|i| flip(0.3, *i) != image.pixels).count();
    assert!((250..350).contains(&flipped), "{flipped} of 1000");
}

#[test]
fn offline_copies_are_drawn_anew_and_keep_their_labels() {
    let dir = tempfile::tempdir().unwrap();
    let pack = small_pack(&dir.path().join("in"), 4);
    let recipe = Recipe(vec![AugmentStep::Rotate(Rotate {
        degrees: [10.0, 80.0],
        edge: Edge::Replicate,
    })]);
    let expanded = |keep: bool| {
        let out = dir.path().join(format!("out-{keep}"));
        augment::expand(&pack, &recipe, 3, keep, 1, &out, &go_on).unwrap();
        Pack::open(&out).unwrap()
    };
    let kept = expanded(true);
    assert_eq!(kept.len(), 12);
    assert_eq!(kept.image(3), pack.image(3));
    assert_ne!(kept.image(7), pack.image(3));
    assert_ne!(kept.image(7), kept.image(11));
    assert_eq!(kept.label(11), pack.label(3));
    assert_eq!((kept.name(3), kept.name(11)), ("image 3", "image 3#2"));
    let all = expanded(false);
    assert_ne!(all.image(3), pack.image(3));
    assert_eq!(
        all.image(7),
        kept.image(7),
        "a copy does not depend on the others"
    );
}
