use std::path::Path;

use retake::data::card;
use retake::hash::Digest;

#[test]
fn every_card_is_found_by_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let names: Vec<String> = card::all()
        .iter()
        .map(|c| format!("{}.yaml", c.name))
        .collect();
    assert_eq!(names, files);
    assert!(card::all().iter().all(|c| card::named(&c.name).is_some()));
}

#[test]
fn a_missing_file_leads_to_its_card() {
    let path = Path::new("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz");
    let help = card::for_path(path).unwrap().help();
    assert!(
        help.contains("apt-get install dataset-fashion-mnist"),
        "{help}"
    );
    assert!(
        help.contains("MIT") && help.contains("datasets/fashion-mnist.yaml"),
        "{help}"
    );
    assert!(card::for_path(Path::new("photos/cat.jpg")).is_none());
}

#[test]
fn a_missing_file_of_a_usual_layout_leads_to_its_card() {
    let found = |path: &str| card::for_path(Path::new(path)).map(|card| card.name.as_str());
    assert_eq!(
        found("/p/data/cartoon/cartoon_attr.txt"),
        Some("cartoon-set")
    );
    assert_eq!(found("/p/data/i-clevr/train.json"), Some("i-clevr"));
    assert_eq!(found("/p/data/afhq/train/dog"), Some("afhq"));
    assert_eq!(found("data/afhq"), Some("afhq"));
    assert_eq!(found("data/anime-faces/images"), Some("anime-faces"));
    assert_eq!(found("/p/data/cifar-10-batches-bin"), Some("cifar-10"));
    // Names such as these are anybody's.
    assert_eq!(found("/p/data/mine/train.json"), None);
    assert_eq!(found("/p/afhq/train"), None);
}

#[test]
fn the_fashion_mnist_card_has_the_digests_of_the_files() {
    let card = card::named("fashion-mnist").unwrap();
    for file in &card.files {
        let path = super::readers::FASHION_MNIST.join(&file.name);
        if !path.exists() {
            eprintln!("{} is not installed: not compared", path.display());
            return;
        }
        let bytes = path.metadata().unwrap().len();
        assert_eq!(Some(bytes), file.bytes, "{}", file.name);
        let digest = Digest::of_file(&path).unwrap();
        assert_eq!(Some(digest), file.blake3, "{}", file.name);
    }
}
