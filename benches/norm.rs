//! Elementwise work and normalisations: bytes that must be read and written at least, over time.
//!
//! `cargo bench --bench norm`; threads are those of `RAYON_NUM_THREADS`.

use candle_core::{Device, Tensor};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use retake::autograd::{Value, backward};
use retake::ops::{self, Activation, Scaling};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// A batch of feature maps: (samples, channels, side).
const MAPS: &[(usize, usize, usize)] = &[(32, 64, 32), (32, 256, 8), (32, 512, 4), (128, 64, 32)];

const ACTIVATION: Activation = Activation::LeakyRelu(0.2);

fn images((samples, channels, side): (usize, usize, usize)) -> Tensor {
    let count = samples * channels * side * side;
    let values: Vec<f32> = (0..count)
        .map(|k| (k * 7919 % 2048) as f32 / 512.0 - 2.0)
        .collect();
    Tensor::from_vec(values, (samples, channels, side, side), &Device::Cpu).expect("a tensor")
}

fn vectors(channels: usize) -> [Value; 2] {
    [1.0_f32, 0.5].map(|value| {
        let tensor = Tensor::full(value, channels, &Device::Cpu).expect("a tensor");
        Value::variable(tensor)
    })
}

/// Counts `passes` over the maps.
fn passes(x: &Tensor, passes: usize) -> BytesCount {
    BytesCount::new(x.elem_count() * size_of::<f32>() * passes)
}

#[divan::bench(args = MAPS)]
fn add(bencher: Bencher, maps: (usize, usize, usize)) {
    let x = Value::constant(images(maps));
    let bencher = bencher.counter(passes(x.tensor(), 3));
    bencher.bench_local(|| black_box(&x).add(&x));
}

#[divan::bench(args = MAPS)]
fn leaky_relu(bencher: Bencher, maps: (usize, usize, usize)) {
    let x = Value::constant(images(maps));
    let bencher = bencher.counter(passes(x.tensor(), 2));
    bencher.bench_local(|| ops::leaky_relu(black_box(&x), 0.2));
}

#[divan::bench(args = MAPS)]
fn tanh(bencher: Bencher, maps: (usize, usize, usize)) {
    let x = Value::constant(images(maps));
    let bencher = bencher.counter(passes(x.tensor(), 2));
    bencher.bench_local(|| ops::tanh(black_box(&x)));
}

#[divan::bench(args = MAPS)]
fn batch_norm_forward(bencher: Bencher, maps: (usize, usize, usize)) {
    let x = Value::constant(images(maps));
    let [gamma, beta] = vectors(maps.1).map(|vector| vector.detach());
    // x twice, y once
    let bencher = bencher.counter(passes(x.tensor(), 3));
    bencher.bench_local(|| ops::batch_norm_train(black_box(&x), &gamma, &beta, 1e-5, ACTIVATION));
}

/// What the benchmarks below spend on their loss.
#[divan::bench(args = MAPS)]
fn sum_and_back(bencher: Bencher, maps: (usize, usize, usize)) {
    and_back(bencher, maps, 2, |x| x.affine(1.0, 0.0));
}

#[divan::bench(args = MAPS)]
fn batch_norm_and_back(bencher: Bencher, maps: (usize, usize, usize)) {
    let [gamma, beta] = vectors(maps.1);
    // on the way back x, y and the gradient twice, the result once; the sum reads y and spreads its gradient
    and_back(bencher, maps, 3 + 7 + 2, |x| {
        Ok(ops::batch_norm_train(x, &gamma, &beta, 1e-5, ACTIVATION)?.0)
    });
}

#[divan::bench(args = MAPS)]
fn instance_norm_and_back(bencher: Bencher, maps: (usize, usize, usize)) {
    let [gamma, beta] = vectors(maps.1);
    and_back(bencher, maps, 3 + 7 + 2, |x| {
        let scaling = Some(Scaling {
            gamma: &gamma,
            beta: &beta,
        });
        ops::instance_norm(x, scaling, 1e-5, ACTIVATION)
    });
}

#[divan::bench(args = MAPS)]
fn layer_norm_and_back(bencher: Bencher, maps: (usize, usize, usize)) {
    let (_, channels, side) = maps;
    let [gamma, beta] = vectors(channels * side * side);
    and_back(bencher, maps, 3 + 7 + 2, |x| {
        let scaling = Some(Scaling {
            gamma: &gamma,
            beta: &beta,
        });
        let x = x.flatten_rows()?;
        ops::layer_norm(&x, channels * side * side, scaling, 1e-5, ACTIVATION)
    });
}

fn and_back(
    bencher: Bencher,
    maps: (usize, usize, usize),
    count: usize,
    function: impl Fn(&Value) -> candle_core::Result<Value>,
) {
    let x = Value::variable(images(maps));
    let bencher = bencher.counter(passes(x.tensor(), count));
    bencher.bench_local(|| {
        let loss = function(black_box(&x))?.sum_all()?;
        backward(loss, &[&x])
    });
}
