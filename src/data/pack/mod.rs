//! The pack: one file with images, labels and names, read through a memory map.
//!
//! All numbers are little-endian; every section starts at a multiple of 64 bytes.
//!
//! | part | content |
//! | --- | --- |
//! | prelude, 128 bytes | magic, version (u32), zero (u32), image count *n* (u64), (offset, length) of each section (u64, u64) |
//! | pixels | the images, one after the other, (H, W, C) interleaved |
//! | table | per image: offset into pixels (u64), height, width (u32); empty when all sizes are equal |
//! | labels | nothing, or *n* classes (u32), or *n* multi-hot rows of one byte a class |
//! | name ends | per image: where its name ends in names (u64) |
//! | names | UTF-8, one after the other |
//! | header | JSON: schema, common size, recipe of online augmentation |
//!
//! The bytes depend on content alone, so equal data have equal digests.

mod format;
mod reader;
mod writer;

pub use reader::Pack;
pub use writer::PackWriter;
