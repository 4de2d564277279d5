//! What is normalised together.

use std::ops::Range;

use candle_core::{Result, Shape, bail};

use crate::ops::reduce::Planes;

/// Elements whose sums are taken in the element type; sums of such blocks are added in `f64`. A block of `f32`
/// fits the first-level cache, so going over it twice costs one pass through memory.
const BLOCK: usize = 4096;

/// A tensor (N, C, …), cut into groups with statistics of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Groups {
    pub planes: Planes,
    together: Together,
}

#[derive(Debug, Clone, Copy)]
enum Together {
    /// a channel of all samples
    Batch,
    /// so many channels of one sample
    Channels(usize),
}

impl Groups {
    /// One group a channel: batch norm.
    pub fn of_batch(shape: &Shape) -> Result<Self> {
        Self::new(shape, Together::Batch)
    }

    /// `count` groups a sample, each of as many channels: group norm; with one channel each, instance norm; with
    /// all of them, layer norm.
    pub fn of_sample(shape: &Shape, count: usize) -> Result<Self> {
        let channels = Planes::of(shape)?.channels;
        if count == 0 || !channels.is_multiple_of(count) {
            bail!("normalisation: {channels} channels cannot be cut into {count} groups");
        }
        let groups = Self::new(shape, Together::Channels(channels / count))?;
        if groups.size() == 1 {
            bail!(
                "normalisation: {shape:?} in {count} groups a sample leaves groups of one number, which become 0"
            );
        }
        Ok(groups)
    }

    fn new(shape: &Shape, together: Together) -> Result<Self> {
        if shape.elem_count() == 0 {
            bail!("normalisation: a tensor of shape {shape:?} has no statistics");
        }
        let planes = Planes::of(shape)?;
        Ok(Self { planes, together })
    }

    /// The number of groups.
    pub fn count(&self) -> usize {
        match self.together {
            Together::Batch => self.planes.channels,
            Together::Channels(channels) => self.planes.samples * self.planes.channels / channels,
        }
    }

    /// Elements of a group.
    pub fn size(&self) -> usize {
        match self.together {
            Together::Batch => self.planes.samples * self.planes.pixels,
            Together::Channels(channels) => channels * self.planes.pixels,
        }
    }

    /// The group of plane number n · C + c.
    pub fn of_plane(&self, plane: usize) -> usize {
        match self.together {
            Together::Batch => plane % self.planes.channels,
            Together::Channels(channels) => plane / channels,
        }
    }

    /// The elements of a group.
    pub fn strip(&self, group: usize) -> Strip {
        match self.together {
            Together::Batch => self.channel(group),
            Together::Channels(_) => Strip::slice(group * self.size(), self.size()),
        }
    }

    /// The length of a group that is one row of single pixels, as in layer norm: work that goes plane by plane would
    /// go number by number.
    pub fn row(&self) -> Option<usize> {
        match self.together {
            Together::Channels(channels) if self.planes.pixels == 1 => Some(channels),
            _ => None,
        }
    }

    /// The number of [segments](Self::segment).
    pub fn segments(&self) -> usize {
        match self.together {
            Together::Batch => self.planes.channels,
            Together::Channels(_) => self.planes.samples * self.planes.channels,
        }
    }

    /// The largest parts of the tensor that lie both within one channel and within one group. Segment number s is
    /// plane number s, or for a batch starts with it.
    pub fn segment(&self, segment: usize) -> Strip {
        match self.together {
            Together::Batch => self.channel(segment),
            Together::Channels(_) => Strip::slice(segment * self.planes.pixels, self.planes.pixels),
        }
    }

    fn channel(&self, channel: usize) -> Strip {
        Strip {
            start: channel * self.planes.pixels,
            rows: self.planes.samples,
            length: self.planes.pixels,
            stride: self.planes.sample(),
        }
    }

    /// A shape for all elements, and the shape with one element left of each group that broadcasts to it.
    pub fn views(&self) -> (Shape, Shape) {
        let channels = self.planes.channels;
        match self.together {
            Together::Batch => {
                let whole = (self.planes.samples, channels, self.planes.pixels);
                (whole.into(), (1, channels, 1).into())
            }
            Together::Channels(_) => {
                let groups = self.count();
                ((groups, self.size()).into(), (groups, 1).into())
            }
        }
    }
}

/// Rows of one length, at one distance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strip {
    start: usize,
    rows: usize,
    length: usize,
    stride: usize,
}

impl Strip {
    pub fn slice(start: usize, length: usize) -> Self {
        Self {
            start,
            rows: 1,
            length,
            stride: length,
        }
    }

    /// The number of its elements.
    pub fn size(self) -> usize {
        self.rows * self.length
    }

    /// The places of its elements, row by row.
    pub fn ranges(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.rows).map(move |row| {
            let start = self.start + row * self.stride;
            start..start + self.length
        })
    }

    /// The strip in blocks: of several rows, or parts of a row.
    pub fn blocks(self) -> impl Iterator<Item = Self> {
        let rows = (BLOCK / self.length).clamp(1, self.rows);
        let length = self.length.min(BLOCK);
        (0..self.rows).step_by(rows).flat_map(move |row| {
            (0..self.length).step_by(length).map(move |column| Self {
                start: self.start + row * self.stride + column,
                rows: rows.min(self.rows - row),
                length: length.min(self.length - column),
                stride: self.stride,
            })
        })
    }
}
