//! Results that nobody computed: records of a pipeline's nodes, written through the store's own door, so that what reads
//! them can be tried without training anything.

use std::collections::BTreeMap;
use std::path::Path;

use retake::device::DeviceRequest;
use retake::metric::document::Metrics;
use retake::metric::{Metric, MetricRow, Request};
use retake::plan::{self, Node};
use retake::run::devices::Devices;
use retake::run::resolve::{Session, Settled};
use retake::spec::LoadOptions;
use retake::stage::{Format, Product, Status};
use retake::store::{LockFile, NewRecord, Store};
use serde_json::{Map, Value};

/// What a node came to.
#[derive(Debug, Clone, Default)]
pub struct Result {
    /// of an evaluation
    pub metrics: Metrics,
    /// of training
    pub status: Status,
    /// of training: figures by step, as CSV
    pub history: String,
}

/// Gives every node of `pipeline.yaml` in `folder` the result that `result` says.
pub fn fill(folder: &Path, result: impl Fn(&Node) -> Result) {
    let plan = plan::open(&folder.join("pipeline.yaml"), &LoadOptions::default())
        .unwrap_or_else(|faults| panic!("{faults:?}"));
    let store = Store::open(&folder.join(".retake")).expect("a store");
    let devices = Devices::new(DeviceRequest::Auto);
    let lock = LockFile::default();
    let session = Session {
        plan: &plan,
        store: &store,
        lock: &lock,
        devices: &devices,
        any_device: false,
    };
    let mut settled: Vec<Option<Settled>> = vec![None; plan.nodes.len()];
    for (id, node) in plan.nodes.iter().enumerate() {
        let keyed = session.key(id, &settled).expect("a key");
        let made = result(node);
        let record = store.commit(NewRecord {
            key: keyed.key,
            kind: node.config.kind().to_owned(),
            kind_version: node.config.version(),
            recipe: keyed.recipe.value().clone(),
            status: made.status.clone(),
            outputs: outputs(node, &made),
            scalars: BTreeMap::new(),
            timings: Map::new(),
        });
        let record = record.expect("a record");
        settled[id] = Some(Settled { keyed, record });
    }
}

fn outputs(node: &Node, made: &Result) -> BTreeMap<String, (Product, Format)> {
    let name = node.name.to_string();
    let outputs = node.config.outputs().into_iter().map(|spec| {
        let product = match (node.config.kind(), spec.name.as_str()) {
            ("evaluate", "metrics") => Product::Bytes(made.metrics.to_json().expect("JSON")),
            ("evaluate", "table") => Product::Bytes(made.metrics.to_csv().expect("CSV")),
            ("train", "history") => Product::Bytes(made.history.clone().into_bytes()),
            _ if spec.format == Format::Folder => {
                let file = Product::Bytes(name.clone().into_bytes());
                Product::Tree(BTreeMap::from([("1".to_owned(), file)]))
            }
            // Bytes of their own: nodes with equal inputs would share a key.
            _ => Product::Bytes(format!("{} of {name}", spec.name).into_bytes()),
        };
        (spec.name, (product, spec.format))
    });
    outputs.collect()
}

/// A value as an evaluation by a judge gives it.
pub fn row(metric: Metric, epoch: u64, value: f64) -> MetricRow {
    MetricRow {
        metric: String::from(Request {
            metric,
            judge: true,
        }),
        epoch: Some(epoch),
        value,
        direction: metric.direction(),
        samples: 1000,
        extractor: None,
        reference: None,
        protocol: metric.protocol().to_owned(),
        small: None,
        scores: None,
    }
}

/// An axis of a node as a number.
pub fn axis(node: &Node, name: &str) -> f64 {
    node.name
        .axes
        .get(name)
        .and_then(Value::as_f64)
        .unwrap_or(0.0)
}
