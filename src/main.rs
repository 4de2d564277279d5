//! The `retake` program.

fn main() {}
