//! Kind versions that cannot be forgotten.
//!
//! `kinds.json` holds, for each kind, version and device class, digests of what small fixed nodes gave. A kind that gives
//! other bytes under the same version fails here. After its `VERSION` went up,
//!
//! ```console
//! RETAKE_RENEW=1 cargo test --release fingerprints
//! ```
//!
//! adds what is new and changes nothing that is there; each block carries a seal over its content, so that an entry that
//! was edited is noticed. Results of floating-point numbers are kept by device class; a class that nobody has measured
//! yet is said, and what depends on no class is checked all the same.

mod cases;
mod fixtures;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use retake::device::cpu;
use retake::hash::Digest;
use retake::stage::{
    Artifact, Input, InputNode, NodeName, Outcome, Product, ShownNode, StageConfig, StageCtx,
    Status,
};
use retake::store::Store;
use retake::worktree::WorkTree;
use serde_json::{Value, json};

use cases::Case;
use fixtures::Fixtures;
use table::{ANY, Gave, Measured, Table, compare, short};

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fingerprints/kinds.json")
}

/// Runs one node.
fn measure(fixtures: &Fixtures, case: &Case) -> (u32, String, Gave) {
    let inputs = case.inputs.iter().map(|(input, outputs)| {
        let paths: BTreeMap<String, PathBuf> = outputs
            .iter()
            .map(|(output, _, fixture)| ((*output).to_owned(), fixtures.path(fixture)))
            .collect();
        let store = Store::open(&fixtures.path("unused")).unwrap();
        let artifacts = outputs.iter().map(|(output, format, fixture)| {
            let (digest, bytes, _) = store.digest_input(&fixtures.path(fixture)).unwrap();
            let artifact = Artifact {
                digest,
                bytes,
                format: *format,
            };
            ((*output).to_owned(), artifact)
        });
        let node = InputNode {
            node: NodeName::default(),
            status: Status::Ok,
            outputs: artifacts.collect(),
            paths,
            selected: outputs[0].0.to_owned(),
        };
        let input_of = Input {
            nodes: vec![node],
            gathered: false,
        };
        ((*input).to_owned(), input_of)
    });
    run(
        fixtures.root(),
        case.kind,
        case.name,
        &case.with,
        inputs.collect(),
        Vec::new(),
    )
}

fn run(
    root: &Path,
    kind: &str,
    name: &str,
    with: &Value,
    inputs: BTreeMap<String, Input>,
    shown: Vec<ShownNode>,
) -> (u32, String, Gave) {
    let fail = |error: &dyn std::fmt::Display| -> ! { panic!("{kind}, case `{name}`: {error}") };
    let decoded = StageConfig::decode(kind, with.clone()).expect("a kind");
    let mut config = decoded.unwrap_or_else(|error| fail(&error.message));
    config
        .resolve(&WorkTree::new(root))
        .unwrap_or_else(|faults| fail(&format!("{faults:?}")));
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::open(&scratch.path().join("store")).unwrap();
    let out = scratch.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let digests = inputs.iter().map(|(input, behind)| {
        let nodes = behind.nodes.iter().map(|node| &node.outputs);
        (input, nodes.collect::<Vec<_>>())
    });
    let what = json!([with, digests.collect::<BTreeMap<_, _>>(), shown]);
    let compute = cpu();
    let ctx = StageCtx {
        project: None,
        node: NodeName {
            stage: "case".to_owned(),
            axes: retake::stage::Axes::new(),
        },
        pipeline: "fingerprints".to_owned(),
        seed: 7,
        compute: &compute,
        inputs,
        key: Digest::of_bytes(b"key"),
        trajectory: Digest::of_bytes(b"trajectory"),
        out,
        memo: &store,
        shown,
        command: "retake run pipeline.yaml".to_owned(),
        pipeline_digest: Digest::of_bytes(b"pipeline"),
        progress: &|_| {},
        log: &|_| {},
        cancel: &AtomicBool::new(false),
    };
    let outcome = config.run(&ctx).unwrap_or_else(|error| fail(&error));
    let class = if config.uses_device() {
        compute.class.to_string()
    } else {
        ANY.to_owned()
    };
    let gave = Gave {
        case: short(&Digest::of_value(&what)),
        outputs: outputs(&config, &store, &outcome),
    };
    (config.version(), class, gave)
}

fn outputs(config: &StageConfig, store: &Store, outcome: &Outcome) -> BTreeMap<String, String> {
    let formats: BTreeMap<String, _> = config
        .outputs()
        .into_iter()
        .map(|spec| (spec.name, spec.format))
        .collect();
    let digest = |name: &str, product: &Product| {
        let taken = store.take(product, formats[name]).unwrap();
        short(&taken.digest)
    };
    let mut all: BTreeMap<String, String> = outcome
        .outputs
        .iter()
        .map(|(name, product)| (name.clone(), digest(name, product)))
        .collect();
    let scalars: BTreeMap<&String, String> = outcome
        .scalars
        .iter()
        .map(|(name, value)| (name, format!("{value:?}")))
        .collect();
    if !scalars.is_empty() {
        let digest = Digest::of_value(&json!(scalars));
        all.insert("(metrics)".to_owned(), short(&digest));
    }
    if outcome.status != Status::Ok {
        let digest = Digest::of_value(&json!(outcome.status));
        all.insert("(outcome)".to_owned(), short(&digest));
    }
    all
}

/// A report of a few runs, one of which diverged.
fn report() -> (u32, String, Gave) {
    let bench = crate::report_stage::bench();
    let with = json!({"title": "All", "sections": [{"title": "Said", "text": "In *words*.", "place": "start"}]});
    run(
        Path::new("."),
        "report",
        "runs",
        &with,
        bench.inputs,
        bench.shown,
    )
}

/// A file fetched from a server on this machine.
fn download() -> (u32, String, Gave) {
    let bytes = b"a file of a few bytes\n";
    let url = crate::download::serve(bytes);
    let sha256 = retake::hash::sha256(bytes);
    let (version, class, mut gave) = run(
        Path::new("."),
        "download",
        "file",
        &json!({"url": url, "sha256": sha256}),
        BTreeMap::new(),
        Vec::new(),
    );
    // The port is another each time.
    "file".clone_into(&mut gave.case);
    (version, class, gave)
}

fn measure_all() -> Measured {
    let fixtures = Fixtures::new();
    let mut measured = Measured::new();
    let mut add = |kind: &str, name: &str, (version, class, gave): (u32, String, Gave)| {
        measured.push((kind.to_owned(), version, class, name.to_owned(), gave));
    };
    for case in cases::all() {
        add(case.kind, case.name, measure(&fixtures, &case));
    }
    add("report", "runs", report());
    add("download", "file", download());
    measured
}

fn read() -> Table {
    let text = std::fs::read_to_string(file()).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).expect("tests/fingerprints/kinds.json is a table of kinds")
}

#[test]
fn no_kind_gives_other_bytes_under_the_same_version() {
    let mut table = read();
    let before = table.clone();
    let measured = measure_all();
    let class = cpu().class.to_string();
    let renew = std::env::var_os("RETAKE_RENEW").is_some();
    let faults = compare(&mut table, &measured, StageConfig::KINDS, renew);
    if renew && table != before {
        let text = serde_json::to_string_pretty(&table).unwrap() + "\n";
        std::fs::write(file(), text).unwrap();
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    let unknown: BTreeSet<&str> = measured
        .iter()
        .filter(|(kind, version, own, ..)| {
            *own == class
                && !table[kind]
                    .get(version)
                    .is_some_and(|classes| classes.contains_key(own))
        })
        .map(|(kind, ..)| kind.as_str())
        .collect();
    if !unknown.is_empty() {
        eprintln!("nothing is known of {unknown:?} on {class}: not checked there");
    }
}

#[test]
fn every_step_reader_mode_and_metric_has_a_case() {
    let names: BTreeSet<(&str, &str)> = cases::all()
        .iter()
        .map(|case| (case.kind, case.name))
        .collect();
    let text = serde_json::to_string(
        &cases::all()
            .iter()
            .map(|case| &case.with)
            .collect::<Vec<_>>(),
    )
    .unwrap();
    let mut generator = schemars::SchemaGenerator::default();
    let schemas = StageConfig::schemas(&mut generator);
    assert_eq!(schemas.len(), StageConfig::KINDS.len());
    let definitions = json!(generator.definitions());
    for (kind, name) in [
        ("preprocess", "Step"),
        ("augment", "AugmentStep"),
        ("sample", "Mode"),
        ("dataset", "DatasetName"),
        ("train", "TaskName"),
        ("train", "LossName"),
    ] {
        for value in values(&definitions[name]) {
            let default = ["by-labels", "cross-entropy", "grid", "mse"].contains(&value.as_str());
            let feature = value == "mnist-dir" && cfg!(not(feature = "candle-datasets"));
            let named = names.iter().any(|(of, name)| *of == kind && *name == value);
            assert!(
                default || feature || named || text.contains(&format!("\"{value}\"")),
                "no case of `{kind}` has `{value}`"
            );
        }
    }
}

/// The names that an enumeration's schema allows.
fn values(schema: &Value) -> Vec<String> {
    let one = schema["oneOf"].as_array().expect("an enumeration");
    let names = one.iter().filter_map(|variant| {
        let constant = variant["const"].as_str().map(str::to_owned);
        let key = variant["properties"]
            .as_object()
            .and_then(|map| map.keys().next().cloned());
        constant.or(key)
    });
    names.collect()
}
