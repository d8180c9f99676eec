//! A position in the file's bytes. Every read is checked against what is left.

/// Why a read failed, and where.
#[derive(Debug)]
pub(crate) struct ReadError {
    pub offset: usize,
    pub problem: String,
}

/// Reads little-endian values one after another.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub fn position(&self) -> usize {
        self.position
    }

    pub fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// All bytes from here on.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    /// An error at the current position.
    pub fn error(&self, problem: impl Into<String>) -> ReadError {
        ReadError {
            offset: self.position,
            problem: problem.into(),
        }
    }

    /// The next `count` bytes, which hold `what`.
    pub fn take(&mut self, count: u64, what: &str) -> Result<&'a [u8], ReadError> {
        let left = self.left();
        let count = usize::try_from(count).ok().filter(|&count| count <= left);
        let count = count.ok_or_else(|| {
            self.error(format!(
                "{what} goes beyond the end of the file ({left} bytes left)"
            ))
        })?;
        let taken = &self.bytes[self.position..self.position + count];
        self.position += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ReadError> {
        let taken = self.take(N as u64, what)?;
        let mut array = [0; N];
        array.copy_from_slice(taken);
        Ok(array)
    }

    pub fn u32(&mut self, what: &str) -> Result<u32, ReadError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, what: &str) -> Result<u64, ReadError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count of items that take at least `smallest` bytes each: refused when the file cannot hold them.
    pub fn count(&mut self, smallest: u64, what: &str) -> Result<u64, ReadError> {
        let start = self.position;
        let count = self.u64(what)?;
        let left = self.left();
        if count
            .checked_mul(smallest)
            .is_none_or(|bytes| bytes > left as u64)
        {
            let problem = format!("{what} is {count}, more than the {left} bytes left can hold");
            return Err(ReadError {
                offset: start,
                problem,
            });
        }
        Ok(count)
    }

    /// A string: its length as u64, then UTF-8.
    pub fn string(&mut self, what: &str) -> Result<&'a str, ReadError> {
        let length = self.u64(what)?;
        let start = self.position;
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes).map_err(|error| ReadError {
            offset: start,
            problem: format!("{what} is not UTF-8: {error}"),
        })
    }
}
