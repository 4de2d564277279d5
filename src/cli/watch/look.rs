//! Where everything stands: what `retake status` knows, what the runs say, and what of a training run is there.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use image::RgbImage;

use super::super::common::{CliError, Opened};
use crate::hash::Digest;
use crate::report::grid::png;
use crate::run::live::{LiveNode, Lives, folder, replace};
use crate::run::resolve::{Keyed, Settled};
use crate::run::survey::{self, Standing, survey};
use crate::run::text;
use crate::stage::preview::preview;
use crate::stage::train::{SoFar, TaskName};
use crate::stage::{StageConfig, Status};

/// Models that are drawn with in one look: the page must not wait for all of a large matrix.
const DRAWN_AT_ONCE: usize = 4;

/// How a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// its last run failed
    Failed,
    /// it is worked on
    Running,
    /// it can run
    Ready,
    /// it needs what is not there yet
    Waiting,
    /// a file is missing
    Blocked,
    /// its result is there
    Done,
}

impl State {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Ready => "to do",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Done => "done",
        }
    }

    /// Whether it is worth a look.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Failed | Self::Running)
    }
}

/// One node.
#[derive(Debug, Clone)]
pub struct Seen {
    pub id: usize,
    pub name: String,
    pub state: State,
    /// how far it is, 0 to 100
    pub percent: Option<f64>,
    /// what there is to say of it
    pub said: Vec<String>,
    /// whole epochs of a training run
    pub epochs: Option<u64>,
}

/// A training run whose result is not there yet.
#[derive(Debug, Clone)]
pub struct Training {
    pub keyed: Keyed,
    /// CSV, with the steps of the epoch that is not whole yet
    pub history: String,
    pub status: Status,
}

/// Images that a model drew.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub epoch: u64,
    pub image: RgbImage,
}

/// How everything stands at one time.
pub struct Look {
    pub nodes: Vec<Seen>,
    pub settled: Vec<Option<Settled>>,
    /// node → its training, while it has no result
    pub trainings: HashMap<usize, Training>,
    pub headline: String,
    /// whether everything is there
    pub done: bool,
    /// whether there is work left and no run that does it
    pub idle: bool,
}

/// What is remembered from look to look.
pub struct Watcher<'a> {
    pub opened: &'a Opened,
    pub targets: Vec<usize>,
    histories: HashMap<usize, SoFar>,
    /// node → what its newest checkpoint drew, or why it drew nothing; of which model
    pub drawn: BTreeMap<usize, (Digest, Result<Drawn, String>)>,
    threads: rayon::ThreadPool,
}

impl<'a> Watcher<'a> {
    /// Watches `targets` and what they need.
    pub fn new(opened: &'a Opened, targets: Vec<usize>) -> Result<Self, CliError> {
        // One thread, as the others are the run's.
        let threads = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        Ok(Self {
            opened,
            targets,
            histories: HashMap::new(),
            drawn: BTreeMap::new(),
            threads: threads.map_err(CliError::failed)?,
        })
    }

    /// Looks at everything; with `all` no model is left undrawn.
    pub fn look(&mut self, all: bool) -> Result<Look, CliError> {
        let session = self.opened.session();
        // First what the runs say: a node that ends in between is then found done.
        let lives = Lives::read(&self.opened.store);
        let (standings, settled) = survey(&session, &self.targets).map_err(CliError::failed)?;
        let mut look = Look {
            nodes: Vec::with_capacity(standings.len()),
            trainings: HashMap::new(),
            headline: String::new(),
            done: false,
            idle: false,
            settled,
        };
        for standing in &standings {
            let live = standing.key.and_then(|key| lives.nodes.get(&key));
            let seen = self.see(standing, live, &mut look)?;
            look.nodes.push(seen);
        }
        self.draw(&look, if all { usize::MAX } else { DRAWN_AT_ONCE });
        let running = look.nodes.iter().any(|node| node.state == State::Running);
        let file = std::path::absolute(&self.opened.plan.file).unwrap_or_default();
        look.done = look.nodes.iter().all(|node| node.state == State::Done);
        look.idle = !look.done && !running && !lives.runs.iter().any(|run| run.pipeline == file);
        look.headline = headline(&look, &self.opened.plan.name);
        Ok(look)
    }

    fn see(
        &mut self,
        standing: &Standing,
        live: Option<&LiveNode>,
        look: &mut Look,
    ) -> Result<Seen, CliError> {
        let node = &self.opened.plan.nodes[standing.id];
        let state = match (live, standing.state) {
            (Some(_), _) => State::Running,
            (None, survey::State::Cached) => State::Done,
            (None, survey::State::Stale) => State::Ready,
            (None, survey::State::Pending) => State::Waiting,
            (None, survey::State::Blocked) => State::Blocked,
            (None, survey::State::Failed) => State::Failed,
        };
        let mut seen = Seen {
            id: standing.id,
            name: node.name.to_string(),
            state,
            percent: None,
            said: Vec::new(),
            epochs: None,
        };
        if let Some(live) = live {
            tell_progress(live, &mut seen);
        } else if state != State::Done {
            seen.said.extend(standing.reasons.first().cloned());
        }
        if let Some(record) = &standing.record
            && let diverged @ Status::Diverged { .. } = &record.status
        {
            seen.said.push(text::status(diverged));
        }
        if state == State::Failed
            && let Some(key) = standing.key
        {
            let log = self.opened.store.log_path(&key);
            seen.said.push(format!("log: {}", log.display()));
        }
        if let StageConfig::Train(config) = &*node.config
            && look.settled[standing.id].is_none()
            && standing.key.is_some()
        {
            let session = self.opened.session();
            let keyed = session
                .key(standing.id, &look.settled)
                .map_err(CliError::failed)?;
            let so_far = self
                .histories
                .entry(standing.id)
                .or_insert_with(|| SoFar::new(keyed.trajectory));
            so_far.look(&self.opened.store, config.epochs);
            seen.epochs = Some(so_far.epochs());
            if live.is_none() && so_far.epochs() > 0 {
                let (there, all) = (so_far.epochs(), config.epochs);
                seen.said.push(format!("{there} of {all} epochs are there"));
                seen.percent = Some(100.0 * there as f64 / all as f64);
            } else if let Some(part) = seen.said.iter_mut().find(|part| part.starts_with("epoch "))
            {
                *part += &format!(" of {}", config.epochs);
            }
            let mut history = so_far.history();
            if let Some(live) = live {
                append(&mut history, live);
            }
            let training = Training {
                keyed,
                history,
                status: so_far
                    .diverged()
                    .map_or(Status::Ok, |epoch| Status::Diverged {
                        epoch,
                        step: 0,
                        term: String::new(),
                        last_good: so_far.newest().map(|(epoch, _)| *epoch),
                    }),
            };
            if live.is_some() || so_far.epochs() > 0 || so_far.diverged().is_some() {
                look.trainings.insert(standing.id, training);
            }
        }
        Ok(seen)
    }

    /// Draws with the newest checkpoint of up to `most` generators that have one which has not drawn yet, those that
    /// are being trained first.
    fn draw(&mut self, look: &Look, most: usize) {
        let mut order: Vec<&Seen> = look.nodes.iter().collect();
        order.sort_by_key(|node| node.state);
        let mut left = most;
        for node in order {
            let StageConfig::Train(config) = &*self.opened.plan.nodes[node.id].config else {
                continue;
            };
            let newest = match &look.settled[node.id] {
                // What a finished run draws, its sample stages show.
                Some(_) if self.is_sampled(node.id) => None,
                Some(settled) => (settled.record.outputs.get("model"))
                    .map(|model| (config.epochs, model.clone())),
                None => self
                    .histories
                    .get(&node.id)
                    .and_then(|so_far| so_far.newest().cloned()),
            };
            let Some((epoch, model)) = newest else {
                continue;
            };
            let is_drawn =
                (self.drawn.get(&node.id)).is_some_and(|(digest, _)| *digest == model.digest);
            if config.task == TaskName::Classifier || is_drawn || left == 0 {
                continue;
            }
            left -= 1;
            let drawn = self.images(&model).map(|image| Drawn { epoch, image });
            let before = self.drawn.insert(node.id, (model.digest, drawn));
            if let Some((digest, _)) = before {
                self.forget(&digest);
            }
        }
    }

    /// Whether a stage of the pipeline draws with node `id`.
    fn is_sampled(&self, id: usize) -> bool {
        let plan = &self.opened.plan;
        plan.nodes.iter().any(|node| {
            let reads = node.inputs.get("model");
            matches!(&*node.config, StageConfig::Sample(_))
                && reads.is_some_and(|source| match source {
                    crate::plan::Source::Nodes { nodes, .. } => nodes.contains(&id),
                    crate::plan::Source::Files { .. } => false,
                })
        })
    }

    /// Removes the kept images of all models, when all is done.
    pub fn clear(&self) {
        for (digest, _) in self.drawn.values() {
            self.forget(digest);
        }
    }

    fn forget(&self, model: &Digest) {
        // Mostly there is one; and another watcher can draw it again.
        let _ = std::fs::remove_file(self.kept_at(model));
    }

    /// Where the images of a model are kept.
    fn kept_at(&self, model: &Digest) -> PathBuf {
        let (model, seed) = (model.to_string(), self.opened.plan.seed);
        folder(&self.opened.store).join(format!("samples-{}-{seed}.png", &model[..32]))
    }

    /// What a model draws; drawn once, by whichever watcher comes first.
    fn images(&self, model: &crate::stage::Artifact) -> Result<RgbImage, String> {
        let seed = self.opened.plan.seed;
        let cached = self.kept_at(&model.digest);
        if let Some(bytes) = super::read(&cached)
            && let Ok(image) = image::load_from_memory(&bytes)
        {
            return Ok(image.to_rgb8());
        }
        let path = self
            .opened
            .store
            .path(model)
            .map_err(|error| error.to_string())?;
        let image = self
            .threads
            .install(|| preview(&path, seed))
            .map_err(|error| error.to_string())?;
        if let Ok(bytes) = png(&image) {
            // Drawn again next time where it cannot be kept.
            let _ = replace(&cached, &bytes);
        }
        Ok(image)
    }
}

/// How far a running node is, in words.
fn tell_progress(live: &LiveNode, seen: &mut Seen) {
    let progress = &live.progress;
    if progress.total > 0 {
        seen.percent = Some(100.0 * progress.done as f64 / progress.total as f64);
    }
    let said = &mut seen.said;
    said.extend(progress.epoch.map(|epoch| format!("epoch {epoch}")));
    if progress.total > 0 {
        let what = if progress.epoch.is_some() {
            "step "
        } else {
            ""
        };
        said.push(format!("{what}{} of {}", progress.done, progress.total));
    }
    said.extend((progress.images_per_second).map(|speed| format!("{speed:.0} images/s")));
    let left = live.seconds_left.filter(|_| progress.done < progress.total);
    said.extend(left.map(|seconds| format!("{} left", roughly(seconds))));
    let figures = progress.figures.iter();
    said.extend(figures.map(|(name, value)| format!("{name} {value:.3}")));
    if said.is_empty() {
        said.push("at work".to_owned());
    }
}

/// `50 s`, `12 min`, `3 h 20 min`.
fn roughly(seconds: f64) -> String {
    let whole = seconds.ceil() as u64;
    match (whole / 3600, whole / 60 % 60, whole) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, _) => format!("{} min", minutes + 1),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Adds the steps since the last whole epoch to a history.
fn append(history: &mut String, live: &LiveNode) {
    let Some((_, first)) = live.steps.first() else {
        return;
    };
    if history.is_empty() {
        history.push_str("step,epoch");
        for (name, _) in first {
            *history += &format!(",{name}");
        }
        history.push('\n');
    }
    let header = history.lines().next().unwrap_or_default();
    let columns: Vec<String> = header.split(',').map(str::to_owned).collect();
    let last = history
        .lines()
        .last()
        .and_then(|row| row.split(',').next()?.parse().ok());
    let epoch = live.progress.epoch.unwrap_or_default();
    for (step, figures) in &live.steps {
        if last.is_some_and(|last: u64| *step <= last) {
            continue;
        }
        let cells = columns.iter().map(|column| match column.as_str() {
            "step" => step.to_string(),
            "epoch" => epoch.to_string(),
            column => figures
                .iter()
                .find(|(name, _)| name == column)
                .map_or(String::new(), |(_, value)| value.to_string()),
        });
        *history += &cells.collect::<Vec<_>>().join(",");
        history.push('\n');
    }
}

fn headline(look: &Look, pipeline: &str) -> String {
    let count = |state: State| look.nodes.iter().filter(|node| node.state == state).count();
    let (done, all) = (count(State::Done), look.nodes.len());
    if look.done {
        return format!("all {all} nodes of {pipeline} are done");
    }
    let mut parts = vec![format!("{done} of {all} nodes done")];
    for state in [State::Running, State::Failed, State::Blocked] {
        let count = count(state);
        parts.extend((count > 0).then(|| format!("{count} {}", state.word())));
    }
    if look.idle {
        return format!("no run is working on {pipeline}: {}", parts.join(", "));
    }
    parts.join(", ")
}
