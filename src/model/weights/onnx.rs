//! ONNX files, of which the initialisers are read: the tensors, by the names that the graph has for them.
//!
//! The file is one message in the wire format of protocol buffers: fields of a number, a wire type and a content.

use candle_core::{DType, Device, Tensor};

use super::bytes::{Bytes, Fault, elements, size, text};

/// A field's content.
enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// a number of four or eight bytes
    Fixed(&'a [u8]),
}

/// The next field's number and content.
fn field<'a>(bytes: &mut Bytes<'a>) -> Result<(u64, Content<'a>), Fault> {
    let tag = varint(bytes)?;
    let content = match tag & 7 {
        0 => Content::Number(varint(bytes)?),
        1 => Content::Fixed(bytes.take(8)?),
        2 => {
            let length = size(varint(bytes)?)?;
            Content::Bytes(bytes.take(length)?)
        }
        5 => Content::Fixed(bytes.take(4)?),
        _ => return Err(BROKEN.to_owned()),
    };
    Ok((tag >> 3, content))
}

const BROKEN: &str = "it is not ONNX, or damaged";

/// A number in groups of seven bits, the lowest first.
fn varint(bytes: &mut Bytes<'_>) -> Result<u64, Fault> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.byte()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(BROKEN.to_owned())
}

/// Calls `f` for each field of a message.
fn fields<'a>(
    message: &'a [u8],
    mut f: impl FnMut(u64, Content<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut bytes = Bytes::new(message);
    while !bytes.is_empty() {
        let (number, content) = field(&mut bytes)?;
        f(number, content)?;
    }
    Ok(())
}

/// The initialisers of the graph that are floating-point numbers. Others are shapes and indices.
pub(super) fn read(file: &[u8]) -> Result<Vec<(String, Tensor)>, Fault> {
    const GRAPH: u64 = 7;
    const INITIALISER: u64 = 5;
    let (mut graphs, mut tensors) = (0, Vec::new());
    fields(file, |number, content| {
        let Content::Bytes(graph) = content else {
            return Ok(());
        };
        if number != GRAPH {
            return Ok(());
        }
        graphs += 1;
        fields(graph, |number, content| {
            if let (INITIALISER, Content::Bytes(message)) = (number, content) {
                tensors.extend(Initialiser::read(message)?.tensor()?);
            }
            Ok(())
        })
    })?;
    if graphs == 0 {
        return Err(BROKEN.to_owned());
    }
    if tensors.is_empty() {
        return Err("it has no initialisers".to_owned());
    }
    Ok(tensors)
}

/// A `TensorProto`.
#[derive(Default)]
struct Initialiser<'a> {
    name: &'a str,
    shape: Vec<usize>,
    data_type: u64,
    /// little-endian, whatever field they come from
    numbers: Vec<u8>,
    elsewhere: bool,
}

impl<'a> Initialiser<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Fault> {
        let mut read = Self::default();
        fields(message, |number, content| {
            match (number, content) {
                // dims, one by one or packed
                (1, Content::Number(side)) => read.shape.push(size(side)?),
                (1, Content::Bytes(packed)) => {
                    let mut sides = Bytes::new(packed);
                    while !sides.is_empty() {
                        read.shape.push(size(varint(&mut sides)?)?);
                    }
                }
                (2, Content::Number(data_type)) => read.data_type = data_type,
                // float_data, double_data, raw_data
                (4 | 10, Content::Fixed(bytes)) | (4 | 9 | 10, Content::Bytes(bytes)) => {
                    read.numbers.extend_from_slice(bytes);
                }
                (8, Content::Bytes(name)) => read.name = text(name)?,
                // data_location: 1 is a file beside this one
                (14, Content::Number(location)) => read.elsewhere = location == 1,
                _ => {}
            }
            Ok(())
        })?;
        Ok(read)
    }

    fn tensor(self) -> Result<Option<(String, Tensor)>, Fault> {
        let fault = |what: &str| format!("`{}` {what}", self.name);
        let dtype = match self.data_type {
            1 => DType::F32,
            10 => DType::F16,
            11 => DType::F64,
            16 => DType::BF16,
            _ => return Ok(None),
        };
        if self.elsewhere {
            return Err(fault("lies in a file beside it, which is not read"));
        }
        if elements(&self.shape)?.checked_mul(dtype.size_in_bytes()) != Some(self.numbers.len()) {
            return Err(fault("has more or fewer numbers than its shape says"));
        }
        let tensor = Tensor::from_raw_buffer(&self.numbers, dtype, &self.shape, &Device::Cpu);
        let tensor = tensor.map_err(|error| fault(&error.to_string()))?;
        Ok(Some((self.name.to_owned(), tensor)))
    }
}
