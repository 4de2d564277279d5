//! Applying a recipe to a pack: copies offline, or the recipe attached for a trainer.

use std::path::Path;

use super::error::DataError;
use super::pack::{Pack, PackWriter};
use super::recipe::Recipe;
use super::work::{Watch, in_order};
use crate::rng::Streams;

/// Packs `factor` copies of the images into `out`, copy by copy, each image of each augmented anew; with
/// `keep_original` the first copy is the images as they are. Image `i` of copy `c` of `n` images draws from
/// the stream `("augment", c * n + i)`.
pub fn expand(
    pack: &Pack,
    recipe: &Recipe,
    factor: usize,
    keep_original: bool,
    seed: u64,
    out: &Path,
    watch: Watch<'_>,
) -> Result<(), DataError> {
    let count = pack.len();
    let mut writer = PackWriter::create(out, pack.schema().clone())?;
    let streams = Streams::new(seed, "augment");
    in_order(
        count * factor,
        watch,
        |at| {
            let image = pack.image(at % count).to_owned();
            if keep_original && at < count {
                return Ok(image);
            }
            fits(pack, recipe, at % count)?;
            Ok(recipe.apply(image, &mut streams.stream(at as u64)))
        },
        |at, image| {
            let (copy, index) = (at / count, at % count);
            let name = match copy {
                0 => pack.name(index).to_owned(),
                _ => format!("{}#{copy}", pack.name(index)),
            };
            writer.push(&image.view(), &pack.label(index), &name)
        },
    )?;
    writer.finish()
}

/// Copies `pack` to `out` with `recipe` attached.
pub fn attach(pack: &Pack, recipe: Recipe, out: &Path, watch: Watch<'_>) -> Result<(), DataError> {
    let checked = recipe.clone();
    let mut writer = PackWriter::create(out, pack.schema().clone())?.with_recipe(recipe);
    in_order(pack.len(), watch, Ok, |_, i| {
        fits(pack, &checked, i)?;
        writer.push(&pack.image(i), &pack.label(i), pack.name(i))
    })?;
    writer.finish()
}

/// An error that names image `index` unless `recipe` can be applied to it.
fn fits(pack: &Pack, recipe: &Recipe, index: usize) -> Result<(), DataError> {
    let image = pack.image(index);
    match recipe.size_after((image.height, image.width)) {
        Ok(_) => Ok(()),
        Err(error) => Err(DataError::image(pack.name(index), error.to_string())),
    }
}
