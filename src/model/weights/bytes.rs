//! Bytes of a file, taken from the front; what is not there is a fault.

/// What is wrong with a file.
pub(super) type Fault = String;

/// The bytes not yet taken.
pub(super) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            return Err(format!(
                "it ends early: {count} bytes should follow, {} do",
                self.0.len()
            ));
        };
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| "it ends early".to_owned())
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Fault> {
        self.array().map(|[byte]| byte)
    }

    /// As many bytes as the next two, four or eight say, little-endian.
    pub fn counted<const N: usize>(&mut self) -> Result<&'a [u8], Fault> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.array::<N>()?);
        self.take(size(u64::from_le_bytes(wide))?)
    }

    /// The bytes to the end of the line, which is taken too.
    pub fn line(&mut self) -> Result<&'a [u8], Fault> {
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let line = self.take(end.ok_or("it ends within a line")?)?;
        self.take(1)?;
        Ok(line)
    }
}

/// A size that the file gives.
pub(super) fn size(number: impl TryInto<usize>) -> Result<usize, Fault> {
    let number = number.try_into();
    number.map_err(|_| "it has a size that cannot be".to_owned())
}

/// The number of elements of `shape`.
pub(super) fn elements(shape: &[usize]) -> Result<usize, Fault> {
    let product = |product: usize, size: &usize| product.checked_mul(*size);
    let count = shape.iter().try_fold(1, product);
    count.ok_or_else(|| "it has a shape that cannot be".to_owned())
}

/// Text, which is UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| "it has a name that is no text".to_owned())
}
