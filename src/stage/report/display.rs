//! Tables and images as a report shows them.

use std::path::Path;

use super::failed;
use super::gather::read;
use super::upstream::name;
use crate::report::document::{Extra, Figure, Files};
use crate::report::table;
use crate::stage::context::plain;
use crate::stage::{Format, InputNode, ShownNode, StageError};

/// Rows of a stage's table that a report shows.
const TABLE_ROWS: usize = 30;

/// A table or an image by the form of its bytes; `None` for anything else.
pub type Display = Option<(Vec<Vec<String>>, Option<Figure>)>;

pub fn display(
    path: &Path,
    node: &InputNode,
    output: &str,
    files: &mut Files,
) -> Result<Display, StageError> {
    let format = node.outputs.get(output).map(|artifact| artifact.format);
    let extension = path.extension().and_then(|extension| extension.to_str());
    Ok(match (format, extension) {
        (Some(Format::Table), _) | (_, Some("csv")) => {
            Some((table::records(&read(path)?).map_err(failed)?, None))
        }
        (Some(Format::Image), _) | (_, Some("png" | "gif")) => {
            let figure = image(read(path)?, output.to_owned(), files);
            Some((Vec::new(), Some(figure)))
        }
        _ => None,
    })
}

/// A PNG or, by its first bytes, a GIF.
pub fn image(bytes: Vec<u8>, caption: String, files: &mut Files) -> Figure {
    let extension = if bytes.starts_with(b"GIF8") {
        "gif"
    } else {
        "png"
    };
    files.add(bytes, extension, caption)
}

pub fn extra(
    label: &str,
    shown: &ShownNode,
    table: Vec<Vec<String>>,
    figure: Option<Figure>,
) -> Extra {
    let (table, omitted) = cut(table);
    Extra {
        name: label.to_owned(),
        description: shown.description.clone(),
        table,
        omitted,
        figure,
    }
}

/// The header and the first rows, and how many were left out.
pub fn cut(mut table: Vec<Vec<String>>) -> (Vec<Vec<String>>, usize) {
    let omitted = table.len().saturating_sub(TABLE_ROWS + 1);
    table.truncate(TABLE_ROWS + 1);
    (table, omitted)
}

/// "grids[loss=bce]: 64 images, checkpoint last, seed 7"; `output` of the stage is what is shown.
pub fn grid_caption(node: &ShownNode, output: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let field = |field: &str| node.with.get(field).filter(|value| !value.is_null());
    let of = |name: &str| field(name).map(plain).unwrap_or_default();
    let images = if node.inputs.contains_key("prompts") {
        "one image a prompt".to_owned()
    } else {
        format!("{} images", of("images"))
    };
    match field("mode").map(plain).as_deref() {
        Some("interpolate") => parts.push(format!(
            "from sample to sample in {} by {}",
            of("space"),
            of("path")
        )),
        Some("reconstruct") => parts.push("images above their reconstructions".to_owned()),
        Some("neighbours") => parts.push(format!(
            "{images}, each beside the {} images of the data that are nearest to it and above their distances",
            of("neighbours")
        )),
        Some("best-worst") => parts.push(format!(
            "of {images} the {} that the judge finds best and the {} that it finds worst, above its confidence that they \
             show what they were to show",
            of("show"),
            of("show")
        )),
        Some("checkpoints") if output == "sheet" => {
            parts.push("the same samples at every checkpoint, a row an epoch".to_owned());
        }
        Some("checkpoints") if output == "animation" => {
            parts.push(format!("{images} at every checkpoint, one after the other"));
        }
        _ => parts.push(images),
    }
    if node.inputs.contains_key("model") {
        let checkpoint = field("checkpoint").map(|which| match which.get("best") {
            Some(metric) => format!("checkpoint best by {}", plain(metric)),
            None => format!("checkpoint {}", plain(which)),
        });
        let checkpoints = field("checkpoints").map(|which| match output {
            "images" => "the last checkpoint".to_owned(),
            _ => format!("checkpoints {}", plain(which)),
        });
        parts.extend(checkpoints.or(checkpoint));
        parts.extend(node.seed.map(|seed| format!("seed {seed}")));
    }
    format!("{}: {}", name(node), parts.join(", "))
}
