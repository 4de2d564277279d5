//! The `retake` program.

use std::process::ExitCode;

/// Training allocates and frees large buffers at every step; mimalloc keeps them from going back to
/// the kernel and being faulted in again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    retake::cli::main()
}
