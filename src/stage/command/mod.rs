//! `kind: command`: any program, in an empty directory with its declared inputs and nothing else.

mod bounds;
mod capture;
mod ending;
pub mod guard;
mod hint;
pub mod layout;
mod supervise;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Outcome, OutputSpec, Product,
    StageCtx, StageError,
};
use guard::Order;

/// The directory that a command runs in, within the private one.
const SCRATCH: &str = "scratch";

/// Settings of a command stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The command line, run by `/bin/sh -c` in an empty directory; inputs lie at `in/<name>`.
    pub run: String,
    /// Output name → path below `out/` of the file or folder that the command must write.
    pub outputs: BTreeMap<String, String>,
    /// Environment variables besides PATH, HOME, LANG and TMPDIR; their values are part of the key.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whether it reads nothing of the project but its inputs and writes to its own directory only, where the system can
    /// hold it to that.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub hermetic: bool,
}

impl Kind for CommandConfig {
    const NAME: &'static str = "command";
    const VERSION: u32 = 1;

    /// A command takes any inputs; the specification is made from the names that the stage uses.
    fn inputs(&self) -> Vec<InputSpec> {
        vec![InputSpec {
            gathers: true,
            ..InputSpec::optional("*", &[])
        }]
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let format = |path: &str| match Path::new(path).extension().and_then(|e| e.to_str()) {
            Some("csv") => Format::Table,
            Some("json") => Format::Json,
            Some("png") => Format::Image,
            _ => Format::File,
        };
        self.outputs
            .iter()
            .map(|(name, path)| OutputSpec::new(name, format(path)))
            .collect()
    }

    fn uses_seed(&self) -> bool {
        false
    }

    fn uses_device(&self) -> bool {
        false
    }

    fn check(&self, _inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let mut faults = Vec::new();
        if self.run.trim().is_empty() {
            faults.push(Fault::at("run", "the command is empty"));
        }
        if self.outputs.is_empty() {
            faults.push(
                Fault::at("outputs", "a command stage needs at least one output")
                    .help("name a file that the command writes below `out/`, as in `outputs: {table: table.csv}`"),
            );
        }
        for (name, path) in &self.outputs {
            let inside = Path::new(path)
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            if !inside || path.is_empty() {
                faults.push(
                    Fault::at(
                        &format!("outputs.{name}"),
                        format!("`{path}` is not a path below `out/`"),
                    )
                    .help("write a relative path without `..`"),
                );
            }
        }
        for (name, path) in &self.outputs {
            // Of two outputs that hold each other's bytes, only one could be taken.
            let mut others = self.outputs.iter().filter(|(other, _)| *other < name);
            let overlaps = |other: &str| {
                Path::new(path).starts_with(other) || Path::new(other).starts_with(path)
            };
            if let Some((other, _)) = others.find(|(_, other)| overlaps(other)) {
                faults.push(
                    Fault::at(
                        &format!("outputs.{name}"),
                        format!("`{path}` overlaps the output `{other}`"),
                    )
                    .help("let the command write each output to a place of its own"),
                );
            }
        }
        if faults.is_empty() {
            Ok(DataSchema::default())
        } else {
            Err(faults)
        }
    }

    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        // A way to it that does not depend on where this process is.
        let out = std::path::absolute(&ctx.out).map_err(|e| StageError::io(&ctx.out, e))?;
        let scratch = out.join(SCRATCH);
        let held = self.hermetic && guard::holds_bounds();
        layout::lay_out(&scratch, &ctx.inputs, self.hermetic && !held)?;
        let env = self.environment(&out);
        let mut order = Order {
            run: self.run.clone().into(),
            directory: scratch.clone(),
            env,
            bounds: None,
        };
        if held {
            order.bounds = Some(bounds::of(&order, &out, ctx)?);
        }
        let (status, tail) = supervise::run(&order, ctx)?;
        if !status.success() {
            let mut message = ending::describe(status);
            message += &hint::hint(&self.run, &tail, held, ctx);
            return Err(StageError::Command(message));
        }
        let mut outputs = BTreeMap::new();
        for (name, path) in &self.outputs {
            outputs.insert(
                name.clone(),
                product(name, &scratch.join("out").join(path), path)?,
            );
        }
        Ok(Outcome {
            outputs,
            ..Outcome::default()
        })
    }
}

impl CommandConfig {
    /// All of the command's environment. What it keeps in passing goes to `temporary`, unless it says otherwise.
    fn environment(&self, temporary: &Path) -> Vec<(OsString, OsString)> {
        let kept = ["PATH", "HOME", "LANG"];
        let kept = kept
            .iter()
            .filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let given = kept.chain([("TMPDIR", temporary.as_os_str().to_owned())]);
        let mut env: Vec<(OsString, OsString)> = given
            .filter(|(name, _)| !self.env.contains_key(*name))
            .map(|(name, value)| (name.into(), value))
            .collect();
        env.extend(
            self.env
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        env
    }
}

fn product(name: &str, path: &Path, declared: &str) -> Result<Product, StageError> {
    match fs::symlink_metadata(path) {
        // What lies elsewhere is somebody else's, and would be moved.
        Ok(_) if leads_elsewhere(path) => Err(StageError::Command(format!(
            "put a symbolic link on the way to `out/{declared}`, its output `{name}`; a link cannot be part of an output"
        ))),
        Ok(_) => Ok(Product::Made(path.to_path_buf())),
        Err(_) => Err(StageError::Command(format!(
            "ended well but did not write `out/{declared}`, its output `{name}`"
        ))),
    }
}

/// Whether some folder on the way to `path`, up to the command's directory, is a symbolic link.
fn leads_elsewhere(path: &Path) -> bool {
    let folders = path.ancestors().skip(1);
    let mut within = folders.take_while(|folder| !folder.ends_with(SCRATCH));
    within.any(Path::is_symlink)
}

fn yes() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_yes(value: &bool) -> bool {
    *value
}
