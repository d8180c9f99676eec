//! Signals that ask a process to save its state and end (`docs/running.md`).

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};

use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::low_level::{emulate_default_handler, register, signal_name};

/// Somebody wants the process to end: a second one of these ends it at once, if it is not the first one's echo.
const REQUESTS: [i32; 2] = [SIGINT, SIGTERM];

/// The terminal is gone, or a scheduler says that time is nearly up. The SIGTERM that it sends next is not a second
/// request, which would cost the checkpoint.
const WARNINGS: [i32; 3] = [SIGHUP, SIGUSR1, SIGUSR2];

/// Programs such as `timeout` signal a process and then its group, so one request arrives twice. Nobody types faster.
const ECHO_MILLISECONDS: i64 = 1000;

/// When the first request came, in milliseconds; 0 for never.
static REQUESTED: AtomicI64 = AtomicI64::new(0);

/// The signal that came first; 0 for none.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// A flag that any of the signals sets. Called once in a process.
///
/// A warning that is ignored when the process begins stays ignored: that is what `nohup` is for. SIGINT does not, because
/// a shell without job control begins every background command with it ignored.
pub fn flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in REQUESTS {
        let flag = flag.clone();
        handle(signal, move || {
            note(signal, &flag);
            let now = milliseconds();
            // In one step: two threads may handle two signals at the same time.
            let first = REQUESTED.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
            if first.is_err_and(|first| now - first > ECHO_MILLISECONDS) {
                let _ = emulate_default_handler(signal);
            }
        });
    }
    for signal in WARNINGS.into_iter().filter(|signal| !is_ignored(*signal)) {
        let flag = flag.clone();
        handle(signal, move || note(signal, &flag));
    }
    flag
}

/// The signal by which a parent asks its child to stop. The child may have had a SIGTERM already, where it was sent to
/// all processes of a job; another one would end it at once.
pub fn for_children() -> Signal {
    if is_ignored(SIGUSR1) {
        return Signal::TERM;
    }
    Signal::USR1
}

/// ` by SIGTERM`, for a sentence about what was stopped; empty if no signal came.
pub fn by_signal() -> String {
    match signal_name(FIRST.load(Ordering::SeqCst)) {
        Some(name) => format!(" by {name}"),
        None => String::new(),
    }
}

fn note(signal: i32, flag: &AtomicBool) {
    let _ = FIRST.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    flag.store(true, Ordering::SeqCst);
}

fn handle(signal: i32, handler: impl Fn() + Sync + Send + 'static) {
    // SAFETY: the handlers do what a signal handler may do: they store atomics and, at most, end the process by the
    // signal's default action.
    if let Err(error) = unsafe { register(signal, handler) } {
        tracing::warn!(%error, signal, "this signal will end the process without a checkpoint");
    }
}

/// Of a clock that nobody sets; at least 1.
fn milliseconds() -> i64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the call only writes into `time`, for which all zeros are a value too. A signal handler may make it.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr());
        time.assume_init()
    };
    (time.tv_sec * 1000 + time.tv_nsec / 1_000_000).max(1)
}

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action the call only writes the present one into `action`, for which all zeros are a value
    // too.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
