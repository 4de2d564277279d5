//! Intervals and tests: equal to scipy's, and what must hold of any numbers.

use std::collections::BTreeMap;

use proptest::prelude::*;
use retake::report::inference::{Interval, interval, paired, quantile, two_sided};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    samples: BTreeMap<String, Sample>,
    pairs: BTreeMap<String, Pairs>,
    quantiles: Vec<(u64, f64)>,
    tails: Vec<(f64, u64, f64)>,
}

#[derive(Deserialize)]
struct Sample {
    values: Vec<f64>,
    interval: Option<(f64, f64)>,
}

#[derive(Deserialize)]
struct Pairs {
    a: Vec<f64>,
    b: Vec<f64>,
    difference: f64,
    interval: Option<(f64, f64)>,
    t: Option<f64>,
    p: Option<f64>,
}

/// What tests/golden/statistics.py has printed.
fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/statistics.json")).unwrap()
}

/// `ours` is `theirs` but for `tolerance` of its size.
fn close(what: &str, ours: f64, theirs: f64, tolerance: f64) {
    let error = (ours - theirs).abs();
    assert!(
        error <= tolerance * theirs.abs(),
        "{what}: {ours} is not {theirs}"
    );
}

/// Both ends, but for 1e-12 of the interval's half: ends near 0 have no size of their own.
fn same(what: &str, ours: Option<Interval>, theirs: Option<(f64, f64)>, size: f64) {
    let (Some(ours), Some((low, high))) = (ours, theirs) else {
        panic!("{what}: {ours:?} is not {theirs:?}");
    };
    let tolerance = 1e-12 * (high - low) + 4.0 * f64::EPSILON * size;
    assert!(
        (ours.low - low).abs() <= tolerance,
        "{what}: {ours:?}, {low}"
    );
    assert!(
        (ours.high - high).abs() <= tolerance,
        "{what}: {ours:?}, {high}"
    );
}

fn size(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(0.0, |most: f64, value| most.max(value.abs()))
}

#[test]
fn intervals_of_means_are_scipys() {
    for (name, sample) in golden().samples {
        let ours = interval(&sample.values);
        match name.as_str() {
            "one" => assert_eq!(ours, None),
            // scipy divides by the spread of 0.
            "constant" => assert_eq!(
                ours,
                Some(Interval {
                    low: 2.5,
                    high: 2.5
                })
            ),
            _ => same(&name, ours, sample.interval, size(&sample.values)),
        }
    }
}

#[test]
fn paired_tests_are_scipys() {
    for (name, case) in golden().pairs {
        let pairs: Vec<(f64, f64)> = case.a.iter().copied().zip(case.b.iter().copied()).collect();
        let ours = paired(&pairs);
        assert_eq!(ours.n, pairs.len(), "{name}");
        let largest = size(&case.a).max(size(&case.b));
        let difference = ours.difference.unwrap();
        assert!(
            (difference - case.difference).abs() <= 4.0 * f64::EPSILON * largest,
            "{name}"
        );
        if name == "one" {
            assert_eq!((ours.interval, ours.t, ours.p), (None, None, None));
            continue;
        }
        // Where there is no spread, scipy has t infinite or of the size of rounding errors, and p = 0.
        if name.starts_with("constant") || name == "no difference" {
            assert_eq!((ours.t, ours.p), (None, None), "{name}");
            assert!(case.t.is_none_or(|t| t > 1e14), "{name}");
            continue;
        }
        same(&name, ours.interval, case.interval, largest);
        close(&name, ours.t.unwrap(), case.t.unwrap(), 1e-12);
        close(&name, ours.p.unwrap(), case.p.unwrap(), 1e-11);
    }
}

#[test]
fn the_distribution_of_t_is_scipys_in_its_middle_and_far_out() {
    for (freedom, theirs) in golden().quantiles {
        close(
            &format!("quantile of {freedom}"),
            quantile(freedom),
            theirs,
            1e-12,
        );
    }
    for (t, freedom, theirs) in golden().tails {
        let what = format!("tail of {t} with {freedom}");
        close(&what, two_sided(t, freedom), theirs, 1e-11);
        assert_eq!(two_sided(-t, freedom), two_sided(t, freedom), "{what}");
    }
}

#[test]
fn near_0_no_digit_of_t_is_lost() {
    // With one degree of freedom it is 1 − 2/π·atan t; scipy's own has eight digits there.
    let exact = 1.0 - 2.0 / std::f64::consts::PI * 1e-8_f64.atan();
    close("tail of 1e-8", two_sided(1e-8, 1), exact, 1e-15);
}

#[test]
fn few_pairs_are_warned_of_and_what_is_not_finite_does_not_count() {
    let note = |pairs: &[(f64, f64)]| paired(pairs).note.unwrap_or_default();
    assert_eq!(note(&[]), "no pair: no seed in common");
    assert_eq!(note(&[(1.0, 2.0)]), "1 pair: no test");
    assert!(note(&[(1.0, 2.0), (3.0, 2.0)]).starts_with("2 pairs only"));
    assert!(
        note(&[(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]).starts_with("all pairs differ by the same")
    );
    assert_eq!(note(&[(1.0, 2.0), (2.0, 3.5), (3.0, 4.0)]), "");
    let with_gaps = paired(&[(1.0, 2.0), (f64::NAN, 3.5), (3.0, f64::INFINITY)]);
    assert_eq!((with_gaps.n, with_gaps.difference), (1, Some(-1.0)));
    assert_eq!(interval(&[1.0, f64::NAN, 2.0]), None);
}

proptest! {
    #[test]
    fn an_interval_holds_the_mean_and_grows_with_its_values(
        values in prop::collection::vec(-1e3..1e3_f64, 2..12), exponent in -30..30_i32, negative: bool,
    ) {
        let factor = if negative { -1.0 } else { 1.0 } * 2.0_f64.powi(exponent);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let own = interval(&values).unwrap();
        prop_assert!(own.contains(mean));
        // A power of two changes no digit.
        let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
        let scaled = interval(&scaled).unwrap();
        let (low, high) = if negative { (own.high, own.low) } else { (own.low, own.high) };
        prop_assert_eq!((scaled.low, scaled.high), (low * factor, high * factor));
    }

    #[test]
    fn the_other_way_round_a_test_says_the_opposite_with_the_same_weight(
        pairs in prop::collection::vec((-1e3..1e3_f64, -1e3..1e3_f64), 0..12),
    ) {
        let swapped: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
        let (one, other) = (paired(&pairs), paired(&swapped));
        prop_assert_eq!((one.n, one.p, &one.note), (other.n, other.p, &other.note));
        prop_assert_eq!(one.t, other.t.map(|t| -t));
        prop_assert_eq!(one.difference, other.difference.map(|mean| -mean));
        let turned = other.interval.map(|i| Interval { low: -i.high, high: -i.low });
        prop_assert_eq!(one.interval, turned);
        // The interval leaves 0 out exactly where the test is below one in twenty.
        if let (Some(p), Some(interval)) = (one.p, one.interval)
            && (p - 0.05).abs() > 1e-9
        {
            prop_assert_eq!(p < 0.05, !interval.contains(0.0));
        }
    }
}
