use retake::data::faces::{self, Attributes, Face, Faces, GROUPS, Style, draw, face};
use retake::data::{Image, Label, Pack, card};

use super::go_on;

/// The same face in all but its attributes.
fn with(attributes: Attributes) -> Face {
    Face {
        attributes,
        ..face(3, 4)
    }
}

fn all() -> Vec<Attributes> {
    let mut all = Vec::new();
    for hair in 0..6 {
        for eyes in 0..4 {
            for face in 0..3 {
                for glasses in 0..2 {
                    all.push(Attributes {
                        hair,
                        eyes,
                        face,
                        glasses,
                    });
                }
            }
        }
    }
    all
}

/// Mean absolute difference per byte.
fn distance(a: &Image, b: &Image) -> f64 {
    let bytes = a.pixels.iter().zip(&b.pixels);
    let sum: u64 = bytes.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.pixels.len() as f64
}

#[test]
fn classes_are_named_as_on_the_card_in_groups() {
    let names = faces::classes();
    assert_eq!(names.len(), 15);
    assert_eq!(names[0], "hair-black");
    assert_eq!(names[6], "eyes-brown");
    assert_eq!(names[10], "face-light");
    assert_eq!(names[14], "glasses-worn");
    assert_eq!(GROUPS.map(|(_, values)| values.len()), [6, 4, 3, 2]);
    assert_eq!(card::named("faces").unwrap().classes, names);
}

#[test]
fn every_label_has_one_class_of_each_group() {
    let labels: Vec<Label> = all().iter().map(Attributes::label).collect();
    for label in &labels {
        let Label::Multi(on) = label else {
            panic!("multi-hot labels");
        };
        let groups: Vec<usize> = on
            .iter()
            .map(|class| [6, 10, 13, 15].iter().position(|end| class < end).unwrap())
            .collect();
        assert_eq!(groups, [0, 1, 2, 3], "{on:?}");
    }
    let different: std::collections::BTreeSet<String> =
        labels.iter().map(|label| format!("{label:?}")).collect();
    assert_eq!(different.len(), 144);
}

#[test]
fn all_combinations_of_attributes_look_different() {
    let drawn: Vec<Image> = all().into_iter().map(|a| draw(&with(a), 64)).collect();
    let mut nearest = f64::MAX;
    for (i, a) in drawn.iter().enumerate() {
        for b in &drawn[..i] {
            nearest = nearest.min(distance(a, b));
        }
    }
    // Eyes are small: their colour alone is about half a grey step over the whole image.
    assert!(nearest > 0.3, "two of them are only {nearest:.2} apart");
}

#[test]
fn every_value_and_style_occurs_about_equally_often() {
    let mut classes = [0u32; 15];
    let mut styles = [0u32; 6];
    for index in 0..3600 {
        let face = face(5, index);
        let Label::Multi(on) = face.attributes.label() else {
            panic!("multi-hot labels");
        };
        for class in on {
            classes[class as usize] += 1;
        }
        let style = Style::ALL
            .iter()
            .position(|style| *style == face.look.style);
        styles[style.unwrap()] += 1;
    }
    let mut first = 0;
    for (group, values) in GROUPS {
        let mean = 3600 / values.len() as u32;
        for count in &classes[first..first + values.len()] {
            assert!(count.abs_diff(mean) < mean / 6, "{group}: {classes:?}");
        }
        first += values.len();
    }
    assert!(styles.iter().all(|n| n.abs_diff(600) < 100), "{styles:?}");
}

#[test]
fn a_face_depends_on_seed_and_index_alone() {
    let dir = tempfile::tempdir().unwrap();
    let drawn = |images, threads| {
        let path = dir.path().join(format!("{images}-{threads}"));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| faces::write(&Faces { images, size: 16 }, 7, &path, &go_on))
            .unwrap();
        path
    };
    let (one, four) = (drawn(200, 1), drawn(200, 4));
    assert!(std::fs::read(&one).unwrap() == std::fs::read(&four).unwrap());
    let (many, few) = (Pack::open(&one).unwrap(), Pack::open(&drawn(3, 2)).unwrap());
    assert_eq!(few.len(), 3);
    assert_eq!(many.image(2), few.image(2));
    assert_eq!(many.label(2), face(7, 2).attributes.label());
    assert_ne!(face(7, 2), face(8, 2));
}

#[test]
fn faces_of_any_size_show_the_same() {
    let face = face(1, 0);
    let (small, large) = (draw(&face, 32), draw(&face, 128));
    // The mean of 4 × 4 pixels of the large one.
    let mut mean = small.clone();
    for (at, value) in mean.pixels.iter_mut().enumerate() {
        let (y, x, channel) = (at / 96, at / 3 % 32, at % 3);
        let pixel =
            |dy, dx| u32::from(large.pixels[((4 * y + dy) * 128 + 4 * x + dx) * 3 + channel]);
        let sum: u32 = (0..16).map(|at| pixel(at / 4, at % 4)).sum();
        *value = (sum / 16) as u8;
    }
    let apart = distance(&small, &mean);
    assert!(apart < 4.0, "{apart:.2} apart");
    for size in [8, 9, 1024] {
        assert_eq!(draw(&face, size).pixels.len(), size * size * 3);
    }
}

#[test]
fn drawn_bytes_stay_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    faces::write(
        &Faces {
            images: 20,
            size: 64,
        },
        7,
        &path,
        &go_on,
    )
    .unwrap();
    // Other bytes call for a new version of the dataset kind.
    let digest = retake::hash::Digest::of_file(&path).unwrap();
    assert_eq!(digest.short(), "5978a0fb5cc8");
}
