//! What stands behind an input: `STAGE`, `STAGE:OUTPUT`, `STAGE[*]`, `STAGE[a=v]`, `STAGE[a=v][*]`,
//! `file:PATH`, `glob:PATTERN`.

/// A parsed input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// nodes of a stage
    Stage(Selection),
    /// one file or folder
    File(String),
    /// all files that match
    Glob(String),
}

/// Nodes of a stage, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// the stage
    pub stage: String,
    /// axes that are fixed, with their value as text
    pub fixed: Vec<(String, String)>,
    /// `[*]`
    pub gather: bool,
    /// `:OUTPUT`
    pub output: Option<String>,
}

/// Text that is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAReference(String);

impl Reference {
    /// Parses an input.
    ///
    /// ```
    /// # use retake::spec::reference::Reference;
    /// let Ok(Reference::Stage(gan)) = Reference::parse("gan[loss=bce][*]:history") else { panic!() };
    /// assert_eq!((gan.stage.as_str(), gan.gather, gan.output.as_deref()), ("gan", true, Some("history")));
    /// assert_eq!(gan.fixed, [("loss".to_owned(), "bce".to_owned())]);
    /// ```
    pub fn parse(text: &str) -> Result<Self, NotAReference> {
        let empty = |kind: &str| NotAReference(format!("`{kind}:` names no file"));
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.trim();
            return (!path.is_empty())
                .then(|| Self::File(path.to_owned()))
                .ok_or_else(|| empty("file"));
        }
        if let Some(pattern) = text.strip_prefix("glob:") {
            let pattern = pattern.trim();
            return (!pattern.is_empty())
                .then(|| Self::Glob(pattern.to_owned()))
                .ok_or_else(|| empty("glob"));
        }
        Selection::parse(text).map(Self::Stage)
    }
}

impl Selection {
    /// Parses a name as people write it, on the command line too.
    pub fn parse(text: &str) -> Result<Self, NotAReference> {
        let misfit = |why: &str| NotAReference(format!("`{text}` is not an input: {why}"));
        let end = text.find(['[', ':']).unwrap_or(text.len());
        let mut selection = Self {
            stage: text[..end].trim().to_owned(),
            ..Self::default()
        };
        if selection.stage.is_empty() || selection.stage.contains(char::is_whitespace) {
            return Err(misfit("expected the name of a stage"));
        }
        let mut rest = &text[end..];
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(':') {
                let end = after.find('[').unwrap_or(after.len());
                let output = after[..end].trim();
                if output.is_empty() || selection.output.replace(output.to_owned()).is_some() {
                    return Err(misfit("expected the name of one output after `:`"));
                }
                rest = &after[end..];
            } else if let Some(after) = rest.strip_prefix('[') {
                let (inner, tail) = after
                    .split_once(']')
                    .ok_or_else(|| misfit("`[` is never closed"))?;
                selection.bracket(inner).map_err(|why| misfit(&why))?;
                rest = tail;
            } else {
                return Err(misfit("expected `[` or `:` after `]`"));
            }
        }
        Ok(selection)
    }

    /// Takes in what stands between `[` and `]`.
    fn bracket(&mut self, inner: &str) -> Result<(), String> {
        if inner.trim() == "*" {
            self.gather = true;
            return Ok(());
        }
        for pair in inner.split(',') {
            let (axis, value) = pair
                .split_once('=')
                .ok_or_else(|| "expected `[axis=value]` or `[*]`".to_owned())?;
            let axis = axis.trim();
            if self.fixed.iter().any(|(known, _)| known == axis) {
                return Err(format!("axis `{axis}` is fixed twice"));
            }
            self.fixed.push((axis.to_owned(), value.trim().to_owned()));
        }
        Ok(())
    }
}
