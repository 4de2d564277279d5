//! `with:` to a checked configuration, once for all nodes that share its values.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::Value;

use super::Missing;
use crate::spec::place::{Findings, Place};
use crate::spec::template::{self, TemplateError, is_template};
use crate::stage::{DataSchema, Fault, InputSchemas, InputSpec, OutputSpec, PathItem, StageConfig};
use crate::suggest;
use crate::worktree::WorkTree;

/// A configuration, and what it says about itself.
#[derive(Debug)]
pub struct Settled {
    /// decoded and resolved
    pub config: Arc<StageConfig>,
    /// as they enter the key
    pub settings: Arc<Value>,
    /// what it takes
    pub inputs: Vec<InputSpec>,
    /// what it gives
    pub outputs: Vec<OutputSpec>,
    /// files named in `with:` that are not there
    pub missing: Vec<Missing>,
    /// what [`StageConfig::check`] said of inputs so far
    checked: RefCell<Vec<(InputSchemas, DataSchema)>>,
}

/// Where a configuration comes from.
pub struct Origin<'a> {
    /// the stage's kind
    pub kind: &'a str,
    /// `with:` as written
    pub written: &'a Value,
    /// where it stands
    pub place: Place,
    /// the project's files
    pub tree: &'a WorkTree,
}

impl Origin<'_> {
    /// Decodes and resolves the interpolated `with`.
    pub fn settle(&self, with: Value, findings: &mut Findings) -> Option<Settled> {
        let mut config = self.decode(with, findings)?;
        let mut missing = Vec::new();
        if let Err(faults) = config.resolve(self.tree) {
            missing = self.note(faults, findings)?;
        }
        let settings = Arc::new(config.settings());
        Some(Settled {
            inputs: config.inputs(),
            outputs: config.outputs(),
            config: Arc::new(config),
            settings,
            missing,
            checked: RefCell::default(),
        })
    }

    /// Checks values, and shapes against what is known of the inputs.
    pub fn check(
        &self,
        settled: &Settled,
        inputs: InputSchemas,
        findings: &mut Findings,
    ) -> DataSchema {
        let known = settled
            .checked
            .borrow()
            .iter()
            .find(|(seen, _)| *seen == inputs)
            .map(|(_, schema)| schema.clone());
        known.unwrap_or_else(|| {
            let schema = settled.config.check(&inputs).unwrap_or_else(|faults| {
                self.note(faults, findings);
                DataSchema::default()
            });
            settled.checked.borrow_mut().push((inputs, schema.clone()));
            schema
        })
    }

    /// An unknown key is noted and left out, so that what else is wrong comes up too.
    fn decode(&self, mut with: Value, findings: &mut Findings) -> Option<StageConfig> {
        let mut sound = true;
        loop {
            let error = match StageConfig::decode(self.kind, with.clone())? {
                Ok(config) => return sound.then_some(config),
                Err(error) => error,
            };
            let said = Said::of(&error.message);
            let mut path = error.path;
            if let Some(key) = &said.unknown_key {
                let key = PathItem::Key(key.clone());
                if path.last() != Some(&key) {
                    path.push(key);
                }
            }
            let mut place = self.place.join(&path);
            if said.unknown_key.is_some() {
                place = place.at_key();
            }
            let help = said.help.or_else(|| self.stands_for(&path, &with));
            // What is missing besides is most likely what was misspelt.
            if sound || !said.message.starts_with(MISSING) {
                findings.note(place, said.message, help);
            }
            sound = false;
            if said.unknown_key.is_none() || !remove(&mut with, &path) {
                return None;
            }
        }
    }

    /// Notes faults of the kind; missing files are given back. `None` when there is a real fault.
    fn note(&self, faults: Vec<Fault>, findings: &mut Findings) -> Option<Vec<Missing>> {
        let mut missing = Vec::new();
        let mut sound = true;
        for fault in faults {
            if let Some(path) = fault.missing_file {
                let help = fault.help.or(Some(fault.message));
                missing.push(Missing { path, help });
                continue;
            }
            sound = false;
            let help = fault.help.or_else(|| self.written_for(&fault.path));
            findings.note(self.place.join(&fault.path), fault.message, help);
        }
        sound.then_some(missing)
    }

    /// The template at or above `path`, if there is one.
    fn template(&self, path: &[PathItem]) -> Option<(&str, usize)> {
        let mut value = self.written;
        for (depth, item) in path.iter().enumerate() {
            if let Value::String(text) = value {
                return is_template(text).then_some((text, depth));
            }
            value = child(value, item)?;
        }
        let text = value.as_str().filter(|text| is_template(text))?;
        Some((text, path.len()))
    }

    fn written_for(&self, path: &[PathItem]) -> Option<String> {
        let (text, _) = self.template(path)?;
        Some(format!("the value comes from `{text}`"))
    }

    /// What a `${name}` became, where a fault points at one.
    fn stands_for(&self, path: &[PathItem], with: &Value) -> Option<String> {
        let (text, depth) = self.template(path)?;
        let value = path[..depth].iter().try_fold(with, child)?;
        Some(format!(
            "`{text}` is {} here",
            crate::spec::read::describe(value)
        ))
    }
}

/// Interpolates `with` (or any value); faults are noted. With `silent`, undefined names are not: some
/// input is unknown, and with it some axes.
pub fn interpolate(
    value: &Value,
    lookup: &template::Lookup<'_>,
    place: &Place,
    defined: &dyn Fn() -> Vec<String>,
    silent: bool,
    findings: &mut Findings,
) -> Option<Value> {
    let misfits = match template::interpolate_all(value, lookup) {
        Ok(value) => return Some(value),
        Err(misfits) => misfits,
    };
    for (path, error) in misfits {
        let at = place.join(&path);
        match &error {
            TemplateError::Undefined(_) if silent => {}
            TemplateError::Undefined(name) => {
                let names = defined();
                let help = suggest::help(name, names.iter().map(String::as_str));
                let help = help.or_else(|| Some("names are vars and the stage's axes".to_owned()));
                findings.note(at.piece(format!("${{{name}}}")), error.to_string(), help);
            }
            _ => findings.add(at, error.to_string()),
        }
    }
    None
}

fn child<'a>(value: &'a Value, item: &PathItem) -> Option<&'a Value> {
    match (value, item) {
        (Value::Object(map), PathItem::Key(key)) => map.get(key),
        (Value::Array(items), PathItem::Index(index)) => items.get(*index),
        _ => None,
    }
}

fn remove(value: &mut Value, path: &[PathItem]) -> bool {
    let Some((PathItem::Key(last), above)) = path.split_last() else {
        return false;
    };
    let mut at = value;
    for item in above {
        let next = match (at, item) {
            (Value::Object(map), PathItem::Key(key)) => map.get_mut(key),
            (Value::Array(items), PathItem::Index(index)) => items.get_mut(*index),
            _ => None,
        };
        let Some(next) = next else {
            return false;
        };
        at = next;
    }
    at.as_object_mut()
        .and_then(|map| map.shift_remove(last))
        .is_some()
}

/// How the message on a key that is not there begins.
const MISSING: &str = "missing key ";

/// What serde says, in the words of this language.
struct Said {
    message: String,
    help: Option<String>,
    unknown_key: Option<String>,
}

impl Said {
    fn of(message: &str) -> Self {
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        if let Some(rest) = message.strip_prefix("unknown field ") {
            let (name, known) = quoted.split_first().unwrap_or((&rest, &[]));
            return Self {
                message: format!("unknown key `{name}`"),
                help: choices(name, known),
                unknown_key: Some((*name).to_owned()),
            };
        }
        if let Some(rest) = message.strip_prefix("unknown variant ") {
            let (name, known) = quoted.split_first().unwrap_or((&rest, &[]));
            return Self {
                message: format!("unknown value `{name}`"),
                help: choices(name, known),
                unknown_key: None,
            };
        }
        let message = match message.strip_prefix("missing field ") {
            Some(name) => format!("{MISSING}{name}"),
            None => types(message),
        };
        Self {
            message,
            help: None,
            unknown_key: None,
        }
    }
}

fn choices(name: &str, known: &[&str]) -> Option<String> {
    if known.is_empty() {
        return Some("nothing can be set here".to_owned());
    }
    suggest::nearest(name, known.iter().copied())
        .map(|near| format!("did you mean `{near}`?"))
        .or_else(|| Some(format!("expected one of {}", suggest::list(known))))
}

/// `invalid type: string "a", expected u64` → ``expected a whole number from 0, found the text `a` ``.
fn types(message: &str) -> String {
    let parts = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "));
    let Some((found, expected)) = parts else {
        return message.to_owned();
    };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "string or map" => "a text or a mapping",
        other if other.starts_with("struct ") => "a mapping",
        other => other,
    };
    let found = match found.split_once(' ').unwrap_or((found, "")) {
        ("string", text) => format!("the text `{}`", text.trim_matches('"')),
        ("integer", number) => format!("the number {}", number.trim_matches('`')),
        ("floating", number) => {
            format!(
                "the number {}",
                number.trim_start_matches("point ").trim_matches('`')
            )
        }
        ("boolean", value) => value.trim_matches('`').to_owned(),
        ("sequence", _) => "a list".to_owned(),
        ("map", _) => "a mapping".to_owned(),
        ("null" | "unit" | "Option", _) => "nothing".to_owned(),
        _ => found.to_owned(),
    };
    format!("expected {expected}, found {found}")
}
