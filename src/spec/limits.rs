//! `timeout:` and `retries:` of a stage: how long one attempt may take, and how many there are.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::place::{Findings, Place};
use super::read::describe;
use crate::suggest;

/// Units of time, in seconds, the largest last.
const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
/// More is a slip of the pen.
const LONGEST: Duration = Duration::from_hours(366 * 24);
/// The same of retries.
const MOST: u64 = 1000;
/// Keys of `retries:`.
const RETRY_KEYS: [&str; 2] = ["times", "wait"];

/// How long and how often a stage may try. Not in its key: it says nothing of what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// how long one attempt may take
    pub timeout: Option<Time>,
    /// attempts after one that failed
    pub retries: Retries,
}

/// Further attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// how many
    pub times: u32,
    /// the wait before the first of them; it doubles with each
    pub wait: Time,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            times: 0,
            wait: Time(Duration::from_secs(1)),
        }
    }
}

/// A length of time, shown as it is written: `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if self.0.subsec_nanos() > 0 {
            return write!(f, "{}s", self.0.as_secs_f64());
        }
        let whole = UNITS
            .iter()
            .rev()
            .find(|(_, unit)| seconds >= *unit && seconds.is_multiple_of(*unit));
        let (name, unit) = whole.unwrap_or(&UNITS[0]);
        write!(f, "{}{name}", seconds / unit)
    }
}

impl Limits {
    /// Reads `timeout:` at `place`.
    pub fn read_timeout(&mut self, value: &Value, place: &Place, findings: &mut Findings) {
        self.timeout = time(value, place, findings);
    }

    /// Reads `retries:` at `place`: a number, or `{times, wait}`.
    pub fn read_retries(&mut self, value: &Value, place: &Place, findings: &mut Findings) {
        let Value::Object(map) = value else {
            self.retries.times = times(value, place, findings);
            return;
        };
        for (key, value) in map {
            let place = place.key(key);
            match key.as_str() {
                "times" => self.retries.times = times(value, &place, findings),
                "wait" => {
                    if let Some(wait) = time(value, &place, findings) {
                        self.retries.wait = wait;
                    }
                }
                _ => {
                    let help = suggest::help(key, RETRY_KEYS);
                    findings.note(place.at_key(), format!("unknown key `{key}`"), help);
                }
            }
        }
        if !map.contains_key("times") {
            let help = "say how many, as in `{times: 3, wait: 2s}`";
            findings.add_help(place.clone(), "`retries` without `times`", help);
        }
    }
}

fn times(value: &Value, place: &Place, findings: &mut Findings) -> u32 {
    let number = value.as_u64().filter(|number| *number <= MOST);
    if number.is_none() {
        let message = format!(
            "expected a whole number from 0 to {MOST}, found {}",
            describe(value)
        );
        findings.add(place.clone(), message);
    }
    number.unwrap_or_default() as u32
}

fn time(value: &Value, place: &Place, findings: &mut Findings) -> Option<Time> {
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => seconds(text),
        _ => None,
    };
    let time = seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| !time.is_zero() && *time <= LONGEST);
    if time.is_none() {
        let message = format!(
            "expected a time above 0, of a year at most, found {}",
            describe(value)
        );
        let help = "write a number of seconds, or one with a unit: `90s`, `10m`, `2h`, `1d`";
        findings.add_help(place.clone(), message, help);
    }
    time.map(Time)
}

/// The seconds that a number with a unit, or without, stands for.
fn seconds(text: &str) -> Option<f64> {
    let at = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = unit.trim();
    let factor = match unit {
        "" => 1,
        _ => UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    Some(number.parse::<f64>().ok()? * factor as f64)
}
