//! Where outputs are published in the work tree.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::Node;
use crate::spec::PipelineSpec;
use crate::spec::place::{Findings, Place};

/// Every published path lies in the project, and belongs to one node.
pub(super) fn check(spec: &PipelineSpec, nodes: &[Node], findings: &mut Findings) {
    let mut taken: HashMap<PathBuf, &Node> = HashMap::new();
    for node in nodes {
        let place = |node: &Node| spec.stages[&node.name.stage].place(&node.name.stage);
        let own = node.config.publishes();
        let own = own.map(|path| (path, place(node).key("with").key("out")));
        let listed = node.publish.iter();
        let listed =
            listed.map(|(output, path)| (path.as_str(), place(node).key("publish").key(output)));
        for (path, place) in own.into_iter().chain(listed) {
            let Some(normal) = within(path) else {
                let message = format!("`{path}` is not a path within the project");
                findings.add(place, message);
                continue;
            };
            if let Some(other) = taken.get(&normal) {
                twice(path, node, other, place, findings);
            } else {
                taken.insert(normal, node);
            }
        }
    }
}

fn twice(path: &str, node: &Node, other: &Node, place: Place, findings: &mut Findings) {
    if other.name.stage != node.name.stage {
        let message = format!("`{path}` is published by `{}` too", other.name.stage);
        findings.add(place, message);
        return;
    }
    let message = format!("several nodes of `{}` publish `{path}`", node.name.stage);
    let mut axes = node.name.axes.keys();
    let help = match axes.find(|axis| node.name.axes[*axis] != other.name.axes[*axis]) {
        Some(axis) => format!("put `${{{axis}}}` into the path"),
        None => "give each output a path of its own".to_owned(),
    };
    findings.add_help(place, message, help);
}

/// The path without `.`, if it is relative and never leaves the project.
fn within(path: &str) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => normal.push(part),
            _ => return None,
        }
    }
    (!normal.as_os_str().is_empty()).then_some(normal)
}
