//! Processes: finished ones, running ones, and signals to them.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything a process is to do.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a process left on the screen.
pub struct Finished {
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let finished = Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!finished.stderr.contains("panicked at"), "{finished:?}");
        finished
    }
}

impl std::fmt::Debug for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            signal,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "exit code {code:?}, signal {signal:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}

impl Finished {
    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Asserts that standard error holds `text`, however it is wrapped and framed.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(
            squash(&self.stderr).contains(&squash(text)),
            "no `{text}` in {self:?}"
        );
        self
    }

    /// Asserts that standard output holds `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no `{text}` in {self:?}");
        self
    }
}

/// Without white space and the lines that miette draws around messages: it wraps at 80 columns.
fn squash(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !('\u{2500}'..='\u{257F}').contains(c) && *c != '×')
        .collect()
}

/// A process that runs beside the test; killed when dropped.
pub struct Background {
    child: Child,
    command: String,
}

impl Background {
    pub fn start(mut command: Command) -> Self {
        let line = format!("{command:?}");
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start");
        Self {
            child,
            command: line,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Polls until `happened`; false if the process ended before.
    pub fn wait_until(&mut self, what: &str, mut happened: impl FnMut() -> bool) -> bool {
        let began = Instant::now();
        loop {
            if happened() {
                return true;
            }
            if self.status().is_some() {
                return happened();
            }
            assert!(
                began.elapsed() < PATIENCE,
                "waited in vain for {what} of {}",
                self.command
            );
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("status")
    }

    /// Ends the process with SIGKILL; true if it was still alive.
    pub fn kill(mut self) -> bool {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait").code().is_none()
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Finished {
        let began = Instant::now();
        // Little is printed, so that the pipes cannot fill up meanwhile.
        while self.status().is_none() {
            assert!(began.elapsed() < PATIENCE, "{} does not end", self.command);
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut finished = (String::new(), String::new());
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        std::io::Read::read_to_string(&mut out.expect("stdout"), &mut finished.0).expect("stdout");
        std::io::Read::read_to_string(&mut err.expect("stderr"), &mut finished.1).expect("stderr");
        let finished = Finished {
            code: self.status().and_then(|status| status.code()),
            signal: self.status().and_then(|status| status.signal()),
            stdout: finished.0,
            stderr: finished.1,
        };
        assert!(!finished.stderr.contains("panicked at"), "{finished:?}");
        finished
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends `name` (`INT`, `TERM`) to a process.
pub fn signal(name: &str, process: u32) {
    shell(&format!("kill -{name} {process}"));
}

/// Sends several signals that the process finds all at once when it wakes up.
pub fn signal_stopped(names: &[&str], process: u32) {
    let kills: Vec<String> = names
        .iter()
        .map(|name| format!("kill -{name} {process}"))
        .collect();
    shell(&format!(
        "kill -STOP {process} && {} && kill -CONT {process}",
        kills.join(" && ")
    ));
}

/// Rust's standard library sends no signal but SIGKILL; every POSIX shell has `kill` built in.
fn shell(command: &str) {
    let status = Command::new("sh")
        .args(["-c", command])
        .status()
        .expect("sh");
    assert!(status.success(), "{command}");
}
