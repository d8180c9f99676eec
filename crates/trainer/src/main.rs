//! `trainer CONFIG` trains a decoder, evaluates it, and leaves a run directory.
//!
//! Reading order: `cli` (what the user typed), `run` (one run from config to evaluation), `training` (the
//! loop), `learner` (one step), `optimizer`, `checkpoint`; the decoder itself is the `decoder` crate.

mod anatomy;
mod checkpoint;
mod cli;
mod compare;
mod data;
mod device;
mod error;
mod examples;
mod exported;
mod imported;
mod kernels;
mod learner;
mod logging;
mod measurement;
mod metrics;
mod monitor;
#[cfg(all(feature = "cuda", target_os = "linux"))]
mod nccl;
mod optimizer;
mod plan;
mod progress;
mod provenance;
mod run;
mod run_directory;
mod screen;
mod shell;
mod speed;
mod stop;
mod sweep;
mod table;
mod tensorboard;
mod theory;
mod throughput;
mod training;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Anatomy, Cli, Command};
use crate::error::TrainerError;
use crate::run::Request;

/// Tensors come and go by the thousand a second: the system allocator returns each to the kernel and
/// page-faults it back, which costs half of the training speed on a CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Freed pages stay with the process. Every step wants the same memory again, and a page that was given back
/// to the kernel is cleared by it before it returns: a tenth of a step's time (`benchmarks/LOG.md`).
fn keep_freed_pages() {
    /// `mi_option_purge_delay` in mimalloc.h; -1 is never.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: setting an option is not thread safe; this is the first thing `main` does, and no other thread
    // has begun.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
}

fn main() -> ExitCode {
    keep_freed_pages();
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            match error {
                TrainerError::Stopped(words) => screen::say(words),
                error => screen::note(format_args!("{:?}", miette::Report::new(error))),
            }
            ExitCode::from(code)
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), TrainerError> {
    match cli.command {
        Some(Command::Eval {
            model,
            overrides,
            device,
            corpus,
            contexts,
            out,
        }) => {
            let mut overrides = overrides;
            overrides.extend(device.map(|device| cli::set("run.device", &device)));
            imported::evaluate(&imported::Request {
                model,
                overrides,
                corpus,
                contexts,
                out,
            })
        }
        Some(Command::Logits {
            model,
            tokens,
            out,
            device,
        }) => imported::write_logits(&model, &tokens, &out, &device),
        Some(Command::Export { run, out }) => exported::export(&run, &out),
        Some(Command::Speed(arguments)) => speed::measure(&arguments),
        Some(Command::CheckKernels(arguments)) => kernels::check(&arguments),
        Some(Command::Compare {
            runs,
            baseline,
            html,
            files,
        }) => compare::compare(&compare::Request {
            folders: runs,
            baseline,
            html,
            files,
        }),
        Some(Command::Sweep(arguments)) => sweep::sweep(&sweep::Request {
            overrides: arguments.all_overrides(),
            file: arguments.file,
            dry_run: arguments.dry_run,
            engine: arguments.engine,
            jobs: arguments.jobs.map(NonZeroUsize::get),
            retry: arguments.retry,
        }),
        Some(Command::Theory(arguments)) => theory::theory(&arguments.request()),
        Some(Command::Anatomy(arguments)) => match arguments.request() {
            Anatomy::OfModel(request) => anatomy::anatomy(&request),
            Anatomy::Theory(request) => theory::theory(&request),
        },
        None => run::train(&Request {
            overrides: cli.train.all_overrides(),
            dry_run: cli.train.dry_run,
            beginning: cli.train.beginning(),
            view: cli.train.view(),
            // clap shows its help when nothing at all is given; flags without a config end here.
            config: cli.train.config.ok_or(TrainerError::NoConfig)?,
        }),
    }
}
