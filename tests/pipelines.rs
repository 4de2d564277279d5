//! Every pipeline in `pipelines/` loads and plans, in each of its profiles.

use std::path::Path;

use retake::plan::expand;
use retake::spec::{LoadOptions, load, render};

#[test]
fn every_pipeline_plans_in_every_profile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let yaml: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
        let profiles = yaml["profiles"]
            .as_object()
            .into_iter()
            .flat_map(|profiles| profiles.keys());
        for profile in std::iter::once(None).chain(profiles.cloned().map(Some)) {
            let options = LoadOptions {
                profile: profile.clone(),
                sets: Vec::new(),
            };
            let plan = load(&path, &options).and_then(|spec| expand(&spec));
            let plan = plan.unwrap_or_else(|faults| {
                panic!(
                    "{} {profile:?}:\n{}",
                    path.display(),
                    render(&faults, false)
                )
            });
            assert!(!plan.nodes.is_empty());
            seen += 1;
        }
    }
    assert!(
        seen >= 4,
        "the quickstart and Fashion-MNIST have two profiles each"
    );
}

/// The values of axis `row` over the train stages of a pipeline.
fn rows(pipeline: &str, profile: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("pipelines")
        .join(pipeline);
    let options = LoadOptions {
        profile: Some(profile.to_owned()),
        sets: Vec::new(),
    };
    let plan = load(&path, &options).and_then(|spec| expand(&spec));
    let plan = plan.unwrap_or_else(|faults| panic!("{}", render(&faults, false)));
    let trained = plan.nodes.iter().filter(|node| {
        ["train", "sample"].contains(&node.config.kind()) && node.name.axes.contains_key("row")
    });
    let mut rows: Vec<String> = trained
        .filter_map(|node| node.name.axes["row"].as_str().map(str::to_owned))
        .collect();
    rows.sort();
    rows.dedup();
    rows
}

#[test]
fn every_row_of_the_four_reports_is_a_node() {
    for profile in ["paper", "bench", "smoke"] {
        let numbered = |report: &str, rows: &[&str]| -> Vec<String> {
            rows.iter().map(|row| format!("{report}-{row}")).collect()
        };
        assert_eq!(
            rows("r0-cartoon.yaml", profile),
            numbered("R0", &["1", "2", "3", "4", "5", "6", "7"])
        );
        assert_eq!(
            rows("r1-iclevr.yaml", profile),
            numbered("R1", &["1", "2", "3", "4"])
        );
        assert_eq!(
            rows("r3-collapse.yaml", profile),
            numbered("R3", &["1", "2", "3", "4", "5"])
        );
        let r4 = [
            "1a", "1b", "1c", "2a", "2b", "2c", "2d", "2e", "2f", "2g", "2h", "2i", "2j", "3a",
            "3b", "3c", "4a", "4b", "5a", "5b", "5c", "5d", "5e",
        ];
        assert_eq!(rows("r4-dogs.yaml", profile), numbered("R4", &r4));
    }
}
