//! The three convolutions over layers of GANs and classifiers, and products of matrices: items are
//! floating-point operations, so a row's rate is in FLOP/s.
//!
//! `cargo bench --bench ops` (`-- forward` for a part of it; `RAYON_NUM_THREADS=1` for one core).

use std::fmt;

use candle_core::{DType, Device, Tensor};
use divan::Bencher;
use divan::counter::ItemsCount;
use retake::autograd::{Value, backward};
use retake::ops::{self, Conv, Padding};

/// Working memory is kept as the program keeps it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// A square layer: (batch, channels, side) to so many channels.
struct Layer {
    batch: usize,
    channels: usize,
    side: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

const fn layer(
    (batch, channels, side): (usize, usize, usize),
    outputs: usize,
    (kernel, stride, padding): (usize, usize, usize),
) -> Layer {
    Layer {
        batch,
        channels,
        side,
        outputs,
        kernel,
        stride,
        padding,
    }
}

const LAYERS: [Layer; 12] = [
    // DCGAN at 64 pixels; its generator's layers are these, transposed
    layer((32, 3, 64), 64, (4, 2, 1)),
    layer((32, 64, 32), 128, (4, 2, 1)),
    layer((32, 128, 16), 256, (4, 2, 1)),
    layer((32, 256, 8), 512, (4, 2, 1)),
    layer((128, 3, 64), 64, (4, 2, 1)),
    layer((128, 128, 16), 256, (4, 2, 1)),
    // residual networks
    layer((32, 64, 32), 64, (3, 1, 1)),
    layer((32, 128, 16), 128, (3, 1, 1)),
    layer((32, 256, 8), 256, (3, 1, 1)),
    layer((32, 512, 4), 512, (3, 1, 1)),
    layer((32, 64, 32), 128, (1, 2, 0)),
    layer((1, 256, 8), 256, (3, 1, 1)),
];

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            batch,
            channels,
            side,
            outputs,
            kernel,
            stride,
            ..
        } = self;
        write!(
            f,
            "{batch}×{channels}×{side}² → {outputs}, {kernel}² / {stride}"
        )
    }
}

fn numbers(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>() as f64;
    Tensor::arange(0.0, count, &Device::Cpu)
        .and_then(|x| (x * 0.37)?.sin()?.to_dtype(DType::F32)?.reshape(shape))
        .expect("a tensor")
}

impl Layer {
    fn conv(&self) -> Conv {
        Conv {
            stride: (self.stride, self.stride),
            padding: Padding::symmetric(self.padding, self.padding),
            groups: 1,
        }
    }

    fn map_side(&self) -> usize {
        (self.side + 2 * self.padding - self.kernel) / self.stride + 1
    }

    fn image(&self) -> Tensor {
        numbers(&[self.batch, self.channels, self.side, self.side])
    }

    fn weight(&self) -> Tensor {
        numbers(&[self.outputs, self.channels, self.kernel, self.kernel])
    }

    fn map(&self) -> Tensor {
        let side = self.map_side();
        numbers(&[self.batch, self.outputs, side, side])
    }

    fn operations(&self) -> ItemsCount {
        let window = self.channels * self.kernel * self.kernel;
        let pixels = self.map_side() * self.map_side();
        ItemsCount::new(2 * self.batch * self.outputs * window * pixels)
    }
}

#[divan::bench(args = &LAYERS)]
fn forward(bencher: Bencher, layer: &Layer) {
    let (x, w) = (layer.image().into(), layer.weight().into());
    bencher
        .counter(layer.operations())
        .bench_local(|| ops::conv2d(&x, &w, None, &layer.conv()).expect("a convolution"));
}

/// The data gradient is transposed convolution.
#[divan::bench(args = &LAYERS)]
fn data_gradient(bencher: Bencher, layer: &Layer) {
    let (map, w) = (layer.map().into(), layer.weight().into());
    let conv = layer.conv();
    let smallest = (layer.map_side() - 1) * layer.stride + layer.kernel - 2 * layer.padding;
    let extra = layer.side - smallest;
    bencher.counter(layer.operations()).bench_local(|| {
        ops::conv_transpose2d(&map, &w, None, &conv, (extra, extra)).expect("a convolution")
    });
}

/// With the product that turns the map into a scalar to be differentiated.
#[divan::bench(args = &LAYERS)]
fn weight_gradient(bencher: Bencher, layer: &Layer) {
    let (x, map): (Value, Value) = (layer.image().into(), layer.map().into());
    let w = Value::variable(layer.weight());
    bencher
        .counter(layer.operations())
        .with_inputs(|| {
            let y = ops::conv2d(&x, &w, None, &layer.conv()).expect("a convolution");
            y.mul(&map).and_then(|y| y.sum_all()).expect("a sum")
        })
        .bench_local_values(|sum| backward(sum, &[&w]).expect("gradients"));
}

/// (M, N, K)
#[divan::bench(args = [(1024, 1024, 1024), (32, 8192, 100), (128, 512, 512), (128, 1, 8192)])]
fn product(bencher: Bencher, (m, n, k): (usize, usize, usize)) {
    let (a, b): (Value, Value) = (numbers(&[m, k]).into(), numbers(&[k, n]).into());
    bencher
        .counter(ItemsCount::new(2 * m * n * k))
        .bench_local(|| a.matmul(&b).expect("a product"));
}
