//! The store: soundness, healing, exclusion, publishing and the lock file.

mod folders;
mod gc;
mod lockfile;
mod objects;
mod processes;
mod publish;
mod shared;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use retake::hash::Digest;
use retake::stage::{Artifact, Format, Product, Status};
use retake::store::{NewRecord, Store};
use tempfile::TempDir;

/// A store in a temporary project.
struct Project {
    folder: TempDir,
    store: Store,
}

impl Project {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&folder.path().join(".retake")).unwrap();
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A second handle on the store, as another process has it: nothing verified, nothing remembered.
    fn reopened(&self) -> Store {
        Store::open(self.store.root()).unwrap()
    }

    fn object(&self, digest: &Digest) -> PathBuf {
        object(self.store.root(), digest)
    }

    fn take(&self, bytes: &[u8]) -> Artifact {
        let product = Product::Bytes(bytes.to_vec());
        self.store.take(&product, Format::File).unwrap()
    }
}

fn object(root: &Path, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    root.join("objects").join(&name[..2]).join(&name[2..])
}

fn key(name: &str) -> Digest {
    Digest::of_bytes(name.as_bytes())
}

/// A record with one output `data`.
fn record(name: &str, bytes: &[u8]) -> NewRecord {
    let product = Product::Bytes(bytes.to_vec());
    NewRecord {
        key: key(name),
        kind: "dataset".to_owned(),
        kind_version: 1,
        recipe: serde_json::json!({"with": {"name": name}}),
        status: Status::Ok,
        outputs: BTreeMap::from([("data".to_owned(), (product, Format::File))]),
        scalars: BTreeMap::new(),
        timings: serde_json::Map::new(),
    }
}

/// Overwrites a sealed file in place, as a careless program would.
fn tamper(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}
