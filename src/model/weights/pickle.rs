//! Python's pickles, as far as `PyTorch` needs them. Objects are put together as data; nothing is imported or called.
//!
//! Objects lie in one list and refer to each other by their places, so that no pickle can nest them too deep to walk.

use super::bytes::{Bytes, Fault, size, text};

/// The place of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(usize);

#[derive(Debug)]
pub(super) enum Object {
    Text(String),
    Number(i64),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    List(Vec<Id>),
    /// a class or function, with its module
    Global(String),
    /// what a function gives
    Call {
        function: Id,
        arguments: Id,
    },
    /// something that is kept outside
    Outside(Id),
    Truth(bool),
    /// None, fractions, bytes, sets
    Other,
}

/// The objects of one pickle.
pub(super) struct Pickle {
    objects: Vec<Object>,
    root: Id,
}

impl Pickle {
    /// Reads one pickle from the front of `bytes`.
    pub fn read(bytes: &mut Bytes<'_>) -> Result<Self, Fault> {
        let mut machine = Machine::default();
        loop {
            if let Some(root) = machine.step(bytes)? {
                let objects = machine.objects;
                return Ok(Self { objects, root });
            }
        }
    }

    pub fn root(&self) -> Id {
        self.root
    }

    pub fn get(&self, id: Id) -> &Object {
        &self.objects[id.0]
    }

    pub fn all(&self) -> &[Object] {
        &self.objects
    }

    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn number(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Object::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn items(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::Tuple(items) | Object::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Object::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn global(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Global(name) => Some(name),
            _ => None,
        }
    }

    /// The function's name and its arguments.
    pub fn call(&self, id: Id) -> Option<(&str, &[Id])> {
        match *self.get(id) {
            Object::Call {
                function,
                arguments,
            } => Some((self.global(function)?, self.items(arguments)?)),
            _ => None,
        }
    }
}

/// The stack machine that a pickle is a program for.
#[derive(Default)]
struct Machine {
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// heights of the stack
    marks: Vec<usize>,
    memo: std::collections::HashMap<usize, Id>,
}

impl Machine {
    /// One instruction (the names are those of Python's `pickletools`); gives the root at the end.
    fn step(&mut self, bytes: &mut Bytes<'_>) -> Result<Option<Id>, Fault> {
        match bytes.byte()? {
            // PROTO, FRAME
            0x80 => _ = bytes.take(1)?,
            0x95 => _ = bytes.take(8)?,
            // STOP
            b'.' => return self.pop().map(Some),
            // MARK
            b'(' => self.marks.push(self.stack.len()),
            // POP; BUILD: attributes, of which a state_dict has only notes of versions
            b'0' | b'b' => _ = self.pop()?,
            // NEWTRUE, NEWFALSE
            truth @ (0x88 | 0x89) => self.push(Object::Truth(truth == 0x88)),
            // NONE, EMPTY_SET
            b'N' | 0x8f => self.push(Object::Other),
            // BINFLOAT
            b'G' => {
                bytes.take(8)?;
                self.push(Object::Other);
            }
            // BININT, BININT1, BININT2
            b'J' => {
                let number = i32::from_le_bytes(bytes.array()?);
                self.push(Object::Number(number.into()));
            }
            b'K' => {
                let number = bytes.byte()?;
                self.push(Object::Number(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(bytes.array()?);
                self.push(Object::Number(number.into()));
            }
            // LONG1
            0x8a => {
                let long = bytes.counted::<1>()?;
                self.push(number(long));
            }
            // BINUNICODE, SHORT_BINUNICODE; BINSTRING and SHORT_BINSTRING are Python 2's
            b'X' | b'T' => self.push_text(bytes.counted::<4>()?)?,
            0x8c | b'U' => self.push_text(bytes.counted::<1>()?)?,
            // BINBYTES, SHORT_BINBYTES
            b'B' => {
                bytes.counted::<4>()?;
                self.push(Object::Other);
            }
            b'C' => {
                bytes.counted::<1>()?;
                self.push(Object::Other);
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (text(bytes.line()?)?, text(bytes.line()?)?);
                self.push(Object::Global(format!("{module}.{name}")));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let global = match (&self.objects[module.0], &self.objects[name.0]) {
                    (Object::Text(module), Object::Text(name)) => format!("{module}.{name}"),
                    _ => return Err(BROKEN.to_owned()),
                };
                self.push(Object::Global(global));
            }
            // BINPUT, LONG_BINPUT, MEMOIZE
            b'q' => {
                let at = bytes.byte()?;
                self.memorise(at.into())?;
            }
            b'r' => {
                let at = u32::from_le_bytes(bytes.array()?);
                self.memorise(size(at)?)?;
            }
            0x94 => self.memorise(self.memo.len())?,
            // BINGET, LONG_BINGET
            b'h' => {
                let at = bytes.byte()?;
                self.recall(at.into())?;
            }
            b'j' => {
                let at = u32::from_le_bytes(bytes.array()?);
                self.recall(size(at)?)?;
            }
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.push(Object::Tuple(Vec::new())),
            count @ 0x85..=0x87 => {
                let start = self.below(usize::from(count - 0x84))?;
                let items = self.stack.split_off(start);
                self.push(Object::Tuple(items));
            }
            b't' => {
                let items = self.marked()?;
                self.push(Object::Tuple(items));
            }
            // EMPTY_LIST, LIST, APPEND, APPENDS
            b']' => self.push(Object::List(Vec::new())),
            b'l' => {
                let items = self.marked()?;
                self.push(Object::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.marked()?;
                self.append(items)?;
            }
            // EMPTY_DICT, DICT, SETITEM, SETITEMS
            b'}' => self.push(Object::Dict(Vec::new())),
            b'd' => {
                let items = self.marked()?;
                self.push(Object::Dict(Vec::new()));
                self.set(&items)?;
            }
            b's' => {
                let start = self.below(2)?;
                let items = self.stack.split_off(start);
                self.set(&items)?;
            }
            b'u' => {
                let items = self.marked()?;
                self.set(&items)?;
            }
            // ADDITEMS
            0x90 => _ = self.marked()?,
            // REDUCE, NEWOBJ
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let dict = |name: &str| matches!(name, "collections.OrderedDict" | "builtins.dict");
                let made = match &self.objects[function.0] {
                    Object::Global(name) if dict(name) => Object::Dict(Vec::new()),
                    _ => Object::Call {
                        function,
                        arguments,
                    },
                };
                self.push(made);
            }
            // BINPERSID
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Outside(id));
            }
            other => {
                return Err(format!(
                    "its pickle has the unknown instruction {other:#04x}"
                ));
            }
        }
        Ok(None)
    }

    fn push(&mut self, object: Object) {
        self.stack.push(Id(self.objects.len()));
        self.objects.push(object);
    }

    fn push_text(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.push(Object::Text(text(bytes)?.to_owned()));
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        self.stack.pop().ok_or_else(|| BROKEN.to_owned())
    }

    /// The height of the stack without its last `count` objects.
    fn below(&self, count: usize) -> Result<usize, Fault> {
        let height = self.stack.len().checked_sub(count);
        height.ok_or_else(|| BROKEN.to_owned())
    }

    /// The objects since the last mark.
    fn marked(&mut self) -> Result<Vec<Id>, Fault> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err(BROKEN.to_owned()),
        }
    }

    fn memorise(&mut self, at: usize) -> Result<(), Fault> {
        let last = *self.stack.last().ok_or(BROKEN)?;
        self.memo.insert(at, last);
        Ok(())
    }

    fn recall(&mut self, at: usize) -> Result<(), Fault> {
        let id = *self.memo.get(&at).ok_or(BROKEN)?;
        self.stack.push(id);
        Ok(())
    }

    fn last(&mut self) -> Result<&mut Object, Fault> {
        let last = *self.stack.last().ok_or(BROKEN)?;
        Ok(&mut self.objects[last.0])
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), Fault> {
        match self.last()? {
            Object::List(list) => list.extend(items),
            // an object of a class that is a list
            Object::Call { .. } => {}
            _ => return Err(BROKEN.to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), Fault> {
        let (pairs, rest) = items.as_chunks::<2>();
        match self.last()? {
            Object::Dict(entries) if rest.is_empty() => {
                entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            // an object of a class that is a dict
            Object::Call { .. } if rest.is_empty() => {}
            _ => return Err(BROKEN.to_owned()),
        }
        Ok(())
    }
}

const BROKEN: &str = "its pickle makes no sense";

/// A little-endian number in two's complement, if it fits.
fn number(bytes: &[u8]) -> Object {
    if bytes.len() > 8 {
        return Object::Other;
    }
    let negative = bytes.last().is_some_and(|last| *last >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Object::Number(i64::from_le_bytes(wide))
}
