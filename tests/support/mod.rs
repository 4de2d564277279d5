//! A project in a temporary folder, and the retake binary run in it.

pub mod synthetic;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a pipeline in it.
pub struct Project {
    dir: TempDir,
}

/// What the binary said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Project {
    /// A project whose pipeline is `text`, at `pipeline.yaml`.
    pub fn new(text: &str) -> Self {
        let project = Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        };
        project.write("pipeline.yaml", text);
        project
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a written file");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Replaces text in the pipeline; the text must be there.
    pub fn edit(&self, from: &str, to: &str) {
        let text = self.read("pipeline.yaml");
        assert!(text.contains(from), "the pipeline does not hold `{from}`");
        self.write("pipeline.yaml", &text.replace(from, to));
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retake"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command.env_remove("RETAKE_STORE").env("NO_COLOR", "1");
        // Nothing of a test may outlive it.
        command.env("XDG_CACHE_HOME", self.path(".cache"));
        command
    }

    pub fn retake(&self, args: &[&str]) -> Said {
        said(&self.command(args).output().expect("the binary runs"))
    }

    /// Runs the pipeline with `args`; it must end well. Gives the events.
    pub fn run(&self, args: &[&str]) -> Events {
        let mut all = vec!["run", "pipeline.yaml", "--json"];
        all.extend(args);
        let said = self.retake(&all);
        assert_eq!(said.code, Some(0), "{said:?}");
        Events::of(&said.out)
    }

    /// `retake status`: node → (state, outputs).
    pub fn digests(&self, args: &[&str]) -> BTreeMap<String, Value> {
        let mut all = vec!["status", "pipeline.yaml", "--json"];
        all.extend(args);
        let said = self.retake(&all);
        assert_eq!(said.code, Some(0), "{said:?}");
        let nodes = said
            .out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        nodes
            .map(|node| {
                (
                    format!(
                        "{}{}",
                        node["stage"].as_str().expect("a stage"),
                        node["axes"]
                    ),
                    node["outputs"].clone(),
                )
            })
            .collect()
    }
}

pub fn said(output: &Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The events of a run.
pub struct Events(pub Vec<Value>);

impl Events {
    pub fn of(text: &str) -> Self {
        Self(
            text.lines()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .collect(),
        )
    }

    fn stages(&self, event: &str) -> Vec<String> {
        let mut stages: Vec<String> = self
            .0
            .iter()
            .filter(|e| e["event"] == event)
            .map(|e| e["stage"].as_str().expect("a stage").to_owned())
            .collect();
        stages.sort();
        stages
    }

    /// Names of the stages that ran, one for each node, sorted.
    pub fn ran(&self) -> Vec<String> {
        self.stages("finished")
    }

    /// Names of the stages that said that they begin, one for each node, sorted.
    pub fn started(&self) -> Vec<String> {
        self.stages("started")
    }

    /// Names of the stages that were taken from the store, sorted.
    pub fn cached(&self) -> Vec<String> {
        self.stages("cached")
    }
}

/// Every file below `dir`, for comparing before and after.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(dir)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    files.sort();
    files
}
