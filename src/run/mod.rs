//! Running a plan: resolve keys, take what is cached, run the rest, tell what happens.

pub mod devices;
pub mod difference;
pub mod event;
pub mod executor;
pub mod expected;
pub mod finish;
pub mod forecast;
pub mod fresh;
pub mod ingredients;
pub mod live;
pub mod log;
mod noted;
mod owned;
mod queue;
pub mod reasons;
pub mod reporter;
pub mod resolve;
pub mod retry;
pub mod schedule;
pub mod screen;
pub mod slots;
pub mod survey;
pub mod text;
pub mod unchanged;
mod unlike;
pub mod verify;
mod workers;
