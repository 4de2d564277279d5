//! What to do about an error of the system.

use std::io;

/// `: what to do`, for errors of a disk that a user can do something about; nothing for others.
pub fn advice(error: &io::Error) -> &'static str {
    const EIO: i32 = 5;
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": make room and run again; what was complete is kept"
        }
        _ if error.raw_os_error() == Some(EIO) => {
            ": the disk fails; run again when it works, what was complete is kept"
        }
        _ => "",
    }
}
