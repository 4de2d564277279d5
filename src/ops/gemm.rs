//! Matrix products through the `gemm` crate, on one thread: callers divide the work themselves.

use super::real::Real;

/// A matrix inside a slice: element (i, j) is `data[i * strides.0 + j * strides.1]`.
#[derive(Clone, Copy)]
pub(super) struct View<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    strides: (usize, usize),
}

impl<'a, T: Real> View<'a, T> {
    /// A row-major matrix whose rows are `pitch` elements apart.
    pub(super) fn new(data: &'a [T], rows: usize, columns: usize, pitch: usize) -> Self {
        assert!(columns <= pitch && extent(rows, columns, (pitch, 1)) <= data.len());
        Self {
            data,
            rows,
            columns,
            strides: (pitch, 1),
        }
    }

    /// The transpose.
    pub(super) fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            strides: (self.strides.1, self.strides.0),
            ..self
        }
    }
}

/// How far into a slice a matrix reaches.
fn extent(rows: usize, columns: usize, strides: (usize, usize)) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    (rows - 1) * strides.0 + (columns - 1) * strides.1 + 1
}

/// What happens to the old contents of a product's destination.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    /// It is replaced.
    Replace,
    /// The product is added to it.
    Add,
}

/// `out (+)= a · b`, where `out` is row-major with rows `pitch` elements apart.
///
/// The order of summation depends on the shapes (and on the processor's instruction set) alone.
pub(super) fn multiply<T: Real>(
    out: &mut [T],
    pitch: usize,
    write: Write,
    a: View<'_, T>,
    b: View<'_, T>,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows);
    assert!(n <= pitch && extent(m, n, (pitch, 1)) <= out.len());
    #[expect(
        unsafe_code,
        reason = "gemm takes pointers; all three matrices were checked to lie in their slices"
    )]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            pitch as isize,
            write == Write::Add,
            a.data.as_ptr(),
            a.strides.1 as isize,
            a.strides.0 as isize,
            b.data.as_ptr(),
            b.strides.1 as isize,
            b.strides.0 as isize,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
