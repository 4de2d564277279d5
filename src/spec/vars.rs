//! Vars: what the file says < the profile < `--set`.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::model::LoadOptions;
use super::place::{Findings, Place, SourceFile};
use super::yaml;
use crate::suggest;

/// Lays the chosen profile and `--set` over `vars`. Every profile is checked, chosen or not.
pub fn settle(
    vars: &mut IndexMap<String, Value>,
    profiles: &IndexMap<String, Map<String, Value>>,
    options: &LoadOptions,
    sources: &mut Vec<SourceFile>,
    findings: &mut Findings,
) {
    for (profile, values) in profiles {
        for name in values.keys().filter(|name| !vars.contains_key(*name)) {
            let place = Place::root(0).key("profiles").key(profile).key(name);
            let help = suggest::help(name, vars.keys().map(String::as_str));
            let message = format!("profile `{profile}` sets `{name}`, which is not a var");
            findings.note(place.at_key(), message, help);
        }
    }
    if let Some(profile) = &options.profile {
        if let Some(values) = profiles.get(profile) {
            for (name, value) in values {
                if let Some(var) = vars.get_mut(name) {
                    var.clone_from(value);
                }
            }
        } else {
            let place = argument("--profile", profile, sources);
            let help = suggest::help(profile, profiles.keys().map(String::as_str));
            let help = help.or_else(|| Some("the pipeline declares no profiles".to_owned()));
            findings.note(place, format!("unknown profile `{profile}`"), help);
        }
    }
    for (name, text) in &options.sets {
        let given = format!("{name}={text}");
        let Some(var) = vars.get_mut(name) else {
            let place = argument("--set", &given, sources);
            let help = suggest::help(name, vars.keys().map(String::as_str));
            let help = help.or_else(|| Some("the pipeline declares no vars".to_owned()));
            findings.note(place, format!("unknown var `{name}`"), help);
            continue;
        };
        match yaml::parse(text) {
            Ok(document) => *var = document.value,
            Err(error) => {
                let place = argument("--set", &given, sources);
                findings.add(place, format!("the value is not YAML: {error}"));
            }
        }
    }
}

/// A place on the command line.
fn argument(option: &str, given: &str, sources: &mut Vec<SourceFile>) -> Place {
    sources.push(SourceFile {
        name: option.to_owned(),
        path: None,
        text: given.into(),
    });
    Place::root(sources.len() - 1)
}
