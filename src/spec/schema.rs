//! The JSON Schema of the whole language, for editors.
//!
//! The types here are never filled in: their fields and doc comments are the schema of a pipeline. The
//! schema of each `with:` comes from its kind's configuration.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::stage::StageConfig;

/// The schema of pipeline files.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft07().into_generator();
    let kinds = StageConfig::schemas(&mut generator);
    let of_kinds: Vec<String> = generator.definitions().keys().cloned().collect();
    let mut document = generator.into_root_schema_for::<Pipeline>().to_value();
    document["title"] = json!("retake pipeline");
    let definitions = &mut document["definitions"];
    for name in of_kinds {
        relax(&mut definitions[name]);
    }
    definitions["template"] = json!({
        "description": "a var or axis value; a string that is exactly one `${name}` keeps its type",
        "type": "string",
        "pattern": "\\$\\{[^}]+\\}",
    });
    let cases = kinds.into_iter().map(|(kind, with)| {
        json!({
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"properties": {"with": with}},
        })
    });
    definitions["Stage"]["allOf"] = cases.collect();
    document
}

/// Lets every value below that is not a free text also be a `"${name}"`.
fn relax(schema: &mut Value) {
    let Value::Object(schema) = schema else {
        return;
    };
    for (key, below) in schema.iter_mut() {
        match (key.as_str(), below) {
            ("properties" | "patternProperties", Value::Object(values)) => {
                values.values_mut().for_each(relax_value);
            }
            ("items" | "additionalProperties", value @ Value::Object(_)) => relax_value(value),
            ("items" | "prefixItems", Value::Array(values)) => {
                values.iter_mut().for_each(relax_value);
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(cases)) => cases.iter_mut().for_each(relax),
            _ => {}
        }
    }
}

fn relax_value(value: &mut Value) {
    relax(value);
    let free_text = |schema: &Map<String, Value>| {
        schema.get("type") == Some(&json!("string"))
            && !["enum", "const", "pattern"]
                .iter()
                .any(|key| schema.contains_key(*key))
    };
    let Value::Object(schema) = value else {
        return;
    };
    if free_text(schema) {
        return;
    }
    let mut outer = Map::new();
    for key in ["description", "default"] {
        if let Some(kept) = schema.shift_remove(key) {
            outer.insert(key.to_owned(), kept);
        }
    }
    let inner = Value::Object(std::mem::take(schema));
    outer.insert(
        "anyOf".to_owned(),
        json!([inner, {"$ref": "#/definitions/template"}]),
    );
    *schema = outer;
}

/// An experiment: stages, and the data that flows between them.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Pipeline {
    /// the pipeline's name; the file's without one
    name: Option<String>,
    /// what it is about
    description: Option<String>,
    /// every random stream derives from (seed, purpose, index)
    seed: Option<Seed>,
    /// values that `${name}` stands for; override them with `--set name=value`
    vars: Option<BTreeMap<String, Value>>,
    /// other values for vars, chosen with `--profile`
    profiles: Option<BTreeMap<String, BTreeMap<String, Value>>>,
    /// files, relative to this one, whose vars and stages are merged in
    include: Option<Vec<String>>,
    /// the stages by name
    stages: BTreeMap<String, Stage>,
}

/// One step of an experiment; a node for every point of its matrix.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Stage {
    /// what it does
    #[schemars(schema_with = "kind_names")]
    kind: String,
    /// what it is about; reports print it
    description: Option<String>,
    /// what it works on, by name
    inputs: Option<BTreeMap<String, Input>>,
    /// its settings
    with: Option<Map<String, Value>>,
    /// one node for every combination of axis values, times those of its inputs
    matrix: Option<Matrix>,
    /// a seed of its own instead of the pipeline's
    seed: Option<Seed>,
    /// `auto`, `cpu`, `cuda` or `cuda:INDEX`
    device: Option<String>,
    /// what a run of it occupies
    resources: Option<Resources>,
    /// how long one attempt at it may take
    timeout: Option<Time>,
    /// further attempts after one that failed and might not the next time
    retries: Option<Retries>,
    /// output → path in the project where a copy is kept up to date
    publish: Option<BTreeMap<String, String>>,
}

/// A whole number, or a `${name}` that stands for one.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Seed {
    Number(u64),
    Name(String),
}

/// `STAGE`, `STAGE:OUTPUT`, `STAGE[*]`, `STAGE[axis=value]`, `STAGE[axis=value][*]`, `file:PATH` or
/// `glob:PATTERN`; or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Sources {
    One(String),
    List(Vec<String>),
}

/// Sources, and perhaps the form that they are wanted in.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Input {
    Plain(Sources),
    Formed(Formed),
}

/// Sources in another form.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Formed {
    /// where it comes from
    from: Sources,
    /// data as a folder of PNG files with `labels.csv`
    #[schemars(rename = "as")]
    form: Option<Form>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
enum Form {
    Folder,
}

/// Axes by name, and exceptions to their product.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Matrix {
    /// nodes to add, or further values (names for `${}`, not axes) for existing nodes
    include: Option<Vec<BTreeMap<String, Value>>>,
    /// nodes to remove
    exclude: Option<Vec<BTreeMap<String, Value>>>,
    /// axis → values
    #[schemars(flatten)]
    axes: BTreeMap<String, AxisValues>,
}

/// A list, or a `${name}` that stands for one.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum AxisValues {
    List(Vec<Scalar>),
    Name(String),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Scalar {
    Text(String),
    Number(f64),
    Truth(bool),
}

/// Seconds, or a number with a unit: `90s`, `10m`, `2h`, `1d`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Time {
    Seconds(f64),
    Text(#[schemars(regex(pattern = r"^[0-9.]+ *[smhd]?$"))] String),
}

/// How many, perhaps with the wait before the first.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Retries {
    Times(u32),
    Spaced(Spaced),
}

/// Attempts with ever longer waits between them.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Spaced {
    /// how many
    times: u32,
    /// the wait before the first of them, 1s if not given; it doubles with each
    wait: Option<Time>,
}

/// Slots of the machine.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Resources {
    /// CPU slots; a number beyond the machine's takes them all
    cpu: Option<usize>,
    /// GPU slots
    gpu: Option<usize>,
    /// memory in MiB
    memory: Option<usize>,
}

fn kind_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": StageConfig::KINDS})
}
