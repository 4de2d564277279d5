//! Bars on a terminal: one for each running stage, plain lines above them.

use std::collections::HashMap;
use std::io::Write;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::event::Event;
use super::reporter::{Reporter, Verbosity, how_far, lines};
use crate::stage::NodeName;

/// One bar a running stage, on standard error.
pub struct Screen {
    bars: MultiProgress,
    running: HashMap<String, ProgressBar>,
    verbosity: Verbosity,
}

impl Screen {
    /// A screen that draws on standard error.
    pub fn new(verbosity: Verbosity) -> Self {
        Self {
            bars: MultiProgress::new(),
            running: HashMap::new(),
            verbosity,
        }
    }

    fn begin(&mut self, name: String) {
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        let style = ProgressStyle::with_template("{prefix} {bar:24} {eta} {wide_msg}");
        let bar = self.bars.add(ProgressBar::new(0));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(name.clone());
        self.running.insert(name, bar);
    }
}

impl Reporter for Screen {
    fn event(&mut self, event: &Event) {
        let name = match event {
            Event::Started { stage, axes, .. }
            | Event::Progress { stage, axes, .. }
            | Event::Finished { stage, axes, .. }
            | Event::Cached { stage, axes, .. }
            | Event::Failed { stage, axes, .. } => NodeName {
                stage: stage.clone(),
                axes: axes.clone(),
            }
            .to_string(),
            _ => String::new(),
        };
        match event {
            Event::Progress { progress, .. } => {
                if let Some(bar) = self.running.get(&name) {
                    bar.set_length(progress.total);
                    bar.set_position(progress.done);
                    bar.set_message(how_far(progress));
                }
                return;
            }
            Event::Started { .. } => self.begin(name),
            Event::Finished { .. } | Event::Cached { .. } | Event::Failed { .. } => {
                if let Some(bar) = self.running.remove(&name) {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
        let lines = lines(event, self.verbosity);
        if !lines.is_empty() {
            // With the bars out of the way; a write fails only when standard error is gone.
            self.bars.suspend(|| {
                let mut err = std::io::stderr().lock();
                for line in lines {
                    let _ = writeln!(err, "{line}");
                }
            });
        }
    }
}
