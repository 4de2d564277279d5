//! Any bytes as a packed file of images: images that can all be read, or an error.

#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use retake::data::pack::Pack;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a temporary file");
    file.write_all(data).expect("written");
    let Ok(pack) = Pack::open(file.path()) else {
        return;
    };
    for index in 0..pack.len().min(64) {
        let _ = pack.image(index);
        let _ = pack.label(index);
    }
});
