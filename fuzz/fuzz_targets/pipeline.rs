//! Any text as a pipeline: nodes, or faults that can be shown. Never a panic.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use retake::plan::open_text;
use retake::spec::render;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match open_text(Path::new("/nowhere/pipeline.yaml"), text) {
        Ok(plan) => assert!(plan.nodes.iter().enumerate().all(|(id, node)| node.id == id)),
        Err(faults) => assert!(!render(&faults, false).is_empty()),
    }
});
