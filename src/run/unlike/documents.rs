//! Documents: JSON, tables, text.

use serde_json::Value;

/// The path of the first value that differs between two JSON documents; none when either is none.
pub(super) fn of_json(before: &[u8], after: &[u8]) -> Option<String> {
    let parse = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    let (old, new) = (parse(before)?, parse(after)?);
    Some(
        of_values("", Some(&old), Some(&new))
            .unwrap_or_else(|| "the same values, written otherwise".to_owned()),
    )
}

fn of_values(path: &str, old: Option<&Value>, new: Option<&Value>) -> Option<String> {
    let join = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match (old, new) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            names
                .into_iter()
                .find_map(|name| of_values(&join(name), a.get(name), b.get(name)))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => (0..a.len().max(b.len()))
            .find_map(|index| of_values(&join(&index.to_string()), a.get(index), b.get(index))),
        (old, new) if old == new => None,
        (old, new) => {
            let show =
                |value: Option<&Value>| value.map_or("(none)".to_owned(), ToString::to_string);
            let path = if path.is_empty() { "the value" } else { path };
            Some(format!(
                "{path}: {} → {}",
                shorten(&show(old)),
                shorten(&show(new))
            ))
        }
    }
}

/// The first cell that differs between two tables in CSV with the same columns; none when they are not such.
pub(super) fn of_tables(before: &[u8], after: &[u8]) -> Option<String> {
    let read = |bytes: &[u8]| -> Option<(csv::StringRecord, Vec<csv::StringRecord>)> {
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().ok()?.clone();
        let rows = reader.records().collect::<Result<Vec<_>, _>>().ok()?;
        (header.len() > 1).then_some((header, rows))
    };
    let ((old_header, old), (new_header, new)) = (read(before)?, read(after)?);
    if old_header != new_header {
        let list = |header: &csv::StringRecord| header.iter().collect::<Vec<_>>().join(", ");
        return Some(format!(
            "columns {} → {}",
            list(&old_header),
            list(&new_header)
        ));
    }
    for (index, (a, b)) in old.iter().zip(&new).enumerate() {
        let cells = a.iter().zip(b).zip(&old_header);
        for ((a, b), column) in cells {
            if a != b {
                let (a, b) = (shorten(a), shorten(b));
                return Some(format!("row {}, column {column}: {a} → {b}", index + 1));
            }
        }
    }
    (old.len() != new.len()).then(|| format!("{} rows → {}", old.len(), new.len()))
}

/// The first line that differs between two texts; none when either is none.
pub(super) fn of_text(before: &[u8], after: &[u8]) -> Option<String> {
    let (old, new) = (str::from_utf8(before).ok()?, str::from_utf8(after).ok()?);
    let (mut a, mut b) = (old.lines(), new.lines());
    let mut number = 1;
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Some("how its lines end".to_owned()),
            (old, new) if old == new => number += 1,
            (old, new) => {
                let show = |line: Option<&str>| line.map_or("(end)".to_owned(), shorten);
                return Some(format!("line {number}: {} → {}", show(old), show(new)));
            }
        }
    }
}

/// Longest text that is shown whole.
const WIDTH: usize = 80;

fn shorten(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
