//! Published sets in their usual layouts.

use std::fs;
use std::path::{Path, PathBuf};

use retake::data::files::Reading;
use retake::data::prompts::read_prompts;
use retake::data::resize::{Resize, resized};
use retake::data::size::Size;
use retake::data::{
    DataError, Image, Label, LabelKind, Pack, attributes, cifar, folder, multi_label,
};
use tempfile::TempDir;

use super::readers::{reason, save};
use super::{go_on, noise};

/// A folder with `images/0.png` … and whatever else is written to it.
struct Set {
    dir: TempDir,
}

impl Set {
    fn new(images: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for index in 0..images {
            let path = dir.path().join(format!("images/{index}.png"));
            save(&path, &noise(3, 2, 3, index));
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn attributes(&self, table: &str, limit: Option<usize>) -> Result<Pack, DataError> {
        let (table, out) = (self.text("attr.txt", table), self.path("out"));
        let reading = Reading {
            limit,
            ..Reading::new(3)
        };
        attributes::write(&self.path("images"), &table, &reading, &out, &go_on)?;
        Pack::open(&out)
    }

    fn multi_label(&self, labels: &str, classes: &str) -> Result<Pack, DataError> {
        let labels = self.text("train.json", labels);
        let (classes, out) = (self.text("objects.json", classes), self.path("out"));
        let images = self.path("images");
        multi_label::write(&images, &labels, &classes, &Reading::new(3), &out, &go_on)?;
        Pack::open(&out)
    }
}

#[test]
fn attribute_tables_give_multi_hot_labels_in_their_order() {
    let set = Set::new(3);
    let table = "3\nblack blond  glasses\n2.png 1 0 1\n0.png  -1 1 -1\r\n1.png 0 0 0\n\n";
    let pack = set.attributes(table, None).unwrap();
    assert_eq!(pack.schema().labels, LabelKind::Multi);
    assert_eq!(pack.schema().classes, ["black", "blond", "glasses"]);
    let labels: Vec<Label> = (0..3).map(|i| pack.label(i)).collect();
    let expected = [vec![0, 2], vec![1], vec![]].map(Label::Multi);
    assert_eq!(labels, expected);
    assert_eq!(pack.name(0), "2.png");
    assert_eq!(pack.image(0), noise(3, 2, 3, 2).view());
    let first = set.attributes(table, Some(1)).unwrap();
    assert_eq!((first.len(), first.name(0)), (1, "2.png"));
}

#[test]
fn attribute_tables_with_faults_are_refused_with_the_line() {
    let set = Set::new(2);
    let cases = [
        ("", "line 1: `` is no number of images"),
        ("two\na\n", "line 1: `two` is no number of images"),
        ("1\n\n0.png 1\n", "line 2: names no attribute"),
        ("0\na\n", "lists no image"),
        (
            "3\na b\n0.png 1 1\n1.png 0 0\n",
            "line 1: says 3 images, but 2 are listed",
        ),
        (
            "2\na b\n0.png 1 1\n1.png 0\n",
            "line 4: `1.png` has 1 values, but line 2 names 2 attributes",
        ),
        (
            "2\na b\n0.png 1 1\n1.png 0 2\n",
            "line 4: `2` for `b`: values are 1 (on) and 0 or -1 (off)",
        ),
        ("2\na\n0.png 1\n7.png 0\n", "line 4: no image `7.png` in"),
        (
            "2\na\n0.png 1\n0.png 0\n",
            "line 4: `0.png` is listed twice",
        ),
        (
            "1\na\n../attr.txt 1\n",
            "line 3: `../attr.txt` is no path inside",
        ),
        ("1\na a\n0.png 1 1\n", "class `a` is named twice"),
    ];
    for (table, expected) in cases {
        let reason = reason(set.attributes(table, None));
        assert!(reason.contains(expected), "{table:?}: {reason}");
    }
}

#[test]
fn multi_label_json_numbers_classes_and_drops_alpha() {
    let set = Set::new(1);
    let rgba = [10, 20, 30, 0, 40, 50, 60, 128];
    image::save_buffer(
        set.path("images/b.png"),
        &rgba,
        2,
        1,
        image::ColorType::Rgba8,
    )
    .unwrap();
    let labels = r#"{"b.png": ["red sphere", "gray cube"], "0.png": ["red sphere"]}"#;
    let pack = set
        .multi_label(labels, r#"{"red sphere": 1, "gray cube": 0}"#)
        .unwrap();
    assert_eq!(pack.schema().classes, ["gray cube", "red sphere"]);
    assert_eq!((pack.name(0), pack.name(1)), ("b.png", "0.png"));
    assert_eq!(pack.label(0), Label::Multi(vec![0, 1]));
    assert_eq!(pack.label(1), Label::Multi(vec![1]));
    assert_eq!(pack.image(0).pixels, [10, 20, 30, 40, 50, 60]);
}

#[test]
fn multi_label_json_with_faults_is_refused_with_the_entry() {
    let set = Set::new(1);
    let classes = r#"{"gray cube": 0, "red cube": 1}"#;
    let cases = [
        (
            r#"{"0.png": ["grey cube"]}"#,
            classes,
            "`0.png`: unknown class `grey cube`: did you mean `gray cube`?",
        ),
        (
            r#"{"1.png": ["red cube"]}"#,
            classes,
            "`1.png`: no such image",
        ),
        (r#"{"/0.png": []}"#, classes, "`/0.png`: no path inside"),
        (
            r#"{"0.png": "red cube"}"#,
            classes,
            "expected {file: [class, …], …}",
        ),
        ("{}", classes, "lists no image"),
        (
            r#"{"0.png": []}"#,
            r#"{"a": 0, "b": 2}"#,
            "class `b`: number 2, but 2 classes are 0 to 1",
        ),
        (
            r#"{"0.png": []}"#,
            r#"{"a": 0, "b": 0}"#,
            "class `b`: number 0 is that of `a`",
        ),
        (r#"{"0.png": []}"#, "{}", "names no class"),
        (
            r#"{"0.png": []}"#,
            r#"["a"]"#,
            "expected {class: number, …}",
        ),
    ];
    for (labels, classes, expected) in cases {
        let reason = reason(set.multi_label(labels, classes));
        assert!(reason.contains(expected), "{labels} {classes}: {reason}");
    }
}

#[test]
fn prompts_become_condition_vectors() {
    let set = Set::new(0);
    let classes = ["gray cube", "red cube", "blue cube"].map(str::to_owned);
    let json = set.text(
        "test.json",
        r#"[["red cube", "gray cube"], ["blue cube"], []]"#,
    );
    let vectors = [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0; 3]];
    assert_eq!(read_prompts(&json, &classes).unwrap(), vectors);
    // Attributes in another order than the classes.
    let table = set.text(
        "labels.txt",
        "2\nblue_cube red_cube gray_cube\n0 1 1\n1 -1 -1\n",
    );
    let classes = classes.map(|name| name.replace(' ', "_"));
    assert_eq!(read_prompts(&table, &classes).unwrap(), vectors[..2]);
}

#[test]
fn prompts_with_faults_are_refused_with_the_entry() {
    let set = Set::new(0);
    let classes = ["gray", "red"].map(str::to_owned);
    let cases = [
        (
            r#"[["red"], ["gra"]]"#,
            "prompt 2: unknown class `gra`: did you mean `gray`? (classes: gray, red)",
        ),
        ("[3]", "a list of lists of class names"),
        ("[]", "lists no prompt"),
        (
            "1\nred grey\n1 0\n",
            "line 2: unknown class `grey`: did you mean `gray`?",
        ),
        ("1\nred gray\n1\n", "line 3: `row 1` has 1 values"),
        (
            "2\nred gray\n1 0\n",
            "line 1: says 2 images, but 1 are listed",
        ),
    ];
    for (text, expected) in cases {
        let path = set.text("prompts", text);
        let reason = reason(read_prompts(&path, &classes));
        assert!(reason.contains(expected), "{text}: {reason}");
    }
}

#[test]
fn a_folder_of_jpegs_is_scaled_on_reading_and_one_class_kept() {
    let set = Set::new(0);
    let photo = |class: &str, index: u64| {
        // Smooth, as photographs are.
        let image = Image {
            pixels: (0..48 * 48 * 3)
                .map(|at| (at / 3 % 48 * 4 + index as usize * 20) as u8)
                .collect(),
            ..Image::filled(48, 48, 3, 0)
        };
        let path = set.path(&format!("train/{class}/{index}.jpg"));
        save(&path, &image);
        path
    };
    photo("cat", 0);
    let photos = [photo("dog", 1), photo("dog", 2)];
    photo("wild", 3);
    let resize = Resize::from(Size {
        height: 16,
        width: 16,
    });
    let reading = Reading {
        resize: Some(resize.clone()),
        ..Reading::new(3)
    };
    let out = set.path("out");
    let dog = ["dog".to_owned()];
    folder::write(&set.path("train"), Some(&dog), &reading, &out, &go_on).unwrap();
    let pack = Pack::open(&out).unwrap();
    assert_eq!((pack.len(), pack.size()), (2, Some((16, 16))));
    assert_eq!(pack.schema().classes, ["dog"]);
    for (index, path) in photos.iter().enumerate() {
        let whole = retake::data::files::decode(path).unwrap();
        let expected = resized(&whole.view(), &resize).unwrap();
        assert_eq!(
            pack.image(index),
            expected.view(),
            "as a preprocess stage would"
        );
    }
    let dogs = ["dogs".to_owned()];
    let unknown = reason(folder::write(
        &set.path("train"),
        Some(&dogs),
        &reading,
        &out,
        &go_on,
    ));
    assert!(
        unknown.contains("unknown class `dogs`: did you mean `dog`?"),
        "{unknown}"
    );
}

/// A CIFAR record: label bytes, then planes whose pixels are a function of place and `index`.
fn record(labels: &[u8], index: usize) -> Vec<u8> {
    let pixels = (0..3 * 1024).map(|at| ((at / 1024) * 80 + at % 32 + index) as u8);
    labels.iter().copied().chain(pixels).collect()
}

fn write(dir: &Path, name: &str, records: &[Vec<u8>]) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join(name), records.concat()).unwrap();
}

#[test]
fn cifar_10_reads_its_batches_in_order() {
    let set = Set::new(0);
    let (dir, out) = (set.path("cifar"), set.path("out"));
    let inner = dir.join("cifar-10-batches-bin");
    write(
        &inner,
        "data_batch_1.bin",
        &[record(&[3], 0), record(&[9], 1)],
    );
    write(&inner, "data_batch_2.bin", &[record(&[0], 2)]);
    write(&inner, "test_batch.bin", &[record(&[5], 3)]);
    let read = |test, limit| {
        cifar::write(&dir, test, limit, &out, &go_on)?;
        Pack::open(&out)
    };
    let pack = read(false, None).unwrap();
    assert_eq!((pack.len(), pack.size()), (3, Some((32, 32))));
    assert_eq!(pack.schema().classes[3], "cat", "without batches.meta.txt");
    let labels: Vec<Label> = (0..3).map(|i| pack.label(i)).collect();
    assert_eq!(labels, [3, 9, 0].map(Label::Class));
    // Row 0, column 1 of image 2: red, green, blue.
    assert_eq!(pack.image(2).pixels[3..6], [3, 83, 163]);
    assert_eq!(read(false, Some(2)).unwrap().len(), 2);
    fs::write(
        inner.join("batches.meta.txt"),
        "k\nl\nm\nn\no\np\nq\nr\ns\nt\n\n",
    )
    .unwrap();
    let test = read(true, None).unwrap();
    assert_eq!((test.len(), test.label(0)), (1, Label::Class(5)));
    assert_eq!(test.schema().classes[5], "p");

    fs::write(inner.join("batches.meta.txt"), "k\n").unwrap();
    assert!(reason(read(true, None)).contains("names 1 classes instead of 10"));
    fs::remove_file(inner.join("batches.meta.txt")).unwrap();
    write(&inner, "data_batch_4.bin", &[record(&[1], 0)]);
    assert!(reason(read(false, None)).contains("data_batch_3.bin: there is no such file"));
    write(
        &inner,
        "test_batch.bin",
        &[record(&[5], 3), record(&[10], 3)],
    );
    let beyond = reason(read(true, None));
    assert!(
        beyond.contains("image 1 has label 10, beyond the 10 classes"),
        "{beyond}"
    );
    write(&inner, "test_batch.bin", &[record(&[5], 3), vec![0]]);
    let ragged = reason(read(true, None));
    assert!(
        ragged.contains("3074 bytes are no whole number of records of 3073"),
        "{ragged}"
    );
    let nothing = reason(cifar::write(&set.path("."), false, None, &out, &go_on));
    assert!(
        nothing.contains("holds neither data_batch_1.bin"),
        "{nothing}"
    );
}

#[test]
fn cifar_100_has_fine_labels() {
    let set = Set::new(0);
    let (dir, out) = (set.path("cifar"), set.path("out"));
    write(
        &dir,
        "train.bin",
        &[record(&[4, 99], 0), record(&[19, 7], 1)],
    );
    cifar::write(&dir, false, None, &out, &go_on).unwrap();
    let pack = Pack::open(&out).unwrap();
    assert_eq!(pack.schema().classes.len(), 100);
    assert_eq!(
        (pack.label(0), pack.label(1)),
        (Label::Class(99), Label::Class(7))
    );
    let test = reason(cifar::write(&dir, true, None, &out, &go_on));
    assert!(test.contains("test.bin: there is no such file"), "{test}");
}
