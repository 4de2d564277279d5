use std::hint::black_box;

use proptest::prelude::*;
use retake::data::{Label, LabelKind, Pack, PackWriter};

use super::{noise, pack_of, schema};

/// Small packs of every label kind, with equal and with different sizes.
fn packs() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let label = |kind, i: u32| match kind {
        LabelKind::None => Label::None,
        LabelKind::Class => Label::Class(i % 2),
        LabelKind::Multi => Label::Multi((0..i % 3).collect()),
    };
    let mut packs = Vec::new();
    for (kind, classes) in [
        (LabelKind::None, 0),
        (LabelKind::Class, 2),
        (LabelKind::Multi, 2),
    ] {
        for step in [0, 1] {
            let path = dir.path().join("data.pack");
            let items: Vec<_> = (0..5)
                .map(|i| {
                    let image = noise(3, 2 + i * step, 3, i as u64);
                    (image, label(kind, i as u32))
                })
                .collect();
            pack_of(&path, schema(3, kind, classes), &items);
            packs.push(std::fs::read(&path).unwrap());
        }
    }
    packs
}

/// Opens `bytes` as a pack and reads everything in it, if it opens.
fn read_all(bytes: &[u8]) -> Option<usize> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.pack");
    std::fs::write(&path, bytes).unwrap();
    let pack = Pack::open(&path).ok()?;
    let mut row = vec![0.0; pack.schema().classes.len()];
    for i in 0..pack.len() {
        black_box(
            pack.image(i)
                .pixels
                .iter()
                .map(|v| u64::from(*v))
                .sum::<u64>(),
        );
        black_box(pack.label(i));
        black_box(pack.name(i).len());
        pack.label_vector(i, &mut row);
    }
    Some(pack.len())
}

#[test]
fn a_pack_gives_back_what_was_pushed() {
    let dir = tempfile::tempdir().unwrap();
    let items = vec![
        (noise(4, 5, 3, 0), Label::Multi(vec![0, 2])),
        (noise(1, 1, 3, 1), Label::Multi(vec![])),
        (noise(7, 2, 3, 2), Label::Multi(vec![1])),
    ];
    let schema = schema(3, LabelKind::Multi, 3);
    let pack = pack_of(&dir.path().join("p"), schema.clone(), &items);
    assert_eq!(pack.len(), 3);
    assert_eq!(pack.schema(), &schema);
    assert_eq!(pack.size(), None, "sizes differ");
    for (i, (image, label)) in items.iter().enumerate() {
        assert_eq!(pack.image(i), image.view());
        assert_eq!(&pack.label(i), label);
        assert_eq!(pack.name(i), format!("image {i}"));
    }
    let mut row = [9.0; 3];
    pack.label_vector(0, &mut row);
    assert_eq!(row, [1.0, 0.0, 1.0]);
}

#[test]
fn a_pack_knows_the_common_size() {
    let dir = tempfile::tempdir().unwrap();
    let items = [
        (noise(4, 5, 1, 0), Label::None),
        (noise(4, 5, 1, 1), Label::None),
    ];
    let pack = pack_of(&dir.path().join("p"), schema(1, LabelKind::None, 0), &items);
    assert_eq!(pack.size(), Some((4, 5)));
    assert_eq!(pack.image(1), items[1].0.view());
}

#[test]
fn an_empty_pack_opens() {
    let dir = tempfile::tempdir().unwrap();
    let pack = pack_of(&dir.path().join("p"), schema(1, LabelKind::Class, 2), &[]);
    assert!(pack.is_empty());
    let error = pack.uniform_size().unwrap_err().to_string();
    assert!(error.ends_with("holds no image"), "{error}");
}

#[test]
fn equal_content_gives_equal_bytes() {
    let first = packs();
    let second = packs();
    assert!(first == second);
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    let mut writer = PackWriter::create(&path, schema(1, LabelKind::Class, 2)).unwrap();
    let image = noise(2, 2, 1, 0);
    let error = |result: Result<(), retake::data::DataError>| result.unwrap_err().to_string();
    let beyond = error(writer.push(&image.view(), &Label::Class(2), "x"));
    assert!(
        beyond.contains("image `x`") && beyond.contains("2 classes"),
        "{beyond}"
    );
    let kind = error(writer.push(&image.view(), &Label::None, "x"));
    assert!(kind.contains("does not fit"), "{kind}");
    let colour = error(writer.push(&noise(2, 2, 3, 0).view(), &Label::Class(0), "x"));
    assert!(colour.contains("`channels` step"), "{colour}");
    let mut short = image.view();
    short.pixels = &short.pixels[1..];
    let bytes = error(writer.push(&short, &Label::Class(0), "x"));
    assert!(bytes.contains("3 bytes do not make 2×2"), "{bytes}");
    drop(writer);
    assert!(
        Pack::open(&path).is_err(),
        "an unfinished pack does not open"
    );
}

#[test]
fn every_truncation_is_an_error() {
    for bytes in packs() {
        assert_eq!(read_all(&bytes), Some(5));
        for len in 0..bytes.len() {
            assert_eq!(read_all(&bytes[..len]), None, "cut to {len} bytes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is flipped or cut, opening gives an error or a pack that can be read through.
    #[test]
    fn damaged_packs_never_panic(
        which in 0usize..6,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..6),
        prelude in any::<bool>(),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        use std::sync::LazyLock;
        static PACKS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(packs);
        let mut bytes = PACKS[which].clone();
        for (at, bit) in flips {
            // Half of the cases damage the prelude, where every bit matters.
            let reach = if prelude { 128 } else { bytes.len() };
            bytes[at.index(reach)] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read_all(&bytes);
    }
}
