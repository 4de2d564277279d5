//! `file:` and `glob:`, each looked up once however many nodes name it.

use std::collections::{BTreeMap, HashMap};
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
            let files = matching(&self.root, pattern);
            self.matched.insert(pattern.to_owned(), files);
        }
        self.matched[pattern].clone()
    }

    /// The patterns that were looked up and what each matches.
    pub fn globs(&self) -> BTreeMap<String, Vec<PathBuf>> {
        let sound = |(pattern, files): (&String, &Result<Vec<PathBuf>, String>)| {
            Some((pattern.clone(), files.clone().ok()?))
        };
        self.matched.iter().filter_map(sound).collect()
    }
}

/// The files below `root` that match `pattern`, sorted; the error says what is wrong with the pattern.
///
/// Walks the deepest folder that the pattern names without wildcards. The root is no part of the pattern:
/// its name may hold what would be a wildcard.
pub fn matching(root: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
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
    let walk = WalkDir::new(root.join(base))
        .follow_links(true)
        .into_iter()
        .filter_entry(|entry| !hidden(entry.file_name()));
    let mut files = Vec::new();
    for entry in walk {
        match entry {
            Ok(entry) => {
                if entry.file_type().is_file() && matches(entry.path()) {
                    files.push(entry.into_path());
                }
            }
            // What cannot be looked into may hold matches; a link that leads nowhere or round is none.
            Err(error) => {
                let cause = error.io_error();
                if cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::PermissionDenied) {
                    return Err(error.to_string());
                }
            }
        }
    }
    files.sort();
    Ok(files)
}
