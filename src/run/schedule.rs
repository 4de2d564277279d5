//! The scheduler: settles what is cached, runs what is ready, in dependency order, as many at once as fit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::event::Event;
use super::executor::{Done, Executor, Failure, Job, News};
use super::expected::Expected;
use super::finish::{Finisher, Placed};
use super::queue::{Queue, Waiting};
use super::reasons::Reasons;
use super::resolve::{Hit, Keyed, ResolveError, Session, Settled};
use super::slots::Pool;
use super::text;
use super::workers::Workers;
use crate::hash::Digest;
use crate::plan::Source;
use crate::stage::{Slots, StageError};

/// How to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// slots of the machine
    pub slots: Slots,
    /// go on with what does not depend on a failed node
    pub keep_going: bool,
    /// nodes to run whether cached or not
    pub force: HashSet<usize>,
    /// nothing may differ from the lock file
    pub locked: bool,
    /// the pipeline is of no file that a lock file could stand beside
    pub without_lock: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// nodes that ran
    pub ran: usize,
    /// nodes taken from the store
    pub cached: usize,
    /// nodes that failed or could not run
    pub failed: usize,
    /// nodes that the lock file does not know as they are (`--locked`)
    pub unlocked: Vec<String>,
    /// results that could not be written to where the user wants them: published files, the lock file
    pub unwritten: usize,
    /// damaged bytes that a node could not run or be published for, a line each
    pub damaged: BTreeSet<String>,
    /// whether the user stopped it
    pub interrupted: bool,
    /// the results, by node
    pub settled: Vec<Option<Settled>>,
}

/// What a worker tells the scheduler.
enum Message {
    News(usize, News),
    Ended(usize, Result<Done, Box<Failure>>),
}

/// Runs `targets` and what they need. Where an input's bytes turn out to be damaged, what made them runs
/// again too.
pub fn run(
    session: &Session<'_>,
    targets: &[usize],
    options: &Options,
    executor: &dyn Executor,
    cancel: &AtomicBool,
    emit: &mut dyn FnMut(Event),
) -> Summary {
    let begun = Instant::now();
    let _relying = session.store.rely();
    let order = session.plan.upstream(targets);
    for &id in &order {
        let name = session.plan.nodes[id].name.clone();
        emit(Event::Planned {
            stage: name.stage,
            axes: name.axes,
        });
    }
    let mut summary = Summary::default();
    let mut known = BTreeSet::new();
    loop {
        let before = summary.ran;
        summary = run_once(session, &order, options, executor, cancel, emit);
        summary.ran += before;
        if summary.damaged.is_empty() {
            break;
        }
        // Each round takes what is damaged out of the way, and what that was made from may be damaged too; where bytes
        // go bad again and again, there is no end to it.
        if summary.damaged.is_subset(&known) {
            summary.failed += summary.damaged.len();
            break;
        }
        known.append(&mut summary.damaged);
    }
    summary.interrupted = cancel.load(Ordering::Relaxed);
    let settled = summary.settled.iter().flatten().count();
    emit(Event::Done {
        ran: summary.ran,
        cached: summary.cached,
        failed: summary.failed,
        left: order.len().saturating_sub(settled + summary.failed),
        seconds: begun.elapsed().as_secs_f64(),
    });
    summary
}

fn run_once(
    session: &Session<'_>,
    order: &[usize],
    options: &Options,
    executor: &dyn Executor,
    cancel: &AtomicBool,
    emit: &mut dyn FnMut(Event),
) -> Summary {
    let (sender, receiver) = channel();
    let workers = Workers::new();
    let mut scheduler = Scheduler::new(session, order, options, emit);
    std::thread::scope(|threads| {
        let _closing = workers.closing();
        scheduler.settle_sources();
        loop {
            scheduler.dispatch(cancel, |job| {
                let sender = sender.clone();
                workers.start(threads, job, move |job: Job| {
                    work(executor, &job, cancel, &sender);
                });
            });
            if scheduler.running.is_empty() {
                break;
            }
            scheduler.listen(&receiver);
        }
    });
    scheduler.give_up_the_rest();
    let Scheduler {
        mut summary,
        settled,
        ..
    } = scheduler;
    summary.settled = settled;
    summary
}

fn work(executor: &dyn Executor, job: &Job, cancel: &AtomicBool, sender: &Sender<Message>) {
    let id = job.id;
    let tell = |news| {
        // The receiver lives as long as the scope that this thread is in.
        let _ = sender.send(Message::News(id, news));
    };
    let execute = || executor.execute(job, &tell, cancel);
    let result = catch_unwind(AssertUnwindSafe(execute)).unwrap_or_else(|_| {
        Err(Box::new(Failure {
            error: StageError::Failed("internal error: a panic outside the stage".to_owned()),
            log: PathBuf::new(),
            tail: Vec::new(),
        }))
    });
    let _ = sender.send(Message::Ended(id, result));
}

/// A node at work.
struct Running {
    trajectory: Digest,
    /// what it occupies; nothing any more while its result is written
    slots: Option<Slots>,
    keyed: Keyed,
}

/// So many results may be on their way to the disk at once.
const WRITING: usize = 8;

struct Scheduler<'a> {
    session: &'a Session<'a>,
    options: &'a Options,
    emit: &'a mut dyn FnMut(Event),
    reasons: Reasons<'a>,
    finisher: Finisher<'a>,
    pool: Pool,
    /// nodes of this run that wait for inputs → how many inputs are not settled yet
    waiting: HashMap<usize, usize>,
    /// node → nodes of this run that take input from it
    dependents: HashMap<usize, Vec<usize>>,
    expected: Expected<'a>,
    /// nodes whose inputs are settled and whose result is not in the store
    ready: HashMap<usize, Keyed>,
    /// the same, in the order in which they are to start
    queue: Queue,
    running: HashMap<usize, Running>,
    settled: Vec<Option<Settled>>,
    /// stage and warning
    warned: HashSet<(String, String)>,
    failed: bool,
    summary: Summary,
}

impl<'a> Scheduler<'a> {
    fn new(
        session: &'a Session<'a>,
        order: &[usize],
        options: &'a Options,
        emit: &'a mut dyn FnMut(Event),
    ) -> Self {
        let mut waiting = HashMap::new();
        let mut dependents: HashMap<usize, Vec<usize>> = HashMap::new();
        for &id in order {
            let inputs = inputs_of(session, id);
            for &input in &inputs {
                dependents.entry(input).or_default().push(id);
            }
            waiting.insert(id, inputs.len());
        }
        let reasons = Reasons::new(session);
        Self {
            session,
            options,
            emit,
            expected: Expected::new(session, Rc::clone(&reasons.last)),
            reasons,
            finisher: Finisher::new(session),
            pool: Pool::new(options.slots),
            waiting,
            dependents,
            ready: HashMap::new(),
            queue: Queue::default(),
            running: HashMap::new(),
            settled: vec![None; session.plan.nodes.len()],
            warned: HashSet::new(),
            failed: false,
            summary: Summary::default(),
        }
    }

    /// Resolves the nodes that wait for nothing, and with them whatever is cached below them.
    fn settle_sources(&mut self) {
        let sources = self
            .waiting
            .iter()
            .filter(|(_, inputs)| **inputs == 0)
            .map(|(id, _)| *id);
        let mut open: BTreeSet<usize> = sources.collect();
        while let Some(id) = open.pop_first() {
            open.extend(self.resolve(id));
        }
    }

    /// Resolves a node whose inputs are settled; gives the nodes that are free to be resolved next.
    fn resolve(&mut self, id: usize) -> Vec<usize> {
        self.waiting.remove(&id);
        let keyed = match self.session.key(id, &self.settled) {
            Ok(keyed) => keyed,
            Err(error) => {
                self.fail_unresolved(id, &error);
                return Vec::new();
            }
        };
        let forced = self.options.force.contains(&id);
        self.session.store.rely_on(&keyed.key);
        let mut hit = self.session.look_up(id, &keyed).filter(|_| !forced);
        if let Some(key) = borrowed_key(hit.as_ref()) {
            self.session.store.rely_on(&key);
            hit = self.session.look_up(id, &keyed);
        }
        let key = hit.as_ref().map_or(keyed.key, |hit| hit.record.key);
        if self.options.locked && !self.finisher.is_locked(id, &key) {
            self.refuse(id);
            return Vec::new();
        }
        let Some(hit) = hit else {
            self.make_ready(id, keyed);
            return Vec::new();
        };
        self.settle_cached(id, keyed, hit)
    }

    /// Notes that a node is not as the lock file has it; nothing that depends on it is looked at.
    fn refuse(&mut self, id: usize) {
        let name = &self.session.plan.nodes[id].name;
        self.summary.unlocked.push(name.to_string());
    }

    fn settle_cached(&mut self, id: usize, keyed: Keyed, hit: Hit) -> Vec<usize> {
        let name = self.session.plan.nodes[id].name.clone();
        self.summary.cached += 1;
        (self.emit)(Event::Cached {
            stage: name.stage,
            axes: name.axes,
            key: hit.record.key,
            status: hit.record.status.clone(),
            device: hit.borrowed,
            assembled: false,
        });
        self.settle(
            id,
            Settled {
                keyed,
                record: hit.record,
            },
        )
    }

    /// Notes a result; gives the nodes that wait for nothing else.
    fn settle(&mut self, id: usize, settled: Settled) -> Vec<usize> {
        if self.options.locked && !self.finisher.is_as_locked(id, &settled.record) {
            self.refuse(id);
            return Vec::new();
        }
        match self.finisher.publish(id, &settled, &mut *self.emit) {
            Placed::Well => {}
            Placed::Damaged(what) => {
                self.summary.damaged.insert(what);
            }
            Placed::Badly => self.summary.unwritten += 1,
        }
        self.settled[id] = Some(settled);
        let mut free = Vec::new();
        for dependent in self.dependents.get(&id).cloned().unwrap_or_default() {
            if let Some(inputs) = self.waiting.get_mut(&dependent) {
                *inputs -= 1;
                if *inputs == 0 {
                    free.push(dependent);
                }
            }
        }
        free
    }

    fn make_ready(&mut self, id: usize, keyed: Keyed) {
        let node = &self.session.plan.nodes[id];
        self.queue.add(Waiting {
            id,
            trajectory: keyed.trajectory,
            reach: node.config.reach(),
            expected: self.expected.rank(id),
            slots: node.slots,
        });
        self.ready.insert(id, keyed);
    }

    /// Starts ready nodes while slots last.
    fn dispatch(&mut self, cancel: &AtomicBool, mut start: impl FnMut(Job)) {
        if self.options.locked && !self.summary.unlocked.is_empty() {
            return;
        }
        while !(cancel.load(Ordering::Relaxed) || (self.failed && !self.options.keep_going))
            && self.running.len() < self.options.slots.cpu + WRITING
        {
            let Some((id, slots)) = self.queue.next(&mut self.pool) else {
                return;
            };
            let Some(keyed) = self.ready.remove(&id) else {
                continue;
            };
            let trajectory = keyed.trajectory;
            match self.job(id, &keyed) {
                Ok(job) => {
                    let running = Running {
                        trajectory,
                        slots: Some(slots),
                        keyed,
                    };
                    self.running.insert(id, running);
                    self.session.store.settle_in();
                    start(job);
                }
                Err(error) => {
                    self.pool.give_back(slots);
                    self.queue.ended(&trajectory);
                    self.fail_unresolved(id, &error);
                }
            }
        }
    }

    fn job(&self, id: usize, keyed: &Keyed) -> Result<Job, ResolveError> {
        let plan = self.session.plan;
        let node = &plan.nodes[id];
        let as_folder = node
            .inputs
            .iter()
            .filter_map(|(name, source)| match source {
                Source::Nodes {
                    as_folder: true, ..
                } => Some(name.clone()),
                _ => None,
            });
        Ok(Job {
            id,
            node: node.name.clone(),
            pipeline: plan.name.clone(),
            project: plan.root.clone(),
            limits: node.limits,
            config: node.config.clone(),
            seed: node.seed,
            keyed: keyed.clone(),
            as_folder: as_folder.collect(),
            compute: self.session.devices.get(node.device)?,
            command: text::command(plan),
            fresh: self.options.force.contains(&id),
        })
    }

    /// Takes what workers have to say; waits until one has.
    fn listen(&mut self, receiver: &Receiver<Message>) {
        let Ok(first) = receiver.recv() else {
            // Impossible while a worker runs; leaving the loop is the only sane answer.
            self.running.clear();
            return;
        };
        for message in std::iter::once(first).chain(receiver.try_iter()) {
            match message {
                Message::News(id, news) => self.pass_on(id, news),
                Message::Ended(id, result) => self.ended(id, result),
            }
        }
    }

    /// Passes on what a running job tells.
    fn pass_on(&mut self, id: usize, news: News) {
        if matches!(news, News::Begins) {
            self.warn(id);
        }
        let Some(running) = self.running.get_mut(&id) else {
            return;
        };
        if matches!(news, News::Worked) {
            if let Some(slots) = running.slots.take() {
                self.pool.give_back(slots);
            }
            return;
        }
        let name = self.session.plan.nodes[id].name.clone();
        let event = match news {
            News::Worked => return,
            News::Waits(owner) => Event::Note {
                message: format!("{name}: waiting for {owner}, which is at the same work"),
            },
            News::Begins => {
                let forced = self.options.force.contains(&id);
                Event::Started {
                    stage: name.stage,
                    axes: name.axes,
                    reason: self.reasons.of(id, &running.keyed, forced),
                }
            }
            News::Retries(retry) => Event::Note {
                message: format!(
                    "{name}: {}; attempt {} of {} in {}",
                    retry.cause, retry.next, retry.of, retry.wait
                ),
            },
            News::Progress(progress) => Event::Progress {
                stage: name.stage,
                axes: name.axes,
                progress,
            },
        };
        (self.emit)(event);
    }

    /// Tells what a node's settings make one wonder about; the same of a stage once.
    fn warn(&mut self, id: usize) {
        let node = &self.session.plan.nodes[id];
        for warning in node.config.warnings() {
            if self
                .warned
                .insert((node.name.stage.clone(), warning.clone()))
            {
                (self.emit)(Event::Note {
                    message: format!("{}: {warning}", node.name),
                });
            }
        }
    }

    fn ended(&mut self, id: usize, result: Result<Done, Box<Failure>>) {
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        if let Some(slots) = running.slots {
            self.pool.give_back(slots);
        }
        self.queue.ended(&running.trajectory);
        let name = self.session.plan.nodes[id].name.clone();
        match result {
            Ok(done) => {
                if done.worked {
                    self.summary.ran += 1;
                } else {
                    self.summary.cached += 1;
                }
                let record = done.record;
                let (key, status) = (record.key, record.status.clone());
                let settled = Settled {
                    keyed: running.keyed,
                    record,
                };
                let path = self.finisher.published_at(id, &settled.record);
                let mut open: BTreeSet<usize> = self.settle(id, settled).into_iter().collect();
                let (stage, axes) = (name.stage, name.axes);
                (self.emit)(if done.worked {
                    let seconds = done.seconds;
                    Event::Finished {
                        stage,
                        axes,
                        key,
                        status,
                        seconds,
                        path,
                    }
                } else {
                    Event::Cached {
                        stage,
                        axes,
                        key,
                        status,
                        device: None,
                        assembled: true,
                    }
                });
                while let Some(next) = open.pop_first() {
                    open.extend(self.resolve(next));
                }
            }
            Err(failure) => self.not_done(id, &failure),
        }
    }

    fn not_done(&mut self, id: usize, failure: &Failure) {
        match &failure.error {
            StageError::Cancelled => {}
            StageError::Damaged(message) => {
                // The store no longer counts those bytes as there, so the next round makes them again.
                self.summary.damaged.insert(message.clone());
                (self.emit)(Event::Note {
                    message: message.clone(),
                });
            }
            error => self.fail(id, &error.to_string(), Some(failure)),
        }
    }

    fn fail_unresolved(&mut self, id: usize, error: &ResolveError) {
        self.fail(id, &error.to_string(), None);
    }

    fn fail(&mut self, id: usize, cause: &str, failure: Option<&Failure>) {
        self.failed = true;
        self.summary.failed += 1;
        let name = self.session.plan.nodes[id].name.clone();
        // A pipeline of no file is run by whatever command made it.
        let rerun = if self.options.without_lock {
            String::new()
        } else {
            text::rerun(self.session.plan, &name.to_string())
        };
        (self.emit)(Event::Failed {
            stage: name.stage,
            axes: name.axes,
            cause: cause.to_owned(),
            log: failure.map(|f| f.log.clone()),
            tail: failure.map(|f| f.tail.clone()).unwrap_or_default(),
            rerun,
        });
    }

    /// Counts what could not run because something it needs failed.
    fn give_up_the_rest(&mut self) {
        if self.failed {
            self.summary.failed += self.waiting.len() + self.ready.len();
        }
        // What `--locked` compares with, it does not change.
        let keep_lock = self.options.locked || self.options.without_lock;
        let written = self
            .finisher
            .write(&self.settled, keep_lock, &mut *self.emit);
        self.summary.unwritten += usize::from(!written);
    }
}

/// The key of a record that stands in for a node's own.
fn borrowed_key(hit: Option<&Hit>) -> Option<Digest> {
    let hit = hit.filter(|hit| hit.borrowed.is_some())?;
    Some(hit.record.key)
}

/// The nodes that `id` takes inputs from, each once.
fn inputs_of(session: &Session<'_>, id: usize) -> BTreeSet<usize> {
    let sources = session.plan.nodes[id].inputs.values();
    let nodes = sources.filter_map(|source| match source {
        Source::Nodes { nodes, .. } => Some(nodes.iter().copied()),
        Source::Files { .. } => None,
    });
    nodes.flatten().collect()
}
