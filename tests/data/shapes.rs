use retake::data::shapes::{self, Colour, Object, Scene, Shapes, Solid, draw, scene};
use retake::data::{Label, Pack, card};

use super::go_on;

fn alone(solid: Solid, colour: Colour) -> Scene {
    Scene(vec![Object {
        solid,
        colour,
        x: 0.5,
        y: 0.5,
        radius: 0.185,
    }])
}

/// Mean absolute difference of two drawings, per byte, over the middle of the image.
fn distance(a: &Scene, b: &Scene) -> f64 {
    let (a, b) = (draw(a, 32), draw(b, 32));
    let sum: u64 = a
        .pixels
        .iter()
        .zip(&b.pixels)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / (12.0 * 12.0 * 3.0)
}

#[test]
fn classes_are_named_as_on_the_card() {
    let names = shapes::classes();
    assert_eq!(names.len(), 24);
    assert_eq!(names[0], "gray cube");
    assert_eq!(names[9], "red sphere");
    assert_eq!(names[23], "yellow cylinder");
    assert_eq!(card::named("shapes").unwrap().classes, names);
}

#[test]
fn solids_and_colours_differ_clearly_at_32_pixels() {
    let all: Vec<Scene> = Solid::ALL
        .iter()
        .flat_map(|solid| Colour::ALL.map(|colour| alone(*solid, colour)))
        .collect();
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            let apart = distance(a, b);
            assert!(
                apart > 9.0,
                "{:?} and {:?} are only {apart:.1} apart",
                a.0[0],
                b.0[0]
            );
        }
    }
}

#[test]
fn a_scene_depends_on_seed_and_index_alone() {
    let dir = tempfile::tempdir().unwrap();
    let drawn = |images, threads| {
        let path = dir.path().join(format!("{images}-{threads}"));
        let shapes = Shapes {
            images,
            size: 16,
            objects: (1, 3),
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| shapes::write(&shapes, 7, &path, &go_on))
            .unwrap();
        path
    };
    let (one, four) = (drawn(700, 1), drawn(700, 4));
    assert!(std::fs::read(&one).unwrap() == std::fs::read(&four).unwrap());
    let (many, few) = (Pack::open(&one).unwrap(), Pack::open(&drawn(3, 2)).unwrap());
    assert_eq!(few.len(), 3);
    assert_eq!(many.image(2), few.image(2));
    assert_ne!(scene(7, 2, (1, 3)), scene(8, 2, (1, 3)));
}

#[test]
fn labels_say_what_is_drawn() {
    for index in 0..200 {
        let scene = scene(1, index, (2, 3));
        let Label::Multi(on) = scene.label() else {
            panic!("multi-hot labels");
        };
        assert!((2..=3).contains(&on.len()));
        assert_eq!(on.len(), scene.0.len(), "no class twice");
        for object in &scene.0 {
            assert!(on.contains(&object.class()));
            let inside = object.radius..=1.0 - object.radius;
            assert!(inside.contains(&object.x) && inside.contains(&object.y));
        }
    }
}

#[test]
fn every_class_and_count_occurs_about_equally_often() {
    let mut classes = [0u32; 24];
    let mut counts = [0u32; 3];
    for index in 0..3000 {
        let scene = scene(5, index, (1, 3));
        counts[scene.0.len() - 1] += 1;
        for object in scene.0 {
            classes[object.class() as usize] += 1;
        }
    }
    assert!(
        classes.iter().all(|n| (190..=310).contains(n)),
        "{classes:?}"
    );
    assert!(
        counts.iter().all(|n| (900..=1100).contains(n)),
        "{counts:?}"
    );
}

#[test]
fn objects_seldom_hide_each_other() {
    let crowded = (0..1000)
        .filter(|index| {
            let objects = scene(2, *index, (3, 3)).0;
            objects.iter().enumerate().any(|(i, a)| {
                objects[..i].iter().any(|b| {
                    let apart = (a.x - b.x).hypot(a.y - b.y);
                    apart < 0.9 * (a.radius + b.radius)
                })
            })
        })
        .count();
    assert!(crowded < 20, "{crowded} of 1000 scenes are crowded");
}

#[test]
fn drawn_bytes_stay_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    let shapes = Shapes {
        images: 20,
        size: 32,
        objects: (1, 3),
    };
    shapes::write(&shapes, 7, &path, &go_on).unwrap();
    // Other bytes call for a new version of the dataset kind.
    let digest = retake::hash::Digest::of_file(&path).unwrap();
    assert_eq!(digest.short(), "e15ca82f86a0");
}
