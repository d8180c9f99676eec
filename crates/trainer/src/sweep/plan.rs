//! `sweep --dry-run`: the runs, their size, and about how long they take.

use std::process::{Command, Stdio};

use experiment::{Experiment, Sweep};

use crate::error::TrainerError;
use crate::screen;
use crate::sweep::job::{Job, State};

/// Steps of the probe.
const STEPS: usize = 3;

/// Prints a line for each run, and the sum.
///
/// # Errors
/// If the probe's shape cannot be written.
pub fn describe(sweep: &Sweep, jobs: &[Job]) -> Result<(), TrainerError> {
    let width = sweep.variants.iter().map(|v| v.chars().count()).max();
    let width = width.unwrap_or(0).max("variant".len());
    screen::say(format_args!(
        "{:width$}  {:>6}  {:>12}  {:>12}  {:>10}  {:>12}  state",
        "variant", "seed", "parameters", "tokens", "FLOPs", "id"
    ));
    for (run, job) in sweep.runs.iter().zip(jobs) {
        screen::say(format_args!(
            "{:width$}  {:>6}  {:>12}  {:>12}  {:>10.2e}  {:>12}  {}",
            run.variant,
            run.seed,
            run.experiment.model.num_parameters(),
            tokens(&run.experiment),
            flops(&run.experiment),
            run.id(),
            shown(&job.looked()),
        ));
    }
    let all: f64 = sweep.runs.iter().map(|run| flops(&run.experiment)).sum();
    screen::say(format_args!(
        "{} runs: {} variants, {} seeds; compared with `{}`; {all:.2e} FLOPs of training",
        sweep.runs.len(),
        sweep.variants.len(),
        sweep.seeds.len(),
        sweep.baseline,
    ));
    match probe(&sweep.runs[0].experiment)? {
        Some(speed) => screen::say(format_args!(
            "about {} of training, one run at a time, by {STEPS} steps of `{}` just now; evaluation comes on top",
            duration(all / speed),
            sweep.runs[0].variant
        )),
        None => screen::say("no estimate of time: the probe did not run"),
    }
    Ok(())
}

fn tokens(experiment: &Experiment) -> usize {
    experiment.train.steps * experiment.train.tokens_per_step()
}

fn flops(experiment: &Experiment) -> f64 {
    let length = experiment.train.context_length;
    experiment.model.training_flops_per_token(length) * tokens(experiment) as f64
}

fn shown(state: &State) -> &'static str {
    match state {
        State::Waiting => "to do",
        State::Running { .. } => "running",
        State::Finished => "finished",
        State::Stopped => "stopped",
        State::Failed(_) => "failed",
    }
}

/// FLOP/s of a few training steps on synthetic tokens, in a process of its own.
fn probe(experiment: &Experiment) -> Result<Option<f64>, TrainerError> {
    let folder = tempfile::tempdir().map_err(TrainerError::io(&std::env::temp_dir()))?;
    let shape = folder.path().join("shape.json");
    let text = serde_json::to_string(&experiment.model)
        .map_err(|error| TrainerError::io(&shape)(error.into()))?;
    std::fs::write(&shape, text).map_err(TrainerError::io(&shape))?;
    let program = std::env::current_exe().map_err(TrainerError::io(&shape))?;
    let (train, device) = (&experiment.train, experiment.run.device.to_string());
    let output = Command::new(program)
        .arg("speed")
        .arg("--shape")
        .arg(&shape)
        .args(["--batch", &train.batch_size.to_string()])
        .args(["--length", &train.context_length.to_string()])
        .args(["--steps", &STEPS.to_string(), "--warmup", "2"])
        .args(["--device", &device])
        .stderr(Stdio::null())
        .output();
    Ok(output.ok().and_then(|output| speed(&output.stdout)))
}

fn speed(printed: &[u8]) -> Option<f64> {
    let last = String::from_utf8_lossy(printed);
    let line: serde_json::Value = serde_json::from_str(last.trim().lines().last()?).ok()?;
    let mut seconds: Vec<f64> = line["step_seconds"]
        .as_array()?
        .iter()
        .filter_map(serde_json::Value::as_f64)
        .collect();
    seconds.sort_by(f64::total_cmp);
    let median = *seconds.get(seconds.len() / 2)?;
    Some(line["flops_per_token"].as_f64()? * line["tokens_per_step"].as_f64()? / median)
}

fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil() as u64;
    match minutes {
        0..=1 => format!("{seconds:.0} s"),
        2..=119 => format!("{minutes} min"),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_read_from_the_last_line() {
        let printed = b"device ..\n{\"step_seconds\":[4.0,1.0,2.0],\"flops_per_token\":10.0,\"tokens_per_step\":6}\n";
        assert_eq!(speed(printed), Some(30.0));
        assert_eq!(speed(b"nothing"), None);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(42.0), "42 s");
        assert_eq!(duration(600.0), "10 min");
        assert_eq!(duration(9000.0), "2.5 h");
    }
}
