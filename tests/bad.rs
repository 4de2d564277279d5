//! Every class of fault, as a user sees it: `tests/bad/CLASS.yaml` is answered with `tests/bad/CLASS.snap`.

use std::path::Path;

use retake::plan::open;
use retake::spec::{LoadOptions, render};

/// The faults of `tests/bad/NAME.yaml`, rendered.
fn faults_of(name: &str) -> String {
    // Relative, so that no machine's paths are in the snapshots; tests run in the crate's folder.
    let path = Path::new("tests/bad").join(name).with_extension("yaml");
    let faults = open(&path, &LoadOptions::default()).expect_err("a bad pipeline");
    assert!(
        !faults.faults.is_empty(),
        "{name}: an error without a fault"
    );
    for fault in &faults.faults {
        assert!(fault.span.is_some(), "{name}: no position for {fault}");
    }
    render(&faults, false)
}

#[test]
fn every_class_of_fault_is_shown_with_its_place() {
    let mut names: Vec<String> = std::fs::read_dir("tests/bad")
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("bad");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for name in names {
            insta::assert_snapshot!(name.as_str(), faults_of(&name));
        }
    });
}

#[test]
fn a_fault_that_many_nodes_share_is_shown_once() {
    let text = faults_of("shared");
    assert_eq!(text.matches("unknown stage `nothing`").count(), 1);
    assert_eq!(text.matches("unknown key `runs`").count(), 1);
}
