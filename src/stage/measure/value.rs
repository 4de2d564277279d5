//! From what was gathered to numbers.

use serde_json::{Map, Value};

use super::reference::Reference;
use super::tally::Tally;
use crate::metric::bias::SmallSample;
use crate::metric::bootstrap::Bootstrap;
use crate::metric::diversity::{MOST, effective_rank, label_diversity, mean_distance};
use crate::metric::extrapolate::Extrapolation;
use crate::metric::features::Features;
use crate::metric::frechet::Frechet;
use crate::metric::inception_score::{InceptionScore, Splits};
use crate::metric::kid::{Kid, Subsets};
use crate::metric::manifold::{Ball, Balls, Manifold};
use crate::metric::nearest::Memorisation;
use crate::metric::scores::Scores;
use crate::metric::stats::Moments;
use crate::metric::{Metric, MetricError, Needs};

/// Of the draws of an extrapolation: a result must not depend on a stage's seed, which is its images'.
const SEED: u64 = 0;

/// What metrics can be told.
#[derive(Debug, Clone, Copy)]
pub struct Choices {
    /// images in a subset of `kid`
    pub subset_size: u64,
    /// resamples for an interval of `fid`
    pub bootstrap: Option<u64>,
    /// bars of the histogram of scores of `d-accuracy`
    pub score_bins: u64,
}

/// A value, and what was found with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// the metric's value
    pub value: f64,
    /// the number of images that it was computed on
    pub samples: u64,
    /// a standard deviation, and over what: `100 subsets`
    pub deviation: Option<(f64, String)>,
    /// 95 % of resamples lie in it
    pub interval: Option<(f64, f64)>,
    /// what the images being few does to it, where that is worth saying
    pub small: Option<SmallSample>,
    /// the scores that the accuracy of a discriminator comes of
    pub scores: Option<Scores>,
}

impl Measured {
    fn new(value: f64, samples: u64) -> Self {
        Self {
            value,
            samples,
            deviation: None,
            interval: None,
            small: None,
            scores: None,
        }
    }

    /// As a part keeps it. Numbers are text: it reads back to the same bits, which JSON numbers need not.
    pub fn to_values(&self) -> Map<String, Value> {
        let mut values = Map::new();
        let mut say = |name: &str, value: Value| values.insert(name.to_owned(), value);
        say("value", self.value.to_string().into());
        say("samples", self.samples.into());
        if let Some((deviation, over)) = &self.deviation {
            say("deviation", deviation.to_string().into());
            say("over", over.clone().into());
        }
        if let Some((low, high)) = self.interval {
            say("low", low.to_string().into());
            say("high", high.to_string().into());
        }
        if let Some(small) = self.small {
            say("images", small.images.into());
            say("features", small.features.into());
            say("bias", small.bias.map(|bias| bias.to_string()).into());
        }
        if let Some(scores) = &self.scores {
            say("lowest", scores.low.to_string().into());
            say("highest", scores.high.to_string().into());
            say("real", scores.real.clone().into());
            say("generated", scores.generated.clone().into());
        }
        values
    }

    /// Reads what [`Measured::to_values`] wrote.
    pub fn from_values(values: &Map<String, Value>) -> Option<Self> {
        let number = |name: &str| values.get(name)?.as_str()?.parse::<f64>().ok();
        let count = |name: &str| values.get(name)?.as_u64();
        let counts = |name: &str| -> Option<Vec<u64>> {
            values
                .get(name)?
                .as_array()?
                .iter()
                .map(Value::as_u64)
                .collect()
        };
        let over = values.get("over").and_then(Value::as_str);
        Some(Self {
            value: number("value")?,
            samples: count("samples")?,
            deviation: number("deviation").zip(over.map(str::to_owned)),
            interval: number("low").zip(number("high")),
            small: count("images")
                .zip(count("features"))
                .map(|(images, features)| SmallSample {
                    images,
                    features,
                    bias: number("bias"),
                }),
            scores: number("lowest")
                .zip(number("highest"))
                .zip(counts("real").zip(counts("generated")))
                .map(|((low, high), (real, generated))| Scores {
                    low,
                    high,
                    real,
                    generated,
                }),
        })
    }
}

/// Neighbours that make a ball, as torch-fidelity has it for precision and recall.
const CLOSED: usize = 3;
/// The same for density and coverage, as prdc has it.
const OPEN: usize = 5;

impl Choices {
    /// What `metric` is computed from, if it is told these.
    pub fn needs(&self, metric: Metric) -> Needs {
        let needs = metric.needs();
        Needs {
            rows: needs.rows || (metric == Metric::Fid && self.bootstrap.is_some()),
            ..needs
        }
    }
}

/// The values of several metrics on what was gathered of one set of images.
pub struct Values<'a> {
    tally: &'a Tally,
    reference: &'a Reference,
    choices: &'a Choices,
    /// precision and recall come of the same distances
    closed: Option<Manifold>,
    /// density and coverage too
    open: Option<Manifold>,
}

impl<'a> Values<'a> {
    /// Nothing is computed yet.
    pub fn new(tally: &'a Tally, reference: &'a Reference, choices: &'a Choices) -> Self {
        Self {
            tally,
            reference,
            choices,
            closed: None,
            open: None,
        }
    }

    /// The value of `metric`.
    pub fn of(&mut self, metric: Metric) -> Result<Measured, MetricError> {
        let tally = self.tally;
        let value = match metric {
            Metric::Fid => return self.fid(),
            Metric::FidInfinity => {
                let (rows, reference) = (self.rows()?, self.reference_moments()?);
                let small = SmallSample {
                    images: tally.count.min(reference.count()),
                    features: tally.dimensions as u64,
                    bias: None,
                };
                return Ok(Measured {
                    small: small.is_rank_deficient().then_some(small),
                    ..Measured::new(
                        Extrapolation::of(&rows, reference, SEED)?.value,
                        tally.count,
                    )
                });
            }
            Metric::Kid => {
                let subsets = Subsets {
                    size: self.choices.subset_size as usize,
                    ..Subsets::default()
                };
                let kid = Kid::between(&self.rows()?, &self.reference_rows()?, &subsets)?;
                return Ok(self.with_deviation(kid.mean(), kid.sd(), "100 subsets"));
            }
            Metric::InceptionScore => {
                let scores = Features::new(&tally.scores, tally.classes)?;
                let score = InceptionScore::of(&scores, &Splits::default())?;
                return Ok(self.with_deviation(score.mean(), score.sd(), "10 splits"));
            }
            Metric::Precision => self.closed()?.precision,
            Metric::Recall => self.closed()?.recall,
            Metric::Density => self.open()?.density,
            Metric::Coverage => self.open()?.coverage,
            Metric::Accuracy => tally.accuracy.value()?,
            Metric::DiscriminatorAccuracy => {
                let known = tally.discriminator.as_ref().ok_or(MetricError::TooFew(0))?;
                return Ok(Measured {
                    scores: known.scores(self.choices.score_bins as usize),
                    ..Measured::new(known.accuracy(), known.images())
                });
            }
            Metric::Diversity => {
                let value = mean_distance(&tally.rows, tally.dimensions)?;
                return Ok(Measured::new(value, tally.count.min(MOST as u64)));
            }
            Metric::LabelDiversity => {
                let classes = tally.labels.len() / (tally.count as usize).max(1);
                label_diversity(&tally.rows, tally.dimensions, &tally.labels, classes)?
            }
            Metric::Rank => effective_rank(self.moments()?)?,
            Metric::Memorisation => {
                let within = self.reference.nearest_within()?;
                Memorisation::beside(&self.rows()?, &self.reference_rows()?, within)?.ratio()
            }
        };
        Ok(Measured::new(value, tally.count))
    }

    fn fid(&self) -> Result<Measured, MetricError> {
        let (moments, reference) = (self.moments()?, self.reference_moments()?);
        let distance = Frechet::between(moments, reference)?;
        let (count, others) = (moments.count(), reference.count());
        let small = SmallSample::of(&distance, count, others, moments.dimensions());
        let interval = self.choices.bootstrap.map(|resamples| {
            let bootstrap = Bootstrap {
                resamples: resamples as usize,
                ..Bootstrap::default()
            };
            let interval = bootstrap.interval(&self.rows()?, reference)?;
            Ok((interval.low, interval.high))
        });
        Ok(Measured {
            interval: interval.transpose()?,
            small,
            ..Measured::new(distance.value(), count)
        })
    }

    fn with_deviation(&self, value: f64, deviation: f64, over: &str) -> Measured {
        Measured {
            deviation: Some((deviation, over.to_owned())),
            ..Measured::new(value, self.tally.count)
        }
    }

    fn closed(&mut self) -> Result<Manifold, MetricError> {
        if let Some(known) = self.closed {
            return Ok(known);
        }
        let ours = Balls::around(self.rows()?, CLOSED)?;
        let theirs = self.reference.balls(CLOSED)?;
        let manifold = Manifold::between(&ours, &theirs, Ball::Closed)?;
        Ok(*self.closed.insert(manifold))
    }

    fn open(&mut self) -> Result<Manifold, MetricError> {
        if let Some(known) = self.open {
            return Ok(known);
        }
        let ours = Balls::around(self.rows()?, OPEN)?;
        let theirs = self.reference.balls(OPEN)?;
        let manifold = Manifold::between(&ours, &theirs, Ball::Open)?;
        Ok(*self.open.insert(manifold))
    }

    fn moments(&self) -> Result<&'a Moments, MetricError> {
        let moments = self.tally.moments.as_ref();
        moments.ok_or(MetricError::TooFew(self.tally.count))
    }

    fn rows(&self) -> Result<Features<'a>, MetricError> {
        Features::new(&self.tally.rows, self.tally.dimensions)
    }

    fn reference_moments(&self) -> Result<&'a Moments, MetricError> {
        self.reference
            .moments
            .as_ref()
            .ok_or(MetricError::TooFew(0))
    }

    fn reference_rows(&self) -> Result<Features<'a>, MetricError> {
        self.reference.rows()
    }
}
