//! The innermost loop: one tile of a product, held in registers over the whole depth of a block.
//!
//! One of the two operands is *packed*: for each step of the depth its elements of the tile stand side by
//! side. The other is *placed*: it stays where it is, and a table says how far each step of the depth and
//! each row (or vector of columns) of the tile lies from the start. A convolution's windows are such an
//! operand, without ever being written out as a matrix.
//!
//! Every element of a tile is one chain of fused multiply-adds in the order of the depth, on every
//! instruction set: they all give the same bits.
#![expect(
    unsafe_code,
    reason = "pointers into operands that `Kernels::run` has checked; inlined into functions that have the instruction set"
)]

#[cfg(target_arch = "x86_64")]
use super::simd::x86::{Avx2, Avx512};
use super::simd::{Portable, Simd};

/// Vectors of columns in the widest tile.
pub const VECTORS: usize = 3;

/// Distances from the start of a slice, with the largest at hand so that a bound is checked once for all.
#[derive(Debug, Clone, Default)]
pub struct Offsets {
    values: Vec<u32>,
    largest: usize,
}

impl FromIterator<usize> for Offsets {
    fn from_iter<I: IntoIterator<Item = usize>>(values: I) -> Self {
        let values: Vec<u32> = values
            .into_iter()
            .map(|value| u32::try_from(value).expect("a block spans less than 2³² elements"))
            .collect();
        let largest = values.iter().max().map_or(0, |&value| value as usize);
        Self { values, largest }
    }
}

impl Offsets {
    /// How many.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// One by one.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = usize> {
        self.values.iter().map(|&value| value as usize)
    }
}

/// The operand in panels: element `i` of depth `k` at `k * pitch + i`.
#[derive(Clone, Copy)]
pub struct Packed<'a, T> {
    /// starts with the panel
    pub data: &'a [T],
    /// elements of a panel at each step of the depth
    pub pitch: usize,
}

/// The operand where it is: element (or vector) `i` of depth `k` at `steps[k] + places[i]`.
#[derive(Clone, Copy)]
pub struct Placed<'a, T> {
    /// what the offsets count from
    pub data: &'a [T],
    /// a step of the depth each
    pub steps: &'a Offsets,
    /// a row, or a vector of columns, each
    pub places: &'a [u32],
}

/// Where a tile goes: rows `pitch` apart.
pub struct Destination<'a, T> {
    /// starts with the tile
    pub data: &'a mut [T],
    /// elements from row to row
    pub pitch: usize,
    /// whether the product is added to what stands there
    pub add: bool,
}

/// The tiles of one instruction set.
pub struct Kernels<T: 'static> {
    /// elements of a vector
    pub lanes: usize,
    /// rows of a full tile
    pub rows: usize,
    /// by rows − 1 and vectors − 1
    packed_rows: &'static [[Tile<T>; VECTORS]],
    packed_columns: &'static [[Tile<T>; VECTORS]],
}

/// Computes the tile of a job that has been checked.
type Tile<T> = unsafe fn(&Job<T>);

impl<T: Copy> Kernels<T> {
    /// `rows` × `vectors` vectors of columns: the packed operand holds the rows.
    pub fn packed_rows(
        &self,
        (rows, vectors): (usize, usize),
        a: Packed<'_, T>,
        b: Placed<'_, T>,
        out: &mut Destination<'_, T>,
    ) {
        assert!(vectors <= b.places.len());
        let tile = self.packed_rows[rows - 1][vectors - 1];
        self.run(tile, (rows, vectors), (rows, self.lanes), a, b, out);
    }

    /// `rows` × `vectors` vectors of columns: the packed operand holds the columns.
    pub fn packed_columns(
        &self,
        (rows, vectors): (usize, usize),
        a: Placed<'_, T>,
        b: Packed<'_, T>,
        out: &mut Destination<'_, T>,
    ) {
        assert!(rows <= a.places.len());
        let tile = self.packed_columns[rows - 1][vectors - 1];
        let columns = vectors * self.lanes;
        self.run(tile, (rows, vectors), (columns, 1), b, a, out);
    }

    fn run(
        &self,
        tile: Tile<T>,
        (rows, vectors): (usize, usize),
        (panel, read): (usize, usize),
        packed: Packed<'_, T>,
        placed: Placed<'_, T>,
        out: &mut Destination<'_, T>,
    ) {
        let depth = placed.steps.len();
        assert!(depth > 0);
        assert!((depth - 1) * packed.pitch + panel <= packed.data.len());
        let farthest = placed.places.iter().max().map_or(0, |&at| at as usize);
        assert!(farthest + placed.steps.largest + read <= placed.data.len());
        assert!((rows - 1) * out.pitch + vectors * self.lanes <= out.data.len());
        let job = Job {
            depth,
            packed: packed.data.as_ptr(),
            panel: packed.pitch,
            placed: InPlace {
                data: placed.data.as_ptr(),
                steps: placed.steps.values.as_ptr(),
                places: placed.places.as_ptr(),
            },
            out: out.data.as_mut_ptr(),
            pitch: out.pitch,
            add: out.add,
        };
        // SAFETY: the operands and the destination lie in their slices, as checked above, and kernels are
        // handed out by `Element::kernels` only where their instructions are.
        unsafe { tile(&job) }
    }
}

/// One operand as the loop sees it.
trait Operand<T>: Copy {
    /// Where step `k` of the depth starts.
    unsafe fn step(self, k: usize) -> *const T;
    /// How far element (or vector) `i` lies from there.
    unsafe fn place(self, i: usize) -> usize;
}

/// A [`Packed`] operand whose elements (or vectors) are `width` apart.
#[derive(Clone, Copy)]
struct InPanel<T> {
    data: *const T,
    pitch: usize,
    width: usize,
}

impl<T: Copy> Operand<T> for InPanel<T> {
    #[inline(always)]
    unsafe fn step(self, k: usize) -> *const T {
        unsafe { self.data.add(k * self.pitch) }
    }
    #[inline(always)]
    unsafe fn place(self, i: usize) -> usize {
        i * self.width
    }
}

/// A [`Placed`] operand.
#[derive(Clone, Copy)]
struct InPlace<T> {
    data: *const T,
    steps: *const u32,
    places: *const u32,
}

impl<T: Copy> Operand<T> for InPlace<T> {
    #[inline(always)]
    unsafe fn step(self, k: usize) -> *const T {
        unsafe { self.data.add(*self.steps.add(k) as usize) }
    }
    #[inline(always)]
    unsafe fn place(self, i: usize) -> usize {
        unsafe { *self.places.add(i) as usize }
    }
}

/// The loop itself, for `M` rows and `V` vectors.
///
/// # Safety
/// The instruction set must be there, and both operands and the destination as large as is said.
#[inline(always)]
unsafe fn tile<S: Simd, const M: usize, const V: usize>(
    depth: usize,
    a: impl Operand<S::Element>,
    b: impl Operand<S::Element>,
    out: *mut S::Element,
    pitch: usize,
    add: bool,
) {
    unsafe {
        let mut places = [0; M];
        for (i, place) in places.iter_mut().enumerate() {
            *place = a.place(i);
        }
        let mut sums = [[S::zero(); V]; M];
        for k in 0..depth {
            let (a, from) = (a.step(k), b.step(k));
            let mut columns = [S::zero(); V];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = S::load(from.add(b.place(v)));
            }
            for (sums, &place) in sums.iter_mut().zip(&places) {
                let row = S::splat(*a.add(place));
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = S::multiply_add(row, column, *sum);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                let to = out.add(i * pitch + v * S::LANES);
                let sum = if add { S::add(S::load(to), sum) } else { sum };
                S::store(to, sum);
            }
        }
    }
}

/// What a tile is made of.
struct Job<T> {
    depth: usize,
    packed: *const T,
    /// elements of the packed operand at each step
    panel: usize,
    placed: InPlace<T>,
    out: *mut T,
    /// elements from row to row of the destination
    pitch: usize,
    add: bool,
}

/// The kernels of an instruction set for tiles of the listed numbers of rows.
macro_rules! kernels {
    ($name:ident, $Set:ident, $T:ty, [$($rows:literal)+] $(, $features:literal)?) => {
        pub(super) static $name: Kernels<$T> = {
            $(#[target_feature(enable = $features)])?
            unsafe fn packed_rows<const M: usize, const V: usize>(job: &Job<$T>) {
                let a = InPanel { data: job.packed, pitch: job.panel, width: 1 };
                unsafe { tile::<$Set<$T>, M, V>(job.depth, a, job.placed, job.out, job.pitch, job.add) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn packed_columns<const M: usize, const V: usize>(job: &Job<$T>) {
                let b = InPanel { data: job.packed, pitch: job.panel, width: <$Set<$T>>::LANES };
                unsafe { tile::<$Set<$T>, M, V>(job.depth, job.placed, b, job.out, job.pitch, job.add) }
            }
            Kernels {
                lanes: <$Set<$T>>::LANES,
                rows: [$($rows),+].len(),
                packed_rows: &[
                    $([packed_rows::<$rows, 1>, packed_rows::<$rows, 2>, packed_rows::<$rows, 3>]),+
                ],
                packed_columns: &[
                    $([packed_columns::<$rows, 1>, packed_columns::<$rows, 2>, packed_columns::<$rows, 3>]),+
                ],
            }
        };
    };
}

kernels!(PORTABLE_F32, Portable, f32, [1 2 3 4]);
kernels!(PORTABLE_F64, Portable, f64, [1 2 3 4]);
#[cfg(target_arch = "x86_64")]
kernels!(AVX2_F32, Avx2, f32, [1 2 3 4], "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(AVX2_F64, Avx2, f64, [1 2 3 4], "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernels!(AVX512_F32, Avx512, f32, [1 2 3 4 5 6 7 8], "avx512f");
#[cfg(target_arch = "x86_64")]
kernels!(AVX512_F64, Avx512, f64, [1 2 3 4 5 6 7 8], "avx512f");
