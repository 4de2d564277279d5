//! Differentiable operations on candle tensors, with PyTorch's conventions.
//!
//! Each operation is one file or folder that holds its CPU kernel, its derivative and a *reference*: the same
//! function composed of candle's primitives. The kernels run for `f32` and `f64` on the CPU, those of
//! convolution also on NVIDIA GPUs; any other device or type takes the reference, which is the seam
//! where CUDA kernels go. Derivatives are expressed in differentiable operations, so they can be
//! differentiated in turn.
//!
//! Work is divided by the shape of the problem alone and reduced in a fixed order, so results do not
//! depend on the number of threads. Transcendental functions are our own ([`math`]), so results do not
//! depend on the platform's C library.
//!
//! A gradient that nobody asked for is not computed: pass a frozen network's parameters detached.

mod activation;
mod arithmetic;
mod bias;
mod conv;
mod diff_augment;
mod dispatch;
mod exp;
mod gemm;
mod linear;
mod loss;
pub mod math;
mod modulate;
mod norm;
mod pixel_shuffle;
mod pool;
mod real;
mod reduce;
mod shape;
mod smooth;
mod softmax;
mod spectral;
mod sum;
mod transpose;
mod uninit;
mod upsample;
mod workspace;

pub use activation::{Activation, leaky_relu, relu, sigmoid, tanh};
pub use bias::Finish;
pub use conv::{Conv, Padding, conv_transpose2d, conv2d};
pub use diff_augment::{Draw, Policy, diff_augment};
pub use exp::exp;
#[doc(hidden)]
pub use gemm::{InstructionSet, with_instruction_set};
pub use linear::linear;
pub use loss::{bce_with_logits, cross_entropy, l1, mse};
pub use modulate::scale_channels;
pub use norm::{
    BatchStats, Scaling, batch_norm_eval, batch_norm_train, group_norm, instance_norm, layer_norm,
};
pub use pixel_shuffle::{pixel_shuffle, pixel_unshuffle};
pub use pool::{
    adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, avg_pool2d_inside, global_avg_pool2d,
    max_pool2d,
};
pub use smooth::{elu, gelu, silu, softplus};
pub use softmax::{log_softmax, softmax};
pub use spectral::{Singular, spectral_norm};
pub use upsample::{upsample_bilinear2d, upsample_nearest2d};
