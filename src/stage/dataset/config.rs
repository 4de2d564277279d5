//! What a dataset stage may be told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::resize::Resize;
use crate::data::size::{optional_size_or_full, size_or_full_schema};

/// Settings of a dataset stage. Which of them apply depends on `name`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// Where images come from.
    pub name: DatasetName,
    /// `shapes`, `faces`: how many images to draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// `shapes`, `faces`: height and width in pixels, 8 to 1024; 64 (`shapes`) or 128 (`faces`) if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// `shapes`: fewest and most objects in an image, within 1 to 8; [1, 3] if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<[usize; 2]>,
    /// `idx`, `mnist-dir`: names of the classes in the order of label numbers; "0", "1", … if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// `folder`, `attributes`, `multi-label-json`: colour channels that images are read with, 1 or 3; 3 if not
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// `mnist-dir`, `cifar`: which part of the set; `train` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<SetPart>,
    /// All but `shapes` and `faces`: take the first so many images only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// `folder`: read the images of these classes only, as in `[dog]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Vec<String>>,
    /// `folder`, `attributes`, `multi-label-json`: scale on reading, as `resize` of a preprocess stage does.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_size_or_full"
    )]
    #[schemars(schema_with = "size_or_full_schema::<Resize>")]
    pub resize: Option<Resize>,
}

/// Where images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetName {
    /// Scenes of 1 to 3 coloured solids (3 solids × 8 colours), drawn by code, multi-hot labels.
    Shapes,
    /// Cartoon faces drawn by code, multi-hot labels: one of 6 hair colours, 4 eye colours, 3 shades of face,
    /// glasses or none.
    Faces,
    /// The MNIST family: inputs `images` and `labels`, IDX files, plain or gzipped.
    Idx,
    /// PNG and JPEG files in the input `files`: a folder a class, or `labels.csv`.
    Folder,
    /// The input `files` is a folder with the four raw IDX files of MNIST.
    MnistDir,
    /// Image files in the input `files`, their attributes in the text file `attributes`, as `CelebA` and the
    /// Cartoon Set have them; multi-hot labels.
    Attributes,
    /// Image files in the input `files`, the classes of each in the JSON file `labels`, numbered by the JSON file
    /// `classes`, as i-CLEVR has them; multi-hot labels.
    MultiLabelJson,
    /// The input `files` is a folder with the binary version of CIFAR-10 or CIFAR-100.
    Cifar,
}

/// Which part of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SetPart {
    /// the images to train on
    #[default]
    Train,
    /// the images to test on
    Test,
}

impl DatasetName {
    /// The settings that apply, besides `name`.
    pub(super) const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Shapes => &["images", "size", "objects"],
            Self::Faces => &["images", "size"],
            Self::Idx => &["classes", "limit"],
            Self::Folder => &["channels", "keep", "resize", "limit"],
            Self::MnistDir => &["classes", "split", "limit"],
            Self::Attributes | Self::MultiLabelJson => &["channels", "resize", "limit"],
            Self::Cifar => &["split", "limit"],
        }
    }

    /// Whether code draws the images.
    pub(super) const fn is_drawn(self) -> bool {
        matches!(self, Self::Shapes | Self::Faces)
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Shapes => "shapes",
            Self::Faces => "faces",
            Self::Idx => "idx",
            Self::Folder => "folder",
            Self::MnistDir => "mnist-dir",
            Self::Attributes => "attributes",
            Self::MultiLabelJson => "multi-label-json",
            Self::Cifar => "cifar",
        }
    }
}
