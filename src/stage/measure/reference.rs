//! What is known of the reference images: computed once, kept in the store, shared by all runs.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use bytemuck::cast_slice;
use serde_json::{Map, Value, json};

use super::eye::Eye;
use super::images::Images;
use super::tally::Tally;
use crate::data::image::Image;
use crate::extract::FEATURES_VERSION;
use crate::hash::Digest;
use crate::metric::features::Features;
use crate::metric::manifold::Balls;
use crate::metric::nearest::mean_nearest_within;
use crate::metric::stats::Moments;
use crate::metric::{MetricError, Needs};
use crate::stage::generate::{BATCH, failed};
use crate::stage::{Format, NewPart, Product, StageCtx, StageError};

/// Features of the reference, as far as metrics have needed them.
#[derive(Default)]
pub struct Reference {
    /// of all its features
    pub moments: Option<Moments>,
    /// its features (N, D)
    rows: Option<Rows>,
    /// neighbours → how far its balls reach
    radii: RefCell<BTreeMap<usize, Vec<f32>>>,
    /// the mean distance of its images to the nearest other one
    nearest: OnceCell<f64>,
}

/// Features as they are.
struct Rows {
    /// (N, D)
    values: Vec<f32>,
    /// D
    dimensions: usize,
}

/// The features of so many images are kept whatever they were needed for: the next metric may need them one by one.
const KEPT: u64 = 20_000;

const MOMENTS: &str = "moments";
const ROWS: &str = "features";
const DIMENSIONS: &str = "dimensions";

/// Names `what` of the first images of the data of this digest by everything that it depends on.
fn key(ctx: &StageCtx<'_>, data: Digest, most: Option<u64>, eye: &Eye, what: &str) -> Digest {
    Digest::of_value(&json!({
        "unit": format!("{what} of a reference"),
        "version": FEATURES_VERSION,
        "data": data,
        "extractor": eye.digest,
        "protocol": eye.protocol,
        "most": most,
        "device": ctx.compute.class,
    }))
}

impl Reference {
    /// Sees to it that what `needs` names is known of the first so many of `images`, the data of this digest: taken from
    /// the store, where it is there, else looked at and kept there.
    pub fn complete(
        &mut self,
        ctx: &StageCtx<'_>,
        (data, images, most): (Digest, &Images, Option<u64>),
        eye: &Eye,
        needs: Needs,
    ) -> Result<(), StageError> {
        let moments_key = key(ctx, data, most, eye, MOMENTS);
        let rows_key = key(ctx, data, most, eye, ROWS);
        if needs.reference_moments && self.moments.is_none() {
            let bytes = recall(ctx, &moments_key, MOMENTS)?.map(|(_, bytes)| bytes);
            let moments = bytes.map(|bytes| Moments::from_bytes(&bytes));
            self.moments = moments.transpose().map_err(failed)?;
        }
        let wants_moments = needs.reference_moments && self.moments.is_none();
        // Moments come of features as well, and those may be there.
        if (needs.reference_rows || wants_moments) && self.rows.is_none() {
            self.rows = recall(ctx, &rows_key, ROWS)?.map(Rows::read).transpose()?;
        }
        if wants_moments && let Ok(rows) = self.rows() {
            self.moments = Some(Moments::of(&rows));
            return Ok(());
        }
        let few = images.len().min(most.unwrap_or(u64::MAX)) <= KEPT;
        let lacks = Needs {
            moments: wants_moments,
            rows: self.rows.is_none() && (needs.reference_rows || (wants_moments && few)),
            ..Needs::default()
        };
        if lacks == Needs::default() {
            return Ok(());
        }
        let tally = look_at_all(ctx, eye, images, most, lacks)?;
        if lacks.moments {
            let moments = tally
                .moments
                .ok_or(MetricError::TooFew(0))
                .map_err(failed)?;
            keep(
                ctx,
                &moments_key,
                MOMENTS,
                tally.dimensions,
                moments.to_bytes(),
            )?;
            self.moments = Some(moments);
        }
        if lacks.rows {
            let bytes = cast_slice(&tally.rows).to_vec();
            keep(ctx, &rows_key, ROWS, tally.dimensions, bytes)?;
            self.rows = Some(Rows {
                values: tally.rows,
                dimensions: tally.dimensions,
            });
        }
        Ok(())
    }

    /// The balls around its images, which reach as far whatever they are compared with.
    pub fn balls(&self, neighbours: usize) -> Result<Balls<'_>, MetricError> {
        let rows = self.rows()?;
        if let Some(radii) = self.radii.borrow().get(&neighbours) {
            return Ok(Balls::with_radii(rows, neighbours, radii.clone()));
        }
        let balls = Balls::around(rows, neighbours)?;
        let radii = balls.radii().to_vec();
        self.radii.borrow_mut().insert(neighbours, radii);
        Ok(balls)
    }

    /// The mean distance of its images to the nearest other one.
    pub fn nearest_within(&self) -> Result<f64, MetricError> {
        if let Some(known) = self.nearest.get() {
            return Ok(*known);
        }
        let found = mean_nearest_within(&self.rows()?)?;
        Ok(*self.nearest.get_or_init(|| found))
    }

    /// Its features; an error where they are not known.
    pub fn rows(&self) -> Result<Features<'_>, MetricError> {
        let rows = self.rows.as_ref().ok_or(MetricError::TooFew(0))?;
        Features::new(&rows.values, rows.dimensions)
    }
}

impl Rows {
    fn read((values, bytes): Stored) -> Result<Self, StageError> {
        let dimensions = values.get(DIMENSIONS).and_then(Value::as_u64);
        let (floats, rest) = bytes.as_chunks::<4>();
        match dimensions {
            Some(dimensions) if rest.is_empty() => Ok(Self {
                values: floats
                    .iter()
                    .map(|bytes| f32::from_le_bytes(*bytes))
                    .collect(),
                dimensions: dimensions as usize,
            }),
            _ => Err(failed(MetricError::Damaged)),
        }
    }
}

fn look_at_all(
    ctx: &StageCtx<'_>,
    eye: &Eye,
    images: &Images,
    most: Option<u64>,
    needs: Needs,
) -> Result<Tally, StageError> {
    let count = images.len().min(most.unwrap_or(u64::MAX));
    let mut tally = Tally::default();
    for first in (0..count).step_by(BATCH) {
        ctx.check_cancelled()?;
        let last = count.min(first + BATCH as u64);
        let images = images.read(first..last)?;
        let views: Vec<_> = images.iter().map(Image::view).collect();
        let seen = eye.extractor.look(&views).map_err(failed)?;
        tally.take_in(&seen, &[], needs).map_err(failed)?;
        ctx.go_on(last, count);
    }
    Ok(tally)
}

/// Small facts and bytes.
type Stored = (Map<String, Value>, Vec<u8>);

/// The small facts and the bytes of the object `what` of a part, where it is stored.
fn recall(ctx: &StageCtx<'_>, key: &Digest, what: &str) -> Result<Option<Stored>, StageError> {
    let Some(mut part) = ctx.memo.get(key, &[]) else {
        return Ok(None);
    };
    let Some(artifact) = part.objects.remove(what) else {
        return Ok(None);
    };
    let path = ctx.memo.path(&artifact)?;
    let bytes = std::fs::read(&path).map_err(|error| StageError::io(&path, error))?;
    Ok(Some((part.values, bytes)))
}

fn keep(
    ctx: &StageCtx<'_>,
    key: &Digest,
    what: &str,
    dimensions: usize,
    bytes: Vec<u8>,
) -> Result<(), StageError> {
    let object = (Product::Bytes(bytes), Format::File);
    let part = NewPart {
        values: Map::from_iter([(DIMENSIONS.to_owned(), json!(dimensions))]),
        objects: BTreeMap::from([(what.to_owned(), object)]),
    };
    ctx.memo.put(key, part).map(|_| ())
}
