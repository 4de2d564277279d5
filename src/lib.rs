//! retake runs experiments declared in YAML and never does the same work twice.
//!
//! This page is the map of the code. How to *use* the program stands in the README; why some things
//! are as they are, in `docs/adr/`.
//!
//! # Data flow
//!
//! ```text
//! pipeline.yaml ──spec::load──▶ PipelineSpec ──plan::expand──▶ Plan (nodes, edges)
//!                                                                │ run: for each node, inputs first
//!                            cached ◀── Store::record(key) ◀── Recipe::key()
//!                               │            │ none
//!                               │      Kind::recall(StageCtx, Memo)   all parts are there already
//!                               │            │ none
//!                               │      Kind::run(StageCtx) ──▶ Outcome ──Store::commit──▶ Record
//!                               ▼                                                          │
//!                    artifacts, scalar metrics ◀───────────────────────────────────────────┘
//!                               │ kind: report
//!                               ▼
//!                  tables (polars) ──▶ Markdown, SVG, PNG ──▶ published in the work tree
//! ```
//!
//! 1. [`spec`] reads text. Every value keeps the place where it was written, so that a fault found
//!    much later still points at a line and column.
//! 2. [`plan`] makes nodes: axes of the matrix are inherited and joined, `${names}` filled in, inputs
//!    resolved to nodes or files. All faults of all stages are reported at once, before anything runs.
//! 3. A node's [`Recipe`](plan::key::Recipe) holds everything that identifies its work, with inputs as
//!    *digests of content*. It is hashed to make the key and compared leaf by leaf to explain a change.
//! 4. [`run`] asks the [`store`] for a record of that key. Where there is none it hands the node to an
//!    [`Executor`](run::executor::Executor), which asks the node's [`Kind`](stage::Kind) to put the
//!    outcome together from *parts* that the store remembers (checkpoints of the trajectory, metrics of
//!    one checkpoint) or else to work, in a private directory. What comes back is committed: objects
//!    first, then the record that names them.
//!    Before all of this, [`run::unchanged`] looks whether anything that the last run looked at has changed at all.
//! 5. A key depends on what its inputs *are*, not on how they came to be. A stage that runs again and
//!    gives the same bytes therefore leaves everything below it cached.
//!
//! # Layers
//!
//! A module imports from rows above its own only; within a row, only what the notes say.
//! `tests/layers.rs` reads the source and holds it to this.
//!
//! | layer | holds | notes |
//! | --- | --- | --- |
//! | [`hash`] [`rng`] [`device`] [`suggest`] [`worktree`] | digests and canonical encoding; random streams; where tensors live; "did you mean"; files that planning reads | `worktree` uses `hash` |
//! | [`data`] `kernel` [`autograd`] [`ops`] [`model`] [`loss`] [`train`] [`extract`] [`metric`] [`report`] | packed images; loops over slices; the tape; differentiable operations; networks as data; losses; the training loop; features of images; scores; tables and figures | no YAML, no cache, no printing. `train` uses `data`, `model` and `loss`; `extract` uses `data` and `model`; `model` and `loss` use `ops`, which uses `autograd`; both use `kernel`; `report` uses `metric`. polars in `report` only |
//! | [`stage`] | the list of kinds, and the contract between a kind and whatever runs it | candle up to here; the network in `stage/download` only |
//! | [`spec`] | the pipeline language: text, positions, faults | saphyr in `spec/locate.rs` only |
//! | [`plan`], [`store`] | nodes and keys; objects, records, locks | neither knows the other |
//! | [`run`] | scheduling, events, reporters | |
//! | [`cli`] | one subcommand a file | clap only here |
//!
//! # Words
//!
//! | word | meaning |
//! | --- | --- |
//! | pipeline | a YAML file |
//! | stage | a named entry in it |
//! | kind | what a stage does: `dataset`, `train`, … ([`stage::StageConfig::KINDS`]) |
//! | axis | one dimension of a stage's `matrix` |
//! | node | a stage at one point of its matrix |
//! | artifact | one named output of a node |
//! | object | bytes in the store, named by their BLAKE3 digest |
//! | key | the digest that identifies a node's work |
//! | recipe | everything that enters a key, readable: what `explain` compares |
//! | record | key → artifacts, metrics, outcome |
//! | part | a piece of a node's work with a record of its own: a checkpoint, one metric of one checkpoint |
//! | lock file | `NAME.lock` beside a pipeline: what its nodes came to, committed to git |
//! | root | a record that gc keeps: a lock file or a pin holds its key |
//! | archive | results in one file, to be carried from store to store |
//! | trajectory | a training run, whatever its length |
//! | checkpoint | its state after an epoch |
//! | judge | a classifier trained in the pipeline, whose features and answers score a generator |
//! | guard | a process of ours that is the parent of a command, and ends with retake ([`stage::command::guard`]) |
//! | extractor | a network with weights of others, whose features are compared |
//! | protocol | how images are prepared for an extractor, after the program that does it so |
//! | device class | what about a machine changes floating-point results, as in `cpu-avx512` |
//!
//! # Reproducibility
//!
//! The same key on the same [device class](device::DeviceClass) gives the same bytes. Three rules carry
//! that: every random number comes from a [`Stream`](rng::Stream) named by seed, purpose and index of
//! the sample; work is divided among threads by the geometry of the tensors and never by the number
//! of threads; and transcendental functions are computed by code of this crate or of `libm`, not by the
//! platform's C library.
//!
//! # Training
//!
//! candle's tensors are storage; what learns is ours. A [`Value`](autograd::Value) is a tensor on a tape, an
//! operation in [`ops`] a kernel with a way back that is itself made of operations, so a gradient penalty is as
//! ordinary as a loss. [`autograd::backward`] consumes the tape and frees memory as it goes; an optimiser in
//! [`train`] changes the parameters' tensors in place.
//!
//! A [`Task`](train::Task) says what is learnt: [`Gan`](train::Gan), whose step is one of the discriminator and, where its
//! schedule says so, one of the generator; [`Vae`](train::Vae); [`Classifier`](train::Classifier). What a run depends on
//! beside its networks is in the [`Learner`](train::Learner)'s counters: rates, schedules and random streams are functions
//! of them, an average of weights is one more network of the model.
//!
//! # Measuring
//!
//! Images (drawn by a generator, or real) are seen by an [`Extractor`](extract::Extractor): a judge at the size it was
//! trained on, or a network of others after the resampling that a [`Protocol`](extract::Protocol) prescribes. What it
//! sees is a function of the image alone: batches have one shape, whatever is in them. Features are kept only where a
//! metric needs them one by one; a Fréchet distance takes their mean and covariance, streamed in an order that neither
//! batches nor threads change. What is known of the reference is a part of its own in the store, shared by every run and
//! metric.
//!
//! # Reports
//!
//! What a report is made of is plain data, a [`Material`](stage::report::Material): nodes upstream, the files of its
//! inputs, settings. [`stage::report::compose`] makes a [`Document`](report::document::Document) of it, with the figures
//! beside it and the [`Quotes`](report::quote::Quotes) that prose may name; [`report::markdown`] and [`report::page`] write
//! that down. The stage, `report --check`, `report --html` and `watch` all go this way, in a run or beside one. A check
//! is a comparison of what comes out with what lies in the work tree ([`report::check`]).
//!
//! # Where to add things
//!
//! Each is one file and one line in a list; the compiler names every `match` that is then incomplete.
//!
//! | to add | write | and list it in |
//! | --- | --- | --- |
//! | a network | YAML in the pipeline, or `file:` beside it | nowhere; as a preset: `pipelines/models/`, and `presets!` in `src/model/preset.rs` |
//! | a kind of stage | its configuration with `impl Kind` in `src/stage/` | `kinds!` in [`stage`] |
//! | a layer | its shapes and its forward pass in `src/model/layers/` | `layers!` there |
//! | a format of weights | a reader of its tensors in `src/model/weights/` | `read` in its `mod.rs` |
//! | an operation | kernel (with what `src/kernel/` has for loops), derivative and reference in `src/ops/` | [`ops`] |
//! | a loss | `src/loss/` | [`loss`], and its name in [`stage::train::LossName`] |
//! | a penalty on a discriminator | what it holds against slopes in `src/loss/penalty.rs`, where it takes them in `src/train/gan/penalty.rs` | its settings in `src/stage/train/penalty.rs` |
//! | an optimiser | its rule in `src/train/optimiser/` | [`train::OptimiserSpec`], and its name and constants in [`stage::train::OptimiserName`] |
//! | a metric | features → statistics → score in `src/metric/` | [`metric::Metric`], which says what it needs; its value in `src/stage/measure/value.rs` |
//! | an extractor | a YAML file, anywhere; to come with retake: in `pipelines/extractors/`, its layers in `pipelines/models/` | the presets of [`extract::spec`] |
//! | a protocol | how it resamples in `src/extract/resample.rs` | [`extract::Protocol`] |
//! | a dataset format | a reader in `src/data/` (of image files: a list for `files.rs`), a card in `datasets/` | [`stage::dataset::DatasetName`]; the card in `src/data/card.rs` |
//! | a chart | its marks in `src/report/plot/`; of several runs: which are one line in `src/report/overlay/` | [`stage::report`]'s `figures.rs` |
//! | a way to show samples | its sheet in `src/stage/sample/` | its [`Mode`](stage::sample::Mode) |
//! | a random step | its settings and what it does to an image in `src/data/` | [`data::recipe::AugmentStep`] |
//! | something that a report shows | its data in [`report::document`], who fills it in `src/stage/report/`, its place in both templates, `src/report/template.md.j2` and `src/report/page/page.html.j2` | nowhere |
//! | something that prose may quote | a function in [`report::quote`] | `add_functions` there |
//! | a subcommand | `src/cli/` | [`cli`] |
//!
//! Change what a kind computes, and its [`VERSION`](stage::Kind::VERSION) goes up by one: that is in
//! the key, and everything made by the old code is then made again. `tests/fingerprints` holds every kind to it.

pub mod autograd;
pub mod cli;
pub mod data;
pub mod device;
pub mod extract;
pub mod hash;
mod kernel;
pub mod loss;
pub mod metric;
pub mod model;
pub mod ops;
pub mod plan;
pub mod report;
pub mod rng;
pub mod run;
pub mod spec;
pub mod stage;
pub mod store;
pub mod suggest;
pub mod train;
pub mod worktree;
