//! `file:` and `glob:`, each looked up once however many nodes name it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use walkdir::WalkDir;

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// a file
    File,
    /// a folder
    Folder,
    /// nothing
    Nothing,
}

/// Files of the work tree.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    found: HashMap<PathBuf, Found>,
    matched: HashMap<String, Result<Vec<PathBuf>, String>>,
}

impl Files {
    /// Paths are relative to `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            found: HashMap::new(),
            matched: HashMap::new(),
        }
    }

    /// The absolute path of `path`.
    pub fn absolute(&self, path: &str) -> PathBuf {
        self.root.join(path).components().collect()
    }

    /// What lies at an absolute path.
    pub fn found(&mut self, path: &Path) -> Found {
        if let Some(found) = self.found.get(path) {
            return *found;
        }
        let found = match path.metadata() {
            Ok(metadata) if metadata.is_dir() => Found::Folder,
            Ok(_) => Found::File,
            Err(_) => Found::Nothing,
        };
        self.found.insert(path.to_owned(), found);
        found
    }

    /// The files that match `pattern`, sorted; the error says what is wrong with the pattern.
    pub fn matching(&mut self, pattern: &str) -> Result<Vec<PathBuf>, String> {
        if !self.matched.contains_key(pattern) {
            let files = search(&self.root, pattern);
            self.matched.insert(pattern.to_owned(), files);
        }
        self.matched[pattern].clone()
    }
}

/// Walks the deepest folder that the pattern names without wildcards. The root is no part of the pattern:
/// its name may hold what would be a wildcard.
fn search(root: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let pattern = pattern.trim_start_matches("./");
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|error| error.kind().to_string())?
        .compile_matcher();
    let literal = |part: &std::path::Component<'_>| {
        !part
            .as_os_str()
            .to_string_lossy()
            .contains(['*', '?', '[', '{'])
    };
    let base: PathBuf = Path::new(pattern)
        .components()
        .take_while(literal)
        .collect();
    // What retake and git keep for themselves is nobody's data.
    let hidden = |name: &std::ffi::OsStr| name == ".retake" || name == ".git";
    let outside = Path::new(pattern).is_absolute();
    let matches = |path: &Path| {
        let within = path.strip_prefix(root).unwrap_or(path);
        glob.is_match(if outside { path } else { within })
    };
    let mut files: Vec<PathBuf> = WalkDir::new(root.join(base))
        .follow_links(true)
        .into_iter()
        .filter_entry(|entry| !hidden(entry.file_name()))
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file() && matches(entry.path()))
        .map(walkdir::DirEntry::into_path)
        .collect();
    files.sort();
    Ok(files)
}
