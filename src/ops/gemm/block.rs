//! One block of the depth of a product: every strip of columns times every panel of rows.

use std::ops::Range;

use super::kernel::{Destination, Kernels, Offsets, Packed, Placed, VECTORS};
use crate::ops::real::Real;

/// Columns that lie side by side in the source.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// where the first one lies at offset 0 of the depth
    pub at: usize,
    /// how many
    pub length: usize,
}

/// The columns of a product, cut into strips as wide as a tile.
pub struct Columns {
    strips: Vec<Strip>,
    pieces: Vec<Piece>,
    /// elements that a piece copies, of which the last may be too many
    width: usize,
    lanes: usize,
}

struct Strip {
    /// in the destination
    column: usize,
    vectors: usize,
    source: Source,
}

enum Source {
    /// Each vector can be loaded from where it is.
    Placed([u32; VECTORS]),
    /// The columns are put together from these pieces.
    Pieces(Range<usize>),
}

struct Piece {
    from: usize,
    to: usize,
}

impl Columns {
    /// How far beyond the last column a piece may read: what a source must have to spare.
    pub const SLACK: usize = 16;

    /// Columns for vectors of `lanes` elements.
    pub fn new(runs: &[Run], lanes: usize) -> Self {
        let count: usize = runs.iter().map(|run| run.length).sum();
        let vectors = count.div_ceil(lanes);
        let strips = vectors.div_ceil(VECTORS);
        let mut columns = Self {
            strips: Vec::with_capacity(strips),
            pieces: Vec::new(),
            width: match runs.first().map_or(0, |run| run.length) {
                ..6 => 4,
                6..12 => 8,
                _ => 16,
            },
            lanes,
        };
        let whole = runs.iter().all(|run| run.length % lanes == 0);
        let mut rest = Rest { runs, skip: 0 };
        for strip in 0..strips {
            let (first, end) = (strip * vectors / strips, (strip + 1) * vectors / strips);
            let source = if whole {
                let mut places = [0; VECTORS];
                for place in &mut places[..end - first] {
                    *place = rest.take(lanes).at as u32;
                }
                Source::Placed(places)
            } else {
                let start = columns.pieces.len();
                columns.pieces((end - first) * lanes, &mut rest);
                Source::Pieces(start..columns.pieces.len())
            };
            columns.strips.push(Strip {
                column: first * lanes,
                vectors: end - first,
                source,
            });
        }
        columns
    }

    /// Adds the pieces of the next `count` columns.
    fn pieces(&mut self, count: usize, rest: &mut Rest<'_>) {
        let mut column = 0;
        while column < count {
            let run = rest.take(count - column);
            if run.length == 0 {
                break;
            }
            for offset in (0..run.length).step_by(self.width) {
                self.pieces.push(Piece {
                    from: run.at + offset,
                    to: column + offset,
                });
            }
            column += run.length;
        }
    }

    /// Elements of the panel that [`sweep`] needs for blocks of `depth` steps.
    pub fn panel(&self, depth: usize) -> usize {
        let copies = self
            .strips
            .iter()
            .any(|strip| matches!(strip.source, Source::Pieces(_)));
        if copies {
            depth * VECTORS * self.lanes + Self::SLACK
        } else {
            0
        }
    }

    /// The columns, whole vectors.
    pub fn width(&self) -> usize {
        let vectors: usize = self.strips.iter().map(|strip| strip.vectors).sum();
        vectors * self.lanes
    }
}

/// Runs not yet taken.
struct Rest<'a> {
    runs: &'a [Run],
    /// columns taken from the first
    skip: usize,
}

impl Rest<'_> {
    /// The next columns, at most `count`; none at the end.
    fn take(&mut self, count: usize) -> Run {
        let Some(run) = self.runs.first() else {
            return Run { at: 0, length: 0 };
        };
        let taken = Run {
            at: run.at + self.skip,
            length: count.min(run.length - self.skip),
        };
        self.skip += taken.length;
        if self.skip == run.length {
            (self.runs, self.skip) = (&self.runs[1..], 0);
        }
        taken
    }
}

/// One block of the depth.
pub struct Sweep<'a, T: 'static> {
    pub kernels: &'static Kernels<T>,
    /// what the columns and steps count from, with [`Columns::SLACK`] elements to spare
    pub source: &'a [T],
    pub columns: &'a Columns,
    /// the steps of the depth in the source
    pub steps: &'a Offsets,
}

/// Multiplies `rows`, panels of a block with the rows they hold, with the columns, into (or onto) `out`.
/// `panel` is scratch, of the length that [`Columns::panel`] says.
pub fn sweep<'a, T: Real, R>(
    block: &Sweep<'_, T>,
    rows: impl Fn() -> R,
    panel: &mut [T],
    out: &mut Destination<'_, T>,
) where
    R: Iterator<Item = (Range<usize>, Packed<'a, T>)>,
{
    let columns = block.columns;
    let width = VECTORS * columns.lanes;
    let in_panel: Offsets = if panel.is_empty() {
        Offsets::default()
    } else {
        (0..block.steps.len()).map(|k| k * width).collect()
    };
    let vectors = std::array::from_fn(|vector| (vector * columns.lanes) as u32);
    for strip in &columns.strips {
        let (data, steps, places): (&[T], _, &[u32; VECTORS]) = match &strip.source {
            Source::Placed(places) => (block.source, block.steps, places),
            Source::Pieces(range) => {
                let pieces = &columns.pieces[range.clone()];
                match columns.width {
                    4 => copy::<T, 4>(block, pieces, panel),
                    8 => copy::<T, 8>(block, pieces, panel),
                    _ => copy::<T, 16>(block, pieces, panel),
                }
                (panel, &in_panel, &vectors)
            }
        };
        let b = Placed {
            data,
            steps,
            places: &places[..strip.vectors],
        };
        let mut row = 0;
        for (rows, a) in rows() {
            let mut tile = Destination {
                data: &mut out.data[row * out.pitch + strip.column..],
                pitch: out.pitch,
                add: out.add,
            };
            block
                .kernels
                .packed_rows((rows.len(), strip.vectors), a, b, &mut tile);
            row += rows.len();
        }
    }
}

/// Puts a strip together. Steps and pieces in order: what one copies too many, the next overwrites.
fn copy<T: Real, const WIDTH: usize>(block: &Sweep<'_, T>, pieces: &[Piece], panel: &mut [T]) {
    let pitch = VECTORS * block.columns.lanes;
    for (k, step) in block.steps.iter().enumerate() {
        let (source, panel) = (&block.source[step..], &mut panel[k * pitch..]);
        for piece in pieces {
            panel[piece.to..piece.to + WIDTH]
                .copy_from_slice(&source[piece.from..piece.from + WIDTH]);
        }
    }
}
