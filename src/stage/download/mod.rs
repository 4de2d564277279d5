//! `kind: download`: one file from the web, known by its digest.
//!
//! The digest is mandatory and is what the key holds; where the file comes from is not in it. What an interrupted
//! or failed download has brought is kept as a part, and the next try goes on from there.

mod http;
mod transfer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::transfer::Transfer;
use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, NewPart, Outcome, OutputSpec,
    Product, StageCtx, StageError,
};
use crate::hash::{Digest, sha256_of_file};
use crate::worktree::WorkTree;

/// The object of a part that holds what has come so far.
const BYTES: &str = "bytes";

/// Settings of a download stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DownloadConfig {
    /// Where the file is: `http://…` or `https://…`. Not in the key.
    #[serde(skip_serializing)]
    pub url: String,
    /// The file's SHA-256, 64 hexadecimal digits; this or `blake3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The file's BLAKE3, 64 hexadecimal digits; this or `sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
}

impl Kind for DownloadConfig {
    const NAME: &'static str = "download";
    const VERSION: u32 = 1;

    fn inputs(&self) -> Vec<InputSpec> {
        Vec::new()
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        vec![OutputSpec::new("file", Format::File)]
    }

    fn uses_seed(&self) -> bool {
        false
    }

    fn uses_device(&self) -> bool {
        false
    }

    /// One spelling of a digest, one key.
    fn resolve(&mut self, _tree: &WorkTree) -> Result<(), Vec<Fault>> {
        for digest in [&mut self.sha256, &mut self.blake3].into_iter().flatten() {
            digest.make_ascii_lowercase();
        }
        Ok(())
    }

    fn check(&self, _inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let mut faults = Vec::new();
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("", ""));
        if rest.is_empty() || !matches!(scheme, "http" | "https") {
            let message = format!("`{}` is no address of a file", self.url);
            let help =
                "write http://… or https://…; a file on this machine is an input, `file:PATH`";
            faults.push(Fault::at("url", message).help(help));
        } else if scheme == "https" && !cfg!(feature = "https") {
            let message = "this program was built without https";
            faults.push(Fault::at("url", message).help("build with the feature `https`"));
        }
        let digests = [("sha256", &self.sha256), ("blake3", &self.blake3)];
        for (name, digest) in digests {
            let is_digest = |text: &String| {
                text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            };
            if let Some(text) = digest.as_ref().filter(|text| !is_digest(text)) {
                let message = format!("`{text}` is no digest: it has 64 hexadecimal digits");
                faults.push(Fault::at(name, message));
            }
        }
        match (&self.sha256, &self.blake3) {
            (None, None) => {
                let help = "write `sha256:` as its publisher gives it, or `blake3:`";
                faults.push(Fault::at("", "the file's digest is missing").help(help));
            }
            (Some(_), Some(_)) => {
                faults.push(Fault::at("blake3", "`sha256` is given too").help("keep one"));
            }
            _ => {}
        }
        if faults.is_empty() {
            Ok(DataSchema::default())
        } else {
            Err(faults)
        }
    }

    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        let path = ctx.out.join("file");
        let unit = self.unit();
        let version = recalled(ctx, &unit, &path)?;
        let mut transfer = Transfer::open(ctx, &self.url, &path, version)?;
        if let Err(error) = self.verified(&mut transfer, &path) {
            keep(ctx, &unit, &transfer, &path)?;
            return Err(error);
        }
        ctx.memo.forget(&unit, BYTES)?;
        Ok(Outcome {
            outputs: [("file".to_owned(), Product::Made(path))].into(),
            ..Outcome::default()
        })
    }
}

impl DownloadConfig {
    /// The part that holds what an earlier try has brought.
    fn unit(&self) -> Digest {
        Digest::of_value(&json!({
            "unit": "download",
            "version": Self::VERSION,
            "sha256": self.sha256,
            "blake3": self.blake3,
        }))
    }

    /// Brings the file and compares its digest. Bytes that were put together from several connections get a
    /// second chance in one piece: the server may have changed the file between them.
    fn verified(&self, transfer: &mut Transfer<'_>, path: &Path) -> Result<(), StageError> {
        transfer.finish()?;
        if transfer.pieced && self.differs(path)?.is_some() {
            transfer.restart()?;
            transfer.finish()?;
        }
        let Some((name, found, expected)) = self.differs(path)? else {
            return Ok(());
        };
        transfer.restart()?;
        Err(StageError::Failed(format!(
            "{}: the file's {name} is {found}, not {expected} as the pipeline says; nothing of it was kept. Either \
             the address gives another file by now, or the digest is not that of this file",
            self.url
        )))
    }

    /// What the digest is called, what it is and what it should be, unless it is right.
    fn differs(&self, path: &Path) -> Result<Option<(&'static str, String, &str)>, StageError> {
        let read = |source| StageError::io(path, source);
        let (name, found, expected) = match (&self.sha256, &self.blake3) {
            (Some(expected), _) => ("SHA-256", sha256_of_file(path).map_err(read)?, expected),
            (None, Some(expected)) => {
                let digest = Digest::of_file(path).map_err(read)?;
                ("BLAKE3", digest.to_string(), expected)
            }
            (None, None) => {
                return Err(StageError::Failed(
                    "the file's digest is missing".to_owned(),
                ));
            }
        };
        Ok((found != *expected).then_some((name, found, expected.as_str())))
    }
}

/// Puts what an earlier try brought at `path`; gives the version of the file that it is of.
fn recalled(ctx: &StageCtx<'_>, unit: &Digest, path: &Path) -> Result<Option<String>, StageError> {
    let Some(part) = ctx.memo.get(unit, &[]) else {
        return Ok(None);
    };
    let Some(bytes) = part.objects.get(BYTES) else {
        return Ok(None);
    };
    // A copy's bytes without its mode: objects are read-only.
    let copy = |from: &Path| -> io::Result<u64> {
        io::copy(&mut File::open(from)?, &mut File::create(path)?)
    };
    copy(&ctx.memo.path(bytes)?).map_err(|source| StageError::io(path, source))?;
    (ctx.log)(&format!("going on at byte {}", bytes.bytes));
    let version = part.values.get("version").and_then(Value::as_str);
    Ok(version.map(str::to_owned))
}

/// Keeps what has come for the next try.
fn keep(
    ctx: &StageCtx<'_>,
    unit: &Digest,
    transfer: &Transfer<'_>,
    path: &Path,
) -> Result<(), StageError> {
    if transfer.have == 0 {
        return ctx.memo.forget(unit, BYTES);
    }
    let mut values = Map::new();
    values.insert("version".to_owned(), json!(transfer.version));
    let bytes = (Product::Made(path.to_owned()), Format::File);
    let objects = BTreeMap::from([(BYTES.to_owned(), bytes)]);
    ctx.memo.put(unit, NewPart { values, objects })?;
    Ok(())
}
