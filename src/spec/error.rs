//! Faults of a pipeline: several at once, each with file, line, column and caret.

use std::fmt::Write;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
    SourceSpan,
};

/// One thing wrong with a pipeline.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// what is wrong, a lower-case fragment
    pub message: String,
    /// what to do about it
    pub help: Option<String>,
    /// the file
    pub source_code: NamedSource<Arc<str>>,
    /// where in it, in bytes
    pub span: Option<SourceSpan>,
    /// a second place in the same file that matters, and why
    pub also: Option<(SourceSpan, String)>,
}

impl Diagnostic for Fault {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        let help = self.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let here = self.span?;
        let also = self.also.iter();
        let also = also.map(|(span, label)| LabeledSpan::new_with_span(Some(label.clone()), *span));
        // With two places to tell apart, both are labelled.
        let label = self.also.is_some().then(|| "here".to_owned());
        let here = LabeledSpan::new_primary_with_span(label, here);
        Some(Box::new(std::iter::once(here).chain(also)))
    }
}

/// Everything wrong with a pipeline.
#[derive(Debug, Clone, Default, thiserror::Error, Diagnostic)]
#[error("{}", match faults.len() { 1 => "1 fault".to_owned(), n => format!("{n} faults") })]
pub struct Faults {
    /// each of them, by file and position
    #[related]
    pub faults: Vec<Fault>,
}

impl Faults {
    /// Sorts faults by the index of their file, then by position, and drops repetitions.
    pub fn sorted(mut faults: Vec<(usize, Fault)>) -> Self {
        let offset = |fault: &Fault| fault.span.map_or(0, |span| span.offset());
        faults.sort_by_key(|(file, fault)| (*file, offset(fault)));
        faults.dedup_by(|a, b| a.0 == b.0 && a.1.span == b.1.span && a.1.message == b.1.message);
        Self {
            faults: faults.into_iter().map(|(_, fault)| fault).collect(),
        }
    }
}

/// Faults beyond this many are only counted.
const SHOWN: usize = 50;

/// The faults as text, each with a snippet and a caret; `color` for terminals.
pub fn render(faults: &Faults, color: bool) -> String {
    let mut theme = if color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    theme.characters.underline = '^';
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(100);
    let mut text = String::new();
    for fault in faults.faults.iter().take(SHOWN) {
        // Writing to a string cannot fail; a label outside the source shows the message alone.
        if handler.render_report(&mut text, fault).is_err() {
            let _ = writeln!(text, "{fault}");
        }
        text.push('\n');
    }
    if let Some(more @ 1..) = faults.faults.len().checked_sub(SHOWN) {
        let _ = writeln!(text, "… and {more} more");
    }
    let _ = writeln!(text, "{faults}");
    text
}
