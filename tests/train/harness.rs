//! Small data, small networks, and a memo in a temporary folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use candle_core::{Device, Tensor};
use indexmap::IndexMap;
use retake::autograd;
use retake::data::{ImageRef, Label, LabelKind, PackSchema, PackWriter};
use retake::device;
use retake::hash::Digest;
use retake::model::{Dims, Init, ModelHeader, ModelSpec, Network, SavedModel};
use retake::stage::train::TrainConfig;
use retake::stage::{
    Artifact, Format, Input, InputNode, Kind, Memo, NewPart, NodeName, Outcome, Part, Product,
    Progress, StageCtx, StageError, Status,
};
use retake::train::{Learner, Training};
use retake::worktree::WorkTree;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Parts in memory, objects in a folder.
pub struct FolderMemo {
    folder: TempDir,
    parts: Mutex<BTreeMap<Digest, Part>>,
    /// Puts that still succeed; the process is then as good as dead.
    pub puts_left: AtomicUsize,
}

impl FolderMemo {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            parts: Mutex::default(),
            puts_left: AtomicUsize::new(usize::MAX),
        }
    }

    fn object(&self, digest: &Digest) -> PathBuf {
        self.folder.path().join(digest.to_string())
    }

    fn take(&self, product: Product, format: Format) -> Artifact {
        let bytes = match product {
            Product::Stored(artifact) => return artifact,
            Product::Made(path) => std::fs::read(path).unwrap(),
            Product::Bytes(bytes) => bytes,
            Product::Tree(_) => panic!("parts hold no folders"),
        };
        let digest = Digest::of_bytes(&bytes);
        std::fs::write(self.object(&digest), &bytes).unwrap();
        Artifact {
            digest,
            bytes: bytes.len() as u64,
            format,
        }
    }

    /// How many parts hold a resume state.
    pub fn states(&self) -> usize {
        self.parts
            .lock()
            .unwrap()
            .values()
            .filter(|part| part.objects.contains_key("state"))
            .count()
    }

    /// The outputs' bytes, folders file by file.
    pub fn bytes(&self, outcome: &Outcome) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for (name, product) in &outcome.outputs {
            self.collect(name, product, &mut files);
        }
        files
    }

    fn collect(&self, name: &str, product: &Product, files: &mut BTreeMap<String, Vec<u8>>) {
        match product {
            Product::Made(path) => {
                drop(files.insert(name.to_owned(), std::fs::read(path).unwrap()));
            }
            Product::Bytes(bytes) => drop(files.insert(name.to_owned(), bytes.clone())),
            Product::Stored(artifact) => {
                files.insert(
                    name.to_owned(),
                    std::fs::read(self.object(&artifact.digest)).unwrap(),
                );
            }
            Product::Tree(tree) => {
                for (file, product) in tree {
                    self.collect(&format!("{name}/{file}"), product, files);
                }
            }
        }
    }
}

impl Memo for FolderMemo {
    fn get(&self, key: &Digest, optional: &[&str]) -> Option<Part> {
        let mut part = self.parts.lock().unwrap().get(key)?.clone();
        part.objects.retain(|name, artifact| {
            self.object(&artifact.digest).exists() || !optional.contains(&name.as_str())
        });
        let sound = part
            .objects
            .values()
            .all(|artifact| self.object(&artifact.digest).exists());
        sound.then_some(part)
    }

    fn put(&self, key: &Digest, new: NewPart) -> Result<Part, StageError> {
        let left = self.puts_left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(StageError::Failed("killed".to_owned()));
        }
        self.puts_left.store(left - 1, Ordering::Relaxed);
        let objects = new.objects.into_iter();
        let part = Part {
            values: new.values,
            objects: objects
                .map(|(name, (product, format))| (name, self.take(product, format)))
                .collect(),
        };
        self.parts.lock().unwrap().insert(*key, part.clone());
        Ok(part)
    }

    fn path(&self, artifact: &Artifact) -> Result<PathBuf, StageError> {
        Ok(self.object(&artifact.digest))
    }

    fn forget(&self, key: &Digest, object: &str) -> Result<(), StageError> {
        if let Some(part) = self.parts.lock().unwrap().get_mut(key) {
            part.objects.remove(object);
        }
        Ok(())
    }
}

/// A conditional GAN of fully connected layers, with dropout in the discriminator.
pub fn gan(epochs: u64) -> Value {
    json!({
        "task": "gan",
        "epochs": epochs,
        "batch_size": 16,
        "latent": 5,
        "model": {"networks": {
            "generator": {
                "inputs": {"z": ["latent"], "condition": ["classes"]},
                "start": "z",
                "layers": [
                    {"concat": {"input": "condition"}},
                    {"linear": {"out": 24}}, "batch-norm", "relu",
                    {"linear": {"out": "channels*height*width"}}, "tanh",
                    {"reshape": ["channels", "height", "width"]},
                ],
            },
            "discriminator": {
                "inputs": {"image": ["channels", "height", "width"], "condition": ["classes"]},
                "start": "image",
                "layers": [
                    "flatten",
                    {"concat": {"input": "condition"}},
                    {"linear": {"out": 24}}, "leaky-relu", {"dropout": {"p": 0.2}},
                    {"linear": {"out": 1}},
                ],
            },
        }},
    })
}

/// A small classifier.
pub fn classifier(epochs: u64) -> Value {
    json!({
        "task": "classifier",
        "epochs": epochs,
        "batch_size": 16,
        "lr": 0.01,
        "model": {"networks": {"classifier": {
            "inputs": {"image": ["channels", "height", "width"]},
            "layers": ["flatten", {"linear": {"out": 16}}, "batch-norm", "relu", {"linear": {"out": "classes"}}],
        }}},
    })
}

/// A variational autoencoder of fully connected layers.
pub fn vae(epochs: u64) -> Value {
    json!({
        "task": "vae",
        "epochs": epochs,
        "batch_size": 16,
        "latent": 3,
        "lr": 0.01,
        "model": {"networks": {
            "encoder": {
                "inputs": {"image": ["channels", "height", "width"]},
                "layers": ["flatten", {"linear": {"out": 32}}, "relu", {"linear": {"out": "2*latent"}}],
            },
            "decoder": {
                "inputs": {"z": ["latent"]},
                "layers": [
                    {"linear": {"out": 32}}, "relu",
                    {"linear": {"out": "channels*height*width"}}, "tanh",
                    {"reshape": ["channels", "height", "width"]},
                ],
            },
        }},
    })
}

/// A learner of freshly initialised networks, all trained by `training`, without a stage around it.
pub fn learner(spec: ModelSpec, dims: Dims, training: Training) -> Learner {
    let networks = spec.networks.iter().map(|(name, network)| {
        let network = Network::new(name, network, &dims, Init::Pytorch, 0, &Device::Cpu);
        (name.clone(), network.unwrap())
    });
    let networks: IndexMap<String, Network> = networks.collect();
    let all = networks.keys().map(|name| (name.clone(), training));
    let training = all.collect();
    let header = ModelHeader {
        task: "gan".to_owned(),
        dims,
        classes: Vec::new(),
        multi_label: false,
        spec,
    };
    Learner::new(SavedModel { header, networks }, training, &Device::Cpu).unwrap()
}

/// Gives `to` the values of `from`, in place.
pub fn put(to: &autograd::Value, from: &Tensor) {
    let flat = |tensor: &Tensor| tensor.reshape(tensor.elem_count()).unwrap();
    flat(to.tensor()).slice_set(&flat(from), 0, 0).unwrap();
}

/// `with` and one more setting.
pub fn and(mut with: Value, name: &str, value: impl Into<Value>) -> Value {
    with[name] = value.into();
    with
}

/// A pack of 40 images (4, 4, 1), of three classes that differ in brightness.
pub fn data(folder: &Path, labels: LabelKind) -> PathBuf {
    let path = folder.join(format!("{labels:?}.pack"));
    let classes = match labels {
        LabelKind::None => Vec::new(),
        LabelKind::Class | LabelKind::Multi => {
            vec!["dark".to_owned(), "grey".to_owned(), "light".to_owned()]
        }
    };
    let schema = PackSchema {
        channels: 1,
        labels,
        classes,
    };
    let mut pack = PackWriter::create(&path, schema).unwrap();
    for index in 0..40_u8 {
        let class = index % 3;
        let pixels: Vec<u8> = (0..16)
            .map(|pixel| class * 80 + (index * 7 + pixel * 13) % 40)
            .collect();
        let image = ImageRef {
            height: 4,
            width: 4,
            channels: 1,
            pixels: &pixels,
        };
        let label = match labels {
            LabelKind::None => Label::None,
            LabelKind::Class => Label::Class(class.into()),
            LabelKind::Multi => Label::Multi(vec![class.into()]),
        };
        pack.push(&image, &label, &index.to_string()).unwrap();
    }
    pack.finish().unwrap();
    path
}

/// `with` and more settings.
pub fn plus(mut with: Value, settings: Value) -> Value {
    let Value::Object(settings) = settings else {
        panic!("settings are a mapping");
    };
    for (name, value) in settings {
        with[name.as_str()] = value;
    }
    with
}

/// A configuration as it enters the key: read, and resolved.
pub fn config(with: &Value) -> TrainConfig {
    let mut config: TrainConfig = serde_json::from_value(with.clone()).unwrap();
    config.resolve(&WorkTree::new(Path::new("."))).unwrap();
    config
}

/// The history of a run by column; `None` where a step did not measure.
pub fn table(memo: &FolderMemo, outcome: &Outcome) -> BTreeMap<String, Vec<Option<f32>>> {
    let history = String::from_utf8(memo.bytes(outcome)["history"].clone()).unwrap();
    let mut lines = history.lines().map(|line| line.split(','));
    let header = lines.next().unwrap();
    let mut columns: Vec<_> = header.map(|name| (name.to_owned(), Vec::new())).collect();
    for row in lines {
        for ((_, column), cell) in columns.iter_mut().zip(row) {
            column.push((!cell.is_empty()).then(|| cell.parse().unwrap()));
        }
    }
    columns.into_iter().collect()
}

/// What a test may steer or watch.
#[derive(Default)]
pub struct Watch {
    pub cancel: AtomicBool,
    /// cancel once the log says this
    pub cancel_at: Option<&'static str>,
    pub log: Mutex<Vec<String>>,
}

/// A bench to run train stages on.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    /// Runs the stage on labelled data of one class an image.
    pub fn run(&self, with: &Value, memo: &FolderMemo) -> Result<Outcome, StageError> {
        self.watched(with, memo, &Watch::default())
    }

    pub fn watched(
        &self,
        with: &Value,
        memo: &FolderMemo,
        watch: &Watch,
    ) -> Result<Outcome, StageError> {
        let pack = data(self.folder.path(), LabelKind::Class);
        self.with_inputs(with, &[("data", &pack)], memo, watch, |config, ctx| {
            config.run(ctx)
        })
    }

    /// The outcome put together from the memo alone.
    pub fn recall(&self, with: &Value, memo: &FolderMemo) -> Option<Outcome> {
        self.with_inputs(with, &[], memo, &Watch::default(), |config, ctx| {
            config.recall(ctx, memo)
        })
        .unwrap()
    }

    pub fn with_inputs<T>(
        &self,
        with: &Value,
        inputs: &[(&str, &Path)],
        memo: &FolderMemo,
        watch: &Watch,
        act: impl FnOnce(&TrainConfig, &StageCtx<'_>) -> T,
    ) -> T {
        let config = config(with);
        let mut trajectory = serde_json::to_value(&config).unwrap();
        for field in config.extent() {
            trajectory.as_object_mut().unwrap().remove(*field);
        }
        let compute = device::cpu();
        let log = |line: &str| {
            if watch.cancel_at.is_some_and(|text| line.starts_with(text)) {
                watch.cancel.store(true, Ordering::Relaxed);
            }
            watch.log.lock().unwrap().push(line.to_owned());
        };
        let out = TempDir::new_in(self.folder.path()).unwrap();
        let ctx = StageCtx {
            node: NodeName {
                stage: "gan".to_owned(),
                axes: IndexMap::new(),
            },
            pipeline: "test".to_owned(),
            seed: 7,
            compute: &compute,
            inputs: inputs
                .iter()
                .map(|(name, path)| ((*name).to_owned(), input(path)))
                .collect(),
            key: Digest::of_value(with),
            trajectory: Digest::of_value(&trajectory),
            out: out.path().to_owned(),
            project: None,
            memo,
            shown: Vec::new(),
            command: String::new(),
            pipeline_digest: Digest::of_bytes(b""),
            progress: &|_: Progress| {},
            log: &log,
            cancel: &watch.cancel,
        };
        act(&config, &ctx)
    }
}

fn input(path: &Path) -> Input {
    let artifact = Artifact {
        digest: Digest::of_bytes(b""),
        bytes: 0,
        format: Format::Data,
    };
    let node = InputNode {
        node: NodeName::default(),
        status: Status::Ok,
        outputs: BTreeMap::from([("data".to_owned(), artifact)]),
        paths: BTreeMap::from([("data".to_owned(), path.to_owned())]),
        selected: "data".to_owned(),
    };
    Input {
        nodes: vec![node],
        gathered: false,
    }
}
