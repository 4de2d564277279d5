//! A pipeline file, its includes and the command line to one [`PipelineSpec`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::error::{Fault, Faults};
use super::locate::Positions;
use super::model::{LoadOptions, PipelineSpec};
use super::place::{Findings, Place, SourceFile, named};
use super::read::{self, FileSpec, describe, read};
use super::template::interpolate;
use super::{root, vars, yaml};
use crate::suggest;
use crate::worktree::WorkTree;

/// Reads a pipeline file and all it includes; vars are settled by `options`.
///
/// Says what is wrong within the files; whether stages fit together is found by
/// [`crate::plan::expand()`], and both at once by [`crate::plan::open`].
pub fn load(path: &Path, options: &LoadOptions) -> Result<PipelineSpec, Faults> {
    let (spec, findings) = load_leniently(path, options)?;
    if findings.is_empty() {
        return Ok(spec);
    }
    Err(findings.locate(&spec.sources))
}

/// Reads as much as can be read; an error only where some file is no YAML at all.
pub(crate) fn load_leniently(
    path: &Path,
    options: &LoadOptions,
) -> Result<(PipelineSpec, Findings), Faults> {
    let mut loader = Loader::of(path);
    // Not below the root: the path may be relative to where the user is.
    match std::path::absolute(path).and_then(|path| loader.tree.read(&path)) {
        Ok(text) => loader.read_file(path, path.display().to_string(), &text, None),
        Err(error) => return Err(unreadable(path, &error)),
    }
    loader.finish(path, options)
}

/// Reads a pipeline from `text`, as if it stood in the file `path`, which need not exist.
pub(crate) fn load_text(
    path: &Path,
    text: &str,
    options: &LoadOptions,
) -> Result<(PipelineSpec, Findings), Faults> {
    let mut loader = Loader::of(path);
    loader.read_file(path, path.display().to_string(), text, None);
    loader.finish(path, options)
}

/// A file that cannot be read has no text to point into.
fn unreadable(path: &Path, error: &std::io::Error) -> Faults {
    let source = SourceFile {
        name: path.display().to_string(),
        path: None,
        text: "".into(),
    };
    Faults {
        faults: vec![Fault {
            message: format!("{} cannot be read: {error}", path.display()),
            help: None,
            source_code: named(&source),
            span: None,
            also: None,
        }],
    }
}

/// Files as they are read.
struct Loader {
    tree: WorkTree,
    sources: Vec<SourceFile>,
    findings: Findings,
    /// canonical paths of files that are being read, outermost first
    reading: Vec<PathBuf>,
    /// canonical paths of all files so far
    done: Vec<PathBuf>,
    /// whether some file could not be parsed
    broken: bool,
    main: FileSpec,
    /// var → value and file
    vars: IndexMap<String, (Value, usize)>,
    stages: IndexMap<String, super::model::StageSpec>,
}

impl Loader {
    /// A loader of the pipeline in the file `path`.
    fn of(path: &Path) -> Self {
        Self {
            tree: WorkTree::new(&root::of(path)),
            sources: Vec::new(),
            findings: Findings::default(),
            reading: Vec::new(),
            done: Vec::new(),
            broken: false,
            main: FileSpec::default(),
            vars: IndexMap::new(),
            stages: IndexMap::new(),
        }
    }

    /// Reads one file and, before its own content, what it includes.
    fn read_file(&mut self, path: &Path, name: String, text: &str, included: Option<&Place>) {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let Some(start) = self.reading.iter().position(|open| *open == canonical) {
            let names = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default();
                name.to_string_lossy().into_owned()
            };
            let mut chain: Vec<String> = self.reading[start..].iter().map(names).collect();
            chain.push(names(&canonical));
            if let Some(place) = included {
                let message = format!("files include each other: {}", chain.join(" → "));
                self.findings.add(place.clone(), message);
            }
            return;
        }
        if self.done.contains(&canonical) {
            return;
        }
        self.done.push(canonical.clone());
        let file = self.sources.len();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        self.sources.push(SourceFile {
            name,
            path: Some(path.to_owned()),
            text: text.into(),
        });
        let Some(value) = self.parse(file) else {
            return;
        };
        let mut spec = read(value, file, included.is_some(), &mut self.findings);
        self.reading.push(canonical);
        for (index, target) in std::mem::take(&mut spec.include).iter().enumerate() {
            let place = Place::root(file).key("include").index(index);
            self.include(path, target, &place);
        }
        self.reading.pop();
        self.merge(spec, file, included.is_some());
    }

    fn include(&mut self, from: &Path, target: &str, place: &Place) {
        if target.is_empty() {
            return;
        }
        let path = from.parent().unwrap_or(Path::new("")).join(target);
        match std::path::absolute(&path).and_then(|path| self.tree.read(&path)) {
            Ok(text) => self.read_file(&path, path.display().to_string(), &text, Some(place)),
            Err(error) => {
                let message = format!("`{target}` cannot be read: {error}");
                let help = "the path is relative to the file that includes it";
                self.findings.add_help(place.clone(), message, help);
            }
        }
    }

    /// Parses a source; what it says of syntax and duplicate keys has a position at once.
    fn parse(&mut self, file: usize) -> Option<Value> {
        let source = &self.sources[file];
        let mut fault = |message: String, help: Option<&str>, at: std::ops::Range<usize>, also| {
            let fault = Fault {
                message,
                help: help.map(str::to_owned),
                source_code: named(source),
                span: Some(at.into()),
                also,
            };
            self.findings.add_located(file, fault);
        };
        match yaml::parse(&source.text) {
            Ok(document) => {
                if document.duplicates {
                    for (later, first) in Positions::of(&source.text).duplicates() {
                        let message = format!("duplicate key `{}`", &source.text[later.clone()]);
                        let first = (first.into(), "first written here".to_owned());
                        fault(message, None, later, Some(first));
                    }
                }
                Some(document.value)
            }
            Err(error) => {
                let (line, column) = error.at.unwrap_or((1, 1));
                let at = Positions::byte_at(&source.text, line, column);
                let indented = &source.text[..at];
                let blank = indented.rsplit('\n').next().unwrap_or_default();
                let tab =
                    blank.trim_start_matches(' ').is_empty() && source.text[at..].starts_with('\t');
                let help = tab.then_some("indent with spaces: YAML takes no tabs there");
                fault(format!("not YAML: {}", error.message), help, at..at, None);
                self.broken = true;
                None
            }
        }
    }

    /// Adds a file's vars and stages to what earlier files defined.
    fn merge(&mut self, mut spec: FileSpec, file: usize, included: bool) {
        for (name, value) in std::mem::take(&mut spec.vars) {
            if let Some((_, first)) = self.vars.get(&name) {
                let place = Place::root(file).key("vars").key(&name).at_key();
                self.defined_twice(place, "var", &name, *first);
            } else {
                self.vars.insert(name, (value, file));
            }
        }
        for (name, stage) in std::mem::take(&mut spec.stages) {
            if let Some(first) = self.stages.get(&name) {
                let first = first.file;
                self.defined_twice(stage.place(&name).at_key(), "stage", &name, first);
            } else {
                self.stages.insert(name, stage);
            }
        }
        if !included {
            self.main = spec;
        }
    }

    fn defined_twice(&mut self, place: Place, what: &str, name: &str, first: usize) {
        let message = format!("{what} `{name}` is defined twice");
        let help = format!("{} defines it too; rename one", self.sources[first].name);
        self.findings.add_help(place, message, help);
    }

    fn finish(
        mut self,
        path: &Path,
        options: &LoadOptions,
    ) -> Result<(PipelineSpec, Findings), Faults> {
        if self.broken {
            return Err(self.findings.locate(&self.sources));
        }
        let mut settled = self
            .vars
            .into_iter()
            .map(|(name, (value, _))| (name, value))
            .collect();
        vars::settle(
            &mut settled,
            &self.main.profiles,
            options,
            &mut self.sources,
            &mut self.findings,
        );
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let seed = seed(self.main.seed.as_ref(), &settled, &mut self.findings);
        for (name, stage) in &mut self.stages {
            let place = stage.place(name).key("matrix");
            let mut filler = Filler {
                vars: &settled,
                findings: &mut self.findings,
            };
            for (axis, text) in std::mem::take(&mut stage.matrix.open) {
                let place = place.key(&axis);
                let value = filler.fill(&Value::String(text), &place);
                let values = match value {
                    Some(value) => read::axis(&axis, value, &place, filler.findings),
                    None => Vec::new(),
                };
                stage.matrix.axes.insert(axis, values);
            }
            for (index, entry) in stage.matrix.include.iter_mut().enumerate() {
                let place = place.key("include").index(index);
                for (name, value) in entry {
                    if let Some(filled) = filler.fill(value, &place.key(name)) {
                        *value = filled;
                    }
                }
            }
        }
        let spec = PipelineSpec {
            name: self.main.name.unwrap_or_else(|| stem.into_owned()),
            seed,
            description: self.main.description,
            file: path.to_owned(),
            root: self.tree.root().to_owned(),
            tree: Arc::new(self.tree),
            profile: options.profile.clone(),
            sets: options.sets.clone(),
            vars: settled,
            stages: self.stages,
            sources: self.sources,
        };
        Ok((spec, self.findings))
    }
}

/// Puts vars in where nothing else can stand: a matrix is made before its axes have values.
struct Filler<'a> {
    vars: &'a IndexMap<String, Value>,
    findings: &'a mut Findings,
}

impl Filler<'_> {
    fn fill(&mut self, value: &Value, place: &Place) -> Option<Value> {
        Some(match value {
            Value::String(text) => match interpolate(text, &|name| self.vars.get(name)) {
                Ok(value) => value,
                Err(error) => {
                    let names = self.vars.keys().map(String::as_str);
                    let help = suggest::help(text, names);
                    self.findings.note(place.clone(), error.to_string(), help);
                    return None;
                }
            },
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let filled = items.map(|(index, item)| self.fill(item, &place.index(index)));
                Value::Array(filled.collect::<Option<_>>()?)
            }
            Value::Object(items) => {
                let items = items.iter();
                let filled =
                    items.map(|(key, item)| Some((key.clone(), self.fill(item, &place.key(key))?)));
                Value::Object(filled.collect::<Option<_>>()?)
            }
            other => other.clone(),
        })
    }
}

/// The pipeline's seed: a number, or a var that is one.
fn seed(value: Option<&Value>, vars: &IndexMap<String, Value>, findings: &mut Findings) -> u64 {
    let Some(value) = value else {
        return 0;
    };
    let place = Place::root(0).key("seed");
    let settled = match value {
        Value::String(text) => match interpolate(text, &|name| vars.get(name)) {
            Ok(value) => value,
            Err(error) => {
                let help = suggest::help(text, vars.keys().map(String::as_str));
                findings.note(place, error.to_string(), help);
                return 0;
            }
        },
        other => other.clone(),
    };
    settled.as_u64().unwrap_or_else(|| {
        let message = format!(
            "expected a whole number from 0, found {}",
            describe(&settled)
        );
        findings.add(place, message);
        0
    })
}
