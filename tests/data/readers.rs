use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use retake::data::export::export_folder;
use retake::data::files::Reading;
use retake::data::{DataError, Label, LabelKind, Pack, folder, idx};
use retake::hash::Digest;

use super::{go_on, noise, pack_of, schema};

/// Where Debian's package puts the files.
pub static FASHION_MNIST: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from("/usr/share/datasets/fashion-mnist"));

fn idx_bytes(sizes: &[u32], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(content);
    bytes
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn reason<T>(result: Result<T, DataError>) -> String {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn idx_reads_plain_and_gzipped_files_alike() {
    let dir = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..12).collect();
    let bytes = idx_bytes(&[2, 3, 2], &content);
    for (name, bytes) in [("raw", bytes.clone()), ("gz", gzipped(&bytes))] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let images = idx::read_images(&path).unwrap();
        assert_eq!((images.height, images.width), (3, 2));
        assert_eq!(images.pixels, content);
    }
}

#[test]
fn damaged_idx_files_are_errors_that_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        reason(idx::read_images(&path))
    };
    let whole = idx_bytes(&[1, 2, 2], &[1, 2, 3, 4]);
    assert!(read(&[]).contains("not an IDX file"));
    assert!(read(&whole[..whole.len() - 1]).contains("fewer bytes than its sizes [1, 2, 2]"));
    assert!(read(&[&whole[..], &[0]].concat()).contains("more bytes"));
    assert!(read(&idx_bytes(&[5], &[0; 5])).contains("not an IDX file of images"));
    assert!(read(&idx_bytes(&[u32::MAX, u32::MAX, 9], &[])).contains("damaged"));
    assert!(read(&idx_bytes(&[3, 0, 2], &[])).contains("without pixels"));
    let zipped = gzipped(&idx_bytes(&[1, 20, 20], &[7; 400]));
    for len in 0..zipped.len() {
        read(&zipped[..len]);
    }
}

#[test]
fn idx_labels_name_classes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    let images = idx::GreyImages {
        height: 1,
        width: 1,
        pixels: vec![5, 6, 7],
    };
    idx::write(&images, Some(&[0, 2, 1]), None, None, &path).unwrap();
    let pack = Pack::open(&path).unwrap();
    assert_eq!(pack.schema().classes, ["0", "1", "2"]);
    assert_eq!(pack.label(1), Label::Class(2));

    let names = ["x".to_owned(), "y".to_owned(), "z".to_owned()];
    idx::write(&images, Some(&[0, 2, 1]), Some(&names), Some(2), &path).unwrap();
    let pack = Pack::open(&path).unwrap();
    assert_eq!((pack.len(), &pack.schema().classes[..]), (2, &names[..]));

    idx::write(&images, None, None, None, &path).unwrap();
    assert_eq!(Pack::open(&path).unwrap().schema().labels, LabelKind::None);

    let few = reason(idx::write(
        &images,
        Some(&[0, 2, 1]),
        Some(&names[..2]),
        None,
        &path,
    ));
    assert!(
        few.contains("image 1 has label 2, beyond the 2 classes"),
        "{few}"
    );
    let other = reason(idx::write(&images, Some(&[0, 1]), None, None, &path));
    assert!(other.contains("3 images but 2 labels"), "{other}");
    let unlabelled = reason(idx::write(&images, None, Some(&names), None, &path));
    assert!(
        unlabelled.contains("input `labels` is missing"),
        "{unlabelled}"
    );
}

#[test]
fn fashion_mnist_reads_as_published() {
    if !FASHION_MNIST.exists() {
        eprintln!("dataset-fashion-mnist is not installed: not read");
        return;
    }
    let images = idx::read_images(&FASHION_MNIST.join("t10k-images-idx3-ubyte.gz")).unwrap();
    let labels = idx::read_labels(&FASHION_MNIST.join("t10k-labels-idx1-ubyte.gz")).unwrap();
    assert_eq!((images.height, images.width), (28, 28));
    assert_eq!(images.pixels.len(), 10_000 * 28 * 28);
    let mut counts = [0; 10];
    for label in labels {
        counts[usize::from(label)] += 1;
    }
    assert_eq!(counts, [1000; 10]);
    // zcat t10k-images-idx3-ubyte.gz | tail -c +17 | b3sum
    assert_eq!(Digest::of_bytes(&images.pixels).short(), "8ea90ef2b169");
}

#[cfg(feature = "candle-datasets")]
#[test]
fn a_folder_laid_out_like_mnist_gives_the_same_bytes_as_its_idx_files() {
    use retake::data::mnist_dir;
    let dir = tempfile::tempdir().unwrap();
    let every_byte: Vec<u8> = (0..=255).collect();
    for (part, count) in [("train", 2), ("t10k", 1)] {
        let images = idx_bytes(&[count, 16, 8], &every_byte[..count as usize * 128]);
        let labels = idx_bytes(&[count], &[3, 9][..count as usize]);
        std::fs::write(dir.path().join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        std::fs::write(dir.path().join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    let (images, labels) = mnist_dir::read(dir.path(), false).unwrap();
    assert_eq!((images.height, images.width), (16, 8));
    assert_eq!(images.pixels, every_byte);
    assert_eq!(labels, [3, 9]);
    let (images, labels) = mnist_dir::read(dir.path(), true).unwrap();
    assert_eq!(images.pixels, every_byte[..128]);
    assert_eq!(labels, [3]);

    std::fs::write(dir.path().join("t10k-labels-idx1-ubyte"), [0, 0]).unwrap();
    assert!(reason(mnist_dir::read(dir.path(), false)).contains("not an IDX file"));
}

pub fn save(path: &Path, image: &retake::data::Image) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let color = match image.channels {
        1 => image::ColorType::L8,
        _ => image::ColorType::Rgb8,
    };
    let (width, height) = (image.width as u32, image.height as u32);
    image::save_buffer(path, &image.pixels, width, height, color).unwrap();
}

#[test]
fn sub_folders_are_classes_in_sorted_order() {
    let dir = tempfile::tempdir().unwrap();
    let (files, out) = (dir.path().join("files"), dir.path().join("p"));
    save(&files.join("dog/b.png"), &noise(2, 3, 3, 0));
    save(&files.join("cat/deep/a.PNG"), &noise(4, 4, 3, 1));
    save(&files.join("cat/z.png"), &noise(1, 1, 1, 2));
    std::fs::write(files.join("notes.txt"), "not an image").unwrap();
    folder::write(&files, None, &Reading::new(3), &out, &go_on).unwrap();
    let pack = Pack::open(&out).unwrap();
    assert_eq!(pack.schema().classes, ["cat", "dog"]);
    let names: Vec<&str> = (0..pack.len()).map(|i| pack.name(i)).collect();
    assert_eq!(names, ["cat/deep/a.PNG", "cat/z.png", "dog/b.png"]);
    assert_eq!(pack.label(2), Label::Class(1));
    assert_eq!(pack.image(2), noise(2, 3, 3, 0).view());
    let grey = noise(1, 1, 1, 2).pixels[0];
    assert_eq!(pack.image(1).pixels, [grey; 3], "grey becomes RGB");
    let first = Reading {
        limit: Some(1),
        ..Reading::new(1)
    };
    folder::write(&files, None, &first, &out, &go_on).unwrap();
    let pack = Pack::open(&out).unwrap();
    assert_eq!((pack.len(), pack.schema().channels), (1, 1));
}

#[test]
fn folders_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (files, out) = (dir.path().join("files"), dir.path().join("p"));
    let read = || reason(folder::write(&files, None, &Reading::new(3), &out, &go_on));
    assert!(read().contains("not a folder"));
    std::fs::create_dir(&files).unwrap();
    assert!(read().contains("holds no .png"));
    save(&files.join("cat/a.png"), &noise(2, 2, 3, 0));
    save(&files.join("stray.png"), &noise(2, 2, 3, 1));
    let stray = read();
    assert!(stray.contains("stray.png: lies beside folders"), "{stray}");
    std::fs::write(files.join("labels.csv"), "file,label\n../a.png,x\n").unwrap();
    let outside = read();
    assert!(outside.contains("no path inside the folder"), "{outside}");
    std::fs::write(files.join("labels.csv"), "file,label\ncat/a.png,x\n").unwrap();
    std::fs::write(files.join("classes.txt"), "y\n").unwrap();
    let unlisted = read();
    assert!(
        unlisted.contains("class `x`, which `classes.txt` does not list"),
        "{unlisted}"
    );
    std::fs::write(files.join("classes.txt"), "x\n").unwrap();
    std::fs::write(files.join("cat/a.png"), b"\x89PNG\r\n\x1a\nbroken").unwrap();
    assert!(read().contains("cat/a.png"));
}

#[test]
fn an_exported_folder_reads_back_as_the_same_pack() {
    let kinds = [
        (LabelKind::None, 0, [Label::None, Label::None]),
        (LabelKind::Class, 3, [Label::Class(2), Label::Class(0)]),
        (
            LabelKind::Multi,
            3,
            [Label::Multi(vec![0, 2]), Label::Multi(vec![])],
        ),
    ];
    for (channels, (kind, classes, labels)) in [1, 3, 3].into_iter().zip(kinds) {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = labels;
        let items = [
            (noise(4, 5, channels, 0), first),
            (noise(3, 3, channels, 1), second),
        ];
        let (before, after) = (dir.path().join("before"), dir.path().join("after"));
        let pack = pack_of(&before, schema(channels, kind, classes), &items);
        let files = dir.path().join("files");
        export_folder(&pack, &files).unwrap();
        folder::write(&files, None, &Reading::new(channels), &after, &go_on).unwrap();
        assert!(
            std::fs::read(&before).unwrap() == std::fs::read(&after).unwrap(),
            "{kind:?} comes back different"
        );
    }
}
