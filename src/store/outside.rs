//! Writing files outside the store: whole or not at all, and nothing left beside them by a process that was killed.
//!
//! The bytes come together in the session's folder and are renamed from there. Where that is on another file system
//! (or the store cannot be written), they come together beside the file, in one named after the session; what a
//! killed process left there is removed by the next that writes to the same folder.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::write::parent;
use super::{Store, StoreError};

/// What the names of half-written files beside published ones begin and end with.
const BESIDE: (&str, &str) = (".retake-", ".tmp");

/// Tells apart what the threads of a process write beside.
static COUNT: AtomicU64 = AtomicU64::new(0);

impl Store {
    /// Makes the file `to`, one outside the store, by way of a synced temporary file, which `fill` is given the path of.
    pub(super) fn replace(
        &self,
        to: &Path,
        executable: bool,
        fill: impl Fn(&Path) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let failed = |e| StoreError::io(to, e);
        let folder = parent(to);
        let session = self.session().ok();
        if let Some(session) = &session {
            let staged = session.fresh("outside");
            let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
            if device(folder) == device(parent(&staged)) {
                match make(&staged, to, executable, &fill) {
                    Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
                    other => return other.map_err(failed),
                }
            }
        }
        self.sweep_beside(folder).map_err(failed)?;
        let name = session.map_or_else(
            || format!("{}-", std::process::id()),
            |session| session.owner().session.clone(),
        );
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (begin, end) = BESIDE;
        let staged = folder.join(format!("{begin}{name}.{number}{end}"));
        make(&staged, to, executable, &fill).map_err(failed)
    }

    /// Removes what killed processes left half written in `folder`.
    fn sweep_beside(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let (begin, end) = BESIDE;
            let session = name
                .to_str()
                .and_then(|name| name.strip_prefix(begin)?.strip_suffix(end))
                .and_then(|name| Some(name.split_once('.')?.0));
            let Some(session) = session else { continue };
            let process = session.split('-').next().unwrap_or_default();
            let lives = self
                .root
                .join("tmp")
                .join(format!("{session}.lock"))
                .exists()
                || Path::new("/proc").join(process).exists();
            if !lives {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// Fills `staged`, seals it off and gives it its name.
fn make(
    staged: &Path,
    to: &Path,
    executable: bool,
    fill: impl Fn(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let mode = if executable { 0o755 } else { 0o644 };
    let made = fill(staged)
        .and_then(|()| fs::set_permissions(staged, Permissions::from_mode(mode)))
        .and_then(|()| File::open(staged)?.sync_all())
        .and_then(|()| fs::rename(staged, to));
    made.inspect_err(|_| {
        let _ = fs::remove_file(staged);
    })
}
