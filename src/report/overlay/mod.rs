//! Several runs in one chart.
//!
//! Runs that differ in their seed only are one line, their mean, with a band from the least of them to the greatest. A
//! chart holds at most [`MOST_LINES`](super::plot::MOST_LINES) lines; of more runs there is a chart for each value of the
//! axis that makes the fewest charts, and of charts for one quantity at most [`MOST_CHARTS`].

mod epochs;
mod groups;
mod steps;

pub use epochs::by_epoch;
pub use steps::by_step;

/// More charts of one quantity are not drawn; the last one says how many there would be.
pub const MOST_CHARTS: usize = 6;
