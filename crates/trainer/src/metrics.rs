//! `metrics.jsonl`: one line a step, one line a validation.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::tensorboard::EventFile;

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// A training step.
    Step {
        /// Steps done, this one included.
        step: usize,
        /// Tokens trained on so far.
        tokens: usize,
        /// Mean negative log-likelihood of the step's batch in nats per token.
        loss: f32,
        /// Norm of all gradients together, before clipping.
        gradient_norm: f64,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Wall time of the step in seconds.
        seconds: f64,
    },
    /// A validation.
    Validation {
        /// Steps done.
        step: usize,
        /// Mean negative log-likelihood in nats per token.
        validation_loss: f64,
    },
}

impl Line {
    fn step(&self) -> usize {
        match self {
            Self::Step { step, .. } | Self::Validation { step, .. } => *step,
        }
    }
}

/// All whole lines of the file at `path`; none without one.
pub fn read(path: &Path) -> Vec<Line> {
    let text = read_text(path).unwrap_or_default();
    whole_lines(&text).map(|(_, line)| line).collect()
}

/// The last step in the file at `path`, which another process may be writing; 0 without one.
pub fn last_step(path: &Path) -> usize {
    let end = read_end(path).unwrap_or_default();
    let lines = end.lines().rev();
    lines
        .filter_map(|line| serde_json::from_str::<Line>(line).ok())
        .map(|line| line.step())
        .next()
        .unwrap_or(0)
}

/// The last lines of a file that may be long.
fn read_end(path: &Path) -> std::io::Result<String> {
    const BYTES: u64 = 4096;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
    let mut end = Vec::new();
    file.take(BYTES).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

/// The open file.
pub struct MetricsFile {
    path: PathBuf,
    writer: BufWriter<File>,
    events: Option<EventFile>,
}

impl MetricsFile {
    /// Opens `path` to continue after `step` steps: later lines, and a line that a killed process
    /// left unfinished, are dropped, so that every step stands in the file once.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn continue_after(path: &Path, step: usize) -> std::io::Result<Self> {
        // As text: a number that is read and written again can change its last digit.
        let text = read_text(path)?;
        let kept: String = whole_lines(&text)
            .filter(|(_, line)| line.step() <= step)
            .flat_map(|(text, _)| [text, "\n"])
            .collect();
        whole_file::write(path, |file| file.write_all(kept.as_bytes()))?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            writer: BufWriter::new(file),
            events: None,
        })
    }

    /// Writes a `TensorBoard` event file too, beside this one: first what is in it, then what comes. `started` is the
    /// run's, in seconds since 1970.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn with_events(mut self, started: u64) -> std::io::Result<Self> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let mut events = EventFile::create(folder, started)?;
        for line in read(&self.path) {
            events.write(&line)?;
        }
        events.flush()?;
        self.events = Some(events);
        Ok(self)
    }

    /// Appends a line and hands it to the system.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&mut self, line: &Line) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.writer, line)?;
        self.writer.write_all(b"\n")?;
        self.writer.flush()?;
        if let Some(events) = &mut self.events {
            events.write(line)?;
            events.flush()?;
        }
        Ok(())
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The whole lines of a metrics file, as they stand there and as numbers.
fn whole_lines(text: &str) -> impl Iterator<Item = (&str, Line)> {
    text.lines()
        .map_while(|line| Some((line, serde_json::from_str(line).ok()?)))
}

/// The text of a metrics file; a missing file has none.
fn read_text(path: &Path) -> std::io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: usize) -> Line {
        Line::Step {
            step,
            tokens: step * 8,
            loss: 1.0 / step as f32,
            gradient_norm: 0.1 + 0.2,
            learning_rate: 1e-3,
            seconds: 0.5,
        }
    }

    #[test]
    fn a_resumed_file_holds_every_step_once() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("metrics.jsonl");
        let mut file = MetricsFile::continue_after(&path, 0).expect("new");
        for n in 1..=5 {
            file.write(&step(n)).expect("write");
        }
        let validation = Line::Validation {
            step: 3,
            validation_loss: 2.5,
        };
        file.write(&validation).expect("write");
        // A process killed in the middle of a line.
        let mut text = fs::read_to_string(&path).expect("read");
        text.push_str("{\"step\":6,\"tok");
        fs::write(&path, text).expect("tear");
        let mut file = MetricsFile::continue_after(&path, 3).expect("resume");
        file.write(&step(4)).expect("write");
        let text = read_text(file.path()).expect("read");
        let lines: Vec<Line> = whole_lines(&text).map(|(_, line)| line).collect();
        assert_eq!(lines, vec![step(1), step(2), step(3), validation, step(4)]);
    }
}
