//! The lock file beside a pipeline: what each node came to, for git.
//!
//! Evidence for `run --locked`, `diff`, `report --check` and gc roots; never a reason to call a node
//! cached. It is YAML of one fixed shape, sorted, one fact a line, so that git merges it by lines:
//!
//! ```yaml
//! lock: 1
//! "default":
//!   "cpu-avx2":
//!     "gan[loss=bce,seed=0]":
//!       key: 2c5f…
//!       outputs:
//!         "model": 81aa…
//!       scalars:
//!         "loss_g": 0.693
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Store, StoreError};
use crate::hash::Digest;

/// What comments and format number stand at the top.
const HEADER: &str = "\
# What each node of the pipeline beside came to. Written by retake: commit it, do not edit it.
lock: 1
";

/// The profile that is in force when none is named.
const DEFAULT_PROFILE: &str = "default";

/// profile → device class → node → block
type Blocks = BTreeMap<String, BTreeMap<String, BTreeMap<String, LockBlock>>>;

/// A lock file in memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LockFile {
    blocks: Blocks,
}

/// What one node came to.
#[derive(Debug, Clone, PartialEq)]
pub struct LockBlock {
    /// its key
    pub key: Digest,
    /// output name → digest
    pub outputs: BTreeMap<String, Digest>,
    /// scalar metrics
    pub scalars: BTreeMap<String, f64>,
}

impl LockFile {
    /// The lock file of a pipeline: `quickstart.yaml` has `quickstart.lock` beside it.
    pub fn path_for(pipeline: &Path) -> PathBuf {
        pipeline.with_extension("lock")
    }

    /// Reads a lock file; an empty one when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is not a lock file (after a merge with conflicts, for instance).
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
            return Err(StoreError::unsuitable(path, "not a file"));
        }
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|(line, problem)| StoreError::LockFile {
                path: path.to_path_buf(),
                line,
                problem,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(StoreError::io(path, error)),
        }
    }

    /// The text of a lock file; of an old revision, say.
    ///
    /// # Errors
    /// The line (from 1) that does not fit, and why.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut blocks = Blocks::new();
        let mut reader = Reader::default();
        for (index, line) in text.lines().enumerate() {
            reader
                .take(line, &mut blocks)
                .map_err(|problem| (index + 1, problem))?;
        }
        if !text.is_empty() && !reader.started {
            return Err((1, "`lock: 1` is missing: not a lock file".to_owned()));
        }
        Ok(Self { blocks })
    }

    /// A node's block.
    pub fn block(&self, profile: Option<&str>, class: &str, node: &str) -> Option<&LockBlock> {
        let classes = self.blocks.get(profile.unwrap_or(DEFAULT_PROFILE))?;
        classes.get(class)?.get(node)
    }

    /// A node's blocks on all device classes but `class`, in their order.
    pub fn elsewhere<'a>(
        &'a self,
        profile: Option<&str>,
        class: &'a str,
        node: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a LockBlock)> {
        self.classes(profile, node)
            .filter(move |(other, _)| *other != class)
    }

    /// A node's blocks by device class, in their order.
    pub fn classes<'a>(
        &'a self,
        profile: Option<&str>,
        node: &str,
    ) -> impl Iterator<Item = (&'a str, &'a LockBlock)> {
        let classes = self.blocks.get(profile.unwrap_or(DEFAULT_PROFILE));
        classes
            .into_iter()
            .flatten()
            .filter_map(move |(class, nodes)| Some((class.as_str(), nodes.get(node)?)))
    }

    /// All blocks: (profile, device class, node, block), sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str, &LockBlock)> {
        self.blocks.iter().flat_map(|(profile, classes)| {
            classes.iter().flat_map(move |(class, nodes)| {
                nodes.iter().map(move |(node, block)| {
                    (profile.as_str(), class.as_str(), node.as_str(), block)
                })
            })
        })
    }

    /// Puts in the blocks of some nodes of a profile on a device class, and drops, on every class of the
    /// profile, the nodes that `all_nodes` of the pipeline no longer name.
    pub fn update(
        &mut self,
        profile: Option<&str>,
        class: &str,
        blocks: BTreeMap<String, LockBlock>,
        all_nodes: &BTreeSet<String>,
    ) {
        let profile = profile.unwrap_or(DEFAULT_PROFILE).to_owned();
        let classes = self.blocks.entry(profile).or_default();
        classes.entry(class.to_owned()).or_default().extend(blocks);
        for nodes in classes.values_mut() {
            nodes.retain(|node, _| all_nodes.contains(node));
        }
        classes.retain(|_, nodes| !nodes.is_empty());
        self.blocks.retain(|_, classes| !classes.is_empty());
    }

    /// Writes it to `path`, by way of `store`, whole or not at all; a file that already says the same is not touched.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path, store: &Store) -> Result<(), StoreError> {
        let text = self.to_text();
        if fs::read(path).is_ok_and(|now| now == text.as_bytes()) {
            return Ok(());
        }
        store.replace(path, false, |temporary| fs::write(temporary, &text))
    }

    /// Its text.
    pub fn to_text(&self) -> String {
        let mut text = HEADER.to_owned();
        let mut line = |depth: usize, name: &str, value: &str| {
            let space = if value.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:1$}{name}:{space}{value}", "", 2 * depth);
        };
        for (profile, classes) in &self.blocks {
            line(0, &quoted(profile), "");
            for (class, nodes) in classes {
                line(1, &quoted(class), "");
                for (node, block) in nodes {
                    line(2, &quoted(node), "");
                    line(3, "key", &block.key.to_string());
                    if !block.outputs.is_empty() {
                        line(3, "outputs", "");
                    }
                    for (name, digest) in &block.outputs {
                        line(4, &quoted(name), &digest.to_string());
                    }
                    if !block.scalars.is_empty() {
                        line(3, "scalars", "");
                    }
                    for (name, value) in &block.scalars {
                        line(4, &quoted(name), &number(*value));
                    }
                }
            }
        }
        text
    }
}

impl Store {
    /// Updates a lock file in place ([`LockFile::update`]): read again, merged and renamed, one process
    /// at a time.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn update_lock_file(
        &self,
        path: &Path,
        profile: Option<&str>,
        class: &str,
        blocks: BTreeMap<String, LockBlock>,
        all_nodes: &BTreeSet<String>,
    ) -> Result<(), StoreError> {
        // Where nothing changes nothing is locked: the store may be one that can only be read.
        let before = LockFile::read(path)?;
        let mut after = before.clone();
        after.update(profile, class, blocks.clone(), all_nodes);
        if after == before && path.exists() {
            return Ok(());
        }
        let absolute = std::path::absolute(path).map_err(|e| StoreError::io(path, e))?;
        let name = Digest::of_bytes(absolute.as_os_str().as_encoded_bytes());
        let _one_at_a_time = self.lock(&name)?;
        let mut lock = LockFile::read(path)?;
        lock.update(profile, class, blocks, all_nodes);
        lock.write(path, self)
    }
}

/// A name as a JSON string, which is YAML too.
fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// The shortest text that reads back as the same number, as YAML spells it.
fn number(value: f64) -> String {
    if value.is_nan() {
        ".nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { ".inf" } else { "-.inf" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

fn parse_number(text: &str) -> Option<f64> {
    match text {
        ".nan" => Some(f64::NAN),
        ".inf" => Some(f64::INFINITY),
        "-.inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

/// Where in the file a reader is.
#[derive(Default)]
struct Reader {
    started: bool,
    profile: String,
    class: String,
    node: String,
    /// `outputs` or `scalars`
    section: String,
}

impl Reader {
    /// Takes one line.
    fn take(&mut self, line: &str, blocks: &mut Blocks) -> Result<(), String> {
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
            .iter()
            .any(|mark| line.starts_with(mark))
        {
            return Err(
                "a merge conflict: keep the lines of either side (or delete the file) and run again"
                    .to_owned(),
            );
        }
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with('#') {
            return Ok(());
        }
        let unexpected =
            || format!("`{content}` is not expected here; delete the file and run again");
        let (name, value) = split(content).ok_or_else(unexpected)?;
        let depth = line.len() - content.len();
        if !self.started {
            self.started = depth == 0 && name == "lock" && value == "1";
            return if self.started {
                Ok(())
            } else {
                Err(unexpected())
            };
        }
        match (depth, value) {
            (0, "") => self.profile = name,
            (2, "") => self.class = name,
            (4, "") => self.node = name,
            (6, "") => self.section = name,
            (6, key) if name == "key" => {
                let block = LockBlock {
                    key: key.parse().map_err(|_| unexpected())?,
                    outputs: BTreeMap::new(),
                    scalars: BTreeMap::new(),
                };
                let classes = blocks.entry(self.profile.clone()).or_default();
                let nodes = classes.entry(self.class.clone()).or_default();
                nodes.insert(self.node.clone(), block);
            }
            (8, value) => {
                let block = blocks
                    .get_mut(&self.profile)
                    .and_then(|classes| classes.get_mut(&self.class)?.get_mut(&self.node))
                    .ok_or_else(unexpected)?;
                match self.section.as_str() {
                    "outputs" => {
                        let digest = value.parse().map_err(|_| unexpected())?;
                        block.outputs.insert(name, digest);
                    }
                    "scalars" => {
                        let number = parse_number(value).ok_or_else(unexpected)?;
                        block.scalars.insert(name, number);
                    }
                    _ => return Err(unexpected()),
                }
            }
            _ => return Err(unexpected()),
        }
        Ok(())
    }
}

/// Splits `name: value` or `"name": value`.
fn split(content: &str) -> Option<(String, &str)> {
    if content.starts_with('"') {
        let mut names = serde_json::Deserializer::from_str(content).into_iter::<String>();
        let name = names.next()?.ok()?;
        let rest = content.get(names.byte_offset()..)?;
        return Some((name, rest.strip_prefix(':')?.trim()));
    }
    let (name, value) = content.split_once(':')?;
    Some((name.to_owned(), value.trim()))
}
