//! The source keeps to its layers: who may import whom, which library appears where, where `unsafe` is.

use std::fs;
use std::path::Path;

/// Every module of the crate with the modules it may import, lowest first.
const LAYERS: &[(&str, &[&str])] = &[
    ("hash", &[]),
    ("rng", &[]),
    ("device", &[]),
    ("suggest", &[]),
    ("worktree", &["hash"]),
    ("data", &["hash", "rng"]),
    ("kernel", &[]),
    ("autograd", &["kernel"]),
    ("ops", &["device", "kernel", "autograd"]),
    (
        "model",
        &["hash", "rng", "device", "worktree", "autograd", "ops"],
    ),
    ("loss", &["rng", "autograd", "ops"]),
    (
        "train",
        &[
            "hash", "rng", "device", "data", "autograd", "ops", "model", "loss",
        ],
    ),
    (
        "extract",
        &[
            "hash", "device", "worktree", "data", "autograd", "ops", "model",
        ],
    ),
    ("metric", &["hash", "rng", "device", "data", "ops"]),
    ("report", &["hash", "metric", "suggest"]),
    (
        "stage",
        &[
            "hash", "rng", "device", "worktree", "data", "ops", "model", "loss", "train",
            "extract", "metric", "report",
        ],
    ),
    (
        "spec",
        &[
            "hash", "device", "suggest", "worktree", "data", "model", "stage",
        ],
    ),
    (
        "store",
        &["hash", "device", "worktree", "data", "stage", "spec"],
    ),
    (
        "plan",
        &[
            "hash", "device", "suggest", "worktree", "data", "model", "extract", "stage", "spec",
        ],
    ),
    (
        "run",
        &[
            "hash", "device", "worktree", "data", "stage", "spec", "store", "plan",
        ],
    ),
    (
        "cli",
        &[
            "hash", "device", "suggest", "data", "ops", "model", "extract", "metric", "report",
            "stage", "spec", "store", "plan", "run",
        ],
    ),
];

/// Libraries with the modules, or single files, that may name them.
const LIBRARIES: &[(&[&str], &[&str])] = &[
    (
        &["candle_core", "candle_nn"],
        &[
            "device",
            "kernel",
            "autograd",
            "data/mnist_dir.rs",
            "ops",
            "model",
            "loss",
            "train",
            "extract",
            "metric",
            "stage",
        ],
    ),
    (&["candle_datasets"], &["data/mnist_dir.rs"]),
    (&["polars"], &["report"]),
    (&["saphyr", "saphyr_parser"], &["spec/locate.rs"]),
    (&["clap"], &["cli"]),
    (&["ureq", "rustls"], &["stage/download/http.rs"]),
    (&["landlock"], &["stage/command/guard/restrict.rs"]),
];

/// Files that may hold `unsafe`.
const UNSAFE: &[&str] = &[
    "data/pack/reader.rs",
    "device.rs",
    "kernel/buffer.rs",
    "kernel/simd.rs",
    "ops/conv/cuda/mod.rs",
    // vectors and tiles of the instruction sets
    "ops/gemm/simd.rs",
    "ops/gemm/kernel.rs",
    // results that tasks write side by side without zeroing them first
    "ops/uninit.rs",
    "ops/gemm/product.rs",
    "ops/conv/cpu/forward.rs",
    "ops/conv/cpu/data_gradient.rs",
    "ops/conv/cpu/weight_gradient.rs",
];

#[test]
fn the_source_keeps_to_its_layers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<_> = walkdir::WalkDir::new(&src)
        .into_iter()
        .map(|entry| entry.expect("src is readable").into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    let faults: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let name = path.strip_prefix(&src).expect("found below src");
            let source = fs::read_to_string(path).expect("source is UTF-8");
            check(name.to_str().expect("names are ASCII"), &source)
        })
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_layer_imports_one_above_it() {
    for (index, (layer, imports)) in LAYERS.iter().enumerate() {
        for import in *imports {
            let below = LAYERS[..index].iter().any(|(name, _)| name == import);
            assert!(
                below,
                "the table lets {layer} import {import}, which is not below it"
            );
        }
    }
}

#[test]
fn a_wrong_import_is_named_with_file_and_line() {
    let source =
        "//! Uses crate::cli in words only.\nuse crate::hash::Digest;\nuse crate::cli::Args;\n";
    assert_eq!(
        check("data/pack.rs", source),
        ["src/data/pack.rs:3: `data` may not import `cli`"]
    );
}

#[test]
fn every_way_to_write_an_import_is_seen() {
    let wrong = |file, source| check(file, source).len();
    assert_eq!(
        wrong(
            "ops/conv.rs",
            "use crate::{\n  device::open,\n  train::{Adam, Sgd},\n  run,\n};"
        ),
        2
    );
    assert_eq!(wrong("ops/conv.rs", "fn f() { crate::store::open() }"), 1);
    assert_eq!(wrong("ops/mod.rs", "use super::store::Store;"), 1);
    assert_eq!(wrong("ops/conv.rs", "use super::super::store::Store;"), 1);
    assert_eq!(
        wrong("ops/conv.rs", "use super::store::Store;"),
        0,
        "that is ops::store"
    );
    assert_eq!(
        wrong(
            "ops/mod.rs",
            "const HELP: &str = \"crate::cli\"; // crate::cli"
        ),
        0
    );
}

#[test]
fn libraries_and_unsafe_stay_where_they_belong() {
    assert_eq!(
        check(
            "store/objects.rs",
            "\n#[derive(clap::Args)]\nstruct A(polars::prelude::Column);"
        ),
        [
            "src/store/objects.rs:2: `clap` belongs in cli",
            "src/store/objects.rs:3: `polars` belongs in report",
        ]
    );
    assert_eq!(check("spec/locate.rs", "use saphyr::MarkedYaml;"), [""; 0]);
    assert_eq!(
        check("spec/load.rs", "use saphyr::MarkedYaml;"),
        ["src/spec/load.rs:1: `saphyr` belongs in spec/locate.rs"]
    );
    assert_eq!(
        check("hash.rs", "fn f() {\n    unsafe { g() }\n}"),
        ["src/hash.rs:2: `unsafe` is not in the list of files that may hold it"]
    );
}

/// What is wrong with the file `name` (relative to `src`).
fn check(name: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let module = name
        .split('/')
        .next()
        .unwrap_or(name)
        .trim_end_matches(".rs");
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: String| faults.push(format!("src/{name}:{line}: {what}"));

    let root = matches!(name, "lib.rs" | "main.rs");
    let layer = LAYERS.iter().find(|(layer, _)| *layer == module);
    if layer.is_none() && !root {
        fault(1, format!("`{module}` has no place in the table of layers"));
    }
    let may_import = layer.map_or(&[][..], |(_, imports)| imports);
    for (line, import) in imports(name, &tokens) {
        if !root && import != module && !may_import.contains(&import) && is_layer(import) {
            fault(line, format!("`{module}` may not import `{import}`"));
        }
    }
    for &(line, token) in &tokens {
        for (libraries, homes) in LIBRARIES {
            if libraries.contains(&token) && !homes.contains(&module) && !homes.contains(&name) {
                fault(line, format!("`{token}` belongs in {}", homes.join(", ")));
            }
        }
        if token == "unsafe" && !UNSAFE.contains(&name) {
            fault(
                line,
                "`unsafe` is not in the list of files that may hold it".to_owned(),
            );
        }
    }
    faults
}

fn is_layer(name: &str) -> bool {
    LAYERS.iter().any(|(layer, _)| *layer == name)
}

/// The first names after `crate::`, `crate::{…}`, and enough `super::` to reach the crate's root.
fn imports<'a>(file: &str, tokens: &[(usize, &'a str)]) -> Vec<(usize, &'a str)> {
    let depth = file.split('/').count() - usize::from(file.ends_with("/mod.rs"));
    let text = |at: usize| tokens.get(at).map_or("", |(_, token)| token);
    let mut found = Vec::new();
    for start in 0..tokens.len() {
        let mut at = start;
        if text(at) == "crate" && text(at + 1) == "::" {
            at += 2;
        } else if text(at) == "super" && (start == 0 || text(start - 1) != "::") {
            while text(at) == "super" && text(at + 1) == "::" {
                at += 2;
            }
            if (at - start) / 2 != depth {
                continue;
            }
        } else {
            continue;
        }
        if text(at) != "{" {
            found.extend(tokens.get(at));
            continue;
        }
        let mut open = 0;
        for (here, &(_, token)) in tokens.iter().enumerate().skip(at) {
            match token {
                "{" => open += 1,
                "}" => open -= 1,
                _ => {}
            }
            if open == 0 {
                break;
            }
            if open == 1 && matches!(token, "{" | ",") {
                found.extend(tokens.get(here + 1).filter(|(_, next)| *next != "}"));
            }
        }
    }
    found
}

/// Identifiers, `::` and single marks with their lines; comments and literals left out.
fn tokens(source: &str) -> Vec<(usize, &str)> {
    let bytes = source.as_bytes();
    let is_word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    let find = |from: usize, what: &str| {
        source[from..]
            .find(what)
            .map_or(bytes.len(), |at| from + at + what.len())
    };
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < bytes.len() {
        let rest = &source[at..];
        let end = if rest.starts_with("//") {
            rest.find('\n').map_or(bytes.len(), |length| at + length)
        } else if rest.starts_with("/*") {
            find(at, "*/")
        } else if let Some(hashes) = raw_string(rest) {
            find(at + hashes + 2, &format!("\"{}", "#".repeat(hashes)))
        } else if rest.starts_with('"') {
            quoted(bytes, at, b'"')
        } else if rest.starts_with("'\\")
            || (rest.starts_with('\'') && rest.chars().nth(2) == Some('\''))
        {
            quoted(bytes, at, b'\'')
        } else if is_word(bytes[at]) {
            let length = bytes[at..]
                .iter()
                .take_while(|byte| is_word(**byte))
                .count();
            tokens.push((line, &rest[..length]));
            at + length
        } else {
            let length = if rest.starts_with("::") {
                2
            } else {
                rest.chars().next().map_or(1, char::len_utf8)
            };
            if !rest.starts_with(char::is_whitespace) {
                tokens.push((line, &rest[..length]));
            }
            at + length
        };
        line += source[at..end].matches('\n').count();
        at = end;
    }
    tokens
}

/// The number of `#` when `rest` begins a raw string.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// The end of the literal that opens at `start` and is closed by `quote`.
fn quoted(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}
