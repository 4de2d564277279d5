//! Which instruction set the kernels use.

use std::cell::Cell;

use super::kernel::{self, Kernels};

/// Instruction sets that there are kernels for, all with the same results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// any processor
    Portable,
    /// AVX2 and FMA
    Avx2,
    /// AVX-512F
    Avx512,
}

thread_local! {
    static LIMIT: Cell<InstructionSet> = const { Cell::new(InstructionSet::Avx512) };
}

/// Runs `work` with operations called on this thread keeping to `limit` and below. For tests.
#[doc(hidden)]
pub fn with_instruction_set<R>(limit: InstructionSet, work: impl FnOnce() -> R) -> R {
    /// Sets the limit back, after a panic as well: a thread may run more tests.
    struct Restore(InstructionSet);

    impl Drop for Restore {
        fn drop(&mut self) {
            LIMIT.set(self.0);
        }
    }

    let _restore = Restore(LIMIT.replace(limit));
    work()
}

impl InstructionSet {
    /// The best that this processor has, within the limit of the calling thread.
    pub(super) fn best() -> Self {
        Self::detected().min(LIMIT.get())
    }

    #[cfg(target_arch = "x86_64")]
    fn detected() -> Self {
        if is_x86_feature_detected!("avx512f") {
            Self::Avx512
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            Self::Avx2
        } else {
            Self::Portable
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detected() -> Self {
        Self::Portable
    }
}

/// A type of number that there are kernels for.
pub trait Element: Copy + Send + Sync + 'static {
    /// The kernels of the best instruction set. To be asked for on the thread that an operation is
    /// called on, before its work is divided.
    fn kernels() -> &'static Kernels<Self>;
}

macro_rules! element {
    ($T:ty, $portable:ident, $avx2:ident, $avx512:ident) => {
        impl Element for $T {
            #[cfg(target_arch = "x86_64")]
            fn kernels() -> &'static Kernels<Self> {
                match InstructionSet::best() {
                    InstructionSet::Portable => &kernel::$portable,
                    InstructionSet::Avx2 => &kernel::$avx2,
                    InstructionSet::Avx512 => &kernel::$avx512,
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            fn kernels() -> &'static Kernels<Self> {
                &kernel::$portable
            }
        }
    };
}
element!(f32, PORTABLE_F32, AVX2_F32, AVX512_F32);
element!(f64, PORTABLE_F64, AVX2_F64, AVX512_F64);
