//! What a stage needs to run without a runner: a memo in a folder, inputs made by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use retake::device::{Compute, cpu};
use retake::hash::Digest;
use retake::stage::{
    Artifact, Format, Input, InputNode, Memo, NewPart, NodeName, Part, Product, ShownNode,
    StageCtx, StageError, Status,
};

/// A memo in a folder; it counts what it is given.
pub struct FolderMemo {
    folder: PathBuf,
    parts: Mutex<BTreeMap<Digest, Part>>,
}

impl FolderMemo {
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            parts: Mutex::default(),
        }
    }

    /// How many parts it holds.
    pub fn len(&self) -> usize {
        self.parts
            .lock()
            .expect("no test panics while holding it")
            .len()
    }
}

impl Memo for FolderMemo {
    fn get(&self, key: &Digest, _optional: &[&str]) -> Option<Part> {
        self.parts.lock().expect("not poisoned").get(key).cloned()
    }

    fn put(&self, key: &Digest, part: NewPart) -> Result<Part, StageError> {
        let mut objects = BTreeMap::new();
        for (name, (product, format)) in part.objects {
            let Product::Bytes(bytes) = product else {
                return Err(StageError::Failed(
                    "only bytes are expected here".to_owned(),
                ));
            };
            let digest = Digest::of_bytes(&bytes);
            let path = self.folder.join(digest.to_string());
            std::fs::write(&path, &bytes).map_err(|error| StageError::io(path, error))?;
            let bytes = bytes.len() as u64;
            objects.insert(
                name,
                Artifact {
                    digest,
                    bytes,
                    format,
                },
            );
        }
        let part = Part {
            values: part.values,
            objects,
        };
        self.parts
            .lock()
            .expect("not poisoned")
            .insert(*key, part.clone());
        Ok(part)
    }

    fn path(&self, artifact: &Artifact) -> Result<PathBuf, StageError> {
        Ok(self.folder.join(artifact.digest.to_string()))
    }

    fn forget(&self, _key: &Digest, _object: &str) -> Result<(), StageError> {
        Ok(())
    }
}

/// Everything around a stage.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub memo: FolderMemo,
    pub compute: Compute,
    pub inputs: BTreeMap<String, Input>,
    pub shown: Vec<ShownNode>,
    cancel: AtomicBool,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            memo: FolderMemo::new(folder.path()),
            folder,
            compute: cpu(),
            inputs: BTreeMap::new(),
            shown: Vec::new(),
            cancel: AtomicBool::new(false),
        }
    }

    pub fn ctx(&self, seed: u64) -> StageCtx<'_> {
        StageCtx {
            node: name("under-test", &[]),
            pipeline: "tests".to_owned(),
            seed,
            compute: &self.compute,
            inputs: self.inputs.clone(),
            key: Digest::of_bytes(b"key"),
            trajectory: Digest::of_bytes(b"trajectory"),
            out: self.folder.path().join("out"),
            project: None,
            memo: &self.memo,
            shown: self.shown.clone(),
            command: "retake run pipelines/tests.yaml".to_owned(),
            pipeline_digest: Digest::of_bytes(b"pipeline"),
            progress: &|_| {},
            log: &|_| {},
            cancel: &self.cancel,
        }
    }

    /// Adds a node behind the input `input`, whose outputs are files or folders on disk.
    pub fn add(
        &mut self,
        input: &str,
        node: NodeName,
        status: Status,
        outputs: &[(&str, Format, &Path)],
    ) {
        let artifact = |format: Format, path: &Path| Artifact {
            digest: if path.is_dir() {
                Digest::of_bytes(path.to_string_lossy().as_bytes())
            } else {
                Digest::of_file(path).expect("the file is there")
            },
            bytes: 0,
            format,
        };
        let node = InputNode {
            node,
            status,
            outputs: outputs
                .iter()
                .map(|(name, format, path)| ((*name).to_owned(), artifact(*format, path)))
                .collect(),
            paths: outputs
                .iter()
                .map(|(name, _, path)| ((*name).to_owned(), (*path).to_owned()))
                .collect(),
            selected: outputs
                .first()
                .map_or_else(|| "model".to_owned(), |(name, ..)| (*name).to_owned()),
        };
        let entry = self
            .inputs
            .entry(input.to_owned())
            .or_insert_with(|| Input {
                nodes: Vec::new(),
                gathered: true,
            });
        entry.nodes.push(node);
    }
}

pub fn name(stage: &str, axes: &[(&str, serde_json::Value)]) -> NodeName {
    NodeName {
        stage: stage.to_owned(),
        axes: axes
            .iter()
            .map(|(axis, value)| ((*axis).to_owned(), value.clone()))
            .collect(),
    }
}
