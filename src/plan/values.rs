//! Axis values as small numbers, so that 10,000 nodes can be joined and compared cheaply.

use std::collections::HashMap;

use serde_json::Value;

/// An interned value.
pub type ValueId = u32;

/// All values met so far; equal values, and only those, share an id.
#[derive(Debug, Default)]
pub struct Values {
    ids: HashMap<String, ValueId>,
    values: Vec<Value>,
}

impl Values {
    /// The id of `value`.
    pub fn id(&mut self, value: &Value) -> ValueId {
        let text = value.to_string();
        if let Some(id) = self.ids.get(&text) {
            return *id;
        }
        let id = self.values.len() as ValueId;
        self.values.push(value.clone());
        self.ids.insert(text, id);
        id
    }

    /// The value of an id.
    pub fn get(&self, id: ValueId) -> &Value {
        &self.values[id as usize]
    }
}
