//! Any bytes as a record file: a record that reads back as it was, or none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use retake::hash::Digest;
use retake::store::Record;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // As it is: the digest in it is seldom right.
    assert!(Record::decode(text).is_none() || !text.is_empty());
    // With the right digest, so that what lies behind it is reached.
    let line = text.replace('\n', " ");
    let sealed = format!("{}\n{line}\n", Digest::of_bytes(line.as_bytes()));
    if let Some((record, timings)) = Record::decode(&sealed) {
        let text = record.encode(&timings).expect("what was read can be written");
        let (again, _) = Record::decode(&text).expect("what was written can be read");
        assert_eq!(format!("{again:?}"), format!("{record:?}"));
    }
});
