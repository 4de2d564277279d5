//! Parameters of a model file: `${name}` in its networks stands for a number that whoever uses it can choose.
//!
//! ```yaml
//! parameters: {base: 64}
//! networks: {generator: {inputs: {z: [latent]}, layers: [linear: {out: "16*${base}"}]}}
//! ```

use std::collections::BTreeMap;

use serde_yaml::Value;

/// Name → value.
pub type Parameters = BTreeMap<String, serde_json::Value>;

/// Takes `parameters` out of a model, lays `chosen` over them, and puts them in wherever `${}` names them. Gives the
/// parameters as they then are: those of the model, no others.
pub(super) fn settle(model: &mut Value, chosen: &Parameters) -> Result<Parameters, String> {
    let declared = model
        .as_mapping_mut()
        .and_then(|model| model.remove("parameters"));
    let mut parameters: Parameters = match declared {
        None => return Ok(Parameters::new()),
        Some(declared) => {
            serde_yaml::from_value(declared).map_err(|error| format!("parameters: {error}"))?
        }
    };
    for (name, value) in &mut parameters {
        if let Some(chosen) = chosen.get(name) {
            value.clone_from(chosen);
        }
        if value.is_object() || value.is_array() || value.is_null() {
            return Err(format!(
                "the parameter `{name}` must be a number, a text or true/false"
            ));
        }
    }
    fill(model, &parameters)?;
    Ok(parameters)
}

fn fill(value: &mut Value, parameters: &Parameters) -> Result<(), String> {
    match value {
        Value::String(text) if text.contains("${") => *value = filled(text, parameters)?,
        Value::Sequence(items) => {
            for item in items {
                fill(item, parameters)?;
            }
        }
        Value::Mapping(items) => {
            for (_, item) in items.iter_mut() {
                fill(item, parameters)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A text that is one `${name}` becomes its value; within a longer text the value stands as text.
fn filled(text: &str, parameters: &Parameters) -> Result<Value, String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let inner = &rest[start + 2..];
        let end = inner
            .find('}')
            .ok_or_else(|| format!("`${{` is never closed in `{text}`"))?;
        let name = inner[..end].trim();
        let value = parameters.get(name).ok_or_else(|| {
            let known: Vec<&str> = parameters.keys().map(String::as_str).collect();
            format!(
                "`${{{name}}}` is no parameter of this model, which has {}",
                known.join(", ")
            )
        })?;
        if start == 0 && end + 1 == inner.len() && whole.is_empty() {
            return serde_yaml::to_value(value).map_err(|error| error.to_string());
        }
        whole.push_str(&rest[..start]);
        match value {
            serde_json::Value::String(text) => whole.push_str(text),
            other => whole.push_str(&other.to_string()),
        }
        rest = &inner[end + 1..];
    }
    whole.push_str(rest);
    Ok(Value::String(whole))
}
