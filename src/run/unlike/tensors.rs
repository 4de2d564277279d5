//! Files of tensors (safetensors): models, states, statistics.

use std::collections::BTreeSet;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// The first tensor that differs, its first element that does, and both values; none when either file holds no
/// tensors.
pub(super) fn difference(before: &[u8], after: &[u8]) -> Option<String> {
    let (old, new) = (
        SafeTensors::deserialize(before).ok()?,
        SafeTensors::deserialize(after).ok()?,
    );
    let names: BTreeSet<&str> = old.names().into_iter().chain(new.names()).collect();
    for name in names {
        let what = match (old.tensor(name), new.tensor(name)) {
            (Ok(old), Ok(new)) => of_tensors(&old, &new),
            (Ok(_), Err(_)) => Some("it is missing now".to_owned()),
            (Err(_), _) => Some("it was not there".to_owned()),
        };
        if let Some(what) = what {
            return Some(format!("tensor {name}: {what}"));
        }
    }
    Some("its header".to_owned())
}

fn of_tensors(old: &TensorView<'_>, new: &TensorView<'_>) -> Option<String> {
    if (old.dtype(), old.shape()) != (new.dtype(), new.shape()) {
        let form = |view: &TensorView<'_>| format!("{:?} {:?}", view.dtype(), view.shape());
        return Some(format!("{} → {}", form(old), form(new)));
    }
    let count: usize = old.shape().iter().product();
    let width = old.data().len().checked_div(count)?;
    let elements = || old.data().chunks(width).zip(new.data().chunks(width));
    let mut differing = elements()
        .enumerate()
        .filter(|(_, (old, new))| old != new)
        .map(|(index, _)| index);
    let first = differing.next()?;
    let others = differing.count();
    let (before, after) = elements().nth(first)?;
    Some(format!(
        "element {}: {} → {} ({} of {count} differ)",
        place(first, old.shape()),
        value(old.dtype(), before),
        value(old.dtype(), after),
        others + 1
    ))
}

/// `[2, 0, 1]`: where the element `index` stands in a tensor.
fn place(mut index: usize, shape: &[usize]) -> String {
    let mut at: Vec<String> = shape
        .iter()
        .rev()
        .map(|size| {
            let here = index % size.max(&1);
            index /= size.max(&1);
            here.to_string()
        })
        .collect();
    at.reverse();
    format!("[{}]", at.join(", "))
}

/// An element as a number, where its type is one that retake writes; else its bytes.
fn value(dtype: Dtype, bytes: &[u8]) -> String {
    let read = || -> Option<String> {
        Some(match dtype {
            Dtype::F32 => format!("{:?}", f32::from_le_bytes(bytes.try_into().ok()?)),
            Dtype::F64 => format!("{:?}", f64::from_le_bytes(bytes.try_into().ok()?)),
            Dtype::I64 => i64::from_le_bytes(bytes.try_into().ok()?).to_string(),
            Dtype::U32 => u32::from_le_bytes(bytes.try_into().ok()?).to_string(),
            Dtype::U8 => bytes.first()?.to_string(),
            _ => return None,
        })
    };
    read().unwrap_or_else(|| format!("{bytes:02x?}"))
}
