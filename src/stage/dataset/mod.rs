//! `kind: dataset`: images with labels from files, or drawn by code.

mod check;
mod config;

use std::path::Path;

pub use config::{DatasetConfig, DatasetName, SetPart};

use super::{
    DataSchema, Fault, Format, InputNode, InputSchemas, InputSpec, Kind, Outcome, OutputSpec,
    Product, StageCtx, StageError,
};
use crate::data::files::Reading;
use crate::data::resize::Resize;
use crate::data::{attributes, cifar, faces, folder, idx, multi_label, shapes};
use crate::worktree::WorkTree;

impl DatasetConfig {
    fn reading(&self) -> Reading {
        Reading {
            channels: self.channels.unwrap_or(3),
            limit: self.limit,
            resize: self.resize.clone(),
        }
    }
}

impl Kind for DatasetConfig {
    const NAME: &'static str = "dataset";
    const VERSION: u32 = 1;

    fn inputs(&self) -> Vec<InputSpec> {
        // A command may give a folder where it declares a file.
        let files = InputSpec::required("files", &[Format::Folder, Format::File]);
        match self.name {
            DatasetName::Shapes | DatasetName::Faces => Vec::new(),
            DatasetName::Idx => vec![
                InputSpec::required("images", &[Format::File]),
                InputSpec::optional("labels", &[Format::File]),
            ],
            DatasetName::Folder | DatasetName::MnistDir | DatasetName::Cifar => vec![files],
            DatasetName::Attributes => {
                let table = InputSpec::required("attributes", &[Format::File, Format::Table]);
                vec![files, table]
            }
            DatasetName::MultiLabelJson => {
                let json = |name| InputSpec::required(name, &[Format::File, Format::Json]);
                vec![files, json("labels"), json("classes")]
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
    fn resolve(&mut self, _tree: &WorkTree) -> Result<(), Vec<Fault>> {
        match self.name {
            DatasetName::Shapes => {
                self.size.get_or_insert(64);
                self.objects.get_or_insert([1, 3]);
            }
            DatasetName::Faces => {
                self.size.get_or_insert(128);
            }
            DatasetName::Folder | DatasetName::Attributes | DatasetName::MultiLabelJson => {
                self.channels.get_or_insert(3);
            }
            DatasetName::MnistDir | DatasetName::Cifar => {
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
            DatasetName::Folder | DatasetName::Attributes | DatasetName::MultiLabelJson => {
                DataSchema {
                    channels: self.channels,
                    size: self
                        .resize
                        .as_ref()
                        .map(|Resize { size, .. }| (size.height, size.width)),
                    classes: self.keep.as_ref().map(Vec::len),
                }
            }
            DatasetName::Cifar => DataSchema {
                channels: Some(3),
                size: Some((32, 32)),
                classes: None,
            },
        })
    }

    fn run(&self, ctx: &StageCtx<'_>) -> Result<Outcome, StageError> {
        let out = ctx.out.join("data.pack");
        let watch = |done, total| ctx.go_on(done, total);
        let path = |input| ctx.input(input).map(InputNode::path);
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
                let images = idx::read_images(path("images")?)?;
                let labels = ctx
                    .optional("labels")
                    .map(|node| idx::read_labels(node.path()));
                let labels = labels.transpose()?;
                let classes = self.classes.as_deref();
                idx::write(&images, labels.as_deref(), classes, self.limit, &out)?;
            }
            DatasetName::Folder => {
                let keep = self.keep.as_deref();
                folder::write(path("files")?, keep, &self.reading(), &out, &watch)?;
            }
            DatasetName::Attributes => {
                let (dir, table) = (path("files")?, path("attributes")?);
                attributes::write(dir, table, &self.reading(), &out, &watch)?;
            }
            DatasetName::MultiLabelJson => {
                let (dir, labels) = (path("files")?, path("labels")?);
                let classes = path("classes")?;
                multi_label::write(dir, labels, classes, &self.reading(), &out, &watch)?;
            }
            DatasetName::Cifar => {
                let test = self.split.unwrap_or_default() == SetPart::Test;
                cifar::write(path("files")?, test, self.limit, &out, &watch)?;
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
    let test = config.split.unwrap_or_default() == SetPart::Test;
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
