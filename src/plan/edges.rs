//! Which stages a stage needs, before any axis is known.

use std::collections::BTreeSet;

use serde_json::Value;

use super::stage::Stage;
use crate::spec::PipelineSpec;
use crate::spec::place::Place;
use crate::spec::reference::Selection;
use crate::spec::template;

/// Where a stage's inputs come from.
#[derive(Default)]
pub(super) struct Sources {
    /// indices of stages
    pub stages: BTreeSet<usize>,
    /// names that would have to be known to know the stage
    pub unsettled: Vec<(Place, String)>,
}

/// The stages that the inputs of `stage` come from, for every value of its own matrix. A stage can be
/// chosen by vars and by the stage's own values; an inherited axis can only stand behind the name.
pub(super) fn sources(spec: &PipelineSpec, stage: &Stage<'_>) -> Sources {
    let mut edges = Edges {
        spec,
        stage,
        found: Sources::default(),
    };
    for (index, (_, value)) in stage.inputs.iter().enumerate() {
        edges.value(value, &stage.input(index));
    }
    edges.found
}

struct Edges<'a> {
    spec: &'a PipelineSpec,
    stage: &'a Stage<'a>,
    found: Sources,
}

impl<'a> Edges<'a> {
    fn value(&mut self, value: &'a Value, place: &Place) {
        match value {
            Value::String(text) => self.text(text, place),
            Value::Array(items) => items.iter().for_each(|item| self.value(item, place)),
            Value::Object(map) => {
                if let Some(from) = map.get("from") {
                    self.value(from, &place.key("from"));
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &'a str, place: &Place) {
        if !template::is_template(text) {
            self.settled(text);
            return;
        }
        let mut points: Vec<Vec<(&str, &Value)>> = vec![Vec::new()];
        for name in template::names(text) {
            let values = self.values(name);
            if values.is_empty() {
                break;
            }
            let longer = |point: &Vec<(&'a str, &'a Value)>| {
                let point = point.clone();
                let with = move |value| [point.as_slice(), &[(name, value)]].concat();
                values.iter().copied().map(with).collect::<Vec<_>>()
            };
            points = points.iter().flat_map(longer).collect();
        }
        for point in points {
            let known = |name: &str| point.iter().find(|(known, _)| *known == name);
            let lookup = |name: &str| known(name).map(|(_, value)| *value);
            match template::interpolate_start(text, &lookup) {
                (Value::String(start), None) => self.settled(&start),
                (Value::String(start), Some(open)) => self.open(&start, open, place),
                (other, _) => self.value_of(&other),
            }
        }
    }

    /// A name may stand for a whole list or mapping of sources.
    fn value_of(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                for text in items.iter().filter_map(Value::as_str) {
                    self.settled(text);
                }
            }
            Value::Object(map) => {
                if let Some(from) = map.get("from") {
                    self.value_of(from);
                }
            }
            Value::String(text) => self.settled(text),
            _ => {}
        }
    }

    /// All that a name can be here: a var, or the values of the stage's own matrix.
    fn values(&self, name: &str) -> Vec<&'a Value> {
        if let Some(var) = self.spec.vars.get(name) {
            return vec![var];
        }
        let listed = self.stage.matrix.axes.get(name).into_iter().flatten();
        let entries = self.stage.matrix.include.iter();
        listed
            .chain(entries.filter_map(|entry| entry.get(name)))
            .collect()
    }

    fn settled(&mut self, text: &str) {
        if text.starts_with("file:") || text.starts_with("glob:") {
            return;
        }
        if let Ok(Selection { stage, .. }) = Selection::parse(text) {
            self.found
                .stages
                .extend(self.spec.stages.get_index_of(&stage));
        }
    }

    /// A text whose rest waits for an inherited axis.
    fn open(&mut self, start: &str, name: &str, place: &Place) {
        if start.starts_with("file:") || start.starts_with("glob:") {
            return;
        }
        if let Some((stage, _)) = start.split_once(['[', ':']) {
            self.found
                .stages
                .extend(self.spec.stages.get_index_of(stage));
        } else {
            self.found.unsettled.push((place.clone(), name.to_owned()));
        }
    }
}
