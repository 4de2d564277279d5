//! Input pipeline: images a second from a mapped pack to batches, and how long a trainer waits for them.
//!
//! `cargo bench --bench data` (`-- augmented` for a part of it).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rayon::{ThreadPool, ThreadPoolBuilder};
use retake::data::recipe::{AugmentStep, Hflip, Rotate};
use retake::data::rotate::Edge;
use retake::data::{
    Batch, Batches, Image, Label, LabelKind, Pack, PackSchema, PackWriter, Recipe, Source,
};
use retake::rng::Stream;
use tempfile::TempDir;

/// Images in a pack: more bytes than a core's own caches hold.
const IMAGES: usize = 1024;
/// Samples in a batch.
const BATCH: usize = 64;
const CLASSES: usize = 24;

fn main() {
    divan::main();
}

/// RGB images of `side` × `side` pixels, worked on by `threads`.
struct Case {
    side: usize,
    threads: usize,
}

const fn case(side: usize, threads: usize) -> Case {
    Case { side, threads }
}

const CASES: [Case; 6] = [
    case(32, 1),
    case(64, 1),
    case(128, 1),
    case(32, 2),
    case(64, 2),
    case(128, 2),
];

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side, threads } = self;
        write!(f, "{side}×{side}, {threads} threads")
    }
}

impl Case {
    fn pool(&self) -> ThreadPool {
        ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build()
            .expect("threads are to be had")
    }
}

/// Images of noise with multi-hot labels.
fn noise(folder: &TempDir, side: usize) -> Pack {
    let path: PathBuf = folder.path().join("noise.pack");
    let schema = PackSchema {
        channels: 3,
        labels: LabelKind::Multi,
        classes: (0..CLASSES).map(|class| class.to_string()).collect(),
    };
    let mut writer = PackWriter::create(&path, schema).expect("the pack can be written");
    for index in 0..IMAGES as u64 {
        let mut stream = Stream::new(0, "noise", index);
        let mut image = Image::filled(side, side, 3, 0);
        for bytes in image.pixels.chunks_exact_mut(8) {
            bytes.copy_from_slice(&stream.next_u64().to_le_bytes());
        }
        let label = Label::Multi(vec![(index % CLASSES as u64) as u32]);
        writer
            .push(&image.view(), &label, "")
            .expect("the image fits the pack");
    }
    writer.finish().expect("the pack can be written");
    Pack::open(&path).expect("the pack opens")
}

fn hflip() -> AugmentStep {
    AugmentStep::Hflip(Hflip { p: 0.5 })
}

fn rotate(edge: Edge) -> AugmentStep {
    AugmentStep::Rotate(Rotate {
        degrees: [-15.0, 15.0],
        edge,
    })
}

/// Every batch of an epoch, one at a time.
fn assemble(bencher: Bencher<'_, '_>, case: &Case, steps: Vec<AugmentStep>) {
    let folder = TempDir::new().expect("a folder is to be had");
    let source = Source {
        pack: noise(&folder, case.side),
        recipe: (!steps.is_empty()).then_some(Recipe(steps)),
    };
    let batches = Batches::new(Arc::new(source), 7, BATCH, true);
    let pool = case.pool();
    let mut next = (0..batches.per_epoch()).cycle();
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| next.next().unwrap_or_default())
        .bench_local_values(|index| -> Batch {
            pool.install(|| batches.batch(0, index))
                .expect("images are of one size")
        });
}

#[divan::bench(args = CASES)]
fn plain(bencher: Bencher<'_, '_>, case: &Case) {
    assemble(bencher, case, vec![]);
}

#[divan::bench(args = CASES)]
fn flipped(bencher: Bencher<'_, '_>, case: &Case) {
    assemble(bencher, case, vec![hflip()]);
}

#[divan::bench(args = CASES)]
fn rotated(bencher: Bencher<'_, '_>, case: &Case) {
    assemble(bencher, case, vec![rotate(Edge::Replicate)]);
}

#[divan::bench(args = CASES)]
fn flipped_and_rotated_on_grey(bencher: Bencher<'_, '_>, case: &Case) {
    assemble(bencher, case, vec![hflip(), rotate(Edge::Fill(128))]);
}

/// An epoch of 64 × 64 images, flipped and rotated, read by a trainer that keeps every core busy for so many
/// milliseconds a batch. What a batch takes beyond that is its share of the work and the trainer's wait.
#[divan::bench(args = [0, 2, 10], sample_count = 20)]
fn ahead_of_steps(bencher: Bencher<'_, '_>, milliseconds: u64) {
    let folder = TempDir::new().expect("a folder is to be had");
    let source = Source {
        pack: noise(&folder, 64),
        recipe: Some(Recipe(vec![hflip(), rotate(Edge::Replicate)])),
    };
    let batches = Batches::new(Arc::new(source), 7, BATCH, true);
    let step = Duration::from_millis(milliseconds);
    bencher.counter(ItemsCount::new(IMAGES)).bench_local(|| {
        for batch in batches.prefetch(0, 0) {
            let _ = black_box(batch);
            rayon::broadcast(|_| {
                let start = Instant::now();
                while start.elapsed() < step {
                    std::hint::spin_loop();
                }
            });
        }
    });
}

/// The order of an epoch.
#[divan::bench(args = [10_000, 1_000_000])]
fn order(bencher: Bencher<'_, '_>, images: usize) {
    bencher
        .counter(ItemsCount::new(images))
        .bench(|| Stream::new(7, "order", 0).permutation(black_box(images)));
}

/// A generator's noise for a batch, one stream a sample.
#[divan::bench(args = [100, 512])]
fn latent(bencher: Bencher<'_, '_>, length: usize) {
    let mut z = vec![0.0; BATCH * length];
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for (row, sample) in z.chunks_exact_mut(length).zip(0..) {
            Stream::new(7, "z", sample).fill_normal(row);
        }
        black_box(&mut z)[0]
    });
}
