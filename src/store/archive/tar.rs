//! As much of tar (ustar) as an archive needs: plain files under short names, nothing of who wrote them or when.

use std::io::{self, Read, Write};

/// Files begin at multiples of this.
const BLOCK: usize = 512;

/// Where a header's fields lie.
const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const OWNERS: [std::ops::Range<usize>; 2] = [108..116, 116..124];
const SIZE: std::ops::Range<usize> = 124..136;
const TIME: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..265;

/// Sizes from here on do not fit in eleven octal digits.
const BIG: u64 = 1 << 33;

/// Writes the header of a file of `size` bytes.
pub(super) fn write_header(out: &mut impl Write, name: &str, size: u64) -> io::Result<()> {
    let mut block = [0; BLOCK];
    if name.len() > NAME.len() {
        return Err(io::Error::other("a name too long for an archive"));
    }
    block[..name.len()].copy_from_slice(name.as_bytes());
    octal(&mut block[MODE], 0o444);
    for owner in OWNERS {
        octal(&mut block[owner], 0);
    }
    if size < BIG {
        octal(&mut block[SIZE], size);
    } else {
        // As GNU tar does it: a mark, then the number in binary.
        block[SIZE.start] = 0x80;
        block[SIZE.end - 8..SIZE.end].copy_from_slice(&size.to_be_bytes());
    }
    octal(&mut block[TIME], 0);
    block[KIND] = b'0';
    block[MAGIC].copy_from_slice(b"ustar\x0000");
    let sum = checksum(&block);
    octal(&mut block[CHECKSUM.start..CHECKSUM.end - 1], sum);
    block[CHECKSUM.end - 1] = b' ';
    out.write_all(&block)
}

/// Fills the last block of a file of `size` bytes.
pub(super) fn write_padding(out: &mut impl Write, size: u64) -> io::Result<()> {
    out.write_all(&[0; BLOCK][..padding(size)])
}

/// Writes the end of an archive.
pub(super) fn write_end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

/// The next file's name and size; `None` at the end of the archive.
///
/// # Errors
/// When there is no whole header, or it is of something that [`write_header`] does not write.
pub(super) fn read_header(from: &mut impl Read) -> io::Result<Option<(String, u64)>> {
    let mut block = [0; BLOCK];
    from.read_exact(&mut block)?;
    if block == [0; BLOCK] {
        return Ok(None);
    }
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let sum = parse_octal(&block[CHECKSUM]);
    if &block[MAGIC] != b"ustar\x0000" || sum != Some(checksum(&block)) {
        return Err(bad("a header was altered, or it is no archive of retake's"));
    }
    if block[KIND] != b'0' {
        return Err(bad("it holds something that is not a file"));
    }
    let end = block[NAME].iter().position(|byte| *byte == 0);
    let name = str::from_utf8(&block[..end.unwrap_or(NAME.len())])
        .map_err(|_| bad("a name is not text"))?;
    let size = if block[SIZE.start] == 0x80 {
        let bytes = <[u8; 8]>::try_from(&block[SIZE.end - 8..SIZE.end]);
        bytes.ok().map(u64::from_be_bytes)
    } else {
        parse_octal(&block[SIZE])
    };
    let size = size.ok_or_else(|| bad("a size is not a number"))?;
    Ok(Some((name.to_owned(), size)))
}

/// Reads over what fills the last block of a file of `size` bytes.
pub(super) fn read_padding(from: &mut impl Read, size: u64) -> io::Result<()> {
    let mut rest = [0; BLOCK];
    from.read_exact(&mut rest[..padding(size)])
}

fn padding(size: u64) -> usize {
    let over = (size % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

/// The sum of a header's bytes, those of the sum counted as spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let byte =
        |(at, byte): (usize, &u8)| u64::from(if CHECKSUM.contains(&at) { b' ' } else { *byte });
    block.iter().enumerate().map(byte).sum()
}

fn octal(field: &mut [u8], number: u64) {
    let digits = format!("{number:0width$o}", width = field.len() - 1);
    field[..digits.len()].copy_from_slice(digits.as_bytes());
}

fn parse_octal(field: &[u8]) -> Option<u64> {
    let text = str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}
