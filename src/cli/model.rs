//! `retake model`: what a network is made of

use super::common::{self, CliError, Exit, PipelineArgs};
use crate::model::{Dims, ModelSpec, ModelTable, NetworkTable};
use crate::stage::{DataSchema, StageConfig};

/// Print the networks of a pipeline, or of a preset (`retake model cdcgan-64`): layers, output shapes, parameters
#[derive(Debug, clap::Args)]
#[command(long_about = None)]
pub struct Args {
    #[command(flatten)]
    common: PipelineArgs,
    /// A train stage of the pipeline [default: all]
    stage: Option<String>,
    /// Label classes, where they are not known before the data is read
    #[arg(long, value_name = "N")]
    classes: Option<usize>,
    /// Colour channels of an image, likewise
    #[arg(long, value_name = "N")]
    channels: Option<usize>,
    /// Height and width of an image, likewise
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Length of the noise vector z
    #[arg(long, value_name = "N")]
    latent: Option<usize>,
    /// JSON on standard output
    #[arg(long)]
    json: bool,
}

/// What presets are printed for when nothing else is said: i-CLEVR's 24 labels, and z as in the DCGAN paper.
const CLASSES: usize = 24;
const LATENT: usize = 100;

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let name = args.common.pipeline.to_string_lossy();
    if let Some(spec) = ModelSpec::preset(&name) {
        // The images that a preset is for stand in its name.
        let size = name
            .rsplit('-')
            .next()
            .and_then(|size| size.parse().ok())
            .filter(|size| *size >= 28);
        let schema = DataSchema {
            channels: Some(3),
            size: Some((size.unwrap_or(32), size.unwrap_or(32))),
            classes: Some(CLASSES),
        };
        print(args, &name, &spec, &args.dims(&schema, None)?)?;
        return Ok(Exit::Done);
    }
    if !args.common.pipeline.exists() {
        return Err(CliError::bad(format!(
            "`{name}` is neither a pipeline file nor a preset; the presets are {}",
            ModelSpec::presets().join(", ")
        )));
    }
    let plan = args.common.plan()?;
    let ids = match &args.stage {
        Some(stage) => plan.find(stage).map_err(CliError::bad)?,
        None => (0..plan.nodes.len()).collect(),
    };
    let mut shown: Vec<(ModelSpec, Dims)> = Vec::new();
    for node in ids.iter().map(|id| &plan.nodes[*id]) {
        let StageConfig::Train(config) = &*node.config else {
            continue;
        };
        let Some(spec) = config.model.spec() else {
            continue;
        };
        let dims = args.dims(&node.data, config.latent)?;
        // The nodes of a matrix mostly share their networks.
        if !shown
            .iter()
            .any(|(other, size)| other == spec && *size == dims)
        {
            print(args, &node.name.to_string(), spec, &dims)?;
            shown.push((spec.clone(), dims));
        }
    }
    if let Some(missing) = ids.iter().flat_map(|id| &plan.nodes[*id].missing).next()
        && shown.is_empty()
    {
        return Err(CliError::bad(format!(
            "missing file {}",
            missing.path.display()
        )));
    }
    if shown.is_empty() {
        return Err(CliError::bad("no train stage among these"));
    }
    Ok(Exit::Done)
}

impl Args {
    /// Sizes from the command line, else from what is known of the data.
    fn dims(&self, data: &DataSchema, latent: Option<usize>) -> Result<Dims, CliError> {
        let unknown = |what: &str| {
            CliError::bad(format!(
                "the data does not tell its {what} before it is read: say it with --{what}"
            ))
        };
        let size = self
            .size
            .map(|size| (size, size))
            .or(data.size)
            .ok_or_else(|| unknown("size"))?;
        Ok(Dims {
            latent: self.latent.or(latent).unwrap_or(LATENT),
            classes: self
                .classes
                .or(data.classes)
                .ok_or_else(|| unknown("classes"))?,
            channels: self
                .channels
                .or(data.channels)
                .ok_or_else(|| unknown("channels"))?,
            height: size.0,
            width: size.1,
        })
    }
}

fn print(args: &Args, name: &str, spec: &ModelSpec, dims: &Dims) -> Result<(), CliError> {
    let table = spec.table(dims).map_err(CliError::bad)?;
    if args.json {
        let json = serde_json::json!({"name": name, "dims": dims, "model": table});
        return common::print_json(&json);
    }
    // Where networks say all their inputs' sizes themselves, nothing of the data enters.
    let inputs = spec
        .networks
        .values()
        .flat_map(|network| network.inputs.values());
    let open = inputs.flatten().any(|size| !size.is_fixed());
    common::print(&text(name, &table, open.then_some(dims)))
}

fn text(name: &str, table: &ModelTable, dims: Option<&Dims>) -> String {
    let mut text = match dims {
        None => format!("{name}\n"),
        Some(dims) => format!(
            "{name}: images ({}, {}, {}), {} classes, z of {}\n",
            dims.channels, dims.height, dims.width, dims.classes, dims.latent
        ),
    };
    for (network, table) in &table.networks {
        text += &network_text(network, table);
    }
    text + &format!(
        "\n{} trainable parameters, {} in buffers\n",
        grouped(table.trainable),
        grouped(table.buffers)
    )
}

/// One network: a row a layer.
fn network_text(name: &str, table: &NetworkTable) -> String {
    let shape = |shape: &[usize]| {
        let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
        format!("({})", sides.join(", "))
    };
    let number = |n: usize| if n == 0 { String::new() } else { grouped(n) };
    let mut rows = vec![["layer", "", "output", "trainable", "buffers"].map(str::to_owned)];
    for (input, dims) in &table.inputs {
        rows.push([
            String::new(),
            format!("input {input}"),
            shape(dims),
            String::new(),
            String::new(),
        ]);
    }
    for row in &table.layers {
        rows.push([
            match &row.name {
                Some(name) => name.clone(),
                None => row.path.trim_start_matches("layers.").to_owned(),
            },
            row.layer.to_owned(),
            shape(&row.output_shape),
            number(row.trainable),
            number(row.buffers),
        ]);
    }
    rows.push([
        String::new(),
        "total".to_owned(),
        shape(&table.output_shape),
        grouped(table.trainable),
        grouped(table.buffers),
    ]);
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = format!("\n{name}\n");
    for row in &rows {
        let line = format!(
            "  {:<a$}  {:<b$}  {:<c$}  {:>d$}  {:>e$}",
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            a = widths[0],
            b = widths[1],
            c = widths[2],
            d = widths[3],
            e = widths[4]
        );
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// `3,773,312`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
