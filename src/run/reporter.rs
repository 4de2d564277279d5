//! Reporters consume a run's events: JSON lines, plain lines, or bars on a terminal.

use std::io::Write;
use std::time::Duration;

use super::event::Event;
use super::text;
use crate::stage::{NodeName, Progress};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// failures only
    Quiet,
    /// what runs, and a summary
    Normal,
    /// cached nodes too
    Verbose,
}

/// Something that shows events.
pub trait Reporter {
    /// Shows one event.
    fn event(&mut self, event: &Event);
}

/// One JSON object a line, for programs.
pub struct JsonLines<W: Write>(pub W);

impl<W: Write> Reporter for JsonLines<W> {
    fn event(&mut self, event: &Event) {
        // A reader that went away must not stop the run.
        if let Ok(line) = serde_json::to_string(event) {
            let _ = writeln!(self.0, "{line}").and_then(|()| self.0.flush());
        }
    }
}

/// Plain lines, for logs and pipes.
pub struct Plain<W: Write> {
    out: W,
    verbosity: Verbosity,
}

impl<W: Write> Plain<W> {
    /// Lines to `out`.
    pub fn new(out: W, verbosity: Verbosity) -> Self {
        Self { out, verbosity }
    }
}

impl<W: Write> Reporter for Plain<W> {
    fn event(&mut self, event: &Event) {
        for line in lines(event, self.verbosity) {
            let _ = writeln!(self.out, "{line}");
        }
    }
}

/// The lines that an event is worth; progress has none.
pub fn lines(event: &Event, verbosity: Verbosity) -> Vec<String> {
    let name = |stage: &str, axes: &crate::stage::Axes| {
        NodeName {
            stage: stage.to_owned(),
            axes: axes.clone(),
        }
        .to_string()
    };
    let normal = verbosity >= Verbosity::Normal;
    match event {
        Event::Cached {
            stage,
            axes,
            status,
            device,
            assembled,
            ..
        } => {
            let from = match device {
                Some(class) => format!(" (from {class})"),
                None if *assembled => " (from what was computed before)".to_owned(),
                None => String::new(),
            };
            let line = format!("cached    {}{}{from}", name(stage, axes), outcome(status));
            let unusual = normal && !from.is_empty();
            if unusual || verbosity == Verbosity::Verbose {
                vec![line]
            } else {
                Vec::new()
            }
        }
        Event::Started {
            stage,
            axes,
            reason,
        } if normal => {
            vec![format!("run       {} — {reason}", name(stage, axes))]
        }
        Event::Finished {
            stage,
            axes,
            status,
            seconds,
            ..
        } if normal => vec![format!(
            "done      {} in {}{}",
            name(stage, axes),
            duration(*seconds),
            outcome(status)
        )],
        Event::Published { path, trashed, .. } if normal => vec![match trashed {
            None => format!("wrote     {}", path.display()),
            Some(trashed) => format!(
                "wrote     {} (it had been edited by hand; that version is in {})",
                path.display(),
                trashed.display()
            ),
        }],
        Event::Failed {
            stage,
            axes,
            cause,
            log,
            tail,
            rerun,
        } => {
            let mut lines = vec![format!("failed    {}: {cause}", name(stage, axes))];
            lines.extend(tail.iter().map(|line| format!("          | {line}")));
            lines.extend(
                log.iter()
                    .map(|log| format!("          log: {}", log.display())),
            );
            if !rerun.is_empty() {
                lines.push(format!("          again: {rerun}"));
            }
            lines
        }
        Event::Note { message } => vec![format!("note      {message}")],
        Event::Done {
            ran,
            cached,
            failed,
            left,
            seconds,
        } if normal => {
            vec![summary(*ran, *cached, *failed, *left, *seconds)]
        }
        _ => Vec::new(),
    }
}

fn outcome(status: &crate::stage::Status) -> String {
    match status {
        crate::stage::Status::Ok => String::new(),
        diverged @ crate::stage::Status::Diverged { .. } => {
            format!(" — {}", text::status(diverged))
        }
    }
}

/// The last line of a run.
fn summary(ran: usize, cached: usize, failed: usize, left: usize, seconds: f64) -> String {
    if ran + failed + left == 0 {
        return format!("nothing to do: {cached} cached ({})", duration(seconds));
    }
    let some = |count: usize, what: &str| match count {
        0 => String::new(),
        count => format!(", {count} {what}"),
    };
    format!(
        "{ran} ran, {cached} cached{}{} in {}",
        some(failed, "failed"),
        some(left, "left"),
        duration(seconds)
    )
}

/// `0.42 s`, `3 min 20 s`.
pub fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.2} s");
    }
    let whole = Duration::from_secs_f64(seconds).as_secs();
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// `epoch 3, 1200/4000, 310 images/s, loss_d 0.61, loss_g 1.73`.
pub fn how_far(progress: &Progress) -> String {
    let mut parts = Vec::new();
    if let Some(epoch) = progress.epoch {
        parts.push(format!("epoch {epoch}"));
    }
    parts.push(format!("{}/{}", progress.done, progress.total));
    if let Some(speed) = progress.images_per_second {
        parts.push(format!("{speed:.0} images/s"));
    }
    parts.extend(
        progress
            .figures
            .iter()
            .map(|(name, value)| format!("{name} {value:.3}")),
    );
    parts.join(", ")
}
