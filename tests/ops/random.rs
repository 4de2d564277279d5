//! Convolutions and matrix products of random shapes, against the sums that define them.
//!
//! Operands are small integers, whose sums are exact in any order: results are equal, not close.

use std::fmt::Debug;
use std::iter::repeat_with;

use candle_core::{DType, Device, Result, Tensor};
use retake::autograd::Value;
use retake::ops::{self, Activation, Conv, Finish, InstructionSet, Padding, with_instruction_set};
use retake::rng::Stream;

use super::{gradients, values};

/// Terms of a case's sums together, at most: naive loops are quick over them.
const TERMS: usize = 1_500_000;
/// The depth up to which the kernels do not cut a product into blocks.
const DEPTH: usize = 192;

fn one_of<T: Copy>(stream: &mut Stream, choices: &[T]) -> T {
    choices[stream.below(choices.len() as u64) as usize]
}

/// Integers from −4 to 4.
fn integers(stream: &mut Stream, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    let values: Vec<f64> = repeat_with(|| stream.below(9) as f64 - 4.0)
        .take(count)
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// `tensor` as the second half of a larger one.
fn as_view(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    let length = tensor.dim(0)?;
    Tensor::cat(&[tensor, tensor], 0)?
        .to_dtype(dtype)?
        .narrow(0, length, length)
}

/// A function that is linear in each of two operands, written down as its sums.
struct Sums {
    operands: [Vec<usize>; 2],
    /// channels are its second dimension
    result: Vec<usize>,
    /// (place in the first operand, in the second, in the result) of every product that is added up
    terms: Vec<[usize; 3]>,
}

impl Sums {
    /// The result with `bias` and a function that is linear on either side of zero, with slope `below`; then the
    /// gradients of ⟨`upstream`, result⟩ in both operands and the bias.
    fn with_gradients(&self, [a, b, bias, upstream]: &[Vec<f64>; 4], below: f64) -> [Vec<f64>; 4] {
        let pixels: usize = self.result[2..].iter().product();
        let channel = |at: usize| at / pixels % bias.len();
        let mut y: Vec<f64> = (0..upstream.len()).map(|at| bias[channel(at)]).collect();
        for &[i, j, at] in &self.terms {
            y[at] += a[i] * b[j];
        }
        let mut gradient = upstream.clone();
        for (y, gradient) in y.iter_mut().zip(&mut gradient) {
            if *y <= 0.0 {
                *y *= below;
                *gradient *= below;
            }
        }
        let [mut for_a, mut for_b, mut for_bias] = [a, b, bias].map(|of| vec![0.0; of.len()]);
        for &[i, j, at] in &self.terms {
            for_a[i] += gradient[at] * b[j];
            for_b[j] += gradient[at] * a[i];
        }
        for (at, gradient) in gradient.iter().enumerate() {
            for_bias[channel(at)] += gradient;
        }
        [y, for_a, for_b, for_bias]
    }

    /// Compares `operation`, on operands, a type and an activation drawn from `stream`, with these sums, on
    /// every instruction set.
    #[track_caller]
    fn check(
        &self,
        stream: &mut Stream,
        case: &dyn Debug,
        operation: impl Fn(&[Value], Finish<'_>) -> Result<Value>,
    ) {
        let [first, second] = &self.operands;
        let shapes = [first, second, &self.result[1..2], &self.result];
        let tensors = shapes.map(|shape| integers(stream, shape));
        let (activation, below) = one_of(
            stream,
            &[
                (Activation::Identity, 1.0),
                (Activation::Relu, 0.0),
                (Activation::LeakyRelu(0.25), 0.25),
                (Activation::LeakyRelu(-0.5), -0.5),
            ],
        );
        let dtype = one_of(stream, &[DType::F32, DType::F64]);
        let expected = self.with_gradients(&tensors.each_ref().map(values), below);
        let [a, b, bias, upstream] = tensors.map(|tensor| as_view(&tensor, dtype).unwrap());
        let variables = [a, b, bias].map(Value::variable);
        let upstream = Value::constant(upstream);
        let run = || -> Result<Vec<Tensor>> {
            let finish = Finish {
                bias: Some(&variables[2]),
                activation,
            };
            let y = operation(&variables[..2], finish)?;
            let mut results = vec![y.tensor().clone()];
            results.extend(gradients(y.mul(&upstream)?.sum_all()?, &variables));
            Ok(results)
        };
        let names = [
            "value",
            "first gradient",
            "second gradient",
            "bias gradient",
        ];
        for set in [
            InstructionSet::Portable,
            InstructionSet::Avx2,
            InstructionSet::Avx512,
        ] {
            let actual = with_instruction_set(set, run).unwrap();
            for ((name, actual), expected) in names.iter().zip(&actual).zip(&expected) {
                assert!(
                    values(actual) == *expected,
                    "{name} on {set:?}, {dtype:?}, {activation:?}: {case:?}"
                );
            }
        }
    }
}

/// One axis of a convolution from an image to a map.
#[derive(Debug, Clone, Copy)]
struct Axis {
    image: usize,
    map: usize,
    kernel: usize,
    stride: usize,
    /// zeros on either side of the image
    padding: (usize, usize),
    /// pixels of the padded image that no window reaches: the output padding of the transposed convolution
    rest: usize,
}

impl Axis {
    fn random(stream: &mut Stream, maps: &[usize]) -> Self {
        loop {
            let map = one_of(stream, maps);
            let kernel = one_of(stream, &[1, 2, 3, 4, 5]);
            let stride = one_of(stream, &[1, 1, 2, 3]);
            let rest = stream.below(stride as u64) as usize;
            let padding = (one_of(stream, &[0, 0, 1, 2]), one_of(stream, &[0, 0, 1, 2]));
            let padded = (map - 1) * stride + kernel + rest;
            if padded > padding.0 + padding.1 {
                return Self {
                    image: padded - padding.0 - padding.1,
                    map,
                    kernel,
                    stride,
                    padding,
                    rest,
                };
            }
        }
    }

    /// An axis along which each pixel is seen by itself.
    fn pointwise(size: usize) -> Self {
        Self {
            image: size,
            map: size,
            kernel: 1,
            stride: 1,
            padding: (0, 0),
            rest: 0,
        }
    }

    /// Every (pixel of the image, tap of the kernel, pixel of the map) that meet.
    fn meetings(&self) -> Vec<[usize; 3]> {
        let mut meetings = Vec::new();
        for pixel in 0..self.map {
            for tap in 0..self.kernel {
                let seen = (pixel * self.stride + tap).checked_sub(self.padding.0);
                if let Some(seen) = seen.filter(|&seen| seen < self.image) {
                    meetings.push([seen, tap, pixel]);
                }
            }
        }
        meetings
    }

    /// Taps that one pixel of the image meets, at most.
    fn taps_of_pixel(&self) -> usize {
        self.kernel.div_ceil(self.stride)
    }
}

/// A convolution from images to maps. Its transpose goes from maps to images.
#[derive(Debug)]
struct Geometry {
    samples: usize,
    groups: usize,
    /// (channels of the image, channels of the map) in a group
    channels: (usize, usize),
    rows: Axis,
    columns: Axis,
}

impl Geometry {
    fn random(stream: &mut Stream) -> Self {
        let samples = one_of(stream, &[1, 2, 3, 9, 20]);
        let groups = one_of(stream, &[1, 1, 1, 2, 3]);
        let channels = (
            one_of(stream, &[1, 2, 3, 7, 13, 33, 72]),
            one_of(stream, &[1, 2, 5, 9, 17, 40, 72]),
        );
        let mut rows = Axis::random(stream, &[1, 2, 5, 8, 16, 17]);
        let mut columns = Axis::random(stream, &[1, 3, 8, 16, 19, 32, 48]);
        if stream.below(6) == 0 {
            rows = Axis::pointwise(rows.map);
            columns = Axis::pointwise(columns.map);
        }
        Self {
            samples,
            groups,
            channels,
            rows,
            columns,
        }
    }

    /// Terms of the sums, were there no padding.
    fn products(&self) -> usize {
        let planes = self.samples * self.groups * self.channels.0 * self.channels.1;
        let axis = |axis: &Axis| axis.map * axis.kernel;
        planes * axis(&self.rows) * axis(&self.columns)
    }

    /// Which of the kernels' paths this reaches that small geometries do not.
    fn reaches(&self) -> [(&'static str, bool); 6] {
        let (rows, columns) = (&self.rows, &self.columns);
        let forward = self.channels.0 * rows.kernel * columns.kernel;
        let data = self.channels.1 * rows.taps_of_pixel() * columns.taps_of_pixel();
        let weight = self.samples * rows.map * columns.map;
        let in_place = columns.image == columns.map + columns.kernel - 1 && columns.stride == 1;
        // So many channels of so few pixels that tasks share the pixels.
        let narrow = self.groups == 1 && self.channels.1 > 64 && weight <= 512;
        [
            ("a deep map", forward > DEPTH),
            ("a deep data gradient", data > DEPTH),
            ("a deep weight gradient", weight > DEPTH),
            ("whole vectors of a map", in_place && columns.map % 16 == 0),
            ("whole vectors of an image", columns.image % 16 == 0),
            ("tasks of a part of the channels", narrow),
        ]
    }

    /// What convolution needs to know besides the weight.
    fn conv(&self) -> Conv {
        Conv {
            stride: (self.rows.stride, self.columns.stride),
            padding: Padding {
                top: self.rows.padding.0,
                bottom: self.rows.padding.1,
                left: self.columns.padding.0,
                right: self.columns.padding.1,
            },
            groups: self.groups,
        }
    }

    /// The convolution of images.
    fn sums(&self) -> Sums {
        let (c, o) = self.channels;
        let (rows, columns) = (self.rows.meetings(), self.columns.meetings());
        let mut terms = Vec::new();
        for plane in 0..self.samples * self.groups * o * c {
            let (group_of_sample, output, channel) = (plane / (o * c), plane / c % o, plane % c);
            let planes = [
                group_of_sample * c + channel,
                (group_of_sample % self.groups * o + output) * c + channel,
                group_of_sample * o + output,
            ];
            for row in &rows {
                for column in &columns {
                    let heights = [self.rows.image, self.rows.kernel, self.rows.map];
                    let widths = [self.columns.image, self.columns.kernel, self.columns.map];
                    terms.push(std::array::from_fn(|of| {
                        (planes[of] * heights[of] + row[of]) * widths[of] + column[of]
                    }));
                }
            }
        }
        let (n, groups) = (self.samples, self.groups);
        let image = vec![n, groups * c, self.rows.image, self.columns.image];
        let weight = vec![groups * o, c, self.rows.kernel, self.columns.kernel];
        let map = vec![n, groups * o, self.rows.map, self.columns.map];
        Sums {
            operands: [image, weight],
            result: map,
            terms,
        }
    }

    /// The transposed convolution of maps.
    fn transposed_sums(&self) -> Sums {
        let mut sums = self.sums();
        std::mem::swap(&mut sums.operands[0], &mut sums.result);
        sums.terms.iter_mut().for_each(|term| term.swap(0, 2));
        sums
    }
}

fn geometries() -> Vec<Geometry> {
    let mut stream = Stream::new(1, "geometries", 0);
    repeat_with(|| Geometry::random(&mut stream))
        .filter(|geometry| geometry.products() <= TERMS)
        .take(120)
        .collect()
}

#[test]
fn the_geometries_reach_every_path() {
    let geometries = geometries();
    let reaches: Vec<_> = geometries.iter().map(Geometry::reaches).collect();
    for (path, (name, _)) in reaches[0].iter().enumerate() {
        let count = reaches.iter().filter(|reaches| reaches[path].1).count();
        assert!(count >= 5, "{name}: {count} geometries");
    }
}

#[test]
fn convolutions_of_random_geometries_are_their_sums() {
    let mut stream = Stream::new(1, "convolutions", 0);
    for geometry in geometries() {
        geometry.sums().check(&mut stream, &geometry, |a, finish| {
            ops::conv2d(&a[0], &a[1], finish, &geometry.conv())
        });
    }
}

#[test]
fn transposed_convolutions_of_random_geometries_are_their_sums() {
    let mut stream = Stream::new(1, "transposed convolutions", 0);
    for geometry in geometries() {
        let rest = (geometry.rows.rest, geometry.columns.rest);
        let sums = geometry.transposed_sums();
        sums.check(&mut stream, &geometry, |a, finish| {
            ops::conv_transpose2d(&a[0], &a[1], finish, &geometry.conv(), rest)
        });
    }
}

/// The product of matrices (M, K) and (N, K)ᵀ, which is a linear layer, each perhaps stored as its transpose.
#[derive(Debug)]
struct Product {
    m: usize,
    k: usize,
    n: usize,
    transposed: [bool; 2],
}

impl Product {
    fn random(stream: &mut Stream) -> Self {
        Self {
            m: one_of(stream, &[1, 2, 7, 15, 16, 17, 50, 260]),
            k: one_of(stream, &[1, 3, 8, 191, 192, 193, 400]),
            n: one_of(stream, &[1, 2, 15, 16, 17, 47, 145, 300]),
            transposed: [stream.below(2) == 1, stream.below(2) == 1],
        }
    }

    fn sums(&self) -> Sums {
        let shape = |rows, transposed| {
            if transposed {
                vec![self.k, rows]
            } else {
                vec![rows, self.k]
            }
        };
        let operands = [
            shape(self.m, self.transposed[0]),
            shape(self.n, self.transposed[1]),
        ];
        let place = |of: usize, row: usize, k: usize| {
            let (row, column) = if self.transposed[of] {
                (k, row)
            } else {
                (row, k)
            };
            row * operands[of][1] + column
        };
        let mut terms = Vec::new();
        for i in 0..self.m {
            for j in 0..self.n {
                for k in 0..self.k {
                    terms.push([place(0, i, k), place(1, j, k), i * self.n + j]);
                }
            }
        }
        Sums {
            operands,
            result: vec![self.m, self.n],
            terms,
        }
    }
}

#[test]
fn products_of_random_matrices_are_their_sums() {
    let mut stream = Stream::new(1, "products", 0);
    let products: Vec<Product> = repeat_with(|| Product::random(&mut stream))
        .filter(|product| product.m * product.k * product.n <= TERMS)
        .take(80)
        .collect();
    for product in products {
        product.sums().check(&mut stream, &product, |a, finish| {
            let stored = |of: usize| {
                if product.transposed[of] {
                    a[of].transpose(0, 1)
                } else {
                    Ok(a[of].clone())
                }
            };
            ops::linear(&stored(0)?, &stored(1)?, finish)
        });
    }
}
