//! What an image of `shapes` shows, before a pixel is drawn.

use crate::data::label::Label;
use crate::rng::Stream;

/// Up to this many objects keep their full size.
const ROOMY: usize = 3;

/// A solid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solid {
    /// seen from the front, a little from above and the right
    Cube,
    /// lit from above and the left
    Sphere,
    /// upright, its lid visible
    Cylinder,
}

impl Solid {
    /// All solids, in the order of class indices.
    pub const ALL: [Self; 3] = [Self::Cube, Self::Sphere, Self::Cylinder];

    /// The name in a class.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cube => "cube",
            Self::Sphere => "sphere",
            Self::Cylinder => "cylinder",
        }
    }
}

/// A colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "colours say what they are")]
pub enum Colour {
    Gray,
    Red,
    Blue,
    Green,
    Brown,
    Purple,
    Cyan,
    Yellow,
}

impl Colour {
    /// All colours, in the order of class indices.
    pub const ALL: [Self; 8] = [
        Self::Gray,
        Self::Red,
        Self::Blue,
        Self::Green,
        Self::Brown,
        Self::Purple,
        Self::Cyan,
        Self::Yellow,
    ];

    /// The name in a class.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gray => "gray",
            Self::Red => "red",
            Self::Blue => "blue",
            Self::Green => "green",
            Self::Brown => "brown",
            Self::Purple => "purple",
            Self::Cyan => "cyan",
            Self::Yellow => "yellow",
        }
    }

    /// Red, green, blue of a surface in full light, 0 to 255.
    pub const fn rgb(self) -> [f32; 3] {
        match self {
            Self::Gray => [118.0, 118.0, 122.0],
            Self::Red => [222.0, 38.0, 38.0],
            Self::Blue => [42.0, 82.0, 230.0],
            Self::Green => [30.0, 150.0, 40.0],
            Self::Brown => [134.0, 78.0, 30.0],
            Self::Purple => [152.0, 44.0, 204.0],
            Self::Cyan => [36.0, 208.0, 214.0],
            Self::Yellow => [248.0, 216.0, 32.0],
        }
    }
}

/// A solid somewhere in the image. Lengths are fractions of the image's side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Object {
    /// what it is
    pub solid: Solid,
    /// its colour
    pub colour: Colour,
    /// centre, from the left
    pub x: f64,
    /// centre, from the top
    pub y: f64,
    /// half its width or height, whichever is more
    pub radius: f64,
}

impl Object {
    /// The index of its class in [`super::classes`].
    pub const fn class(&self) -> u32 {
        self.solid as u32 * Colour::ALL.len() as u32 + self.colour as u32
    }
}

/// The objects of one image, far ones first; no two are of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene(pub Vec<Object>);

impl Scene {
    /// Which classes are in the image.
    pub fn label(&self) -> Label {
        let mut on: Vec<u32> = self.0.iter().map(Object::class).collect();
        on.sort_unstable();
        Label::Multi(on)
    }
}

/// Scene `index`, of `objects.0` to `objects.1` objects (1 ≤ fewest ≤ most ≤ 24).
pub fn scene(seed: u64, index: u64, objects: (usize, usize)) -> Scene {
    let (fewest, most) = objects;
    let mut stream = Stream::new(seed, "shapes", index);
    let count = fewest + stream.below((most - fewest) as u64 + 1) as usize;
    let classes = stream.permutation(Solid::ALL.len() * Colour::ALL.len());
    let scale = libm::sqrt((ROOMY as f64 / count as f64).min(1.0));
    let mut objects: Vec<Object> = classes
        .into_iter()
        .take(count)
        .map(|class| Object {
            solid: Solid::ALL[class as usize / Colour::ALL.len()],
            colour: Colour::ALL[class as usize % Colour::ALL.len()],
            x: 0.0,
            y: 0.0,
            radius: scale * stream.uniform(0.165, 0.205),
        })
        .collect();
    // Try for a gap between all objects; settle for less with every miss, so that it ends.
    let mut gap = 1.05;
    loop {
        for object in &mut objects {
            let margin = object.radius + 0.02;
            object.x = stream.uniform(margin, 1.0 - margin);
            object.y = stream.uniform(margin, 1.0 - margin);
        }
        if apart(&objects, gap) {
            break;
        }
        gap *= 0.998;
    }
    objects.sort_by(|a, b| a.y.total_cmp(&b.y));
    Scene(objects)
}

/// Whether the centres of any two objects are `gap` times the sum of their radii apart, or more.
fn apart(objects: &[Object], gap: f64) -> bool {
    objects.iter().enumerate().all(|(i, a)| {
        objects[..i].iter().all(|b| {
            let least = gap * (a.radius + b.radius);
            let (dx, dy) = (a.x - b.x, a.y - b.y);
            dx * dx + dy * dy >= least * least
        })
    })
}
