//! What an image of `faces` shows, before a pixel is drawn.

use super::GROUPS;
use crate::data::label::Label;
use crate::rng::Stream;

/// What the label says: the index of a value in each group of [`GROUPS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// colour of the hair, 0 to 5
    pub hair: usize,
    /// colour of the eyes, 0 to 3
    pub eyes: usize,
    /// shade of the face, 0 to 2
    pub face: usize,
    /// 0: none, 1: worn
    pub glasses: usize,
}

impl Attributes {
    /// The four classes that are on.
    pub fn label(&self) -> Label {
        let mut first = 0;
        let chosen = [self.hair, self.eyes, self.face, self.glasses];
        let on = GROUPS.iter().zip(chosen).map(|((_, values), chosen)| {
            let class = first + chosen as u32;
            first += values.len() as u32;
            class
        });
        Label::Multi(on.collect())
    }
}

/// How the hair is worn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// short, parted at a side
    Short,
    /// to the chin, with a straight fringe
    Bob,
    /// to the shoulders, parted in the middle
    Long,
    /// a cloud of curls
    Curly,
    /// upright spikes and a jagged fringe
    Spiky,
    /// combed up into a bun
    Bun,
}

impl Style {
    /// All styles.
    pub const ALL: [Self; 6] = [
        Self::Short,
        Self::Bob,
        Self::Long,
        Self::Curly,
        Self::Spiky,
        Self::Bun,
    ];
}

/// What varies without a label. Lengths are in units of half the image's side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// how the hair is worn
    pub style: Style,
    /// -1 mirrors the hair
    pub side: f32,
    /// centre of the head, from the middle of the image
    pub centre: [f32; 2],
    /// size of the head, 1 being the mean
    pub scale: f32,
    /// (cos, sin) of the head's tilt
    pub tilt: [f32; 2],
    /// half the head's width
    pub width: f32,
    /// half the head's height
    pub height: f32,
    /// radius of the eyes
    pub eye: f32,
    /// from the middle of the face to an eye
    pub apart: f32,
    /// where the eyes look: offset of the iris in radii of the eye
    pub gaze: [f32; 2],
    /// how far the brows' outer ends hang, negative: rise
    pub brow: f32,
    /// how much the mouth curves up
    pub smile: f32,
    /// half the width of the mouth
    pub mouth: f32,
    /// whether the mouth is open
    pub open: bool,
    /// redness of the cheeks, 0 to 1
    pub blush: f32,
    /// whether glasses are round
    pub round: bool,
    /// colour of the ground, 0 to 255
    pub ground: [f32; 3],
    /// colour of the clothes, 0 to 255
    pub clothes: [f32; 3],
}

/// One image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// what the label says
    pub attributes: Attributes,
    /// everything else
    pub look: Look,
}

/// Pale colours of the ground.
const GROUNDS: [[f32; 3]; 6] = [
    [214.0, 232.0, 246.0],
    [248.0, 230.0, 208.0],
    [222.0, 240.0, 218.0],
    [240.0, 220.0, 236.0],
    [238.0, 238.0, 232.0],
    [252.0, 242.0, 200.0],
];

/// Colours of the clothes.
const CLOTHES: [[f32; 3]; 6] = [
    [64.0, 110.0, 170.0],
    [196.0, 84.0, 78.0],
    [92.0, 148.0, 106.0],
    [232.0, 184.0, 88.0],
    [122.0, 96.0, 150.0],
    [90.0, 98.0, 112.0],
];

/// Face `index`.
pub fn face(seed: u64, index: u64) -> Face {
    let mut stream = Stream::new(seed, "faces", index);
    let [hair, eyes, face, glasses] =
        GROUPS.map(|(_, values)| stream.below(values.len() as u64) as usize);
    let attributes = Attributes {
        hair,
        eyes,
        face,
        glasses,
    };
    let style = Style::ALL[stream.below(Style::ALL.len() as u64) as usize];
    let ground = GROUNDS[stream.below(GROUNDS.len() as u64) as usize];
    let clothes = CLOTHES[stream.below(CLOTHES.len() as u64) as usize];
    let open = stream.below(3) == 0;
    let round = stream.below(2) == 0;
    let side = if stream.below(2) == 0 { 1.0 } else { -1.0 };
    let tilt = stream.uniform(-0.1, 0.1);
    let mut between = |low: f64, high: f64| stream.uniform(low, high) as f32;
    let brightness = between(-6.0, 6.0);
    let look = Look {
        style,
        side,
        centre: [between(-0.06, 0.06), between(0.04, 0.12)],
        scale: between(0.93, 1.05),
        tilt: [libm::cos(tilt) as f32, libm::sin(tilt) as f32],
        width: between(0.47, 0.54),
        height: between(0.56, 0.63),
        eye: between(0.115, 0.135),
        apart: between(0.205, 0.235),
        gaze: [between(-0.2, 0.2), between(-0.12, 0.12)],
        brow: between(-0.03, 0.05),
        smile: between(0.01, 0.09),
        mouth: between(0.11, 0.18),
        open,
        blush: between(0.0, 1.0),
        round,
        ground: ground.map(|value| value + brightness - 4.0),
        clothes,
    };
    Face { attributes, look }
}
