//! Times training steps, and features of images: the counterpart of `benches/pytorch/train.py`, with the same flags and output.
//!
//! One JSON object a round on standard output; what its fields mean is told there. `benches/compare.py` runs
//! both and makes the table.
//!
//! ```text
//! cargo bench --bench train -- dcgan-64 --batch 32 --threads 2
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};
use clap::{Parser, ValueEnum};
use retake::data::Batch;
use retake::device::{self, DeviceRequest};
use retake::loss::{ClassifierLoss, GanLoss, Steepness};
use retake::model::{Dims, Init, Inputs, Mode, ModelHeader, ModelRef, Network, SavedModel};
use retake::rng::Stream;
use retake::train::{
    Adam, Classifier, CriticSteps, Gan, Learner, OptimiserSpec, Penalty, Points, Step, Task,
    Training, run_step,
};
use retake::worktree::WorkTree;
use serde_json::json;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Fallible<T = ()> = Result<T, Box<dyn Error>>;

#[derive(Parser)]
struct Options {
    workload: Workload,
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// as many as the machine has
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    threads: usize,
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// steps a round
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// steps before the first round
    #[arg(long, default_value_t = 2)]
    warm_up: usize,
    /// cpu, cuda, cuda:1
    #[arg(long, default_value = "cpu")]
    device: DeviceRequest,
    /// what `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Workload {
    /// one step of each network
    #[value(name = "dcgan-64")]
    Dcgan64,
    /// one step of the critic, with gradient penalty
    #[value(name = "wgan-gp-64")]
    WganGp64,
    /// one step of the classifier that judges, on 32×32 images
    Resnet,
    /// features of images by `InceptionV3`, 299×299
    #[value(name = "inception-v3")]
    InceptionV3,
    /// a product of two matrices of 2048×2048 by the `gemm` crate: what the machine can do
    Gemm,
}

/// One step of a workload.
type Run = Box<dyn FnMut() -> Fallible>;

impl Workload {
    fn prepare(self, batch: usize, device: &Device) -> Fallible<Run> {
        match self {
            Self::Dcgan64 => {
                let task = Gan::new(GanLoss::Bce, SEED);
                let model = ModelRef::Preset("dcgan-64".to_owned());
                let rates = [("generator", 2e-4), ("discriminator", 2e-4)];
                let learner = learner(model, 64, Init::Dcgan, &rates, (0.5, 0.999), device)?;
                Ok(steps(task, learner, images(batch, 64)))
            }
            Self::WganGp64 => {
                let task = Gan {
                    penalties: vec![Penalty {
                        steepness: Steepness::TwoSided,
                        points: Points::Between,
                        weight: 10.0,
                        every: 1,
                        column: "gradient_penalty",
                    }],
                    critic_steps: CriticSteps {
                        steps: u64::MAX,
                        warm_up: None,
                    },
                    ..Gan::new(GanLoss::Wasserstein, SEED)
                };
                let model = ModelRef::Preset("wgan-gp-64".to_owned());
                let rates = [("discriminator", 1e-4)];
                let learner = learner(model, 64, Init::Pytorch, &rates, (0.0, 0.9), device)?;
                Ok(steps(task, learner, images(batch, 64)))
            }
            Self::Resnet => {
                let task = Classifier {
                    loss: ClassifierLoss::CrossEntropy,
                    seed: SEED,
                    validation: None,
                    batch_size: batch,
                };
                let model = ModelRef::Preset("resnet-18-small".to_owned());
                let rates = [("classifier", 1e-3)];
                let learner = learner(model, 32, Init::Pytorch, &rates, (0.9, 0.999), device)?;
                Ok(steps(task, learner, images(batch, 32)))
            }
            Self::InceptionV3 => {
                let model = ModelRef::Preset("inception-v3".to_owned());
                let learner = learner(model, 299, Init::He, &[], (0.9, 0.999), device)?;
                let network = learner.model.networks["inception"].folded()?;
                let images = noise(batch * 3 * 299 * 299);
                let images = Tensor::from_vec(images, (batch, 3, 299, 299), device)?;
                let inputs = Inputs::new().with("image", images);
                Ok(Box::new(move || {
                    let (_, taps) = network.forward_with_taps(&inputs, Mode::Eval)?;
                    taps["2048"].tensor().to_vec2::<f32>()?;
                    Ok(())
                }))
            }
            Self::Gemm => {
                let matrix = Tensor::from_vec(noise(2048 * 2048), (2048, 2048), device)?;
                Ok(Box::new(move || {
                    matrix.matmul(&matrix)?;
                    Ok(())
                }))
            }
        }
    }
}

const SEED: u64 = 0;
const CLASSES: usize = 10;

/// Numbers in [-1, 1).
fn noise(count: usize) -> Vec<f32> {
    let mut stream = Stream::new(SEED, "bench", 0);
    let numbers = (0..count).map(|_| stream.uniform(-1.0, 1.0) as f32);
    numbers.collect()
}

/// Synthetic images of every class in turn.
fn images(samples: usize, size: usize) -> Batch {
    let classes: Vec<u32> = (0..samples as u32).map(|k| k % CLASSES as u32).collect();
    let mut labels = vec![0.0; samples * CLASSES];
    for (row, &class) in labels.chunks_exact_mut(CLASSES).zip(&classes) {
        row[class as usize] = 1.0;
    }
    Batch {
        images: noise(samples * 3 * size * size),
        shape: (samples, 3, size, size),
        labels,
        classes,
        indices: (0..samples as u32).collect(),
    }
}

/// `model` for RGB images, ready to train with Adam.
fn learner(
    mut model: ModelRef,
    size: usize,
    init: Init,
    rates: &[(&str, f64)],
    betas: (f64, f64),
    device: &Device,
) -> Fallible<Learner> {
    let dims = Dims {
        latent: 100,
        classes: CLASSES,
        channels: 3,
        height: size,
        width: size,
    };
    model.resolve(&WorkTree::new(Path::new(env!("CARGO_MANIFEST_DIR"))))?;
    let spec = model.spec().ok_or("a model without networks")?.clone();
    let mut networks = indexmap::IndexMap::new();
    for (name, network) in &spec.networks {
        let network = Network::new(name, network, &dims, init, SEED, device)?;
        networks.insert(name.clone(), network);
    }
    let header = ModelHeader {
        task: "bench".to_owned(),
        dims,
        classes: Vec::new(),
        multi_label: false,
        spec,
    };
    let adam = OptimiserSpec::Adam(Adam {
        betas,
        ..Adam::default()
    });
    let training: BTreeMap<_, _> = rates
        .iter()
        .map(|&(n, rate)| (n.to_owned(), Training::new(adam, rate)))
        .collect();
    let model = SavedModel { header, networks };
    Ok(Learner::new(model, training, device)?)
}

/// Training on the same batch over and over.
fn steps(task: impl Task + 'static, mut learner: Learner, batch: Batch) -> Run {
    Box::new(move || {
        let done = run_step(&task, &mut learner, &batch)?;
        learner.steps += 1;
        learner.samples += batch.indices.len() as u64;
        match done {
            Step::Done(_) => Ok(()),
            Step::Diverged { term } => Err(format!("{term} diverged").into()),
        }
    })
}

fn main() -> Fallible {
    let options = Options::parse();
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build_global()?;
    let device = device::open(options.device)?;
    let idle_mb = peak_mb();
    let mut run = options.workload.prepare(options.batch, &device.device)?;
    for _ in 0..options.warm_up {
        run()?;
    }
    for _ in 0..options.rounds {
        let cpu = cpu_seconds();
        let mut seconds = Vec::with_capacity(options.steps);
        for _ in 0..options.steps {
            let start = Instant::now();
            run()?;
            device.device.synchronize()?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        let cpu = cpu_seconds().zip(cpu).map(|(after, before)| after - before);
        let median = median(seconds);
        let name = options.workload.to_possible_value();
        let line = json!({
            "side": "retake",
            "version": env!("CARGO_PKG_VERSION"),
            "workload": name.as_ref().map(clap::builder::PossibleValue::get_name),
            "batch": options.batch,
            "threads": rayon::current_num_threads(),
            "device": device.class,
            "seconds_per_step": median,
            "images_per_second": options.batch as f64 / median,
            "cpu_per_step": cpu.map(|cpu| cpu / options.steps as f64),
            "peak_mb": peak_mb(),
            "idle_mb": idle_mb,
        });
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// The largest resident set so far; `None` where there is no /proc.
fn peak_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// Processor time of all threads so far; `None` where there is no /proc.
fn cpu_seconds() -> Option<f64> {
    /// Linux tells it in hundredths of a second, whatever the clock of the kernel.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in brackets, may hold anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / TICKS_A_SECOND)
}
