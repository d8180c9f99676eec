//! A run's curves as a `TensorBoard` event file, beside `metrics.jsonl` and made from it.
//!
//! An event file is a sequence of records: length (u64, little endian), its checksum, the bytes, their
//! checksum. The bytes are an `Event` in protobuf's wire format; of its fields we write `wall_time` (1, double),
//! `step` (2, int64), `file_version` (3, string) and `summary` (5), whose values have a `tag` (1, string) and a
//! `simple_value` (2, float). See `tensorflow/core/util/event.proto` and `summary.proto`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::metrics::Line;

/// `TensorBoard` looks for `tfevents` in names.
const NAME: &str = "events.out.tfevents.trainer";

/// The open file.
pub struct EventFile {
    writer: BufWriter<File>,
    /// Seconds since 1970 at the last line, training time only.
    wall_time: f64,
    tokens: usize,
}

impl EventFile {
    /// Begins the file in `folder` anew, for a run that started `started` seconds after 1970.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn create(folder: &Path, started: u64) -> std::io::Result<Self> {
        let mut file = Self {
            writer: BufWriter::new(File::create(folder.join(NAME))?),
            wall_time: started as f64,
            tokens: 0,
        };
        let mut event = double(1, file.wall_time);
        event.extend(bytes(3, b"brain.Event:2"));
        file.record(&event)?;
        Ok(file)
    }

    /// Removes the file from `folder`, if there is one.
    pub fn remove(folder: &Path) {
        let _ = fs::remove_file(folder.join(NAME));
    }

    /// Appends a line's numbers; [`EventFile::flush`] hands them to the system.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&mut self, line: &Line) -> std::io::Result<()> {
        match *line {
            Line::Step {
                step,
                tokens,
                loss,
                gradient_norm,
                learning_rate,
                seconds,
            } => {
                self.wall_time += seconds;
                let speed = tokens.saturating_sub(self.tokens) as f64 / seconds;
                self.tokens = tokens;
                self.scalars(
                    step,
                    &[
                        ("train/loss", f64::from(loss)),
                        ("train/gradient_norm", gradient_norm),
                        ("train/learning_rate", learning_rate),
                        ("train/tokens_per_second", speed),
                    ],
                )
            }
            Line::Validation {
                step,
                validation_loss,
            } => self.scalars(step, &[("validation/loss", validation_loss)]),
        }
    }

    /// Hands what was written to the system.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }

    fn scalars(&mut self, step: usize, scalars: &[(&str, f64)]) -> std::io::Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            let mut scalar = bytes(1, tag.as_bytes());
            scalar.extend(float(2, *value as f32));
            summary.extend(bytes(1, &scalar));
        }
        let mut event = double(1, self.wall_time);
        event.push(2 << 3);
        event.extend(varint(step as u64));
        event.extend(bytes(5, &summary));
        self.record(&event)
    }

    fn record(&mut self, event: &[u8]) -> std::io::Result<()> {
        let length = (event.len() as u64).to_le_bytes();
        self.writer.write_all(&length)?;
        self.writer
            .write_all(&masked_checksum(&length).to_le_bytes())?;
        self.writer.write_all(event)?;
        self.writer.write_all(&masked_checksum(event).to_le_bytes())
    }
}

/// Field `number`, a 64-bit number.
fn double(number: u8, value: f64) -> Vec<u8> {
    [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
}

/// Field `number`, a 32-bit number.
fn float(number: u8, value: f32) -> Vec<u8> {
    [&[number << 3 | 5][..], &value.to_le_bytes()].concat()
}

/// Field `number`, a string or a message.
fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(value.len() as u64), value].concat()
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn varint(mut value: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while value >= 0x80 {
        encoded.push(value as u8 | 0x80);
        value >>= 7;
    }
    encoded.push(value as u8);
    encoded
}

/// CRC-32C, rotated and shifted as record files want it (`tensorflow/core/lib/hash/crc32c.h`).
fn masked_checksum(bytes: &[u8]) -> u32 {
    checksum(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// CRC-32C (Castagnoli), bit by bit: a few hundred bytes a step.
fn checksum(bytes: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0x82F6_3B78;
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (REVERSED_POLYNOMIAL & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4.
    #[test]
    fn checksums_of_the_standard() {
        assert_eq!(checksum(&[0; 32]), 0x8A91_36AA);
        assert_eq!(checksum(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(checksum(b"123456789"), 0xE306_9283);
    }

    /// The examples of protobuf's description of its encoding.
    #[test]
    fn numbers_as_protobuf_encodes_them() {
        assert_eq!(varint(1), [1]);
        assert_eq!(varint(150), [0x96, 0x01]);
        assert_eq!(bytes(2, b"testing"), b"\x12\x07testing");
    }
}
