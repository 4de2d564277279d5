use std::sync::Arc;

use retake::data::recipe::{AugmentStep, Hflip, Rotate};
use retake::data::rotate::Edge;
use retake::data::{Batch, Batches, Label, LabelKind, Recipe, Source, augment};
use retake::hash::Digest;

use super::{go_on, noise, pack_of, schema, small_pack};

fn source(count: usize, recipe: Option<Recipe>) -> (tempfile::TempDir, Arc<Source>) {
    let dir = tempfile::tempdir().unwrap();
    let pack = small_pack(&dir.path().join("p"), count);
    (dir, Arc::new(Source { pack, recipe }))
}

fn recipe() -> Recipe {
    Recipe(vec![
        AugmentStep::Hflip(Hflip { p: 0.5 }),
        AugmentStep::Rotate(Rotate {
            degrees: [-30.0, 30.0],
            edge: Edge::Replicate,
        }),
    ])
}

#[test]
fn pixels_become_planes_in_minus_one_to_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut image = noise(2, 1, 3, 0);
    image.pixels = vec![0, 51, 255, 102, 153, 204];
    let items = [(image, Label::Class(1))];
    let pack = pack_of(
        &dir.path().join("p"),
        schema(3, LabelKind::Class, 2),
        &items,
    );
    let batch = Batch::of(&pack, &[0]).unwrap();
    assert_eq!(batch.shape, (1, 3, 2, 1));
    let expected = [-1.0, -0.2, -0.6, 0.2, 1.0, 0.6];
    for (value, expected) in batch.images.iter().zip(expected) {
        assert!(
            (value - expected).abs() < 1e-6,
            "{value} instead of {expected}"
        );
    }
    assert_eq!(batch.labels, [0.0, 1.0]);
    assert_eq!(batch.classes, [1]);
}

#[test]
fn an_epoch_shows_every_image_once_in_an_order_of_its_own() {
    let (_dir, source) = source(50, None);
    let batches = Batches::new(source, 3, 8, false);
    assert_eq!(batches.per_epoch(), 7);
    let order = |epoch| -> Vec<u32> {
        (0..7)
            .flat_map(|index| batches.batch(epoch, index).unwrap().indices)
            .collect()
    };
    let (first, second) = (order(1), order(2));
    assert_ne!(first, second);
    assert_eq!(first, order(1));
    let mut sorted = first;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..50).collect::<Vec<u32>>());
}

#[test]
fn drop_last_leaves_out_the_short_batch() {
    let (_dir, source) = source(50, None);
    let batches = Batches::new(source, 3, 8, true);
    assert_eq!(batches.per_epoch(), 6);
    assert_eq!(batches.batch(0, 5).unwrap().indices.len(), 8);
}

#[test]
fn labels_follow_their_images() {
    let (_dir, source) = source(20, None);
    let batch = Batches::new(source, 3, 20, false).batch(0, 0).unwrap();
    for (place, index) in batch.indices.iter().enumerate() {
        assert_eq!(batch.classes[place], index % 3);
        let row = &batch.labels[place * 3..place * 3 + 3];
        assert_eq!(row.iter().sum::<f32>(), 1.0);
        assert_eq!(row[*index as usize % 3], 1.0);
    }
}

#[test]
fn prefetching_changes_no_value() {
    for recipe in [None, Some(recipe())] {
        let (_dir, source) = source(50, recipe);
        let batches = Batches::new(source, 3, 8, false);
        let ahead: Vec<Batch> = batches.prefetch(2, 3).map(Result::unwrap).collect();
        let direct: Vec<Batch> = (3..7).map(|i| batches.batch(2, i).unwrap()).collect();
        assert_eq!(ahead, direct);
    }
}

#[test]
fn prefetching_that_stops_early_leaves_no_thread_behind() {
    let (_dir, source) = source(50, None);
    let batches = Batches::new(Arc::clone(&source), 3, 1, false);
    let held = Arc::strong_count(&source);
    let mut ahead = batches.prefetch(0, 0);
    assert!(ahead.next().is_some_and(|batch| batch.is_ok()));
    assert!(Arc::strong_count(&source) > held, "a thread reads the pack");
    drop(ahead);
    assert_eq!(Arc::strong_count(&source), held);
}

#[test]
fn prefetching_ends_after_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let items = [
        (noise(2, 2, 1, 0), Label::None),
        (noise(3, 2, 1, 1), Label::None),
    ];
    let pack = pack_of(&dir.path().join("p"), schema(1, LabelKind::None, 0), &items);
    let batches = Batches::new(Arc::new(Source { pack, recipe: None }), 3, 1, false);
    let mut ahead = batches.prefetch(0, 0);
    assert!(ahead.next().is_some_and(|batch| batch.is_err()));
    assert!(ahead.next().is_none());
    assert!(ahead.next().is_none());
}

#[test]
fn batches_do_not_depend_on_the_number_of_threads() {
    let (_dir, source) = source(50, Some(recipe()));
    let epoch = |threads| -> Vec<Batch> {
        // The order of an epoch is kept: each pool starts without it.
        let batches = Batches::new(Arc::clone(&source), 3, 32, false);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let all = (0..batches.per_epoch()).map(|index| batches.batch(1, index).unwrap());
        pool.unwrap().install(|| all.collect())
    };
    let one = epoch(1);
    assert_eq!(one, epoch(2));
    assert_eq!(one, epoch(8));
}

#[test]
fn the_bytes_of_batches_stay_the_same() {
    // On every CPU. Other bytes call for a new version of the kind `train`.
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    for (channels, labels) in [(1, LabelKind::Class), (3, LabelKind::Multi)] {
        let items: Vec<_> = (0..50)
            .map(|i: u32| {
                let label = match labels {
                    LabelKind::Class => Label::Class(i % 5),
                    _ => Label::Multi(vec![i % 5]),
                };
                (noise(13, 14, channels, u64::from(i)), label)
            })
            .collect();
        for edge in [Edge::Replicate, Edge::Fill(9)] {
            let steps = vec![
                AugmentStep::Hflip(Hflip { p: 0.5 }),
                AugmentStep::Rotate(Rotate {
                    degrees: [-180.0, 180.0],
                    edge,
                }),
            ];
            for recipe in [None, Some(Recipe(steps))] {
                let path = dir.path().join("p");
                let pack = pack_of(&path, schema(channels, labels, 5), &items);
                let batches = Batches::new(Arc::new(Source { pack, recipe }), 3, 8, false);
                for batch in batches.prefetch(2, 0).map(Result::unwrap) {
                    let floats = batch.images.iter().chain(&batch.labels);
                    bytes.extend(floats.flat_map(|float| float.to_le_bytes()));
                    let numbers = batch.indices.iter().chain(&batch.classes);
                    bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
                }
            }
        }
    }
    assert_eq!(Digest::of_bytes(&bytes).short(), "3debfdaea2e2");
}

#[test]
fn augmentation_does_not_depend_on_the_batch_size_but_on_the_epoch() {
    let (_dir, source) = source(30, Some(recipe()));
    let sample = |batch_size: usize, epoch: u64, wanted: u32| -> Vec<f32> {
        let batches = Batches::new(Arc::clone(&source), 3, batch_size, false);
        (0..batches.per_epoch())
            .map(|index| batches.batch(epoch, index).unwrap())
            .find_map(|batch| {
                let place = batch.indices.iter().position(|index| *index == wanted)?;
                Some(batch.images[place * 36..(place + 1) * 36].to_vec())
            })
            .unwrap()
    };
    assert_eq!(sample(4, 1, 17), sample(30, 1, 17));
    assert_ne!(sample(4, 1, 17), sample(4, 2, 17));
}

#[test]
fn a_pack_may_carry_its_recipe() {
    let dir = tempfile::tempdir().unwrap();
    let pack = small_pack(&dir.path().join("p"), 5);
    let out = dir.path().join("with-recipe");
    augment::attach(&pack, recipe(), &out, &go_on).unwrap();
    let source = Source::open(&out).unwrap();
    assert_eq!(source.recipe, Some(recipe()));
    assert_eq!(source.pack.image(4), pack.image(4));
    assert_eq!(source.pack.label(4), pack.label(4));
    assert_eq!(Source::open(&dir.path().join("p")).unwrap().recipe, None);
}

#[test]
fn images_of_different_sizes_make_no_batch() {
    let dir = tempfile::tempdir().unwrap();
    let items = [
        (noise(2, 2, 1, 0), Label::None),
        (noise(3, 2, 1, 1), Label::None),
    ];
    let pack = pack_of(&dir.path().join("p"), schema(1, LabelKind::None, 0), &items);
    let error = Batch::of(&pack, &[0]).unwrap_err().to_string();
    assert!(error.contains("`resize` step"), "{error}");
}
