//! The JSON Schema of the language.

use retake::spec::read::{PIPELINE_KEYS, STAGE_KEYS};
use retake::spec::schema::document;
use retake::stage::StageConfig;
use serde_json::{Value, json};

/// Follows `$ref`.
fn resolve<'a>(document: &'a Value, mut schema: &'a Value) -> &'a Value {
    while let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference
            .strip_prefix("#/definitions/")
            .expect("a definition");
        schema = document["definitions"].get(name).expect("it is defined");
    }
    schema
}

/// The schema of a kind's `with:`.
fn with<'a>(document: &'a Value, kind: &str) -> &'a Value {
    let cases = document["definitions"]["Stage"]["allOf"]
        .as_array()
        .unwrap();
    let fits = |case: &&Value| case["if"]["properties"]["kind"]["const"] == kind;
    let case = cases.iter().find(fits).expect("a case for the kind");
    resolve(document, &case["then"]["properties"]["with"])
}

fn keys(schema: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[test]
fn it_knows_the_keys_that_the_reader_knows() {
    let document = document();
    let sorted = |keys: &[&'static str]| {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys
    };
    assert_eq!(keys(&document), sorted(&PIPELINE_KEYS));
    assert_eq!(keys(&document["definitions"]["Stage"]), sorted(&STAGE_KEYS));
    assert_eq!(document["additionalProperties"], false);
    assert_eq!(document["required"], json!(["stages"]));
    assert_eq!(
        document["definitions"]["Stage"]["properties"]["kind"]["enum"],
        json!(StageConfig::KINDS)
    );
}

#[test]
fn every_kind_has_its_settings_and_every_key_a_description() {
    let document = document();
    for kind in StageConfig::KINDS {
        assert!(with(&document, kind).is_object(), "{kind}");
    }
    let properties = document["properties"].as_object().unwrap();
    for (key, schema) in properties {
        assert!(
            schema.to_string().contains("description"),
            "`{key}` is not described"
        );
    }
    assert_eq!(
        document["definitions"]["Stage"]["properties"]["publish"]["description"],
        "output → path in the project where a copy is kept up to date"
    );
}

#[test]
fn any_setting_but_a_free_text_may_be_a_name() {
    let document = document();
    let template = json!({"$ref": "#/definitions/template"});
    let images = &with(&document, "dataset")["properties"]["images"]["anyOf"];
    assert!(images.as_array().unwrap().contains(&template), "{images}");
    let run = &with(&document, "command")["properties"]["run"];
    assert_eq!(run["type"], "string");
}

#[test]
fn every_reference_is_defined() {
    fn walk(document: &Value, schema: &Value) {
        match schema {
            Value::Object(map) => {
                if schema.get("$ref").is_some_and(Value::is_string) {
                    resolve(document, schema);
                }
                map.values().for_each(|below| walk(document, below));
            }
            Value::Array(items) => items.iter().for_each(|below| walk(document, below)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[test]
fn the_settings_of_the_example_are_in_the_schema() {
    let document = document();
    for (kind, settings) in [
        ("dataset", vec!["name", "images", "size"]),
        ("preprocess", vec!["steps"]),
        ("augment", vec!["steps"]),
        (
            "train",
            vec![
                "task",
                "model",
                "loss",
                "epochs",
                "batch_size",
                "checkpoint_every",
            ],
        ),
        ("evaluate", vec!["metrics", "checkpoints", "samples"]),
        ("report", vec!["title", "out"]),
    ] {
        let text = with(&document, kind).to_string();
        for setting in settings {
            assert!(
                text.contains(&format!("\"{setting}\"")),
                "{kind}: {setting}"
            );
        }
    }
}
