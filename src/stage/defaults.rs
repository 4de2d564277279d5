//! Defaults of settings, and what keeps them out of a key where they are not written.

/// 1, as in "in every step".
pub fn one() -> u64 {
    1
}

/// Whether a number is [`one`].
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub fn is_one(number: &u64) -> bool {
    *number == one()
}

/// True.
pub fn yes() -> bool {
    true
}

/// Whether a switch is on.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub fn is_yes(value: &bool) -> bool {
    *value
}

/// Whether a value is its type's default.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
