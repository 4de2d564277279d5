//! `kind: command`: any program, in an empty directory with its declared inputs and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    DataSchema, Fault, Format, Input, InputNode, InputSchemas, InputSpec, Kind, Outcome,
    OutputSpec, Product, StageCtx, StageError,
};

/// How often a running program is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// Settings of a command stage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The command line, run by `/bin/sh -c` in an empty directory; inputs lie at `in/<name>`.
    pub run: String,
    /// Output name → path below `out/` of the file or folder that the command must write.
    pub outputs: BTreeMap<String, String>,
    /// Environment variables besides PATH, HOME and LANG; their values are part of the key.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
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
        let scratch = ctx.out.join("scratch");
        lay_out(&scratch, &ctx.inputs)?;
        let status = self.supervise(&scratch, ctx)?;
        if !status.success() {
            return Err(StageError::Command(describe(status)));
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
    /// Runs the program to its end, its output going to the log line by line.
    fn supervise(&self, scratch: &Path, ctx: &StageCtx<'_>) -> Result<ExitStatus, StageError> {
        let (reader, writer) = std::io::pipe().map_err(|e| StageError::io(scratch, e))?;
        let second = writer.try_clone().map_err(|e| StageError::io(scratch, e))?;
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(&self.run).current_dir(scratch);
        command.env_clear().envs(&self.env);
        for name in ["PATH", "HOME", "LANG"] {
            if let Some(value) = std::env::var_os(name).filter(|_| !self.env.contains_key(name)) {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::null()).stdout(writer).stderr(second);
        // A group of its own, so that everything the program starts can be ended with it.
        command.process_group(0);
        let mut child = command.spawn().map_err(|e| StageError::io("/bin/sh", e))?;
        // The builder holds the pipe's writing ends; without this the reader would never see the end.
        drop(command);

        std::thread::scope(|threads| {
            threads.spawn(|| {
                for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                    (ctx.log)(&String::from_utf8_lossy(&line));
                }
            });
            let ended = wait(&mut child, ctx);
            // Whatever the program left running would hold the pipe, and could still write outputs.
            end_group(&child);
            ended
        })
    }
}

/// Waits for the program, ending its group when the user asks to stop.
fn wait(child: &mut Child, ctx: &StageCtx<'_>) -> Result<ExitStatus, StageError> {
    loop {
        if let Some(status) = child.try_wait().map_err(|e| StageError::io("/bin/sh", e))? {
            return Ok(status);
        }
        if let Err(cancelled) = ctx.check_cancelled() {
            end_group(child);
            child.wait().map_err(|e| StageError::io("/bin/sh", e))?;
            return Err(cancelled);
        }
        std::thread::sleep(POLL);
    }
}

fn end_group(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        // An error says that the group is gone already.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended without exit code".to_owned(),
    }
}

fn product(name: &str, path: &Path, declared: &str) -> Result<Product, StageError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(Product::Made(path.to_path_buf())),
        Err(_) => Err(StageError::Command(format!(
            "ended well but did not write `out/{declared}`, its output `{name}`"
        ))),
    }
}

/// Makes `in/<name>` for every input, and an empty `out/`.
fn lay_out(scratch: &Path, inputs: &BTreeMap<String, Input>) -> Result<(), StageError> {
    make_dir(&scratch.join("out"))?;
    make_dir(&scratch.join("in"))?;
    for (name, input) in inputs {
        let place = scratch.join("in").join(name);
        if input.gathered {
            lay_out_gather(&place, &input.nodes)?;
        } else if let Some(node) = input.nodes.first() {
            link(node.path(), &place)?;
        }
    }
    Ok(())
}

/// A gathered input: a folder with one entry for each node and an `index.json` that says which is which,
/// by what enters the key: position and axes, not the name of the stage.
fn lay_out_gather(place: &Path, nodes: &[InputNode]) -> Result<(), StageError> {
    make_dir(place)?;
    let mut index = Vec::new();
    for (position, node) in nodes.iter().enumerate() {
        let entry = position.to_string();
        link(node.path(), &place.join(&entry))?;
        index.push(json!({"path": entry, "axes": node.node.axes}));
    }
    let path = place.join("index.json");
    let file = File::create(&path).map_err(|e| StageError::io(&path, e))?;
    serde_json::to_writer_pretty(file, &index).map_err(|e| StageError::io(&path, e.into()))
}

fn make_dir(path: &Path) -> Result<(), StageError> {
    fs::create_dir_all(path).map_err(|e| StageError::io(path, e))
}

fn link(target: &Path, place: &Path) -> Result<(), StageError> {
    let target: PathBuf = std::path::absolute(target).map_err(|e| StageError::io(target, e))?;
    symlink(&target, place).map_err(|e| StageError::io(place, e))
}
