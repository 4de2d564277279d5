//! Running a plan: resolve keys, take what is cached, run the rest, tell what happens.

pub mod devices;
pub mod difference;
pub mod event;
pub mod executor;
pub mod finish;
pub mod fresh;
pub mod ingredients;
pub mod live;
pub mod log;
pub mod reasons;
pub mod reporter;
pub mod resolve;
pub mod schedule;
pub mod screen;
pub mod slots;
pub mod survey;
pub mod text;
