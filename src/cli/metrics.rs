//! `retake metrics`: measure two sets of images, outside any pipeline
//!
//! It is a pipeline of one `evaluate` stage, so that what has been looked at once is remembered.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::common::{
    CliError, Exit, Opened, PipelineArgs, cancel_on_signals, display, print_bytes, reporter, say,
};
use super::get;
use crate::device::DeviceRequest;
use crate::extract::{ExtractorSpec, Protocol};
use crate::metric::{MetricRow, Request};
use crate::plan;
use crate::report::frame;
use crate::report::table::{self, TableFormat};
use crate::run::event::Event;
use crate::run::executor::Local;
use crate::run::reporter::Verbosity;
use crate::run::schedule::{self, Options};
use crate::run::survey::survey;
use crate::spec::{Faults, root};
use crate::stage::Format;
use crate::store::LockFile;

/// Measure images against others: FID and its kin, of two folders or artifacts
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The images to measure: a folder, or an artifact as `PIPELINE:STAGE[:OUTPUT]`
    images: String,
    /// What to measure them against: a folder, or an artifact as `PIPELINE:STAGE[:OUTPUT]`
    reference: String,
    /// What to compute, separated by commas: fid, kid, is, precision, recall, density, coverage, diversity, rank, …
    #[arg(
        short,
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "fid"
    )]
    metrics: Vec<Request>,
    /// The network whose features are compared: inception-v3, vgg16, efficientnet-lite0, or `file:` and the path of another
    #[arg(short, long, value_name = "NAME", default_value = "inception-v3")]
    extractor: String,
    /// A judge that a pipeline trained, in place of an extractor: `PIPELINE:STAGE`
    #[arg(long, value_name = "ARTIFACT", conflicts_with_all = ["extractor", "features", "protocol", "weights", "weights_sha256"])]
    judge: Option<String>,
    /// Which of its features, where others than its usual ones are wanted (inception-v3: 64, 192, 768, 2048)
    #[arg(long, value_name = "TAP")]
    features: Option<String>,
    /// How images are prepared for it: torch-fidelity, pytorch-fid or clean-fid
    #[arg(short, long, value_name = "NAME", default_value_t)]
    protocol: Protocol,
    /// Its weights [default: the file that PyTorch's hub keeps, or one in the folder that the variable `RETAKE_WEIGHTS` names]
    #[arg(short, long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The digest that the file of weights must have, where it is another one than the published
    #[arg(long, value_name = "DIGEST")]
    weights_sha256: Option<String>,
    /// Take the first N images of the reference [default: all]
    #[arg(long, value_name = "N")]
    reference_samples: Option<u64>,
    /// Take the first N of the images to measure [default: all]
    #[arg(long, value_name = "N")]
    samples: Option<u64>,
    /// kid: images in each of its 100 subsets
    #[arg(long, value_name = "N")]
    subset_size: Option<u64>,
    /// fid: draw images anew so many times for an interval of 95 %
    #[arg(long, value_name = "TIMES")]
    bootstrap: Option<u64>,
    /// table, csv, json, md or parquet
    #[arg(long, default_value = "table", value_parser = str::parse::<TableFormat>)]
    format: TableFormat,
    /// The profile of pipelines whose artifacts are named
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Where to compute: auto, cpu, cuda or cuda:INDEX
    #[arg(long, default_value = "auto", value_parser = str::parse::<DeviceRequest>)]
    device: DeviceRequest,
    /// Where results are kept [default: `.retake` in the project root; outside a project the user's cache folder]
    #[arg(long, env = "RETAKE_STORE", value_name = "DIR")]
    store: Option<PathBuf>,
    /// Say nothing but failures
    #[arg(short, long)]
    quiet: bool,
}

/// More images than anybody has.
const ALL: u64 = 1 << 40;

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let eye = match &args.judge {
        Some(judge) => ("judge", args.source(judge, Format::Model)?),
        None => ("weights", args.weights(&args.spec()?)?),
    };
    let sources = [
        ("data", args.source(&args.images, Format::Data)?),
        ("reference", args.source(&args.reference, Format::Data)?),
        eye,
    ];
    let inputs = sources
        .clone()
        .map(|(name, path)| (name.to_owned(), Value::from(reference_to(&path))));
    let with = json!({
        "metrics": args.metrics,
        "extractor": args.extractor()?,
        "protocol": args.judge.is_none().then_some(args.protocol),
        "features": args.features,
        "weights_sha256": args.weights_sha256,
        "samples": args.samples.unwrap_or(ALL),
        "reference_samples": args.reference_samples,
        "subset_size": args.subset_size,
        "bootstrap": args.bootstrap,
    });
    let given = with.as_object().into_iter().flatten();
    let given = given.filter(|(_, value)| !value.is_null());
    let with: Map<String, Value> = given.map(|(k, v)| (k.clone(), v.clone())).collect();
    let stage = json!({"kind": "evaluate", "inputs": Map::from_iter(inputs), "with": with});
    let pipeline = json!({"name": "metrics", "stages": {"metrics": stage}});
    let here = std::env::current_dir().map_err(CliError::failed)?;
    let plan = plan::open_text(&here.join("retake metrics"), &pipeline.to_string());
    let plan = plan.map_err(|faults| CliError::Bad(in_words(&faults)))?;
    let store = args.store_beside(&sources, &plan.root)?;
    let opened = Opened::new(plan, &store, LockFile::default(), args.device)?;
    measure(args, &opened)
}

fn measure(args: &Args, opened: &Opened) -> Result<Exit, CliError> {
    let cancel = cancel_on_signals()?;
    let options = Options {
        slots: opened.machine(),
        keep_going: false,
        force: std::collections::HashSet::new(),
        locked: false,
        without_lock: true,
    };
    let mut reporter = reporter(if args.quiet {
        Verbosity::Quiet
    } else {
        Verbosity::Normal
    });
    let session = opened.session();
    let local = Local {
        store: &opened.store,
    };
    let summary = schedule::run(&session, &[0], &options, &local, &cancel, &mut |event| {
        // What was measured before in this folder is no reason.
        reporter.event(&match event {
            Event::Started { stage, axes, .. } => Event::Started {
                stage,
                axes,
                reason: "not in the store yet".to_owned(),
            },
            other => other,
        });
    });
    if summary.interrupted {
        return Ok(Exit::Interrupted);
    }
    if summary.failed > 0 {
        return Ok(Exit::Failed);
    }
    let (_, settled) = survey(&session, &[0]).map_err(CliError::failed)?;
    let record = settled[0].as_ref().map(|settled| &settled.record);
    let artifact = record.and_then(|record| record.outputs.get("metrics"));
    let artifact = artifact.ok_or_else(|| CliError::failed("the result is not in the store"))?;
    let path = opened.store.path(artifact).map_err(CliError::failed)?;
    let text = std::fs::read(&path).map_err(CliError::failed)?;
    let rows: Vec<MetricRow> = serde_json::from_slice(&text).map_err(CliError::failed)?;
    for row in rows.iter().filter(|_| !args.quiet) {
        if let Some(small) = row.small {
            say(&format!(
                "warning   {}: {}",
                row.metric,
                small.said(row.value)
            ));
        }
    }
    let table = frame::of_one(&rows).map_err(CliError::failed)?;
    print_bytes(&table::render(&table, args.format).map_err(CliError::failed)?)?;
    Ok(Exit::Done)
}

impl Args {
    /// The store: as given, else that of the project at `root`, else of no project one in the user's cache folder. What
    /// is measured must not change by being measured, so it cannot lie in a folder of `sources`.
    fn store_beside(&self, sources: &[(&str, PathBuf)], root: &Path) -> Result<PathBuf, CliError> {
        let own = root.join(".retake");
        let lies_inside = |store: &Path| {
            let store = std::path::absolute(store).unwrap_or_else(|_| store.to_owned());
            sources
                .iter()
                .any(|(_, folder)| folder.is_dir() && store.starts_with(folder))
        };
        let cache = cache_folder().map(|cache| cache.join("retake"));
        let store = match (&self.store, cache) {
            (Some(store), _) => store.clone(),
            (None, Some(cache)) if !root::is_marked(root) || lies_inside(&own) => cache,
            (None, _) => own,
        };
        if lies_inside(&store) {
            return Err(CliError::bad(format!(
                "the store {} lies in a folder that is to be measured: name another by --store DIR",
                display(&store)
            )));
        }
        Ok(store)
    }

    /// As a pipeline names it, paths absolute; none where a judge takes its place.
    fn extractor(&self) -> Result<Option<String>, CliError> {
        if self.judge.is_some() {
            return Ok(None);
        }
        let Some(path) = self.extractor.strip_prefix("file:") else {
            return Ok(Some(self.extractor.clone()));
        };
        let path = std::path::absolute(path).map_err(CliError::failed)?;
        Ok(Some(reference_to(&path)))
    }

    /// The extractor that was named.
    fn spec(&self) -> Result<ExtractorSpec, CliError> {
        match self.extractor.strip_prefix("file:") {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| CliError::bad(format!("{path}: {error}")))?;
                ExtractorSpec::from_yaml(&text).map_err(CliError::bad)
            }
            None => ExtractorSpec::preset(&self.extractor).map_err(CliError::bad),
        }
    }

    /// Where something lies: a path, or an artifact of this format in the store of its pipeline.
    fn source(&self, text: &str, format: Format) -> Result<PathBuf, CliError> {
        if Path::new(text).exists() {
            return std::path::absolute(text).map_err(CliError::failed);
        }
        let Some((pipeline, artifact)) = split_pipeline(text) else {
            return Err(CliError::bad(format!(
                "{text}: there is no such folder or file (an artifact is written PIPELINE.yaml:STAGE[:OUTPUT])"
            )));
        };
        let pipeline = PipelineArgs {
            pipeline,
            sets: Vec::new(),
            profile: self.profile.clone(),
            device: self.device,
            any_device: true,
            store: self.store.clone(),
        };
        let opened = pipeline.open()?;
        let (selector, output) = get::split(artifact);
        let (name, found) = get::find(&opened, selector, output)?;
        if found.format != format {
            let wanted = match format {
                Format::Data => "set of images",
                _ => "model",
            };
            return Err(CliError::bad(format!("{name} is no {wanted}")));
        }
        opened.store.path(&found).map_err(CliError::failed)
    }

    /// The file of weights: as given, or where programs keep it.
    fn weights(&self, spec: &ExtractorSpec) -> Result<PathBuf, CliError> {
        if let Some(path) = &self.weights {
            if !path.is_file() {
                let help = spec.how_to_get();
                let path = path.display();
                return Err(CliError::bad(format!(
                    "{path}: there is no such file\n  help: {help}"
                )));
            }
            return std::path::absolute(path).map_err(CliError::failed);
        }
        let folders = weight_folders();
        let names = &spec.weights.files;
        let places = folders
            .iter()
            .flat_map(|folder| names.iter().map(|name| folder.join(name)));
        let found = places.into_iter().find(|path| path.is_file());
        found.ok_or_else(|| {
            let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
            CliError::bad(format!(
                "no weights of {} ({}) in {}\n  help: {}; then put it there, or give it as --weights FILE. \
                 Other extractors: {}",
                spec.name,
                names.join(", "),
                folders.join(", "),
                spec.how_to_get(),
                ExtractorSpec::presets()
                    .into_iter()
                    .filter(|name| *name != spec.name)
                    .collect::<Vec<_>>()
                    .join(", ")
            ))
        })
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// Where programs keep what they could make again.
fn cache_folder() -> Option<PathBuf> {
    variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))
}

/// Folders where files of weights are looked for.
fn weight_folders() -> Vec<PathBuf> {
    let hub = variable("TORCH_HOME").or_else(|| Some(cache_folder()?.join("torch")));
    let hub = hub.map(|hub| hub.join("hub").join("checkpoints"));
    variable("RETAKE_WEIGHTS").into_iter().chain(hub).collect()
}

/// What is wrong, without the pipeline that nobody wrote: its settings are options here.
fn in_words(faults: &Faults) -> String {
    let lines = faults.faults.iter().map(|fault| {
        let help = fault.help.iter().map(|help| format!("\n  help: {help}"));
        format!("error: {}{}", fault.message, help.collect::<String>())
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let options = [
        ("`subset_size: ", "`--subset-size "),
        ("`subset_size`", "`--subset-size`"),
        ("`bootstrap`", "`--bootstrap`"),
        ("`weights_sha256`", "`--weights-sha256`"),
        ("`reference_samples`", "`--reference-samples`"),
    ];
    options.iter().fold(text, |text, (setting, option)| {
        text.replace(setting, option)
    })
}

/// `file:PATH`, with what would be a `${name}` taken as it is.
fn reference_to(path: &Path) -> String {
    format!("file:{}", path.display().to_string().replace("${", "$${"))
}

/// Splits `pipelines/quickstart.yaml:scaled:data` after the pipeline.
fn split_pipeline(text: &str) -> Option<(PathBuf, &str)> {
    let mut starts = text.match_indices(':').map(|(at, _)| at);
    let at = starts.find(|at| Path::new(&text[..*at]).is_file())?;
    Some((PathBuf::from(&text[..at]), &text[at + 1..]))
}
