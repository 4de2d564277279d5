//! Loops compiled for the widest vectors that the machine has.
//!
//! The crate as a whole is built for any machine of its architecture. Additions, multiplications and their like
//! are not contracted or reordered by the compiler, so the same loop gives the same bits at any width.

/// How wide vectors are. The values other than `Portable` are proof that the machine has them.
#[derive(Clone, Copy)]
pub(crate) enum Width {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable,
}

impl Width {
    /// The widest there is.
    #[inline]
    pub fn widest() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if Avx512::is_here() {
                return Self::Avx512(Avx512(()));
            }
            if Avx2::is_here() {
                return Self::Avx2(Avx2(()));
            }
        }
        Self::Portable
    }
}

/// An instruction set: its token, made only where the machine has the features.
macro_rules! instruction_set {
    ($name:ident, $all:literal, $($feature:tt),+) => {
        #[doc = concat!("Proof that the machine has ", $all, ".")]
        #[cfg(target_arch = "x86_64")]
        #[derive(Clone, Copy)]
        pub(crate) struct $name(());

        #[cfg(target_arch = "x86_64")]
        impl $name {
            #[inline]
            fn is_here() -> bool {
                $(std::arch::is_x86_feature_detected!($feature))&&+
            }

            /// Runs `work` compiled for it.
            #[inline]
            #[expect(unsafe_code, reason = "calls code for an instruction set that this value proves")]
            pub fn run<R>(self, work: impl FnOnce() -> R) -> R {
                #[target_feature(enable = $all)]
                fn wide<R>(work: impl FnOnce() -> R) -> R {
                    work()
                }
                // SAFETY: a value of this type is only made after `is_here`.
                unsafe { wide(work) }
            }
        }
    };
}

instruction_set!(
    Avx512,
    "avx512f,avx512bw,avx512dq,avx512vl",
    "avx512f",
    "avx512bw",
    "avx512dq",
    "avx512vl"
);
instruction_set!(Avx2, "avx2", "avx2");

/// Evaluates an expression in a version of it that is compiled for the machine's vectors.
///
/// The expression is written out once a version, so that each is inlined whole; what it calls must be inlined
/// too to gain anything. It takes what it names by value: what is behind a reference could, for all the compiler
/// knows, be what the loop writes to, and would be read again each time.
macro_rules! vectorised {
    ($work:expr) => {
        match $crate::kernel::simd::Width::widest() {
            #[cfg(target_arch = "x86_64")]
            $crate::kernel::simd::Width::Avx512(set) => set.run(move || $work),
            #[cfg(target_arch = "x86_64")]
            $crate::kernel::simd::Width::Avx2(set) => set.run(move || $work),
            $crate::kernel::simd::Width::Portable => $work,
        }
    };
}
pub(crate) use vectorised;
