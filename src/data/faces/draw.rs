//! Drawing a face: figures over each other from back to front, their edges smooth over one pixel.

use super::distance::{Point, bow, disc, ellipse, length, rounded, stroke, without};
use super::face::{Face, Look};
use super::hair;
use crate::data::image::Image;

/// Red, green, blue, 0 to 255.
type Colour = [f32; 3];

const HAIR: [Colour; 6] = [
    [40.0, 36.0, 44.0],
    [146.0, 88.0, 40.0],
    [240.0, 200.0, 96.0],
    [200.0, 72.0, 36.0],
    [172.0, 176.0, 184.0],
    [58.0, 104.0, 206.0],
];
const EYES: [Colour; 4] = [
    [110.0, 62.0, 26.0],
    [44.0, 134.0, 232.0],
    [48.0, 160.0, 74.0],
    [156.0, 72.0, 206.0],
];
const SKIN: [Colour; 3] = [
    [252.0, 218.0, 192.0],
    [218.0, 164.0, 122.0],
    [108.0, 68.0, 50.0],
];
const WHITE: Colour = [255.0; 3];
const DARK: Colour = [38.0, 32.0, 36.0];
const FRAME: Colour = [30.0, 30.0, 38.0];
const TEETH: Colour = [250.0, 248.0, 244.0];
/// where the eyes are: right of the middle, below the centre of the head
const EYE_LEVEL: f32 = 0.07;

/// Draws `face` as `size` × `size` RGB pixels.
pub fn draw(face: &Face, size: usize) -> Image {
    let look = &face.look;
    let (skin, hair) = (SKIN[face.attributes.face], HAIR[face.attributes.hair]);
    let mut canvas = Canvas::ground(look, size);
    canvas.fill(
        [-1.2, -1.2, 1.2, 1.3],
        |p| hair::behind(p, look),
        |p| (toned(hair, 0.8 - 0.08 * p[1]), 1.0),
    );
    body(&mut canvas, look, skin);
    head(&mut canvas, look, skin);
    for side in [-1.0, 1.0] {
        eye(&mut canvas, look, EYES[face.attributes.eyes], side);
        brow(&mut canvas, look, toned(hair, 0.72), side);
    }
    mouth(&mut canvas, look, skin);
    // The hair's shadow on the forehead, then the hair.
    let brim = [-0.95, -1.15, 0.95, 0.6];
    let shade = toned(skin, 0.74);
    canvas.fill(
        brim,
        |p| hair::before([p[0], p[1] - 0.035], look).max(skull(p, look)),
        |_| (shade, 0.6),
    );
    canvas.fill(
        brim,
        |p| hair::before(p, look),
        |p| (gloss(hair, p, look), 1.0),
    );
    if face.attributes.glasses == 1 {
        glasses(&mut canvas, look);
    }
    canvas.image()
}

/// Neck, its shade under the chin, shoulders.
fn body(canvas: &mut Canvas, look: &Look, skin: Colour) {
    let chin = look.height;
    let clothes = look.clothes;
    let shoulders = |p: Point| rounded(p, [0.0, 1.42], [0.78, 0.62], 0.34);
    canvas.fill(
        [-0.3, 0.3, 0.3, 1.2],
        |p| rounded(p, [0.0, 0.7], [0.19, 0.36], 0.1),
        |p| {
            let shaded = if p[1] < chin + 0.13 { 0.82 } else { 0.93 };
            (toned(skin, shaded), 1.0)
        },
    );
    canvas.fill(
        [-0.85, 0.7, 0.85, 1.5],
        |p| without(shoulders(p), ellipse(p, [0.0, 0.74], [0.25, 0.2])),
        |p| (toned(clothes, 1.04 - 0.2 * p[0].abs()), 1.0),
    );
}

/// Signed distance to the head without ears: a skull and a narrower jaw.
fn skull(p: Point, look: &Look) -> f32 {
    let (width, height) = (look.width, look.height);
    let upper = ellipse(p, [0.0, -0.06], [width, height - 0.03]);
    let jaw = ellipse(p, [0.0, 0.16], [width * 0.88, height - 0.16]);
    upper.min(jaw)
}

fn head(canvas: &mut Canvas, look: &Look, skin: Colour) {
    let width = look.width;
    for side in [-1.0, 1.0] {
        let centre = [side * (width + 0.005), 0.1];
        canvas.around(
            centre,
            0.16,
            |p| ellipse(p, centre, [0.085, 0.125]),
            |_| (toned(skin, 0.95), 1.0),
        );
        let inner = [side * (width + 0.015), 0.105];
        canvas.around(
            inner,
            0.16,
            |p| ellipse(p, inner, [0.045, 0.075]),
            |_| (toned(skin, 0.8), 1.0),
        );
    }
    canvas.fill(
        [-0.7, -0.8, 0.7, 0.8],
        |p| skull(p, look),
        |p| {
            // Light from above and the left.
            let light = 1.02 - 0.07 * p[0] - 0.06 * p[1] - 0.1 * length(p[0], p[1]);
            (toned(skin, light), 1.0)
        },
    );
    let rose = [skin[0] + 10.0, skin[1] * 0.66, skin[2] * 0.64];
    for side in [-1.0, 1.0] {
        let centre = [side * look.width * 0.62, 0.25];
        canvas.around(
            centre,
            0.16,
            |p| disc(p, centre, 0.13),
            |p| {
                let away = length(p[0] - centre[0], p[1] - centre[1]) / 0.13;
                (rose, 0.6 * look.blush * (1.0 - away * away).max(0.0))
            },
        );
    }
    // The nose: a short bow and its highlight.
    canvas.around(
        [0.0, 0.22],
        0.12,
        |p| bow(p, [-0.045, 0.225], [0.045, 0.225], 0.03, 0.013),
        |_| (toned(skin, 0.68), 1.0),
    );
    canvas.around(
        [-0.01, 0.19],
        0.06,
        |p| ellipse(p, [-0.01, 0.185], [0.022, 0.03]),
        |_| (toned(skin, 1.12), 0.6),
    );
}

fn eye(canvas: &mut Canvas, look: &Look, colour: Colour, side: f32) {
    let centre = [side * look.apart, EYE_LEVEL];
    let (wide, high) = (look.eye, look.eye * 1.1);
    let white = |p: Point| ellipse(p, centre, [wide, high]);
    canvas.around(centre, 0.17, white, |p| {
        let shaded = if p[1] < centre[1] - high * 0.55 {
            0.9
        } else {
            1.0
        };
        (toned(WHITE, shaded), 1.0)
    });
    let iris = [
        centre[0] + look.gaze[0] * wide,
        centre[1] + 0.01 + look.gaze[1] * high,
    ];
    let radius = look.eye * 0.76;
    let inside = |p: Point, radius: f32| disc(p, iris, radius).max(white(p));
    canvas.around(
        iris,
        0.14,
        |p| inside(p, radius),
        |_| (toned(colour, 0.62), 1.0),
    );
    canvas.around(
        iris,
        0.14,
        |p| inside(p, radius * 0.86),
        |p| {
            // Brighter below, as if light fell through.
            let light = 1.05 + 1.6 * (p[1] - iris[1]);
            (toned(colour, light), 1.0)
        },
    );
    canvas.around(iris, 0.1, |p| inside(p, radius * 0.4), |_| (DARK, 1.0));
    let spark = [iris[0] - radius * 0.34, iris[1] - radius * 0.38];
    canvas.around(
        spark,
        0.06,
        |p| disc(p, spark, radius * 0.24),
        |_| (WHITE, 0.95),
    );
    // The upper lid with an outer lash.
    let (left, right) = (
        [centre[0] - wide * 0.98, centre[1] - high * 0.3],
        [centre[0] + wide * 0.98, centre[1] - high * 0.3],
    );
    canvas.around(
        centre,
        0.2,
        |p| bow(p, left, right, -high * 0.78, 0.02),
        |_| (DARK, 1.0),
    );
    let outer = [centre[0] + side * wide * 0.98, centre[1] - high * 0.3];
    let lash = [outer[0] + side * 0.035, outer[1] - 0.035];
    canvas.around(
        outer,
        0.08,
        |p| stroke(p, outer, lash, 0.016),
        |_| (DARK, 1.0),
    );
}

fn brow(canvas: &mut Canvas, look: &Look, colour: Colour, side: f32) {
    let level = EYE_LEVEL - look.eye * 1.1 - 0.095;
    let inner = [side * (look.apart - 0.1), level];
    let outer = [side * (look.apart + 0.12), level + look.brow];
    let centre = [side * look.apart, level];
    canvas.around(
        centre,
        0.22,
        |p| bow(p, inner, outer, -0.035, 0.024),
        |_| (colour, 1.0),
    );
}

fn mouth(canvas: &mut Canvas, look: &Look, skin: Colour) {
    let level = 0.4;
    let (left, right) = ([-look.mouth, level], [look.mouth, level]);
    if look.open {
        let deep = 0.06 + look.smile;
        let bowl = |p: Point| ellipse(p, [0.0, level], [look.mouth, deep]).max(level - p[1]);
        canvas.around([0.0, level], 0.25, bowl, |p| {
            let tongue = ellipse(p, [0.0, level + deep], [look.mouth * 0.6, deep * 0.55]);
            let inside = if tongue < 0.0 {
                [214.0, 104.0, 104.0]
            } else {
                [120.0, 36.0, 44.0]
            };
            (inside, 1.0)
        });
        let teeth = |p: Point| bowl(p).max(p[1] - level - deep * 0.34);
        canvas.around([0.0, level], 0.25, teeth, |_| (TEETH, 1.0));
    } else {
        let lip = [skin[0] * 0.72, skin[1] * 0.42, skin[2] * 0.42];
        canvas.around(
            [0.0, level],
            0.25,
            |p| bow(p, left, right, look.smile, 0.02),
            |_| (lip, 1.0),
        );
    }
}

fn glasses(canvas: &mut Canvas, look: &Look) {
    /// half the width of the rim
    const RIM: f32 = 0.022;
    let lens = |p: Point, side: f32| {
        let centre = [side * (look.apart + 0.012), EYE_LEVEL + 0.015];
        if look.round {
            disc(p, centre, 0.185)
        } else {
            rounded(p, centre, [0.2, 0.16], 0.05)
        }
    };
    let both = |p: Point| lens(p, -1.0).min(lens(p, 1.0));
    let area = [-0.8, -0.25, 0.8, 0.4];
    canvas.fill(area, both, |p| {
        // A reflection runs across each lens.
        let across = p[0].abs() + p[1];
        let glint = (0.2..0.27).contains(&across);
        ([236.0, 246.0, 255.0], if glint { 0.45 } else { 0.14 })
    });
    canvas.fill(
        area,
        |p| {
            let nose = look.apart - 0.17;
            let bridge = bow(p, [-nose, 0.05], [nose, 0.05], -0.03, RIM);
            let reach = look.apart + 0.19;
            let temple = stroke(
                [p[0].abs(), p[1]],
                [reach, 0.03],
                [look.width + 0.03, 0.0],
                RIM,
            );
            (both(p).abs() - RIM).min(bridge).min(temple)
        },
        |_| (FRAME, 1.0),
    );
}

/// Hair with a band of light across its top.
fn gloss(hair: Colour, p: Point, look: &Look) -> Colour {
    let x = p[0] + 0.12 * look.side;
    let band = (p[1] + look.height * 0.66 - 0.35 * x * x).abs() / 0.09;
    let light = 0.3 * (1.0 - band).max(0.0) * (1.0 - 1.6 * x * x).max(0.0);
    let shaded = toned(hair, 0.98 - 0.12 * (p[1] + 0.4));
    shaded.map(|value| value + (255.0 - value) * light)
}

/// `colour` under `light`: darker below 1, brighter above.
fn toned(colour: Colour, light: f32) -> Colour {
    colour.map(|value| (value * light).clamp(0.0, 255.0))
}

/// A picture in the making; values 0 to 255. Figures are given in the head's own coordinates: its centre at 0,
/// unturned, lengths in units of half the image's side at scale 1.
struct Canvas {
    size: usize,
    pixels: Vec<Colour>,
    /// from the head's coordinates to half image sides
    scale: f32,
    centre: Point,
    tilt: Point,
}

impl Canvas {
    /// The ground: lighter behind the head.
    fn ground(look: &Look, size: usize) -> Self {
        let side = size as f32;
        let pixel = |at: usize| {
            let x = ((at % size) as f32 + 0.5) / side - 0.5;
            let y = ((at / size) as f32 + 0.5) / side - 0.5;
            let light = 1.05 - 0.32 * (x * x + y * y);
            toned(look.ground, light)
        };
        Self {
            size,
            pixels: (0..size * size).map(pixel).collect(),
            scale: look.scale * 0.95,
            centre: look.centre,
            tilt: look.tilt,
        }
    }

    /// [`Canvas::fill`] within a square about `centre`.
    fn around(
        &mut self,
        centre: Point,
        reach: f32,
        figure: impl Fn(Point) -> f32,
        paint: impl Fn(Point) -> (Colour, f32),
    ) {
        let [x, y] = centre;
        self.fill([x - reach, y - reach, x + reach, y + reach], figure, paint);
    }

    /// Covers the inside of `figure` (a signed distance) with `paint` (colour and opacity), inside `area`
    /// (left, top, right, bottom). A pixel on the edge is covered in part.
    fn fill(
        &mut self,
        area: [f32; 4],
        figure: impl Fn(Point) -> f32,
        paint: impl Fn(Point) -> (Colour, f32),
    ) {
        let half = self.size as f32 / 2.0;
        // Pixels an edge is smooth over, in the head's units.
        let pixel = 1.0 / (half * self.scale);
        let [left, top, right, bottom] = area;
        let corners = [[left, top], [right, top], [left, bottom], [right, bottom]]
            .map(|corner| self.placed(corner));
        let span = |axis: usize| {
            let places = corners.map(|corner| (corner[axis] + 1.0) * half);
            let low = places.into_iter().fold(f32::MAX, f32::min) - 1.0;
            let high = places.into_iter().fold(f32::MIN, f32::max) + 2.0;
            let bound = |place: f32| place.clamp(0.0, self.size as f32) as usize;
            bound(low)..bound(high)
        };
        let (rows, columns) = (span(1), span(0));
        let [cos, sin] = self.tilt;
        for y in rows {
            let down = ((y as f32 + 0.5) / half - 1.0 - self.centre[1]) / self.scale;
            for x in columns.clone() {
                let right = ((x as f32 + 0.5) / half - 1.0 - self.centre[0]) / self.scale;
                let p = [right * cos + down * sin, down * cos - right * sin];
                let cover = (0.5 - figure(p) / pixel).clamp(0.0, 1.0);
                if cover > 0.0 {
                    let (colour, opacity) = paint(p);
                    let share = cover * opacity;
                    for (under, value) in self.pixels[y * self.size + x].iter_mut().zip(colour) {
                        *under += (value - *under) * share;
                    }
                }
            }
        }
    }

    /// A place of the head in half image sides from the middle of the image.
    fn placed(&self, p: Point) -> Point {
        let [cos, sin] = self.tilt;
        [
            (p[0] * cos - p[1] * sin) * self.scale + self.centre[0],
            (p[1] * cos + p[0] * sin) * self.scale + self.centre[1],
        ]
    }

    fn image(&self) -> Image {
        let byte = |value: &f32| (value.clamp(0.0, 255.0) + 0.5) as u8;
        Image {
            height: self.size,
            width: self.size,
            channels: 3,
            pixels: self.pixels.as_flattened().iter().map(byte).collect(),
        }
    }
}
