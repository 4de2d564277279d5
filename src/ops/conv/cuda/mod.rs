//! The three convolutions on NVIDIA GPUs, through cuDNN (Chetlur et al. 2014).
//!
//! Algorithms come from a fixed rule, never from timing, which may end differently from run to run: the
//! first of a short list that cuDNN offers for the shapes. The lists hold what gives the same bits every
//! time, and so neither `ALGO_0` of the gradients nor `ALGO_3` of the weight's, which add with atomics.
//! `f32` and `f64` are computed in themselves, without TF32; 16-bit types are summed in `f32`.

mod frame;
mod session;
mod shapes;

use std::ops::Range;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::cudnn::sys::{
    cudnnConvolutionBwdDataAlgo_t as DataAlgorithm,
    cudnnConvolutionBwdFilterAlgo_t as WeightAlgorithm, cudnnConvolutionFwdAlgo_t as MapAlgorithm,
};
use candle_core::cuda_backend::cudarc::cudnn::{
    ConvBackwardData, ConvBackwardFilter, ConvForward, CudnnDataType,
};
use candle_core::cuda_backend::cudarc::driver::{CudaView, DeviceRepr};
use candle_core::cuda_backend::{CudaDType, CudaStorageSlice};
use candle_core::{CudaDevice, CudaStorage, Layout, Result, Shape, WithDType, bail};

use super::geometry::Geometry;
use frame::Frame;
use session::Session;
use shapes::Shapes;

const FORWARD: [MapAlgorithm; 2] = [
    MapAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
    MapAlgorithm::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
];
const DATA_GRADIENT: [DataAlgorithm; 1] = [DataAlgorithm::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1];
const WEIGHT_GRADIENT: [WeightAlgorithm; 1] =
    [WeightAlgorithm::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Forward,
    DataGradient,
    WeightGradient,
}

/// A contiguous argument of an operation.
type Argument<'a> = (&'a CudaStorage, &'a Layout);

/// The map of `image` and `weight`.
pub(super) fn forward(
    g: &Geometry,
    image: Argument<'_>,
    weight: Argument<'_>,
) -> Result<(CudaStorage, Shape)> {
    let map = of_image(Operation::Forward, g, image, weight)?;
    Ok((map, g.map_shape().into()))
}

/// The image of `map` and `weight`.
pub(super) fn data_gradient(
    g: &Geometry,
    map: Argument<'_>,
    weight: Argument<'_>,
) -> Result<(CudaStorage, Shape)> {
    let image = match Frame::needed(g) {
        None => convolve(Operation::DataGradient, g, map, weight)?,
        Some(frame) => {
            let whole = convolve(Operation::DataGradient, frame.geometry(), map, weight)?;
            frame.taken_off(&whole)?
        }
    };
    Ok((image, g.image_shape().into()))
}

/// The weight of `image` and `map`.
pub(super) fn weight_gradient(
    g: &Geometry,
    image: Argument<'_>,
    map: Argument<'_>,
) -> Result<(CudaStorage, Shape)> {
    let weight = of_image(Operation::WeightGradient, g, image, map)?;
    Ok((weight, g.weight_shape().into()))
}

/// An operation that reads an image.
fn of_image(
    operation: Operation,
    g: &Geometry,
    image: Argument<'_>,
    other: Argument<'_>,
) -> Result<CudaStorage> {
    let Some(frame) = Frame::needed(g) else {
        return convolve(operation, g, image, other);
    };
    let whole = frame.put_around(image.0, elements(image.1)?.start)?;
    let layout = Layout::contiguous(frame.geometry().image_shape());
    convolve(operation, frame.geometry(), (&whole, &layout), other)
}

/// Where in its storage an argument lies.
fn elements(layout: &Layout) -> Result<Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("internal: a kernel was given a strided tensor"),
    }
}

/// Runs `operation` for the element type of its arguments.
fn convolve(
    operation: Operation,
    g: &Geometry,
    (a, a_layout): Argument<'_>,
    (b, b_layout): Argument<'_>,
) -> Result<CudaStorage> {
    use CudaStorageSlice::{BF16, F16, F32, F64};
    let device = &a.device;
    let (at, bt) = (elements(a_layout)?, elements(b_layout)?);
    match (&a.slice, &b.slice) {
        (F32(a), F32(b)) => launch::<_, f32>(operation, g, device, &a.slice(at), &b.slice(bt)),
        (F64(a), F64(b)) => launch::<_, f64>(operation, g, device, &a.slice(at), &b.slice(bt)),
        (F16(a), F16(b)) => launch::<_, f32>(operation, g, device, &a.slice(at), &b.slice(bt)),
        (BF16(a), BF16(b)) => launch::<_, f32>(operation, g, device, &a.slice(at), &b.slice(bt)),
        _ => bail!(
            "convolution has no CUDA kernel for {:?} with {:?}",
            a.dtype(),
            b.dtype()
        ),
    }
}

/// Runs `operation`, with sums in `Sum`.
#[expect(unsafe_code, reason = "cuDNN reads and writes device memory")]
fn launch<T, Sum>(
    operation: Operation,
    g: &Geometry,
    device: &CudaDevice,
    a: &CudaView<'_, T>,
    b: &CudaView<'_, T>,
) -> Result<CudaStorage>
where
    T: WithDType + CudaDType + DeviceRepr + CudnnDataType,
    Sum: CudnnDataType,
{
    let count = match operation {
        Operation::Forward => g.samples * g.map_elements(),
        Operation::DataGradient => g.samples * g.image_elements(),
        Operation::WeightGradient => g.groups * g.o * g.window(),
    };
    // The result's old contents do not count.
    let factors = (T::one(), T::zero());
    let key = (operation, T::DTYPE, *g);
    Session::with(device, |session| {
        let shapes = Shapes::<T, Sum>::new(session.cudnn(), g)?;
        // SAFETY: each operation writes the whole of its result, and with these factors reads none of it.
        let mut out = unsafe { device.alloc::<T>(count) }?;
        match operation {
            Operation::Forward => {
                let call = ConvForward {
                    conv: &shapes.conv,
                    x: &shapes.image,
                    w: &shapes.weight,
                    y: &shapes.map,
                };
                let (algorithm, mut workspace) =
                    session.choose(key, &FORWARD, |it| call.get_workspace_size(it))?;
                // SAFETY: descriptors, arguments and result all have the shapes of `g`, and the workspace
                // has the size that cuDNN asked for.
                unsafe { call.launch(algorithm, workspace.as_mut(), factors, a, b, &mut out) }?;
            }
            Operation::DataGradient => {
                let call = ConvBackwardData {
                    conv: &shapes.conv,
                    dx: &shapes.image,
                    w: &shapes.weight,
                    dy: &shapes.map,
                };
                let (algorithm, mut workspace) =
                    session.choose(key, &DATA_GRADIENT, |it| call.get_workspace_size(it))?;
                // SAFETY: as above.
                unsafe { call.launch(algorithm, workspace.as_mut(), factors, &mut out, b, a) }?;
            }
            Operation::WeightGradient => {
                let call = ConvBackwardFilter {
                    conv: &shapes.conv,
                    x: &shapes.image,
                    dw: &shapes.weight,
                    dy: &shapes.map,
                };
                let (algorithm, mut workspace) =
                    session.choose(key, &WEIGHT_GRADIENT, |it| call.get_workspace_size(it))?;
                // SAFETY: as above.
                unsafe { call.launch(algorithm, workspace.as_mut(), factors, a, &mut out, b) }?;
            }
        }
        Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
    })
}
