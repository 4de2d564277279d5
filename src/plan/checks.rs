//! Whether a node's inputs are what its configuration takes.

use indexmap::IndexMap;

use super::expand::Draft;
use super::files::{Files, Found};
use super::settle::Settled;
use super::stage::Stage;
use super::{Missing, Source};
use crate::extract::ExtractorSpec;
use crate::spec::place::{Findings, Place};
use crate::stage::{DataSchema, Format, InputSchemas, InputSpec, OutputSpec};
use crate::suggest;

/// The name of an input spec that takes inputs of any name.
const ANY: &str = "*";

/// One node's inputs against its configuration.
pub(super) struct Checker<'a> {
    pub stage: &'a Stage<'a>,
    pub settled: &'a Settled,
    pub drafts: &'a [Draft<'a>],
    pub files: &'a mut Files,
    pub findings: &'a mut Findings,
}

impl Checker<'_> {
    /// Checks names, number and formats; adds files that are not there to `missing`.
    pub fn inputs(
        &mut self,
        inputs: &IndexMap<String, Source>,
        missing: &mut Vec<Missing>,
    ) -> bool {
        let (stage, settled) = (self.stage, self.settled);
        let mut fits = true;
        let mut unknown = false;
        let place = stage.place.key("inputs");
        for (name, source) in inputs {
            let place = place.key(name);
            let specs = &settled.inputs;
            let Some(spec) = specs
                .iter()
                .find(|spec| spec.name == *name || spec.name == ANY)
            else {
                let help = suggest::help(name, specs.iter().map(|spec| spec.name.as_str()));
                let kind = &stage.spec.kind;
                let help =
                    help.or_else(|| Some(format!("`{kind}` with these settings takes no inputs")));
                let message = format!("`{kind}` takes no input `{name}`");
                self.findings.note(place.at_key(), message, help);
                unknown = true;
                continue;
            };
            fits &= self.source(spec, name, source, &place, missing);
        }
        // An input that is lacking besides is most likely the one that was misspelt.
        let lacking = settled
            .inputs
            .iter()
            .filter(|spec| spec.required && !unknown);
        // Of an input that could not be made sense of something has been said.
        let written = |name: &String| stage.broken && stage.spec.inputs.contains_key(name);
        for spec in lacking.filter(|spec| !inputs.contains_key(&spec.name) && !written(&spec.name))
        {
            let message = format!("stage `{}` lacks the input `{}`", stage.name, spec.name);
            let help = format!("add `{}:` under `inputs:`", spec.name);
            self.findings
                .add_help(stage.place.clone().at_key(), message, help);
            fits = false;
        }
        fits && !unknown
    }

    fn source(
        &mut self,
        spec: &InputSpec,
        name: &str,
        source: &Source,
        place: &Place,
        missing: &mut Vec<Missing>,
    ) -> bool {
        let (Source::Nodes { gathered, .. } | Source::Files { gathered, .. }) = source;
        if *gathered && !spec.gathers {
            let message = format!("input `{name}` takes one source, and this gathers any number");
            let help = "name one node, or give the stage the same axes";
            self.findings.add_help(place.clone(), message, help);
            return false;
        }
        match source {
            Source::Nodes {
                nodes,
                output,
                as_folder,
                ..
            } => nodes.iter().all(|node| {
                let Some(from) = &self.drafts[*node].settled else {
                    return true;
                };
                let found = match output {
                    Some(output) => {
                        let place = place.clone().piece(output);
                        super::checks::output(
                            self.drafts[*node].stage,
                            output,
                            &from.outputs,
                            &place,
                            self.findings,
                        )
                    }
                    None => from.outputs.first(),
                };
                let Some(found) = found else {
                    return output.is_none() && self.without_output(from, place);
                };
                self.format(spec, name, found.format, *as_folder, place)
            }),
            Source::Files { paths, .. } => paths.iter().all(|path| match self.files.found(path) {
                Found::File => self.format(spec, name, Format::File, false, place),
                Found::Folder => self.format(spec, name, Format::Folder, false, place),
                Found::Nothing => {
                    let data = crate::data::card::for_path(path).map(crate::data::card::Card::help);
                    let weights = || Some(ExtractorSpec::for_file(path)?.how_to_get());
                    let help = data.or_else(weights);
                    missing.push(Missing {
                        path: path.clone(),
                        help,
                    });
                    true
                }
            }),
        }
    }

    fn without_output(&mut self, from: &Settled, place: &Place) -> bool {
        let message = format!("the `{}` stage declares no outputs", from.config.kind());
        self.findings.add(place.clone(), message);
        false
    }

    fn format(
        &mut self,
        spec: &InputSpec,
        name: &str,
        format: Format,
        as_folder: bool,
        place: &Place,
    ) -> bool {
        if as_folder && !matches!(format, Format::Data | Format::Folder) {
            let message = format!(
                "only data can come `as: folder`, and this is {}",
                called(format)
            );
            self.findings.add(place.clone(), message);
            return false;
        }
        let format = if as_folder { Format::Folder } else { format };
        if spec.formats.is_empty() || spec.formats.iter().any(|taken| accepts(*taken, format)) {
            return true;
        }
        let message = format!("input `{name}` cannot be {}", called(format));
        let files = matches!(format, Format::File | Format::Folder);
        let help = if files && spec.formats.contains(&Format::Data) {
            "it takes data: read the files with a `dataset` stage first".to_owned()
        } else {
            let taken: Vec<&str> = spec.formats.iter().map(|taken| called(*taken)).collect();
            format!("it takes {}", taken.join(" or "))
        };
        self.findings.add_help(place.clone(), message, help);
        false
    }

    /// What is known of each input.
    pub fn schemas(&self, inputs: &IndexMap<String, Source>) -> InputSchemas {
        let schema = |source: &Source| match source {
            Source::Files { .. } => DataSchema::default(),
            Source::Nodes { nodes, .. } => {
                let mut schemas = nodes.iter().map(|node| &self.drafts[*node].schema);
                let first = schemas.next().cloned().unwrap_or_default();
                schemas.fold(first, common)
            }
        };
        inputs
            .iter()
            .map(|(name, source)| (name.clone(), schema(source)))
            .collect()
    }
}

/// What two schemas agree on.
fn common(mut a: DataSchema, b: &DataSchema) -> DataSchema {
    a.channels = a.channels.filter(|channels| Some(*channels) == b.channels);
    a.size = a.size.filter(|size| Some(*size) == b.size);
    a.classes = a.classes.filter(|classes| Some(*classes) == b.classes);
    a
}

/// Finds an output, or says which there are.
pub(super) fn output<'a>(
    whose: &str,
    name: &str,
    outputs: &'a [OutputSpec],
    place: &Place,
    findings: &mut Findings,
) -> Option<&'a OutputSpec> {
    let found = outputs.iter().find(|output| output.name == name);
    if found.is_none() {
        let help = suggest::help(name, outputs.iter().map(|output| output.name.as_str()));
        findings.note(
            place.clone(),
            format!("`{whose}` has no output `{name}`"),
            help,
        );
    }
    found
}

/// Any single file will do where a file is taken.
fn accepts(taken: Format, given: Format) -> bool {
    let plain = matches!(given, Format::Table | Format::Json | Format::Image);
    taken == given || (taken == Format::File && plain)
}

fn called(format: Format) -> &'static str {
    match format {
        Format::Data => "data",
        Format::Recipe => "a recipe of online augmentation",
        Format::Model => "a model",
        Format::Table => "a table",
        Format::Json => "a JSON document",
        Format::Image => "an image",
        Format::File => "a file",
        Format::Folder => "a folder",
    }
}
