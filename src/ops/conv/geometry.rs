//! The shapes of one convolution.

use candle_core::{Result, bail};

/// Zeros added around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Padding {
    /// rows above
    pub top: usize,
    /// rows below
    pub bottom: usize,
    /// columns to the left
    pub left: usize,
    /// columns to the right
    pub right: usize,
}

impl Padding {
    /// `rows` above and below, `columns` left and right.
    pub const fn symmetric(rows: usize, columns: usize) -> Self {
        Self {
            top: rows,
            bottom: rows,
            left: columns,
            right: columns,
        }
    }
}

/// What a convolution does besides its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// steps between windows (rows, columns), at least 1
    pub stride: (usize, usize),
    /// zeros around the image; for a transposed convolution, what is cut off its result
    pub padding: Padding,
    /// blocks of channels that do not see each other; divides both channel counts
    pub groups: usize,
}

impl Default for Conv {
    fn default() -> Self {
        Self {
            stride: (1, 1),
            padding: Padding::default(),
            groups: 1,
        }
    }
}

/// Shapes of a convolution from an image (N, groups · c, h, w) to a map (N, groups · o, oh, ow).
/// A transposed convolution is described by the convolution whose data gradient it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Geometry {
    pub samples: usize,
    pub groups: usize,
    /// image channels in a group
    pub c: usize,
    /// map channels in a group
    pub o: usize,
    pub image: (usize, usize),
    pub kernel: (usize, usize),
    pub map: (usize, usize),
    pub stride: (usize, usize),
    /// zeros above and to the left of the image
    pub origin: (usize, usize),
}

impl Geometry {
    pub(super) fn of_conv(
        x: (usize, usize, usize, usize),
        weight: (usize, usize, usize, usize),
        conv: &Conv,
    ) -> Result<Self> {
        let (samples, channels, h, w) = x;
        let (outputs, c, kh, kw) = weight;
        let Conv {
            stride,
            padding,
            groups,
        } = *conv;
        if [groups, stride.0, stride.1, channels, h, w, outputs, kh, kw].contains(&0) {
            bail!("conv2d: a zero in input {x:?}, weight {weight:?} or {conv:?}");
        }
        if channels != c * groups || outputs % groups != 0 {
            bail!(
                "conv2d: weight {weight:?} in {groups} groups does not fit an input of {channels} channels"
            );
        }
        let (padded_h, padded_w) = (
            h + padding.top + padding.bottom,
            w + padding.left + padding.right,
        );
        if padded_h < kh || padded_w < kw {
            bail!("conv2d: kernel {kh}×{kw} is larger than the padded input {padded_h}×{padded_w}");
        }
        Ok(Self {
            samples,
            groups,
            c,
            o: outputs / groups,
            image: (h, w),
            kernel: (kh, kw),
            map: (
                (padded_h - kh) / stride.0 + 1,
                (padded_w - kw) / stride.1 + 1,
            ),
            stride,
            origin: (padding.top, padding.left),
        })
    }

    pub(super) fn of_conv_transpose(
        x: (usize, usize, usize, usize),
        weight: (usize, usize, usize, usize),
        conv: &Conv,
        output_padding: (usize, usize),
    ) -> Result<Self> {
        let (samples, channels, oh, ow) = x;
        let (inputs, c, kh, kw) = weight;
        let Conv {
            stride,
            padding,
            groups,
        } = *conv;
        if [groups, stride.0, stride.1, channels, oh, ow, c, kh, kw].contains(&0) {
            bail!("conv_transpose2d: a zero in input {x:?}, weight {weight:?} or {conv:?}");
        }
        if channels != inputs || channels % groups != 0 {
            bail!(
                "conv_transpose2d: weight {weight:?} in {groups} groups does not fit an input of {channels} channels"
            );
        }
        if output_padding.0 >= stride.0 || output_padding.1 >= stride.1 {
            bail!(
                "conv_transpose2d: output padding {output_padding:?} must be smaller than stride {stride:?}"
            );
        }
        let full_h = (oh - 1) * stride.0 + kh + output_padding.0;
        let full_w = (ow - 1) * stride.1 + kw + output_padding.1;
        if full_h <= padding.top + padding.bottom || full_w <= padding.left + padding.right {
            bail!("conv_transpose2d: padding {padding:?} leaves nothing of {full_h}×{full_w}");
        }
        Ok(Self {
            samples,
            groups,
            c,
            o: channels / groups,
            image: (
                full_h - padding.top - padding.bottom,
                full_w - padding.left - padding.right,
            ),
            kernel: (kh, kw),
            map: (oh, ow),
            stride,
            origin: (padding.top, padding.left),
        })
    }

    /// Whether each window is the whole image: then convolution is a linear layer.
    pub(super) fn is_linear(&self) -> bool {
        self.groups == 1 && self.map == (1, 1) && self.kernel == self.image && self.origin == (0, 0)
    }

    /// Elements of the kernel.
    pub(super) fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    /// The same convolution with its pixels in one row, if it takes them one by one and they are few
    /// enough for one task.
    pub(super) fn flattened(self) -> Self {
        let pixelwise = self.kernel == (1, 1) && self.stride == (1, 1) && self.image == self.map;
        if !pixelwise || self.origin != (0, 0) || self.pixels() > 512 {
            return self;
        }
        let row = (1, self.pixels());
        Self {
            image: row,
            map: row,
            ..self
        }
    }

    /// Elements of one window in one group: the depth of the forward product.
    pub(super) fn window(&self) -> usize {
        self.c * self.kernel.0 * self.kernel.1
    }

    /// Pixels of one image channel.
    pub(super) fn pixels(&self) -> usize {
        self.image.0 * self.image.1
    }

    /// Windows in an image, the pixels of one map channel.
    pub(super) fn positions(&self) -> usize {
        self.map.0 * self.map.1
    }

    /// Elements of one sample's image.
    pub(super) fn image_elements(&self) -> usize {
        self.groups * self.c * self.pixels()
    }

    /// Elements of one sample's map.
    pub(super) fn map_elements(&self) -> usize {
        self.groups * self.o * self.positions()
    }

    pub(super) fn image_shape(&self) -> (usize, usize, usize, usize) {
        (
            self.samples,
            self.groups * self.c,
            self.image.0,
            self.image.1,
        )
    }

    pub(super) fn map_shape(&self) -> (usize, usize, usize, usize) {
        (self.samples, self.groups * self.o, self.map.0, self.map.1)
    }

    pub(super) fn weight_shape(&self) -> (usize, usize, usize, usize) {
        (self.groups * self.o, self.c, self.kernel.0, self.kernel.1)
    }
}
