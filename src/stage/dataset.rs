//! `kind: dataset`: images with labels from files, or drawn by code.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DataSchema, Fault, Format, InputSchemas, InputSpec, Kind, Outcome, OutputSpec, Product,
    StageCtx, StageError,
};
use crate::data::{faces, folder, idx, shapes};

/// Pixels that a drawn image may measure.
const SIZES: std::ops::RangeInclusive<usize> = 8..=1024;
/// Most objects in a drawn image: more would hide each other.
const MOST_OBJECTS: usize = 8;

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
    /// `folder`: colour channels that images are read with, 1 or 3; 3 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// `mnist-dir`: which part of the set; `train` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<MnistSplit>,
    /// `idx`, `folder`, `mnist-dir`: take the first so many images only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
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
}

/// Which part of MNIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MnistSplit {
    /// `train-…`, 60,000 images
    #[default]
    Train,
    /// `t10k-…`, 10,000 images
    Test,
}

impl DatasetName {
    /// The settings that apply, besides `name`.
    const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Shapes => &["images", "size", "objects"],
            Self::Faces => &["images", "size"],
            Self::Idx => &["classes", "limit"],
            Self::Folder => &["channels", "limit"],
            Self::MnistDir => &["classes", "split", "limit"],
        }
    }

    /// Whether code draws the images.
    const fn is_drawn(self) -> bool {
        matches!(self, Self::Shapes | Self::Faces)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Shapes => "shapes",
            Self::Faces => "faces",
            Self::Idx => "idx",
            Self::Folder => "folder",
            Self::MnistDir => "mnist-dir",
        }
    }
}

impl DatasetConfig {
    fn faults(&self) -> Vec<Fault> {
        let given = [
            ("images", self.images.is_some()),
            ("size", self.size.is_some()),
            ("objects", self.objects.is_some()),
            ("classes", self.classes.is_some()),
            ("channels", self.channels.is_some()),
            ("split", self.split.is_some()),
            ("limit", self.limit.is_some()),
        ];
        let apply = self.name.settings();
        let mut faults: Vec<Fault> = given
            .into_iter()
            .filter(|(setting, given)| *given && !apply.contains(setting))
            .map(|(setting, _)| {
                let message = format!("`{setting}` does not apply to `{}`", self.name.text());
                Fault::at(setting, message).help(format!("it takes `{}`", apply.join("`, `")))
            })
            .collect();
        if self.name.is_drawn() {
            match self.images {
                None => faults
                    .push(Fault::at("", "`images` is missing").help("say how many images to draw")),
                Some(0) => faults.push(Fault::at("images", "at least one image must be drawn")),
                Some(_) => {}
            }
        }
        if let Some(size) = self.size.filter(|size| !SIZES.contains(size)) {
            let message = format!("images of {size} pixels: the range is 8 to 1024");
            faults.push(Fault::at("size", message));
        }
        if let Some([fewest, most]) = self.objects
            && !(1 <= fewest && fewest <= most && most <= MOST_OBJECTS)
        {
            let message = format!("[{fewest}, {most}] is no range within 1 to {MOST_OBJECTS}");
            faults.push(Fault::at("objects", message).help("write [fewest, most], as in [1, 3]"));
        }
        if let Some(channels) = self.channels.filter(|channels| !matches!(channels, 1 | 3)) {
            let message = format!("{channels} colour channels: 1 (grey) or 3 (RGB)");
            faults.push(Fault::at("channels", message));
        }
        if self.limit == Some(0) {
            faults.push(Fault::at("limit", "a limit of 0 leaves no image"));
        }
        if let Some(classes) = &self.classes {
            let schema = crate::data::PackSchema {
                channels: 1,
                labels: crate::data::LabelKind::Class,
                classes: classes.clone(),
            };
            if let Err(error) = schema.validate() {
                faults.push(Fault::at("classes", error.to_string()));
            }
        }
        if self.name == DatasetName::MnistDir && !cfg!(feature = "candle-datasets") {
            let message = "this program was built without `mnist-dir`";
            let help = "build with the feature `candle-datasets`, or use `idx`";
            faults.push(Fault::at("name", message).help(help));
        }
        faults
    }
}

impl Kind for DatasetConfig {
    const NAME: &'static str = "dataset";
    const VERSION: u32 = 1;

    fn inputs(&self) -> Vec<InputSpec> {
        match self.name {
            DatasetName::Shapes | DatasetName::Faces => Vec::new(),
            DatasetName::Idx => vec![
                InputSpec::required("images", &[Format::File]),
                InputSpec::optional("labels", &[Format::File]),
            ],
            // A command may give a folder where it declares a file.
            DatasetName::Folder | DatasetName::MnistDir => {
                vec![InputSpec::required(
                    "files",
                    &[Format::Folder, Format::File],
                )]
            }
        }
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        vec![OutputSpec::new("data", Format::Data)]
    }

    fn uses_seed(&self) -> bool {
        self.name.is_drawn()
    }

    fn uses_device(&self) -> bool {
        false
    }

    /// Fills in defaults, so that leaving a setting out and writing its default give one key.
    fn resolve(&mut self, _root: &Path) -> Result<(), Vec<Fault>> {
        match self.name {
            DatasetName::Shapes => {
                self.size.get_or_insert(64);
                self.objects.get_or_insert([1, 3]);
            }
            DatasetName::Faces => {
                self.size.get_or_insert(128);
            }
            DatasetName::Folder => {
                self.channels.get_or_insert(3);
            }
            DatasetName::MnistDir => {
                self.split.get_or_insert_default();
            }
            DatasetName::Idx => {}
        }
        Ok(())
    }

    fn check(&self, _inputs: &InputSchemas) -> Result<DataSchema, Vec<Fault>> {
        let faults = self.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        let listed = self.classes.as_ref().map(Vec::len);
        Ok(match self.name {
            DatasetName::Shapes => DataSchema {
                channels: Some(3),
                size: self.size.map(|size| (size, size)),
                classes: Some(shapes::classes().len()),
            },
            DatasetName::Faces => DataSchema {
                channels: Some(3),
                size: self.size.map(|size| (size, size)),
                classes: Some(faces::classes().len()),
            },
            DatasetName::Idx | DatasetName::MnistDir => DataSchema {
                channels: Some(1),
                size: None,
                classes: listed,
            },
            DatasetName::Folder => DataSchema {
                channels: self.channels,
                size: None,
                classes: None,
            },
        })
    }

    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        let out = ctx.out.join("data.pack");
        let watch = |done, total| ctx.go_on(done, total);
        match self.name {
            DatasetName::Shapes => {
                let [fewest, most] = self.objects.unwrap_or([1, 3]);
                let shapes = shapes::Shapes {
                    images: self.images.unwrap_or_default(),
                    size: self.size.unwrap_or(64),
                    objects: (fewest, most),
                };
                shapes::write(&shapes, ctx.seed, &out, &watch)?;
            }
            DatasetName::Faces => {
                let faces = faces::Faces {
                    images: self.images.unwrap_or_default(),
                    size: self.size.unwrap_or(128),
                };
                faces::write(&faces, ctx.seed, &out, &watch)?;
            }
            DatasetName::Idx => {
                let images = idx::read_images(ctx.input("images")?.path())?;
                let labels = ctx
                    .optional("labels")
                    .map(|node| idx::read_labels(node.path()));
                let labels = labels.transpose()?;
                let classes = self.classes.as_deref();
                idx::write(&images, labels.as_deref(), classes, self.limit, &out)?;
            }
            DatasetName::Folder => {
                let dir = ctx.input("files")?.path();
                folder::write(dir, self.channels.unwrap_or(3), self.limit, &out, &watch)?;
            }
            DatasetName::MnistDir => mnist_dir(self, ctx, &out)?,
        }
        Ok(Outcome {
            outputs: [("data".to_owned(), Product::Made(out))].into(),
            ..Outcome::default()
        })
    }
}

#[cfg(feature = "candle-datasets")]
fn mnist_dir(config: &DatasetConfig, ctx: &StageCtx<'_>, out: &Path) -> Result<(), StageError> {
    let test = config.split.unwrap_or_default() == MnistSplit::Test;
    let dir = ctx.input("files")?.path();
    let (images, labels) = crate::data::mnist_dir::read(dir, test)?;
    let classes = config.classes.as_deref();
    Ok(idx::write(
        &images,
        Some(&labels),
        classes,
        config.limit,
        out,
    )?)
}

#[cfg(not(feature = "candle-datasets"))]
fn mnist_dir(_: &DatasetConfig, _: &StageCtx<'_>, _: &Path) -> Result<(), StageError> {
    // `check` has refused it before.
    Err(StageError::Failed(
        "built without `candle-datasets`".to_owned(),
    ))
}
