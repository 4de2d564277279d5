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
