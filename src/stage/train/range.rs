//! Faults of numbers out of their range.

use crate::stage::Fault;

/// Adds a fault unless `value` is greater than 0.
pub(super) fn positive(faults: &mut Vec<Fault>, path: &str, what: &str, value: f64) {
    if !(value.is_finite() && value > 0.0) {
        faults.push(Fault::at(
            path,
            format!("{what} must be greater than 0, not {value}"),
        ));
    }
}

/// Adds a fault when a `count` is 0.
pub(super) fn at_least_one(faults: &mut Vec<Fault>, path: &str, count: u64) {
    if count == 0 {
        faults.push(Fault::at(path, "must be at least 1"));
    }
}

/// Adds a fault unless `value` is in [0, 1).
pub(super) fn below_one(faults: &mut Vec<Fault>, path: &str, what: &str, value: f64) {
    if !(0.0..1.0).contains(&value) {
        let message = format!("{what} must be at least 0 and less than 1, not {value}");
        faults.push(Fault::at(path, message));
    }
}
