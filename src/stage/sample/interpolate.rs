//! The way from one sample to another, in the space of noise or in that of a mapping network.
//!
//! The condition is held still: it is that of the first endpoint.

use image::RgbImage;

use super::Sheet;
use super::conditions::Conditions;
use super::config::{SampleConfig, Space, Way};
use crate::data::pack::Pack;
use crate::report::grid::contact_sheet;
use crate::stage::checkpoint::Checkpoint;
use crate::stage::generate::{BATCH, Codes, Generator, Noise};
use crate::stage::{StageCtx, StageError};

/// Images in a row of the strip where nothing else is said.
const COLUMNS: u64 = 10;

/// A strip with a row for each way from an endpoint to the next, and the frames of the whole way.
pub fn sheet(
    config: &SampleConfig,
    ctx: &StageCtx<'_>,
    checkpoint: &Checkpoint,
    data: Option<&Pack>,
    progress: &dyn Fn(u64, u64),
) -> Result<Sheet, StageError> {
    let generator = Generator::load(&checkpoint.path, &ctx.compute.device, config.average)?;
    let conditions = Conditions::of(config, ctx, &generator, data)?;
    let walk = Walk::new(config, ctx, &generator, &conditions)?;
    let columns = config.columns.unwrap_or(COLUMNS);
    let legs = walk.points.len() as u64 - 1;
    let last = columns.saturating_sub(1).max(1);
    let leg = |leg: u64| (0..columns).map(move |at| leg as f64 + at as f64 / last as f64);
    let strip: Vec<f64> = (0..legs).flat_map(leg).collect();
    let frames = config.frames();
    let place = |frame: u64| frame as f64 * legs as f64 / (frames.max(2) - 1) as f64;
    let way: Vec<f64> = (0..frames).map(place).collect();

    let total = (strip.len() + way.len()) as u64;
    let strip = walk.draw(ctx, &strip, &|done| progress(done, total))?;
    let drawn = strip.len() as u64;
    let frames = walk.draw(ctx, &way, &|done| progress(drawn + done, total))?;
    Ok(Sheet {
        frames: frames
            .into_iter()
            .map(|frame| contact_sheet(&[frame], 1))
            .collect(),
        ..Sheet::from(contact_sheet(&strip, columns as usize))
    })
}

/// Points of a space in the order in which they are passed.
struct Walk<'a> {
    generator: &'a Generator,
    way: Way,
    space: Space,
    points: Vec<Vec<f32>>,
    /// z and condition of the first endpoint
    first: Codes,
    seed: u64,
}

impl<'a> Walk<'a> {
    fn new(
        config: &SampleConfig,
        ctx: &StageCtx<'_>,
        generator: &'a Generator,
        conditions: &Conditions<'_>,
    ) -> Result<Self, StageError> {
        let samples = config.endpoints().samples();
        let noise = Noise::first(ctx.seed);
        let mut points: Vec<Vec<f32>> = samples
            .iter()
            .map(|sample| {
                let mut z = vec![0.0; generator.latent()];
                noise.fill(*sample, &mut z);
                z
            })
            .collect();
        let mut first = Codes {
            z: points.first().cloned().unwrap_or_default(),
            ..Codes::default()
        };
        if generator.conditional() {
            first.condition = vec![0.0; generator.classes()];
            conditions.write(samples.first().copied().unwrap_or(0), &mut first.condition);
        }
        let space = config.space.unwrap_or_default();
        if space == Space::W {
            points = points
                .into_iter()
                .map(|z| generator.map(&Codes { z, ..first.clone() }))
                .collect::<Result<_, _>>()?;
        }
        Ok(Self {
            generator,
            way: config.path.unwrap_or_default(),
            space,
            points,
            first,
            seed: ctx.seed,
        })
    }

    /// The images at `places`, where point p has place p.
    fn draw(
        &self,
        ctx: &StageCtx<'_>,
        places: &[f64],
        progress: &dyn Fn(u64),
    ) -> Result<Vec<RgbImage>, StageError> {
        let mut tiles = Vec::with_capacity(places.len());
        for batch in places.chunks(BATCH) {
            ctx.check_cancelled()?;
            let rows: Vec<f32> = batch.iter().flat_map(|place| self.at(*place)).collect();
            let repeat = |row: &[f32]| row.repeat(batch.len());
            let mut codes = Codes {
                condition: repeat(&self.first.condition),
                ..Codes::default()
            };
            match self.space {
                Space::Z => codes.z = rows,
                Space::W => {
                    codes.z = repeat(&self.first.z);
                    codes.w = Some(rows);
                }
            }
            let first = tiles.len() as u64;
            let drawn = self
                .generator
                .render(&codes, self.seed, first, batch.len())?;
            tiles.extend(drawn.tiles()?);
            progress(tiles.len() as u64);
        }
        Ok(tiles)
    }

    fn at(&self, place: f64) -> Vec<f32> {
        let last = self.points.len().saturating_sub(2);
        let leg = (place.floor() as usize).min(last);
        let t = place - leg as f64;
        match self.points.get(leg..leg + 2) {
            Some([from, to]) => between(from, to, t, self.way),
            _ => self.points.concat(),
        }
    }
}

/// The point at t in [0, 1] on the way from `a` to `b`.
pub fn between(a: &[f32], b: &[f32], t: f64, way: Way) -> Vec<f32> {
    let (from, to) = match way {
        Way::Lerp => (1.0 - t, t),
        Way::Slerp => great_circle(a, b, t).unwrap_or((1.0 - t, t)),
    };
    let mix = |(a, b): (&f32, &f32)| (from * f64::from(*a) + to * f64::from(*b)) as f32;
    a.iter().zip(b).map(mix).collect()
}

/// The weights of `a` and `b` at t on the great circle through both (Shoemake 1985); `None` where they lie on one
/// line and there is no such circle.
fn great_circle(a: &[f32], b: &[f32], t: f64) -> Option<(f64, f64)> {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let angle = libm::acos(cosine.clamp(-1.0, 1.0));
    let sine = libm::sin(angle);
    (sine > 1e-6).then(|| {
        (
            libm::sin((1.0 - t) * angle) / sine,
            libm::sin(t * angle) / sine,
        )
    })
}
