//! From a path in a YAML text to the bytes at that path.
//!
//! Built only when there is a fault to show. saphyr's events carry positions in characters; they are
//! put into a flat table here (no recursion, so that no nesting is too deep) and turned into bytes.

use std::collections::HashMap;
use std::ops::Range;

use indexmap::IndexMap;
use saphyr_parser::{Event, Parser, Span};

use super::place::Part;
use crate::stage::PathItem;

/// Where everything in one text is.
pub struct Positions<'a> {
    text: &'a str,
    /// byte offset of every character, and the length of the text
    bytes: Vec<usize>,
    nodes: Vec<Node>,
    /// keys that their mapping already holds: (the later one, the first one)
    duplicates: Vec<(Range<usize>, Range<usize>)>,
}

/// A value; positions in characters.
struct Node {
    at: Range<usize>,
    children: Children,
}

#[derive(Clone)]
enum Children {
    None,
    /// key → (position of the key, value)
    Map(IndexMap<String, (Range<usize>, usize)>),
    Seq(Vec<usize>),
}

/// A collection that is still open.
struct Open {
    node: usize,
    anchor: usize,
    /// the key whose value comes next
    key: Option<(String, Range<usize>)>,
}

impl<'a> Positions<'a> {
    /// Reads `text` as far as it is YAML.
    pub fn of(text: &'a str) -> Self {
        let mut bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
        bytes.push(text.len());
        let mut positions = Self {
            text,
            bytes,
            nodes: Vec::new(),
            duplicates: Vec::new(),
        };
        positions.read();
        positions
    }

    fn read(&mut self) {
        let mut open: Vec<Open> = Vec::new();
        let mut anchors: HashMap<usize, usize> = HashMap::new();
        let mut parser = Parser::new_from_str(self.text);
        while let Some(Ok((event, span))) = parser.next_event() {
            let at = span.start.index()..span.end.index();
            match event {
                Event::Scalar(text, _, anchor, _) => {
                    if let Some(top) = open.last_mut()
                        && top.key.is_none()
                        && matches!(self.nodes[top.node].children, Children::Map(_))
                    {
                        top.key = Some((text.into_owned(), at));
                        continue;
                    }
                    let node = self.add(&mut open, at, Children::None);
                    anchors.insert(anchor, node);
                }
                Event::Alias(anchor) => {
                    let children = anchors
                        .get(&anchor)
                        .map_or(Children::None, |node| self.nodes[*node].children.clone());
                    self.add(&mut open, at, children);
                }
                Event::SequenceStart(anchor, _) => {
                    self.open(&mut open, &span, anchor, Children::Seq(Vec::new()));
                }
                Event::MappingStart(anchor, _) => {
                    self.open(&mut open, &span, anchor, Children::Map(IndexMap::new()));
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(done) = open.pop() {
                        self.nodes[done.node].at.end = at.end;
                        anchors.insert(done.anchor, done.node);
                    }
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, open: &mut Vec<Open>, span: &Span, anchor: usize, children: Children) {
        let at = span.start.index()..span.end.index();
        let node = self.add(open, at, children);
        open.push(Open {
            node,
            anchor,
            key: None,
        });
    }

    /// Adds a value to the innermost open collection.
    fn add(&mut self, open: &mut [Open], at: Range<usize>, children: Children) -> usize {
        let id = self.nodes.len();
        self.nodes.push(Node { at, children });
        let Some(top) = open.last_mut() else {
            return id;
        };
        match &mut self.nodes[top.node].children {
            Children::Seq(items) => items.push(id),
            Children::Map(items) => {
                // A collection as a key has no text; retake's own parser refuses it.
                let (key, at) = top.key.take().unwrap_or_default();
                if let Some((first, _)) = items.get(&key) {
                    self.duplicates.push((at, first.clone()));
                } else {
                    items.insert(key, (at, id));
                }
            }
            Children::None => {}
        }
        id
    }

    /// Keys written twice: (the later one, the first one), in bytes.
    pub fn duplicates(&self) -> Vec<(Range<usize>, Range<usize>)> {
        let bytes = |(later, first): &(Range<usize>, Range<usize>)| {
            (self.to_bytes(later), self.to_bytes(first))
        };
        self.duplicates.iter().map(bytes).collect()
    }

    /// The bytes of the value (or key) at `path`, or of the deepest thing found on the way there.
    pub fn find(&self, path: &[PathItem], part: Part) -> Range<usize> {
        let mut key: Option<Range<usize>> = None;
        let Some(mut node) = self.nodes.first() else {
            return 0..0;
        };
        let mut part = part;
        for item in path {
            let next = match (&node.children, item) {
                (Children::Map(items), item) => match item {
                    PathItem::Key(name) => items.get(name),
                    PathItem::Index(index) => items.get(&index.to_string()),
                }
                .map(|(at, value)| (Some(at.clone()), *value)),
                (Children::Seq(items), item) => match item {
                    PathItem::Index(index) => Some(*index),
                    PathItem::Key(name) => name.parse().ok(),
                }
                .and_then(|index: usize| items.get(index))
                .map(|value| (None, *value)),
                (Children::None, _) => None,
            };
            let Some((at, value)) = next else {
                // What is missing is shown at what should hold it, what is too deep at the scalar above.
                let scalar = matches!(node.children, Children::None);
                part = if scalar { Part::Value } else { Part::Key };
                break;
            };
            key = at;
            node = &self.nodes[value];
        }
        let value = self.to_bytes(&node.at);
        let shown = match (part, key) {
            (Part::Key, Some(key)) => return self.to_bytes(&key),
            // A block that runs over several lines is shown by its key.
            (Part::Value, Some(key))
                if value.is_empty() || self.text[value.clone()].contains('\n') =>
            {
                return self.to_bytes(&key);
            }
            _ => value,
        };
        self.first_line(shown)
    }

    fn first_line(&self, at: Range<usize>) -> Range<usize> {
        let line = self.text[at.clone()].lines().next().unwrap_or_default();
        at.start..at.start + line.trim_end().len()
    }

    fn to_bytes(&self, at: &Range<usize>) -> Range<usize> {
        let byte = |index: usize| self.bytes.get(index).copied().unwrap_or(self.text.len());
        byte(at.start)..byte(at.end).max(byte(at.start))
    }

    /// The byte at a line and column, both in characters and from 1.
    pub fn byte_at(text: &str, line: usize, column: usize) -> usize {
        let start: usize = text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        let rest = &text[start..];
        let mut ends = rest.char_indices().map(|(byte, _)| byte);
        start + ends.nth(column.saturating_sub(1)).unwrap_or(rest.len())
    }
}
