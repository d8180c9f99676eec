//! Writes GGUF files by hand, wrong ones included.

/// The parts of a file; each can be anything.
pub struct Writer {
    pub version: u32,
    /// Instead of the true counts.
    pub tensor_count: Option<u64>,
    pub entry_count: Option<u64>,
    pub entries: Vec<Vec<u8>>,
    pub tensors: Vec<Vec<u8>>,
    pub data: Vec<u8>,
}

impl Writer {
    pub fn new() -> Self {
        Self {
            version: 3,
            tensor_count: None,
            entry_count: None,
            entries: Vec::new(),
            tensors: Vec::new(),
            data: Vec::new(),
        }
    }

    pub fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        let entry = [&string(key)[..], &kind.to_le_bytes(), value].concat();
        self.entries.push(entry);
        self
    }

    pub fn u32(self, key: &str, value: u32) -> Self {
        self.entry(key, 4, &value.to_le_bytes())
    }

    pub fn text(self, key: &str, value: &str) -> Self {
        self.entry(key, 8, &string(value))
    }

    pub fn texts(self, key: &str, values: &[&str]) -> Self {
        let count = (values.len() as u64).to_le_bytes();
        let strings: Vec<u8> = values.iter().flat_map(|value| string(value)).collect();
        self.entry(
            key,
            9,
            &[&8u32.to_le_bytes()[..], &count, &strings].concat(),
        )
    }

    pub fn integers(self, key: &str, values: &[i32]) -> Self {
        let count = (values.len() as u64).to_le_bytes();
        let numbers: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.entry(
            key,
            9,
            &[&5u32.to_le_bytes()[..], &count, &numbers].concat(),
        )
    }

    /// `dimensions` innermost first, as files have them.
    pub fn tensor(mut self, name: &str, dimensions: &[u64], code: u32, offset: u64) -> Self {
        let mut tensor = string(name);
        tensor.extend((dimensions.len() as u32).to_le_bytes());
        tensor.extend(dimensions.iter().flat_map(|length| length.to_le_bytes()));
        tensor.extend(code.to_le_bytes());
        tensor.extend(offset.to_le_bytes());
        self.tensors.push(tensor);
        self
    }

    pub fn data(mut self, bytes: usize) -> Self {
        self.data = vec![0; bytes];
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(
            self.tensor_count
                .unwrap_or(self.tensors.len() as u64)
                .to_le_bytes(),
        );
        bytes.extend(
            self.entry_count
                .unwrap_or(self.entries.len() as u64)
                .to_le_bytes(),
        );
        bytes.extend(self.entries.concat());
        bytes.extend(self.tensors.concat());
        if !self.data.is_empty() {
            bytes.resize(bytes.len().next_multiple_of(32), 0);
            bytes.extend(&self.data);
        }
        bytes
    }
}

pub fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}
