//! What figures look like: colours for light and for dark pages, as a style sheet within the SVG.
//!
//! Every rule is bound to the class `retake` of the root, so that a figure put into a page changes nothing around it.
//! The background is opaque: where a host shows figures as `<img>`, they follow the reader's system and the page around
//! them its own settings, and ink must not be left without its paper. What knows no `@media` shows the light colours.

use std::fmt::Write;

/// Colours of lines in the light scheme and in the dark one.
///
/// Found by search: in each scheme every two of them differ by at least 0.1 in Oklab as seen with normal vision and with
/// protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes 2009), and each has a contrast of at least
/// 3 : 1 with the paper.
pub const COLOURS: [(&str, &str); 7] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#f0813a"),
    ("#2aa68f", "#35e7ca"),
    ("#a16ef8", "#8d75bb"),
    ("#5e5011", "#ffc126"),
    ("#9f4a68", "#c25878"),
    ("#383224", "#ada797"),
];

/// Dashes of lines without marks, by colour.
pub const DASHES: [&str; COLOURS.len()] =
    ["", "9 3", "2 3", "9 3 2 3", "5 5", "12 3 2 3 2 3", "1 4"];

/// Everything else: selector, property, light, dark.
const RULES: [(&str, &str, &str, &str); 9] = [
    (".paper", "fill", "#ffffff", "#15191e"),
    ("text", "fill", "#24292f", "#d8dee4"),
    (".soft", "fill", "#59636e", "#9aa4ae"),
    (".grid", "stroke", "#e4e7ea", "#2a3036"),
    (".axis", "stroke", "#8c959f", "#6a737d"),
    (".other", "stroke", "#afb8c1", "#59636e"),
    (".level", "stroke", "#59636e", "#9aa4ae"),
    (".box", "fill", "#eef3f8", "#1e2a36"),
    (".box", "stroke", "#5b7c99", "#6f96b8"),
];

/// What does not depend on the scheme.
const SHAPES: &str = "\
.retake{font-family:system-ui,-apple-system,\"Segoe UI\",Helvetica,Arial,sans-serif;font-size:13px}\
.retake path,.retake line{fill:none}\
.retake .line{stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\
.retake .raw{stroke-width:1;stroke-opacity:.35;stroke-linejoin:round}\
.retake .band{stroke:none;fill-opacity:.14}\
.retake .bars{fill-opacity:.25;stroke-width:1.5}\
.retake .other{stroke-width:1}\
.retake .level{stroke-width:1.5;stroke-dasharray:6 4}\
.retake .ring{stroke-width:2}\
.retake .halo{stroke-width:3.5;paint-order:stroke;stroke-linejoin:round}\
.retake .title{font-size:16px;font-weight:600}\
.retake .small{font-size:11px}";

/// The element `<style>` of a figure that draws lines in the first `colours` colours.
pub fn style(colours: usize) -> String {
    let scheme = |dark: bool| {
        let pick = |light: &'static str, other: &'static str| if dark { other } else { light };
        let mut css = String::new();
        for (selector, property, light, other) in RULES {
            let _ = write!(
                css,
                ".retake {selector}{{{property}:{}}}",
                pick(light, other)
            );
        }
        let _ = write!(
            css,
            ".retake .halo{{stroke:{}}}",
            pick("#ffffff", "#15191e")
        );
        for (index, (light, other)) in COLOURS.iter().take(colours).enumerate() {
            let colour = pick(light, other);
            let _ = write!(
                css,
                ".retake .c{index}{{stroke:{colour}}}.retake .f{index}{{fill:{colour}}}"
            );
        }
        css
    };
    format!(
        "<style>{}{SHAPES}@media(prefers-color-scheme:dark){{{}}}</style>",
        scheme(false),
        scheme(true)
    )
}
