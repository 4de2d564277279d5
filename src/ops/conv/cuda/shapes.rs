//! A geometry in cuDNN's terms.

use std::ffi::c_int;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc::cudnn::sys::{
    cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION,
    cudnnMathType_t::{CUDNN_FMA_MATH, CUDNN_TENSOR_OP_MATH},
    cudnnTensorFormat_t::CUDNN_TENSOR_NCHW,
};
use candle_core::cuda_backend::cudarc::cudnn::{
    ConvDescriptor, Cudnn, CudnnDataType, FilterDescriptor, TensorDescriptor,
};
use candle_core::{DType, Error, Result, WithDType};

use crate::ops::conv::geometry::Geometry;

/// Elements are `T`, sums `Sum`.
pub(super) struct Shapes<T, Sum> {
    pub conv: ConvDescriptor<Sum>,
    pub image: TensorDescriptor<T>,
    pub weight: FilterDescriptor<T>,
    pub map: TensorDescriptor<T>,
}

impl<T: WithDType + CudnnDataType, Sum: CudnnDataType> Shapes<T, Sum> {
    /// The descriptors of `g`, which must not need a [`Frame`](super::frame::Frame).
    pub(super) fn new(cudnn: &Arc<Cudnn>, g: &Geometry) -> Result<Self> {
        let dilation = [1, 1];
        let mut conv = cudnn.create_conv2d(
            pair(g.origin)?,
            pair(g.stride)?,
            dilation,
            CUDNN_CROSS_CORRELATION,
        )?;
        conv.set_group_count(integer(g.groups)?)?;
        // cuDNN's default would let tensor cores round f32 to TF32.
        conv.set_math_type(match T::DTYPE {
            DType::F32 | DType::F64 => CUDNN_FMA_MATH,
            _ => CUDNN_TENSOR_OP_MATH,
        })?;
        Ok(Self {
            conv,
            image: cudnn.create_4d_tensor(CUDNN_TENSOR_NCHW, four(g.image_shape())?)?,
            weight: cudnn.create_4d_filter(CUDNN_TENSOR_NCHW, four(g.weight_shape())?)?,
            map: cudnn.create_4d_tensor(CUDNN_TENSOR_NCHW, four(g.map_shape())?)?,
        })
    }
}

fn four((n, c, h, w): (usize, usize, usize, usize)) -> Result<[c_int; 4]> {
    Ok([integer(n)?, integer(c)?, integer(h)?, integer(w)?])
}

fn pair((rows, columns): (usize, usize)) -> Result<[c_int; 2]> {
    Ok([integer(rows)?, integer(columns)?])
}

fn integer(extent: usize) -> Result<c_int> {
    c_int::try_from(extent)
        .map_err(|_| Error::msg(format!("an extent of {extent} is too large for cuDNN")))
}
