//! `PyTorch`'s files: an archive of a pickle and the storages of tensors (from 1.6 on), or pickles followed by storages.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use candle_core::{DType, Device, Tensor};
use zip::ZipArchive;

use super::bytes::{Bytes, Fault, elements, size};
use super::pickle::{Id, Object, Pickle};

/// Where files keep a network's tensors besides at the top.
const KEYS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// What the file of an older `PyTorch` starts with: a pickled number.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// The version of that format.
const PROTOCOL: i64 = 1001;

/// A tensor as a pickle describes it.
struct Described<'a> {
    name: &'a str,
    storage: Storage<'a>,
    /// in the storage, in elements
    offset: usize,
    shape: Vec<usize>,
    /// elements from one index to the next, of each dimension
    strides: Vec<usize>,
}

/// Numbers side by side, which tensors look at.
#[derive(Clone, Copy)]
struct Storage<'a> {
    key: &'a str,
    dtype: DType,
    /// elements
    count: usize,
}

impl Storage<'_> {
    fn bytes(&self) -> Result<usize, Fault> {
        elements(&[self.count, self.dtype.size_in_bytes()])
    }
}

/// The tensors of an archive, in the order of the pickle.
pub(super) fn read_archive(bytes: &[u8], network: &str) -> Result<Vec<(String, Tensor)>, Fault> {
    let unreadable = |error: zip::result::ZipError| format!("as an archive: {error}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    let names = archive.file_names().collect::<Result<Vec<_>, _>>();
    let names: Vec<String> = names
        .map_err(unreadable)?
        .into_iter()
        .map(std::borrow::Cow::into_owned)
        .collect();
    let folder = names.iter().find_map(|name| name.strip_suffix("data.pkl"));
    let folder = folder.ok_or("it is an archive without `data.pkl`: not PyTorch's")?;
    let mut entry = |name: &str| -> Result<Vec<u8>, Fault> {
        let faulty = |error: &dyn std::fmt::Display| format!("`{name}` in it: {error}");
        let file = archive.by_name(name).map_err(|error| faulty(&error))?;
        // What is stored as it is cannot be longer than the archive, whatever it says.
        let most = bytes.len();
        let mut content = Vec::with_capacity(size(file.size())?.min(most));
        let read = file.take(most as u64).read_to_end(&mut content);
        read.map_err(|error| faulty(&error))?;
        Ok(content)
    };
    let order = format!("{folder}byteorder");
    if names.contains(&order) && entry(&order)? != b"little" {
        return Err(BIG_ENDIAN.to_owned());
    }
    let pickled = entry(&format!("{folder}data.pkl"))?;
    let pickle = Pickle::read(&mut Bytes::new(&pickled))?;
    let described = described(&pickle, network)?;
    // A storage is read once, for all tensors that look at it.
    let mut storages: HashMap<&str, Vec<u8>> = HashMap::new();
    for tensor in &described {
        let key = tensor.storage.key;
        if !storages.contains_key(key) {
            storages.insert(key, entry(&format!("{folder}data/{key}"))?);
        }
    }
    let tensors = described.iter().map(|tensor| {
        let stored = &storages[tensor.storage.key];
        Ok((tensor.name.to_owned(), tensor.values(stored)?))
    });
    tensors.collect()
}

/// The tensors of the older format, in the order of the pickle: a magic number, a version, facts about the machine,
/// the object, the keys of its storages, and these, each with its number of elements before it.
pub(super) fn read_pickles(bytes: &[u8], network: &str) -> Result<Vec<(String, Tensor)>, Fault> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err("it is a pickle, but not PyTorch's".to_owned());
    };
    let mut bytes = Bytes::new(rest);
    let version = Pickle::read(&mut bytes)?;
    if version.number(version.root()) != Some(PROTOCOL) {
        return Err("it is of a version of PyTorch's format that is not known".to_owned());
    }
    let machine = Pickle::read(&mut bytes)?;
    let facts = machine.dict(machine.root()).unwrap_or_default();
    let little = |fact: &(Id, Id)| machine.text(fact.0) == Some("little_endian");
    if let Some(Object::Truth(false)) = facts
        .iter()
        .find(|fact| little(fact))
        .map(|fact| machine.get(fact.1))
    {
        return Err(BIG_ENDIAN.to_owned());
    }
    let pickle = Pickle::read(&mut bytes)?;
    let keys = Pickle::read(&mut bytes)?;
    let mut known = HashMap::new();
    for object in pickle.all() {
        if let Object::Outside(id) = object {
            let storage = storage(&pickle, *id)?;
            known.insert(storage.key, storage);
        }
    }
    let mut storages = HashMap::new();
    let listed = keys.items(keys.root());
    for id in listed.ok_or("it has no list of its storages")? {
        let key = keys.text(*id).and_then(|key| known.get(key));
        let storage = key.ok_or("it lists a storage that nothing uses")?;
        let count = size(i64::from_le_bytes(bytes.array()?))?;
        if count != storage.count {
            return Err(format!(
                "the storage `{}` has {count} elements, not {}",
                storage.key, storage.count
            ));
        }
        storages.insert(storage.key, bytes.take(storage.bytes()?)?);
    }
    if !bytes.is_empty() {
        return Err("there is more in it after the last storage".to_owned());
    }
    let tensors = described(&pickle, network)?.into_iter().map(|tensor| {
        let stored = storages.get(tensor.storage.key);
        let stored = stored.ok_or_else(|| format!("`{}` has no storage", tensor.name))?;
        Ok((tensor.name.to_owned(), tensor.values(stored)?))
    });
    tensors.collect()
}

const BIG_ENDIAN: &str = "it was saved on a machine with big-endian numbers";

/// The tensors of the first place that has any.
fn described<'a>(pickle: &'a Pickle, network: &str) -> Result<Vec<Described<'a>>, Fault> {
    let top = pickle.dict(pickle.root());
    let top = top.ok_or("it holds no state_dict: save `model.state_dict()`, not the model")?;
    let under = |key: &str| {
        let found = top
            .iter()
            .rfind(|(name, _)| pickle.text(*name) == Some(key));
        found.and_then(|(_, value)| pickle.dict(*value))
    };
    let keys = [network].into_iter().chain(KEYS);
    for entries in std::iter::once(top).chain(keys.filter_map(under)) {
        let mut tensors = Vec::new();
        for (name, value) in entries {
            if let Some(name) = pickle.text(*name) {
                tensors.extend(tensor(pickle, name, *value)?);
            }
        }
        if !tensors.is_empty() {
            return Ok(tensors);
        }
    }
    Err(format!(
        "no tensors at its top, nor under `{network}`, `{}`",
        KEYS.join("`, `")
    ))
}

/// The tensor that `value` is, if it is one.
fn tensor<'a>(
    pickle: &'a Pickle,
    name: &'a str,
    value: Id,
) -> Result<Option<Described<'a>>, Fault> {
    let value = match pickle.call(value) {
        // A parameter is a tensor in a wrapping.
        Some(("torch._utils._rebuild_parameter", [inner, ..])) => *inner,
        Some(_) => value,
        None => return Ok(None),
    };
    let Some((function, arguments)) = pickle.call(value) else {
        return Ok(None);
    };
    match (function, arguments) {
        (
            "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2",
            [outside, offset, shape, strides, ..],
        ) => {
            let Object::Outside(id) = pickle.get(*outside) else {
                return Err(format!("`{name}` has no storage"));
            };
            let numbers = |id: Id| -> Option<Vec<usize>> {
                let items = pickle.items(id)?.iter();
                let number = |id: &Id| usize::try_from(pickle.number(*id)?).ok();
                items.map(number).collect()
            };
            let offset = pickle.number(*offset);
            let offset = offset.and_then(|offset| usize::try_from(offset).ok());
            match (offset, numbers(*shape), numbers(*strides)) {
                (Some(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
                    Ok(Some(Described {
                        name,
                        storage: storage(pickle, *id)?,
                        offset,
                        shape,
                        strides,
                    }))
                }
                _ => Err(format!("`{name}` has a shape that makes no sense")),
            }
        }
        (function, _) if function.contains("_rebuild_") => Err(format!(
            "`{name}` is a special kind of tensor ({function}): save a plain copy (`.detach().clone()`)"
        )),
        _ => Ok(None),
    }
}

/// ("storage", its class, key, device, elements), and in the older format whether it is part of another.
fn storage(pickle: &Pickle, id: Id) -> Result<Storage<'_>, Fault> {
    const FAULT: &str = "it has a storage that makes no sense";
    let items = pickle.items(id).ok_or(FAULT)?;
    let [_, class, key, _, count, part @ ..] = items else {
        return Err(FAULT.to_owned());
    };
    if part.iter().any(|part| pickle.items(*part).is_some()) {
        return Err("it has a storage that is part of another: clone the tensors".to_owned());
    }
    let class = pickle.global(*class).ok_or(FAULT)?;
    let dtype = match class.rsplit('.').next() {
        Some("FloatStorage") => DType::F32,
        Some("DoubleStorage") => DType::F64,
        Some("HalfStorage") => DType::F16,
        Some("BFloat16Storage") => DType::BF16,
        Some("LongStorage") => DType::I64,
        Some("IntStorage") => DType::I32,
        Some("ShortStorage") => DType::I16,
        Some("ByteStorage" | "BoolStorage") => DType::U8,
        _ => return Err(format!("it has a `{class}`, which is not read")),
    };
    Ok(Storage {
        key: pickle.text(*key).ok_or(FAULT)?,
        dtype,
        count: size(pickle.number(*count).ok_or(FAULT)?)?,
    })
}

impl Described<'_> {
    /// Its numbers, out of its storage's.
    fn values(&self, stored: &[u8]) -> Result<Tensor, Fault> {
        let fault = |what: &str| format!("`{}` {what}", self.name);
        let Storage { dtype, count, .. } = self.storage;
        let stored = stored.get(..self.storage.bytes()?);
        let stored = stored.ok_or_else(|| fault("is longer than its storage"))?;
        let own = elements(&self.shape)?;
        if own > count {
            return Err(fault(
                "shows numbers several times: save a copy (`.clone()`)",
            ));
        }
        let width = dtype.size_in_bytes();
        let last = |farthest: usize, (side, stride): (&usize, &usize)| {
            farthest.checked_add((side - 1).checked_mul(*stride)?)
        };
        let bytes = if own == 0 {
            Vec::new()
        } else {
            let sides = self.shape.iter().zip(&self.strides);
            let farthest = sides.clone().try_fold(self.offset, last);
            if farthest.is_none_or(|farthest| farthest >= count) {
                return Err(fault("reaches beyond its storage"));
            }
            // As far as dimensions lie side by side, they are copied as one piece.
            let mut piece = 1;
            let mut outer = self.shape.len();
            while outer > 0 && (self.strides[outer - 1] == piece || self.shape[outer - 1] == 1) {
                piece *= self.shape[outer - 1];
                outer -= 1;
            }
            let mut bytes = Vec::with_capacity(own * width);
            for index in 0..own / piece {
                let (mut rest, mut at) = (index, self.offset);
                for (side, stride) in sides.clone().take(outer).rev() {
                    at += rest % side * stride;
                    rest /= side;
                }
                bytes.extend_from_slice(&stored[at * width..(at + piece) * width]);
            }
            bytes
        };
        Tensor::from_raw_buffer(&bytes, dtype, &self.shape, &Device::Cpu)
            .map_err(|error| fault(&error.to_string()))
    }
}
