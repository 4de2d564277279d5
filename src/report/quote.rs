//! Numbers of a report by name: what prose and templates quote with `{{ metric("R1-4.accuracy") }}`.
//!
//! A name is an evaluation, the model it measured, a group of either that differs in its seed only, a whole stage of one
//! node, or a value of an axis, whichever is enough to tell it from the others.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use minijinja::value::{Enumerator, Kwargs, Object, Value};
use minijinja::{Environment, Error, ErrorKind};

use super::comparison::ComparedFigure;
use super::document::{Figure, Setting, headline};
use super::inference::Interval;
use super::number::significant;
use super::runs::{Ending, Run, metrics_of};
use super::summary::{Pick, SEED, Summary, SummaryCell};
use super::table::NOTHING;
use crate::suggest;

/// All that can be quoted.
#[derive(Debug, Clone, Default)]
pub struct Quotes {
    measured: Vec<Named<IndexMap<String, Picked>>>,
    /// what did not end well, with how it ended
    ended: Vec<Named<String>>,
    settings: Vec<Named<Vec<Setting>>>,
    figures: Vec<Figure>,
    /// `ROW.FIGURE` → the number as others have reported it
    reported: IndexMap<String, String>,
}

/// Something with the names that it goes by.
#[derive(Debug, Clone)]
struct Named<T> {
    names: IndexSet<String>,
    of: T,
}

/// The values of one metric.
#[derive(Debug, Clone, Default)]
struct Picked {
    last: Option<Quote>,
    best: Option<Quote>,
}

/// A value that prints as the summary table prints it and whose parts have names.
#[derive(Debug, Clone, PartialEq)]
struct Quote {
    text: String,
    mean: Option<f64>,
    sd: Option<f64>,
    n: usize,
    /// the 95 % interval of the mean
    interval: Option<Interval>,
}

/// The names that a node goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// its own, `gan[loss=bce,seed=0]`
    pub node: String,
    /// that of all that differ from it in the seed only, `gan[loss=bce]`
    pub group: String,
    /// its stage and the values of its axes but the seed, `gan` and `bce`
    pub parts: Vec<String>,
}

impl Quotes {
    /// What `runs` gave: evaluations, each with the names of what it measured. `summary` is theirs.
    pub fn of_runs(runs: &[(Run, Names)], summary: &Summary) -> Self {
        let mut quotes = Self::default();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, (run, _)) in runs.iter().enumerate() {
            let names = IndexSet::from([run.name(), run.name_without(&[SEED])]);
            for name in names {
                by_name.entry(name).or_default().push(index);
            }
        }
        for row in &summary.rows {
            let mut names = IndexSet::from([row.name.clone()]);
            for index in by_name.get(&row.name).into_iter().flatten() {
                let (run, subject) = &runs[*index];
                names.extend([subject.group.clone(), run.stage.clone()]);
                names.extend(subject.parts.iter().cloned());
                let axes = run.axes.iter().filter(|(axis, _)| *axis != SEED);
                names.extend(axes.map(|(_, value)| super::runs::text(value)));
                if row.runs == 1 {
                    names.extend([run.name(), subject.node.clone()]);
                }
            }
            if row.outcome != Ending::Ok.to_string() {
                quotes.ended.push(Named {
                    names: names.clone(),
                    of: row.outcome.clone(),
                });
            }
            quotes.measured.push(Named {
                names,
                of: picked(summary, &row.cells),
            });
        }
        quotes.add_members(runs);
        quotes
    }

    /// Each of the runs that are shown in groups, on its own.
    fn add_members(&mut self, runs: &[(Run, Names)]) {
        let known = self.measured.iter().flat_map(|named| &named.names);
        let known: HashSet<String> = known.cloned().collect();
        let members = runs.iter().filter(|(run, _)| !known.contains(&run.name()));
        self.measured.extend(members.map(|(run, subject)| Named {
            names: IndexSet::from([run.name(), subject.node.clone()]),
            of: alone(run),
        }));
    }

    /// Lets the settings of a node be quoted.
    pub fn add_settings(&mut self, names: Names, settings: Vec<Setting>) {
        let Names { node, group, parts } = names;
        self.settings.push(Named {
            names: [node, group].into_iter().chain(parts).collect(),
            of: settings,
        });
    }

    /// Lets figures be quoted by their captions.
    pub fn add_figures<'a>(&mut self, figures: impl IntoIterator<Item = &'a Figure>) {
        self.figures.extend(figures.into_iter().cloned());
    }

    /// Lets what others have reported be quoted.
    pub fn add_reported(&mut self, figures: &[ComparedFigure]) {
        let numbers = figures.iter().filter_map(|figure| {
            let name = format!("{}.{}", figure.row, figure.label);
            Some((name, significant(figure.reported?)))
        });
        self.reported.extend(numbers);
    }

    /// The number that was reported as `ROW.FIGURE`.
    fn reported(&self, name: &str) -> Result<String, String> {
        self.reported.get(name).cloned().ok_or_else(|| {
            let known = self.reported.keys().map(String::as_str);
            with_help(
                format!("no figure `{name}` was reported"),
                suggest::help(name, known),
            )
        })
    }

    /// The value that `NAME.METRIC`, or `METRIC` alone where only one row has it, stands for. Of a run that has none since
    /// it did not end well, how it ended.
    fn metric(&self, reference: &str, pick: Pick) -> Result<Quote, String> {
        self.value(reference, pick).or_else(|error| {
            let of_run = |ended: &&Named<String>| {
                let mut names = ended.names.iter();
                names.any(|name| {
                    let rest = reference.strip_prefix(name.as_str());
                    rest.is_some_and(|rest| rest.starts_with('.'))
                })
            };
            let mut ended = self.ended.iter().filter(of_run);
            // Only of a run that cannot have the value: a slip of the fingers stays one, and so does a name of several.
            let (Some(ended), None) = (ended.next(), ended.next()) else {
                return Err(error);
            };
            let mut rows = self.measured.iter();
            if rows.any(|row| {
                !row.of.is_empty() && row.names.iter().any(|name| ended.names.contains(name))
            }) {
                return Err(error);
            }
            Ok(Quote {
                text: ended.of.clone(),
                mean: None,
                sd: None,
                n: 0,
                interval: None,
            })
        })
    }

    fn value(&self, reference: &str, pick: Pick) -> Result<Quote, String> {
        let metrics: IndexSet<&str> = (self.measured.iter())
            .flat_map(|named| named.of.keys().map(String::as_str))
            .collect();
        let (name, metric) = split(reference, &metrics).ok_or_else(|| {
            let last = reference.rsplit('.').next().unwrap_or_default();
            with_help(
                format!("`{reference}` names no metric"),
                suggest::help(last, metrics.iter().copied()),
            )
        })?;
        let having = || {
            self.measured
                .iter()
                .filter(|named| named.of.contains_key(metric))
        };
        let found: Vec<_> = having()
            .filter(|named| name.is_none_or(|name| named.names.contains(name)))
            .collect();
        let picked = match (found.as_slice(), name) {
            ([one], _) => &one.of[metric],
            ([], name) => {
                let known: IndexSet<&str> = having()
                    .flat_map(|named| named.names.iter().map(String::as_str))
                    .collect();
                let name = name.unwrap_or_default();
                return Err(with_help(
                    format!("nothing called `{name}` has a value of {metric}"),
                    suggest::help(name, known),
                ));
            }
            (several, _) => {
                let names = several.iter().filter_map(|named| named.names.first());
                return Err(format!(
                    "`{reference}` may be of {}: name one of them",
                    suggest::list(&names.collect::<Vec<_>>())
                ));
            }
        };
        let quote = match pick {
            Pick::Last => &picked.last,
            Pick::Best => picked.best.as_ref().map_or(&picked.last, |_| &picked.best),
        };
        quote
            .clone()
            .ok_or_else(|| format!("{metric} of `{reference}` has no value"))
    }

    /// The value of the setting that `NAME.SETTING` stands for, in all runs of that name.
    fn setting(&self, reference: &str) -> Result<String, String> {
        let names: IndexSet<&str> = (self.settings.iter())
            .flat_map(|named| named.of.iter().map(|setting| setting.name.as_str()))
            .collect();
        let (name, setting) = split(reference, &names).ok_or_else(|| {
            let last = reference.rsplit('.').next().unwrap_or_default();
            with_help(
                format!("`{reference}` names no setting"),
                suggest::help(last, names.iter().copied()),
            )
        })?;
        let runs = self
            .settings
            .iter()
            .filter(|named| name.is_none_or(|name| named.names.contains(name)));
        let values: IndexSet<&str> = runs
            .flat_map(|named| named.of.iter().filter(|of| of.name == setting))
            .map(|setting| setting.value.as_str())
            .collect();
        match Vec::from_iter(values).as_slice() {
            [] => Err(format!("nothing has the setting `{reference}`")),
            [value] => Ok((*value).to_owned()),
            several => Err(format!(
                "`{reference}` has several values, {}: name one run",
                suggest::list(several)
            )),
        }
    }

    /// The Markdown of the figure whose caption is `name`, or begins with it as its first sentence.
    fn figure(&self, name: &str) -> Result<String, String> {
        let figure = self
            .figures
            .iter()
            .find(|figure| [figure.caption.as_str(), headline(&figure.caption)].contains(&name));
        let figure = figure.ok_or_else(|| {
            let known = self.figures.iter().map(|figure| headline(&figure.caption));
            with_help(
                format!("no figure is called `{name}`"),
                suggest::help(name, known),
            )
        })?;
        Ok(format!(
            "![{}]({})",
            super::table::escape(headline(&figure.caption)),
            figure.file
        ))
    }
}

/// Gives templates the functions `metric`, `setting`, `reported` and `figure`.
pub fn add_functions(environment: &mut Environment<'_>, quotes: Quotes) {
    let quotes = Arc::new(quotes);
    let of = Arc::clone(&quotes);
    environment.add_function("metric", move |reference: &str, options: Kwargs| {
        let pick = match options.get::<Option<&str>>("pick")? {
            None | Some("last") => Pick::Last,
            Some("best") => Pick::Best,
            Some(other) => {
                return Err(invalid(format!(
                    "`pick` is `last` or `best`, not `{other}`"
                )));
            }
        };
        options.assert_all_used()?;
        of.metric(reference, pick)
            .map(Value::from_object)
            .map_err(invalid)
    });
    let of = Arc::clone(&quotes);
    environment.add_function("setting", move |reference: &str| {
        of.setting(reference).map_err(invalid)
    });
    let of = Arc::clone(&quotes);
    environment.add_function("reported", move |name: &str| {
        of.reported(name).map_err(invalid)
    });
    environment.add_function("figure", move |caption: &str| {
        quotes.figure(caption).map_err(invalid)
    });
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn with_help(message: String, help: Option<String>) -> String {
    match help {
        Some(help) => format!("{message}; {help}"),
        None => message,
    }
}

/// `NAME` and the longest of `known` that `reference` ends with.
fn split<'r>(reference: &'r str, known: &IndexSet<&'r str>) -> Option<(Option<&'r str>, &'r str)> {
    if let Some(whole) = known.get(reference) {
        return Some((None, whole));
    }
    let ends = known.iter().filter_map(|known| {
        let name = reference.strip_suffix(known)?.strip_suffix('.')?;
        Some((Some(name), *known))
    });
    ends.max_by_key(|(_, known)| known.len())
}

/// The values of a single run by metric, as a group of one shows them.
fn alone(run: &Run) -> IndexMap<String, Picked> {
    let metrics = metrics_of(std::slice::from_ref(run)).into_iter();
    let picked = metrics.map(|metric| {
        let rows = run.rows.iter().filter(|row| row.metric == metric);
        let several = rows.count() > 1;
        let quote = |pick: Pick| {
            let row = run.pick(&metric, pick)?;
            let epoch = row.epoch.filter(|_| pick == Pick::Best);
            let epoch = epoch.map_or_else(String::new, |epoch| format!(" @ {epoch}"));
            Some(Quote {
                text: significant(row.value) + &epoch,
                mean: Some(row.value),
                sd: None,
                n: 1,
                interval: None,
            })
        };
        let last = quote(Pick::Last);
        let best = several.then(|| quote(Pick::Best)).flatten();
        (metric, Picked { last, best })
    });
    picked.collect()
}

/// The cells of one row by metric.
fn picked(summary: &Summary, cells: &[SummaryCell]) -> IndexMap<String, Picked> {
    let mut all: IndexMap<String, Picked> = IndexMap::new();
    for (column, cell) in summary.columns.iter().zip(cells) {
        if cell.text == NOTHING {
            continue;
        }
        let quote = Some(Quote {
            text: cell.text.clone(),
            mean: cell.mean,
            sd: cell.sd,
            n: cell.n,
            interval: cell.interval,
        });
        let picked = all.entry(column.metric.clone()).or_default();
        match column.pick {
            Pick::Last => picked.last = quote,
            Pick::Best => picked.best = quote,
        }
    }
    all
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Object for Quote {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "text" => Some(Value::from(self.text.clone())),
            "mean" => Some(Value::from(self.mean)),
            "sd" => Some(Value::from(self.sd)),
            "n" => Some(Value::from(self.n)),
            "low" => Some(Value::from(self.interval.map(|interval| interval.low))),
            "high" => Some(Value::from(self.interval.map(|interval| interval.high))),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["text", "mean", "sd", "n", "low", "high"])
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
