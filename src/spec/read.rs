//! The content of one file to stages and vars, each fault noted at its path.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::limits::Limits;
use super::model::{Matrix, Resources, StageSpec};
use super::place::{Findings, Place};
use super::template::{is_name, is_template};
use crate::stage::StageConfig;
use crate::suggest;

/// Keys of a pipeline.
pub const PIPELINE_KEYS: [&str; 7] = [
    "name",
    "description",
    "seed",
    "vars",
    "profiles",
    "include",
    "stages",
];
/// Keys of a file that another one includes.
const FRAGMENT_KEYS: [&str; 3] = ["vars", "include", "stages"];
/// Keys of a stage.
pub const STAGE_KEYS: [&str; 11] = [
    "kind",
    "description",
    "inputs",
    "with",
    "matrix",
    "seed",
    "device",
    "resources",
    "timeout",
    "retries",
    "publish",
];
/// Names that begin an input of another sort.
const RESERVED: [&str; 2] = ["file", "glob"];

/// One file, before includes are merged and vars settled.
#[derive(Debug, Default)]
pub struct FileSpec {
    /// `name:`
    pub name: Option<String>,
    /// `description:`
    pub description: Option<String>,
    /// `seed:`, a number or `${var}`
    pub seed: Option<Value>,
    /// `vars:`
    pub vars: IndexMap<String, Value>,
    /// `profiles:`
    pub profiles: IndexMap<String, Map<String, Value>>,
    /// `include:`
    pub include: Vec<String>,
    /// `stages:`
    pub stages: IndexMap<String, StageSpec>,
}

/// Reads a file; `included` ones may hold vars, stages and further includes only.
pub fn read(value: Value, file: usize, included: bool, findings: &mut Findings) -> FileSpec {
    let place = Place::root(file);
    let mut reader = Reader { findings };
    let mut spec = FileSpec::default();
    let Some(mut map) = reader.mapping(value, &place) else {
        return spec;
    };
    let known: &[&str] = if included {
        &FRAGMENT_KEYS
    } else {
        &PIPELINE_KEYS
    };
    for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
        let at = place.key(key).at_key();
        if included && PIPELINE_KEYS.contains(&key.as_str()) {
            let help =
                "an included file gives vars and stages; this belongs in the file that includes it";
            reader
                .findings
                .add_help(at, format!("`{key}` in an included file"), help);
        } else {
            reader.unknown(at, key, known);
        }
    }
    let mut take = |key: &str| map.shift_remove(key).filter(|value| !value.is_null());
    if !included {
        spec.name = take("name").and_then(|v| reader.text(v, &place.key("name")));
        spec.description =
            take("description").and_then(|v| reader.text(v, &place.key("description")));
        spec.seed = take("seed");
        spec.profiles = take("profiles")
            .map(|value| reader.profiles(value, &place.key("profiles")))
            .unwrap_or_default();
    }
    if let Some(value) = take("include") {
        spec.include = reader.include(value, &place.key("include"));
    }
    if let Some(value) = take("vars") {
        let place = place.key("vars");
        let vars = reader.mapping(value, &place).unwrap_or_default();
        reader.vars(&vars, &place);
        spec.vars = vars.into_iter().collect();
    }
    match take("stages") {
        Some(value) => {
            let stages = reader
                .mapping(value, &place.key("stages"))
                .unwrap_or_default();
            for (name, value) in stages {
                if let Some(stage) = reader.stage(&name, value, file) {
                    spec.stages.insert(name, stage);
                }
            }
        }
        None if !included && spec.include.is_empty() => {
            reader
                .findings
                .add_help(place, "the pipeline has no stages", "add `stages:`");
        }
        None => {}
    }
    spec
}

/// What a value is, for messages.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => format!("the number {value}"),
        Value::String(value) => format!("the text `{value}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

/// Whether a value is a text, a number or true/false.
pub fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

/// The values of `axis`, whose list is `value`.
pub fn axis(axis: &str, value: Value, place: &Place, findings: &mut Findings) -> Vec<Value> {
    Reader { findings }.axis(axis, value, place)
}

struct Reader<'a> {
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn expected(&mut self, place: &Place, what: &str, value: &Value) {
        let message = format!("expected {what}, found {}", describe(value));
        self.findings.add(place.clone(), message);
    }

    fn unknown(&mut self, at: Place, key: &str, known: &[&str]) {
        let help = suggest::help(key, known.iter().copied());
        self.findings.note(at, format!("unknown key `{key}`"), help);
    }

    fn mapping(&mut self, value: Value, place: &Place) -> Option<Map<String, Value>> {
        match value {
            Value::Object(map) => Some(map),
            other => {
                self.expected(place, "a mapping", &other);
                None
            }
        }
    }

    fn list(&mut self, value: Value, place: &Place) -> Option<Vec<Value>> {
        match value {
            Value::Array(items) => Some(items),
            other => {
                self.expected(place, "a list", &other);
                None
            }
        }
    }

    fn text(&mut self, value: Value, place: &Place) -> Option<String> {
        match value {
            Value::String(text) => Some(text),
            other => {
                self.expected(place, "a text", &other);
                None
            }
        }
    }

    /// A name that `${}` and references can hold.
    fn name(&mut self, name: &str, what: &str, place: &Place) {
        if !is_name(name) {
            let help = "names are made of letters, digits, `_`, `-` and `.`";
            let message = format!("`{name}` cannot name {what}");
            self.findings
                .add_help(place.clone().at_key(), message, help);
        }
    }

    /// Refuses `${}` where nothing is interpolated, instead of taking it literally.
    fn plain(&mut self, value: &Value, place: &Place) {
        match value {
            Value::String(text) if is_template(text) => self.findings.add_help(
                place.clone(),
                "`${…}` has no meaning here",
                "it is expanded in `inputs`, `with`, `seed`, `publish` and `matrix.include`",
            ),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.plain(item, &place.index(index));
                }
            }
            Value::Object(items) => {
                for (key, item) in items {
                    self.plain(item, &place.key(key));
                }
            }
            _ => {}
        }
    }

    fn vars(&mut self, vars: &Map<String, Value>, place: &Place) {
        for (name, value) in vars {
            self.name(name, "a var", &place.key(name));
            self.plain(value, &place.key(name));
        }
    }

    fn profiles(&mut self, value: Value, place: &Place) -> IndexMap<String, Map<String, Value>> {
        let profiles = self.mapping(value, place).unwrap_or_default();
        let mut read = IndexMap::new();
        for (name, value) in profiles {
            let place = place.key(&name);
            self.name(&name, "a profile", &place);
            if let Some(vars) = self.mapping(value, &place) {
                self.vars(&vars, &place);
                read.insert(name, vars);
            }
        }
        read
    }

    fn include(&mut self, value: Value, place: &Place) -> Vec<String> {
        if let Value::String(path) = value {
            return vec![path];
        }
        let items = self.list(value, place).unwrap_or_default();
        let item = |(index, item)| self.text(item, &place.index(index));
        // A place in the list is kept for each, so that faults point at it.
        items
            .into_iter()
            .enumerate()
            .map(item)
            .map(Option::unwrap_or_default)
            .collect()
    }

    fn stage(&mut self, name: &str, value: Value, file: usize) -> Option<StageSpec> {
        let place = Place::root(file).key("stages").key(name);
        self.name(name, "a stage", &place);
        if RESERVED.contains(&name) {
            let message = format!("a stage cannot be called `{name}`");
            self.findings.add(place.clone().at_key(), message);
        }
        let mut map = self.mapping(value, &place)?;
        for key in map.keys().filter(|key| !STAGE_KEYS.contains(&key.as_str())) {
            self.unknown(place.key(key).at_key(), key, &STAGE_KEYS);
        }
        let mut take = |key: &str| map.shift_remove(key).filter(|value| !value.is_null());
        let kind = take("kind");
        let mut stage = StageSpec {
            file,
            kind: self.kind(name, kind, &place),
            description: take("description").and_then(|v| self.text(v, &place.key("description"))),
            inputs: IndexMap::new(),
            with: take("with").unwrap_or_else(|| Value::Object(Map::new())),
            matrix: take("matrix")
                .map(|v| self.matrix(v, &place.key("matrix")))
                .unwrap_or_default(),
            seed: take("seed"),
            device: None,
            resources: Resources::default(),
            limits: Limits::default(),
            publish: IndexMap::new(),
        };
        if let Some(value) = take("inputs") {
            let inputs = self
                .mapping(value, &place.key("inputs"))
                .unwrap_or_default();
            stage.inputs = inputs.into_iter().collect();
        }
        if let Some(value) = take("device") {
            let place = place.key("device");
            let text = self.text(value, &place).unwrap_or_default();
            match text.parse() {
                Ok(request) => stage.device = Some(request),
                Err(error) if !text.is_empty() => self.findings.add(place, error.to_string()),
                Err(_) => {}
            }
        }
        if let Some(value) = take("resources") {
            stage.resources = self.resources(value, &place.key("resources"));
        }
        if let Some(value) = take("timeout") {
            let place = place.key("timeout");
            stage.limits.read_timeout(&value, &place, self.findings);
        }
        if let Some(value) = take("retries") {
            let place = place.key("retries");
            stage.limits.read_retries(&value, &place, self.findings);
        }
        if let Some(value) = take("publish") {
            let place = place.key("publish");
            for (output, path) in self.mapping(value, &place).unwrap_or_default() {
                if let Some(path) = self.text(path, &place.key(&output)) {
                    stage.publish.insert(output, path);
                }
            }
        }
        Some(stage)
    }

    fn kind(&mut self, stage: &str, value: Option<Value>, place: &Place) -> String {
        let Some(value) = value else {
            let help = format!("add `kind:`, one of {}", suggest::list(StageConfig::KINDS));
            let message = format!("stage `{stage}` has no kind");
            self.findings
                .add_help(place.clone().at_key(), message, help);
            return String::new();
        };
        let place = place.key("kind");
        let kind = self.text(value, &place).unwrap_or_default();
        if !kind.is_empty() && !StageConfig::KINDS.contains(&kind.as_str()) {
            let help = suggest::help(&kind, StageConfig::KINDS.iter().copied());
            self.findings
                .note(place, format!("unknown kind `{kind}`"), help);
        }
        kind
    }

    fn matrix(&mut self, value: Value, place: &Place) -> Matrix {
        let mut matrix = Matrix::default();
        for (axis, value) in self.mapping(value, place).unwrap_or_default() {
            let place = place.key(&axis);
            match axis.as_str() {
                "include" => matrix.include = self.points(value, &place, true),
                "exclude" => matrix.exclude = self.points(value, &place, false),
                _ => {
                    self.name(&axis, "an axis", &place);
                    match value {
                        Value::String(text) if is_template(&text) => {
                            matrix.open.insert(axis, text);
                        }
                        value => {
                            let values = self.axis(&axis, value, &place);
                            matrix.axes.insert(axis, values);
                        }
                    }
                }
            }
        }
        matrix
    }

    fn axis(&mut self, axis: &str, value: Value, place: &Place) -> Vec<Value> {
        let Some(values) = self.list(value, place) else {
            return Vec::new();
        };
        if values.is_empty() {
            self.findings
                .add(place.clone(), format!("axis `{axis}` has no values"));
        }
        let mut kept: Vec<Value> = Vec::with_capacity(values.len());
        let mut seen = std::collections::HashSet::new();
        for (index, value) in values.into_iter().enumerate() {
            let place = place.index(index);
            self.axis_value(&value, &place);
            if seen.insert(value.to_string()) {
                kept.push(value);
            } else {
                let message = format!("axis `{axis}` holds this value twice");
                self.findings.add(place, message);
            }
        }
        kept
    }

    /// An axis value must be writable as `stage[axis=value]`.
    fn axis_value(&mut self, value: &Value, place: &Place) {
        self.plain(value, place);
        if !is_scalar(value) {
            let help =
                "give structured values through `matrix.include`, under a name that is not an axis";
            let message = format!(
                "expected a text, a number or true/false, found {}",
                describe(value)
            );
            self.findings.add_help(place.clone(), message, help);
        } else if let Value::String(text) = value
            && (text.contains(['[', ']', ',']) || text.trim() != text || text.is_empty())
        {
            let message = format!("axis value `{text}` holds `[`, `]`, `,` or outer blanks");
            self.findings.add(place.clone(), message);
        }
    }

    /// The entries of `include` or `exclude`; values may be `open` to vars.
    fn points(&mut self, value: Value, place: &Place, open: bool) -> Vec<Map<String, Value>> {
        let items = self.list(value, place).unwrap_or_default();
        let mut points = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let place = place.index(index);
            let point = self.mapping(item, &place).unwrap_or_default();
            for (name, value) in &point {
                self.name(name, "a value", &place.key(name));
                if !open {
                    self.plain(value, &place.key(name));
                }
            }
            points.push(point);
        }
        points
    }

    fn resources(&mut self, value: Value, place: &Place) -> Resources {
        let mut resources = Resources::default();
        for (key, value) in self.mapping(value, place).unwrap_or_default() {
            let place = place.key(&key);
            let slot = match key.as_str() {
                "cpu" => &mut resources.cpu,
                "gpu" => &mut resources.gpu,
                "memory" => &mut resources.memory,
                _ => {
                    self.unknown(place.at_key(), &key, &["cpu", "gpu", "memory"]);
                    continue;
                }
            };
            match value.as_u64() {
                Some(number) => *slot = Some(number as usize),
                None => self.expected(&place, "a whole number from 0", &value),
            }
        }
        resources
    }
}
