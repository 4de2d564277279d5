//! Division of a product's rows and columns into tasks, by the shapes alone.

use std::ops::Range;

use crate::ops::gemm::pieces;

/// How many tasks there should be, so that a handful of threads are busy to the end.
const TASKS: usize = 16;
/// Columns of a task: many enough to make up for reading the rows' panels, few enough for the caches.
const COLUMNS: Range<usize> = 96..512;

/// A rectangle of a product: rows, samples, and rows of pixels of each sample.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub group: usize,
    /// rows of the product, in the group
    pub channels: Range<usize>,
    pub samples: Range<usize>,
    /// rows of the map or image
    pub lines: Range<usize>,
}

/// The shape of a product whose columns are pixels.
pub(super) struct Extent {
    pub groups: usize,
    pub channels: usize,
    pub samples: usize,
    /// (rows, columns) of pixels
    pub pixels: (usize, usize),
}

impl Extent {
    /// Tasks; `height` rows are not divided.
    pub(super) fn tasks(&self, height: usize) -> Vec<Task> {
        let (lines, width) = self.pixels;
        let columns = self.samples * lines * width;
        let fair = (self.groups * columns).div_ceil(TASKS);
        let wanted = fair.clamp(COLUMNS.start, COLUMNS.end);
        // Whole samples, or a part of one.
        let samples = (wanted / (lines * width)).clamp(1, self.samples.max(1));
        let parts = (lines * width).div_ceil(wanted).min(lines);
        let (samples, lines_each) = if parts > 1 {
            (1, lines.div_ceil(parts))
        } else {
            (
                self.samples
                    .div_ceil(self.samples.div_ceil(samples).max(1))
                    .max(1),
                lines,
            )
        };
        let blocks = self.groups * self.samples.div_ceil(samples) * lines.div_ceil(lines_each);
        let split = (TASKS * 3 / 4)
            .div_ceil(blocks.max(1))
            .min(self.channels.div_ceil(4 * height))
            .max(1);
        let channels = self.channels.div_ceil(split).next_multiple_of(height);
        let mut tasks = Vec::new();
        for group in 0..self.groups {
            for samples in pieces(self.samples, samples) {
                for lines in pieces(lines, lines_each) {
                    for channels in pieces(self.channels, channels) {
                        tasks.push(Task {
                            group,
                            channels,
                            samples: samples.clone(),
                            lines: lines.clone(),
                        });
                    }
                }
            }
        }
        tasks
    }
}
