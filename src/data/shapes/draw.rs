//! Drawing a scene: each pixel is the mean of 4 × 4 points, so edges are smooth.

use super::scene::{Object, Scene, Solid};
use crate::data::image::Image;

/// Points along each side of a pixel.
const POINTS: usize = 4;
/// Grey of the ground at the top and at the bottom of the image.
const GROUND: (f32, f32) = (214.0, 234.0);
/// How much of the ground's light is left in a shadow.
const SHADOW: f32 = 0.78;

/// Draws `scene` as `size` × `size` RGB pixels.
pub fn draw(scene: &Scene, size: usize) -> Image {
    let mut canvas = Canvas::ground(size);
    for object in &scene.0 {
        canvas.paint(object, |u, v, under| {
            let (x, y) = (u / 1.02, (v - 0.82) / 0.3);
            (x * x + y * y <= 1.0).then(|| under.map(|value| value * SHADOW))
        });
    }
    for object in &scene.0 {
        let colour = object.colour.rgb();
        canvas.paint(object, |u, v, _| {
            light(object.solid, u, v).map(|light| lit(colour, light))
        });
    }
    let byte = |value: &f32| (value + 0.5) as u8;
    Image {
        height: size,
        width: size,
        channels: 3,
        pixels: canvas.pixels.as_flattened().iter().map(byte).collect(),
    }
}

/// A picture in the making; values 0 to 255.
struct Canvas {
    size: usize,
    pixels: Vec<[f32; 3]>,
}

impl Canvas {
    fn ground(size: usize) -> Self {
        let (top, bottom) = GROUND;
        let row = |y: usize| {
            let value = top + (bottom - top) * (y as f32 + 0.5) / size as f32;
            std::iter::repeat_n([value; 3], size)
        };
        Self {
            size,
            pixels: (0..size).flat_map(row).collect(),
        }
    }

    /// Covers pixels by `surface`, a function of place relative to `object` (its centre 0, its radius 1,
    /// right and down positive) and of the colour underneath; `None` where it does not reach.
    fn paint(&mut self, object: &Object, surface: impl Fn(f32, f32, [f32; 3]) -> Option<[f32; 3]>) {
        let size = self.size as f64;
        let span = |centre: f64| {
            // The shadow reaches a little beyond the radius.
            let reach = 1.2 * object.radius;
            let from = ((centre - reach) * size).max(0.0) as usize;
            from..(((centre + reach) * size) as usize + 1).min(self.size)
        };
        let place = |pixel: usize, point: usize, centre: f64| {
            let at = pixel as f64 + (point as f64 + 0.5) / POINTS as f64;
            ((at / size - centre) / object.radius) as f32
        };
        for y in span(object.y) {
            for x in span(object.x) {
                let under = self.pixels[y * self.size + x];
                let mut sum = [0.0; 3];
                for v in (0..POINTS).map(|point| place(y, point, object.y)) {
                    for u in (0..POINTS).map(|point| place(x, point, object.x)) {
                        let colour = surface(u, v, under).unwrap_or(under);
                        for (sum, value) in sum.iter_mut().zip(colour) {
                            *sum += value;
                        }
                    }
                }
                self.pixels[y * self.size + x] = sum.map(|value| value / (POINTS * POINTS) as f32);
            }
        }
    }
}

/// How bright `solid` is at (u, v), 1 being its own colour; `None` beside it.
fn light(solid: Solid, u: f32, v: f32) -> Option<f32> {
    match solid {
        Solid::Cube => cube(u, v),
        Solid::Sphere => sphere(u, v),
        Solid::Cylinder => cylinder(u, v),
    }
}

/// A front face with a bright top and a dark right side, in oblique projection.
fn cube(u: f32, v: f32) -> Option<f32> {
    /// front face: left, right, top, bottom
    const FACE: [f32; 4] = [-0.92, 0.56, -0.56, 0.92];
    /// how far the back is shifted, right and up
    const DEPTH: f32 = 0.36;
    let [left, right, top, bottom] = FACE;
    if (left..=right).contains(&u) && (top..=bottom).contains(&v) {
        return Some(0.92);
    }
    let up = top - v;
    if (0.0..=DEPTH).contains(&up) && (left..=right).contains(&(u - up)) {
        return Some(1.35);
    }
    let aside = u - right;
    let on_side = (0.0..=DEPTH).contains(&aside) && (top..=bottom).contains(&(v + aside));
    on_side.then_some(0.6)
}

/// Diffuse light from above and the left, and a highlight.
fn sphere(u: f32, v: f32) -> Option<f32> {
    /// unit vector towards the light: right, down, towards the eye
    const TO_LIGHT: [f32; 3] = [-0.42, -0.56, 0.714];
    let rest = 1.0 - u * u - v * v;
    if rest < 0.0 {
        return None;
    }
    let facing = u * TO_LIGHT[0] + v * TO_LIGHT[1] + rest.sqrt() * TO_LIGHT[2];
    let highlight = ((facing - 0.93) / 0.07).max(0.0);
    Some(0.5 + 0.55 * facing.max(0.0) + 0.7 * highlight)
}

/// A body that darkens to the right under an elliptic lid.
fn cylinder(u: f32, v: f32) -> Option<f32> {
    const HALF_WIDTH: f32 = 0.64;
    /// half the height of the lid's ellipse
    const LID: f32 = 0.24;
    const TOP: f32 = -0.76;
    const BOTTOM: f32 = 0.76;
    let across = u / HALF_WIDTH;
    if across * across > 1.0 {
        return None;
    }
    let bulge = LID * (1.0 - across * across).sqrt();
    if (v - TOP).abs() <= bulge {
        return Some(1.45);
    }
    (TOP..=BOTTOM + bulge)
        .contains(&v)
        .then_some(0.85 - 0.3 * across)
}

/// `colour` under `light`: darker below 1, towards white above.
fn lit(colour: [f32; 3], light: f32) -> [f32; 3] {
    let white = (light - 1.0).clamp(0.0, 1.0);
    colour.map(|value| value * light.min(1.0) * (1.0 - white) + 255.0 * white)
}
