//! Where tensors live, and the *device class*: what about a machine changes floating-point results.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;
use serde::{Deserialize, Serialize};

/// What the user asked for: `auto`, `cpu`, `cuda` or `cuda:1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DeviceRequest {
    /// A GPU when this build and machine have one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this index; an error without one.
    Cuda(usize),
}

/// Names what changes floating-point results: `cpu-avx512`, `cpu-avx2`, `cpu-x86-64`,
/// `cuda-sm90-cudnn9.13.0-cublas13.0.2`.
/// Part of the key of every kind whose bytes depend on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceClass(pub String);

impl fmt::Display for DeviceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An opened device and its class.
#[derive(Debug, Clone)]
pub struct Compute {
    /// candle's handle.
    pub device: Device,
    /// What its results depend on.
    pub class: DeviceClass,
}

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// `--device cuda` on a build without the `cuda` feature.
    #[error(
        "this build of retake has no CUDA support (build it with `--features cuda`, or use `--device cpu`)"
    )]
    NoCudaBuild,
    /// `--device cuda` where no driver or no such GPU is found.
    #[error("no CUDA device {index}: {reason} (use `--device cpu`, or check the NVIDIA driver)")]
    NoCudaDevice {
        /// the index asked for
        index: usize,
        /// what the driver or candle said
        reason: String,
    },
    /// Text that names no device.
    #[error("unknown device `{0}`: expected auto, cpu, cuda or cuda:INDEX")]
    Unknown(String),
}

impl FromStr for DeviceRequest {
    type Err = DeviceError;
    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let index = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                index.parse().map(Self::Cuda).map_err(|_| unknown())
            }
        }
    }
}

/// Opens what was asked for.
pub fn open(request: DeviceRequest) -> Result<Compute, DeviceError> {
    match request {
        DeviceRequest::Cpu => Ok(cpu()),
        DeviceRequest::Cuda(index) => open_cuda(index),
        DeviceRequest::Auto => Ok(open_cuda(0).unwrap_or_else(|_| cpu())),
    }
}

/// The CPU, with the instruction set that `gemm` and our kernels choose at run time.
pub fn cpu() -> Compute {
    Compute {
        device: Device::Cpu,
        class: DeviceClass(format!("cpu-{}", instruction_set())),
    }
}

#[cfg(target_arch = "x86_64")]
fn instruction_set() -> &'static str {
    if is_x86_feature_detected!("avx512f") {
        "avx512"
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        "avx2"
    } else {
        "x86-64"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction_set() -> &'static str {
    std::env::consts::ARCH
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(_index: usize) -> Result<Compute, DeviceError> {
    Err(DeviceError::NoCudaBuild)
}

#[cfg(feature = "cuda")]
fn open_cuda(index: usize) -> Result<Compute, DeviceError> {
    use candle_core::backend::BackendDevice as _;
    let no_device = |reason: String| DeviceError::NoCudaDevice { index, reason };
    // Where cudarc loads the driver library only on first use, it panics when there is none; to the
    // user that is "no device".
    let device = std::panic::catch_unwind(|| candle_core::CudaDevice::new(index))
        .map_err(|_| no_device("the CUDA driver library could not be loaded".to_owned()))?
        .map_err(|error| no_device(first_line(&error)))?;
    let class = cuda_class(&device).map_err(no_device)?;
    Ok(Compute {
        device: Device::Cuda(device),
        class,
    })
}

/// What candle says, without the backtrace that it appends if the environment asks for one.
#[cfg(feature = "cuda")]
fn first_line(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Architecture and versions of cuDNN and cuBLAS: with them the choice of kernels, and so the results, may
/// change.
#[cfg(feature = "cuda")]
fn cuda_class(device: &candle_core::CudaDevice) -> Result<DeviceClass, String> {
    let stream = device.cuda_stream();
    let (major, minor) = stream
        .context()
        .compute_capability()
        .map_err(|error| error.to_string())?;
    let [dnn_major, dnn_minor, dnn_patch] = cudnn_version();
    let [blas_major, blas_minor, blas_patch] = cublas_version()?;
    Ok(DeviceClass(format!(
        "cuda-sm{major}{minor}-cudnn{dnn_major}.{dnn_minor}.{dnn_patch}-cublas{blas_major}.{blas_minor}.{blas_patch}"
    )))
}

#[cfg(feature = "cuda")]
fn cudnn_version() -> [usize; 3] {
    // 9.13.1 is 91301.
    let version = candle_core::cuda_backend::cudarc::cudnn::result::get_version();
    [version / 10_000, version / 100 % 100, version % 100]
}

#[cfg(feature = "cuda")]
#[expect(unsafe_code, reason = "cuBLAS tells its version through a C call only")]
fn cublas_version() -> Result<[i32; 3], String> {
    use candle_core::cuda_backend::cudarc::cublas::sys;
    use sys::libraryPropertyType::{MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL};
    let mut version = [0; 3];
    for (part, property) in version
        .iter_mut()
        .zip([MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL])
    {
        // SAFETY: the call writes one integer through a pointer that is valid while it runs.
        let status = unsafe { sys::cublasGetProperty(property, part) };
        status.result().map_err(|error| error.to_string())?;
    }
    Ok(version)
}
