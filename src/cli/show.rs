//! `retake show`: the metrics of a pipeline as a table

use super::common::{CliError, Exit, Opened, PipelineArgs, color_on_stdout, print_bytes, say};
use super::results::{Histories, Results, results};
use crate::plan::Source;
use crate::report::cells::names_exist;
use crate::report::comparison::compare;
use crate::report::contrast::{Contrast, contrast};
use crate::report::runs::{Pick, Run, metrics_of};
use crate::report::summary::{summarise, ways};
use crate::report::table::{self, Frame, TableFormat, Text};
use crate::report::{
    ReportError, comparison_table, condition, contrast as pairs, frame, grouped, select,
};
use crate::stage::StageConfig;
use crate::suggest;

/// Print the metrics of a pipeline: a row for each node, metric and checkpoint, or grouped, or compared
///
/// Conditions name columns of the table, axes, settings of the model (`batch_size`,
/// `lr.generator`) and metrics (at the row's own checkpoint):
///
///   retake show p.yaml --where 'loss == "wgan-gp" and fid < 60'
///   retake show p.yaml --where 'metric in [fid, accuracy] and outcome != diverged'
///   retake show p.yaml --by loss                   mean ± sd, n, 95 % interval
///   retake show p.yaml --compare loss=bce,wgan-gp  paired t test over seeds
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    common: PipelineArgs,
    /// Stages or nodes (`scores`, `scores[seed=0]`) [default: all of kind `evaluate`]
    stages: Vec<String>,
    /// table, csv, json, md or parquet
    #[arg(long, default_value = "table", value_parser = str::parse::<TableFormat>)]
    format: TableFormat,
    /// Only rows that meet a condition, as in `--where 'epoch >= 10 and fid < 60'`; may be repeated, and all must be met
    #[arg(short = 'w', long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Only these metrics, separated by commas; may be repeated
    #[arg(
        short = 'm',
        long = "metric",
        value_name = "NAMES",
        value_delimiter = ','
    )]
    metrics: Vec<String>,
    /// Columns for settings of the models (`batch_size`, `lr.generator`), separated by commas
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        conflicts_with = "form"
    )]
    settings: Vec<String>,
    /// One row for each group of runs and metric: mean ± standard deviation, n, 95 % interval of the mean. Groups are
    /// named by axes or settings, separated by commas; everything else is averaged over
    #[arg(long, value_name = "NAMES", value_delimiter = ',', group = "form")]
    by: Vec<String>,
    /// The same for runs that differ in their seed only (`--by` the stage and all axes but `seed`)
    #[arg(long, group = "form")]
    grouped: bool,
    /// Compare the values of an axis or setting in pairs of one seed each: difference, 95 % interval, Student's t and p.
    /// `AXIS` compares all values, `AXIS=A,B` two
    #[arg(long, value_name = "AXIS[=A,B]", group = "form", value_parser = str::parse::<Contrast>)]
    compare: Option<Contrast>,
    /// Beside what others have reported (`reported:` of a report stage)
    #[arg(long, group = "form", conflicts_with = "pick")]
    reported: bool,
    /// Which checkpoint of a run counts in groups and comparisons: the last, or the best of each metric
    #[arg(long, value_name = "WHICH", requires = "form", value_enum)]
    pick: Option<Which>,
    /// Order by a column of the table (csv and json show their names); `-COLUMN` puts the largest first
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    sort: Vec<String>,
}

/// Which checkpoint of a run counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Which {
    /// the last
    #[default]
    Last,
    /// the one where the metric is best
    Best,
}

impl From<Which> for Pick {
    fn from(which: Which) -> Self {
        match which {
            Which::Last => Self::Last,
            Which::Best => Self::Best,
        }
    }
}

pub fn run(args: &Args) -> Result<Exit, CliError> {
    let opened = args.common.open()?;
    if args.reported {
        return args.show_reported(&opened);
    }
    let targets = opened.targets(&args.stages)?;
    let found = results(&opened, &targets, Histories::Skip)?;
    if found.runs.is_empty() && found.absent.is_empty() {
        return Err(CliError::bad(
            "nothing to show: none of these stages evaluates anything",
        ));
    }
    let runs = args.chosen(found)?;
    for way in ways(&runs) {
        say(&format!(
            "note      {} was measured in several ways, which do not compare: protocol {} is {}",
            way.metric, way.protocol, way.said
        ));
    }
    args.print(&args.table(&runs)?)?;
    Ok(Exit::Done)
}

/// How people read a table.
type Reading = Box<dyn Fn(&Frame) -> Result<Text, ReportError>>;

/// A table, and how people read it.
struct Shown {
    frame: Frame,
    text: Reading,
}

impl Args {
    /// The runs and rows that were asked for.
    fn chosen(&self, found: Results) -> Result<Vec<Run>, CliError> {
        if !found.absent.is_empty() {
            say(&format!(
                "not in the store yet: {}",
                found.absent.join(", ")
            ));
        }
        let mut runs = condition::keep(found.runs, &self.conditions).map_err(CliError::bad)?;
        if self.metrics.is_empty() {
            return Ok(runs);
        }
        let known = metrics_of(&runs);
        for name in &self.metrics {
            if !runs.is_empty() && !known.contains(name) {
                let help = suggest::help(name, known.iter().map(String::as_str));
                let help = help.map_or_else(String::new, |help| format!(": {help}"));
                return Err(CliError::bad(format!("no metric `{name}`{help}")));
            }
        }
        // Runs without any value stay: that they have none is worth a row.
        runs.retain_mut(|run| {
            let had_none = run.rows.is_empty();
            run.rows.retain(|row| self.metrics.contains(&row.metric));
            had_none || !run.rows.is_empty()
        });
        Ok(runs)
    }

    fn table(&self, runs: &[Run]) -> Result<Shown, CliError> {
        let pick = Pick::from(self.pick.unwrap_or_default());
        let grouping = !self.by.is_empty() || self.grouped;
        if runs.is_empty() && self.conditions.is_empty() {
            say("note      there is nothing to show yet");
        } else if runs.is_empty() {
            say("note      no row meets the conditions");
        } else if let Some(of) = &self.compare {
            let frame = contrast(runs, of, pick).map_err(CliError::bad)?;
            let name = of.name.clone();
            say("note      each p is that of one test; it is not corrected for their number");
            return Ok(Shown {
                frame,
                text: Box::new(move |frame| pairs::text(frame, &name)),
            });
        } else if grouping {
            let by = if self.grouped {
                grouped::all_but_seed(runs)
            } else {
                self.by.clone()
            };
            return Ok(Shown {
                frame: grouped::grouped(runs, &by, pick).map_err(CliError::bad)?,
                text: Box::new(grouped::text),
            });
        }
        if !runs.is_empty() {
            names_exist(runs, &self.settings).map_err(CliError::bad)?;
        }
        Ok(Shown {
            frame: frame::long(runs, &self.settings).map_err(CliError::failed)?,
            text: Box::new(table::plain),
        })
    }

    /// Orders the table and prints it.
    fn print(&self, shown: &Shown) -> Result<(), CliError> {
        let sorted = select::sort(&shown.frame, &self.sort).map_err(CliError::bad)?;
        let text = || (shown.text)(&sorted).map_err(CliError::failed);
        let bytes = match self.format {
            TableFormat::Table => text()?.aligned(color_on_stdout()).into_bytes(),
            TableFormat::Md => text()?.markdown().into_bytes(),
            format => table::render(&sorted, format).map_err(CliError::failed)?,
        };
        print_bytes(&bytes)
    }

    /// The tables of all report stages that say what others have reported, one after the other.
    fn show_reported(&self, opened: &Opened) -> Result<Exit, CliError> {
        let mut named = Vec::new();
        for id in opened.targets(&self.stages)? {
            let node = &opened.plan.nodes[id];
            if let StageConfig::Report(config) = &*node.config
                && let Some(reported) = &config.reported
            {
                named.push((node, reported));
            }
        }
        let [(node, reported)] = named[..] else {
            let names: Vec<String> = named
                .iter()
                .map(|(node, _)| node.name.to_string())
                .collect();
            return Err(CliError::bad(if names.is_empty() {
                "nothing is `reported:` by any report stage here".to_owned()
            } else {
                format!("name one of the report stages {}", suggest::list(&names))
            }));
        };
        let inputs = node.inputs.values().flat_map(|source| match source {
            Source::Nodes { nodes, .. } => nodes.clone(),
            Source::Files { .. } => Vec::new(),
        });
        let found = results(opened, &inputs.collect::<Vec<_>>(), Histories::Read)?;
        let trained = found.trained.clone();
        let runs = self.chosen(found)?;
        let summary = summarise(&runs).map_err(CliError::failed)?;
        let table = compare(reported, Some(&summary), &trained);
        say(&format!("reported  {}", table.source));
        say(&format!("here      {}", table.here));
        self.print(&Shown {
            frame: comparison_table::frame(&table).map_err(CliError::failed)?,
            text: Box::new(comparison_table::text),
        })?;
        Ok(Exit::Done)
    }
}
