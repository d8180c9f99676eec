//! `trainer CONFIG` trains a decoder, evaluates it, and leaves a run directory.
//!
//! Reading order: `cli` (what the user typed), `run` (one run from config to evaluation), `training` (the
//! loop), `learner` (one step), `optimizer`, `checkpoint`; the decoder itself is the `decoder` crate.

mod checkpoint;
mod cli;
mod device;
mod error;
mod learner;
mod logging;
mod metrics;
mod monitor;
mod optimizer;
mod plan;
mod progress;
mod provenance;
mod run;
mod run_directory;
mod screen;
mod speed;
mod table;
mod throughput;
mod training;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::error::TrainerError;
use crate::monitor::View;
use crate::run::Request;

/// Tensors come and go by the thousand a second: the system allocator returns each to the kernel and
/// page-faults it back, which costs half of the training speed on a CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            screen::note(format_args!("{:?}", miette::Report::new(error)));
            ExitCode::from(code)
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), TrainerError> {
    match cli.command {
        Some(Command::Eval {
            run,
            overrides,
            device,
        }) => {
            let mut overrides = overrides;
            overrides.extend(device.map(|device| format!("run.device={device:?}")));
            run::evaluate_run(&run, &overrides)
        }
        Some(Command::Speed(arguments)) => speed::measure(&arguments),
        None => run::train(&Request {
            overrides: cli.train.all_overrides(),
            // clap shows its help when nothing at all is given; flags without a config end here.
            config: cli.train.config.ok_or(TrainerError::NoConfig)?,
            dry_run: cli.train.dry_run,
            resume: cli.train.resume,
            force: cli.train.force,
            view: if cli.train.dashboard {
                View::Dashboard
            } else {
                View::Automatic
            },
        }),
    }
}
