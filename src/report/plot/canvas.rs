//! SVG as text: elements in order, short numbers, safe text, widths of words.

use std::fmt::Write;

use super::theme;
use crate::report::downsample::Point;

/// A drawing that grows element by element.
pub struct Canvas {
    text: String,
}

impl Canvas {
    /// Paper of `width` × `height` pixels. `title` and `about` are for those who cannot see the figure.
    pub fn new(width: f64, height: f64, title: &str, about: &str, colours: usize) -> Self {
        let (w, h) = (number(width), number(height));
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"retake\" role=\"img\" width=\"{w}\" height=\"{h}\" \
             viewBox=\"0 0 {w} {h}\">\n<title>{}</title>\n",
            escape(title)
        );
        if !about.is_empty() {
            let _ = writeln!(text, "<desc>{}</desc>", escape(about));
        }
        text += &theme::style(colours);
        let _ = writeln!(
            text,
            "\n<rect class=\"paper\" width=\"{w}\" height=\"{h}\"/>"
        );
        Self { text }
    }

    /// The finished text.
    pub fn finish(mut self) -> String {
        self.text += "</svg>\n";
        self.text
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, (x1, y1): Point, (x2, y2): Point) {
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(number);
        let _ = writeln!(
            self.text,
            "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        );
    }

    /// Paths through `stretches`, as one element; nothing where there is none. `dash` may be empty.
    pub fn path(&mut self, class: &str, dash: &str, stretches: &[Vec<Point>]) {
        self.outline(class, dash, stretches, "");
    }

    /// Areas with `stretches` as outlines.
    pub fn area(&mut self, class: &str, stretches: &[Vec<Point>]) {
        self.outline(class, "", stretches, "Z");
    }

    fn outline(&mut self, class: &str, dash: &str, stretches: &[Vec<Point>], end: &str) {
        let mut d = String::new();
        for stretch in stretches.iter().filter(|stretch| !stretch.is_empty()) {
            let mut last = None;
            for point in stretch {
                let at = format!("{} {}", number(point.0), number(point.1));
                if last.as_ref() == Some(&at) {
                    continue;
                }
                d += match last {
                    None => "M",
                    Some(_) if d.ends_with('L') => "",
                    Some(_) => "L",
                };
                d += &at;
                last = Some(at);
            }
            d += end;
        }
        if d.is_empty() {
            return;
        }
        let dash = match dash {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        let _ = writeln!(self.text, "<path class=\"{class}\"{dash} d=\"{d}\"/>");
    }

    /// A mark at a point: every colour has its shape.
    pub fn mark(&mut self, index: usize, (x, y): Point) {
        let class = format!("f{}", index % theme::COLOURS.len());
        let polygon = |corners: &[(f64, f64)]| {
            let corners: Vec<String> = corners
                .iter()
                .map(|(dx, dy)| format!("{},{}", number(x + dx), number(y + dy)))
                .collect();
            format!(
                "<polygon class=\"{class}\" points=\"{}\"/>",
                corners.join(" ")
            )
        };
        self.text += &match index % theme::COLOURS.len() {
            0 => format!(
                "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"3.2\"/>",
                number(x),
                number(y)
            ),
            1 => polygon(&[(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)]),
            2 => polygon(&[(0.0, -4.2), (3.8, 2.8), (-3.8, 2.8)]),
            3 => polygon(&[(0.0, -4.4), (4.4, 0.0), (0.0, 4.4), (-4.4, 0.0)]),
            4 => polygon(&[(0.0, 4.2), (3.8, -2.8), (-3.8, -2.8)]),
            5 => polygon(&[(-1.8, -4.4), (1.8, -4.4), (1.8, 4.4), (-1.8, 4.4)]),
            _ => polygon(&[(-4.4, -1.8), (4.4, -1.8), (4.4, 1.8), (-4.4, 1.8)]),
        };
        self.text.push('\n');
    }

    /// A circle around a point.
    pub fn ring(&mut self, class: &str, (x, y): Point) {
        let (x, y) = (number(x), number(y));
        let _ = writeln!(
            self.text,
            "<circle class=\"ring {class}\" fill=\"none\" cx=\"{x}\" cy=\"{y}\" r=\"6.5\"/>"
        );
    }

    /// A rectangle with round corners.
    pub fn boxed(&mut self, class: &str, (x, y): Point, (width, height): Point) {
        let [x, y, width, height] = [x, y, width, height].map(number);
        let _ = writeln!(
            self.text,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>"
        );
    }

    /// Text whose `anchor` (`start`, `middle`, `end`) is at a point on the base line. `more` are further attributes.
    pub fn text(&mut self, class: &str, (x, y): Point, anchor: &str, more: &str, text: &str) {
        let class = match class {
            "" => String::new(),
            class => format!(" class=\"{class}\""),
        };
        let anchor = match anchor {
            "start" => String::new(),
            anchor => format!(" text-anchor=\"{anchor}\""),
        };
        let _ = writeln!(
            self.text,
            "<text{class} x=\"{}\" y=\"{}\"{anchor}{more}>{}</text>",
            number(x),
            number(y),
            escape(text)
        );
    }

    /// A curve that leaves and arrives level.
    pub fn curve(&mut self, class: &str, (x1, y1): Point, (x2, y2): Point) {
        let middle = number(f64::midpoint(x1, x2));
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(number);
        let _ = writeln!(
            self.text,
            "<path class=\"{class}\" d=\"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}\"/>"
        );
    }
}

/// A coordinate: one decimal is a tenth of a pixel.
pub fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0" } else { text }.to_owned()
}

/// Text that is safe between tags and in attributes; what XML cannot hold at all becomes `�`.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\t' | '\n' | '\r' => safe.push(' '),
            char if char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}') => {
                safe.push('\u{fffd}');
            }
            char => safe.push(char),
        }
    }
    safe
}

/// About how many pixels `text` takes in a sans-serif font of `size` pixels, rather too many than too few.
pub fn width(text: &str, size: f64) -> f64 {
    let em = |char: char| match char {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '[' | ']' | '('
        | ')' | ' ' | 'f' | 't' | 'r' => 0.36,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.9,
        'A'..='Z' => 0.7,
        char if char.is_ascii() => 0.58,
        // Beyond Latin, Greek and Cyrillic characters may be as wide as they are high.
        '\u{1100}'.. => 1.0,
        _ => 0.62,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// `text`, its middle left out where it takes more than `most` pixels.
pub fn fit(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    for kept in (2..chars.len()).rev() {
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        let short: String = chars[..head]
            .iter()
            .chain(&['…'])
            .chain(&chars[chars.len() - tail..])
            .collect();
        if width(&short, size) <= most {
            return short;
        }
    }
    "…".to_owned()
}
