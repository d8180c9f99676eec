//! Which kernels train on a device: the fastest, where a check before training finds that they are right.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use burn::tensor::Device;
use decoder::{
    DecoderConfig, Execution, KernelCheck, Kernels, Precision, Workload, check_attention,
    check_operations,
};

use crate::cli::StepArguments;
use crate::device::{self, Selected};
use crate::error::TrainerError;
use crate::screen;

/// The fastest way to train `workload` on the selected device that a check does not find wrong; the screen is
/// told what was checked and what it came to.
pub fn fastest(selected: &Selected, workload: &Workload<'_>) -> Execution {
    let device = selected.device();
    let mut execution = unchecked(device, workload);
    if execution.kernels == Kernels::Plain || selected.is_cpu() {
        return execution;
    }
    let operations = check_operations(device, workload);
    if !all_pass(&operations, "training with Burn's plain operations") {
        execution.kernels = Kernels::Plain;
        execution.fused_attention = false;
    }
    let mut checks = operations;
    if execution.fused_attention {
        let attention = attention_checks(device, workload);
        execution.fused_attention = all_pass(&attention, "training with attention written out");
        checks.extend(attention);
    }
    screen::say(format_args!("kernels {}", summary(execution, &checks)));
    execution
}

/// The fastest way to train `workload` on `device`, on trust.
pub fn unchecked(device: &Device, workload: &Workload<'_>) -> Execution {
    let kernels = Kernels::best(device);
    let rounds = workload.precision == Precision::F32 && fused::attention_rounds_f32(device);
    Execution {
        precision: workload.precision,
        kernels,
        fused_attention: kernels == Kernels::Fused && !rounds,
        query_chunk: workload.length,
    }
}

/// A kernel that cannot even be started is as wrong as one that computes something else.
fn attention_checks(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    let checks = catch_unwind(AssertUnwindSafe(|| check_attention(device, workload)));
    checks.unwrap_or_else(|_| {
        vec![KernelCheck {
            operation: "attention".to_owned(),
            result: "it stopped with the error above",
            apart: f64::NAN,
            tolerance: 0.0,
        }]
    })
}

/// Whether all pass; else a note on each that does not, and on what follows.
fn all_pass(checks: &[KernelCheck], otherwise: &str) -> bool {
    let wrong: Vec<&KernelCheck> = checks.iter().filter(|check| !check.passed()).collect();
    for check in &wrong {
        screen::note(format_args!("wrong on this device: {check}"));
    }
    if !wrong.is_empty() {
        screen::note(otherwise);
    }
    wrong.is_empty()
}

/// What trains, in which format, and what was checked.
fn summary(execution: Execution, checks: &[KernelCheck]) -> String {
    let whose = match execution.kernels {
        Kernels::Fused => "fused",
        Kernels::Plain => "Burn's plain operations",
    };
    let attention = if execution.fused_attention {
        "fused"
    } else {
        "written out"
    };
    let passed = checks.iter().filter(|check| check.passed());
    let nearest_to_failing = passed.clone().max_by(|a, b| share(a).total_cmp(&share(b)));
    let furthest =
        nearest_to_failing.map_or_else(String::new, |check| format!("; the furthest: {check}"));
    format!(
        "{whose}, attention {attention}, products in {}: {} of {} results are the CPU's{furthest}",
        execution.precision.name(),
        passed.count(),
        checks.len(),
    )
}

fn share(check: &KernelCheck) -> f64 {
    check.apart / check.tolerance
}

/// `trainer check-kernels`: prints every comparison.
///
/// # Errors
/// If a file cannot be read, the device is not there, or a result is wrong.
pub fn check(arguments: &StepArguments) -> Result<(), TrainerError> {
    let selected = device::select(&arguments.device)?;
    screen::say(selected.line());
    let config = read_shape(&arguments.shape)?;
    let workload = arguments.workload(&config);
    let device = selected.device();
    if selected.is_cpu() {
        screen::say("the CPU's kernels are what those of other devices are compared with");
        return Ok(());
    }
    let mut checks = check_operations(device, &workload);
    show(&checks);
    if unchecked(device, &workload).fused_attention {
        let attention = attention_checks(device, &workload);
        show(&attention);
        checks.extend(attention);
    } else {
        screen::say(
            "attention is not checked: training in f32 writes it out on this device, whose fused attention would round to TF32",
        );
    }
    match checks.iter().filter(|check| !check.passed()).count() {
        0 => Ok(()),
        count => Err(TrainerError::WrongKernels {
            count,
            of: checks.len(),
        }),
    }
}

fn show(checks: &[KernelCheck]) {
    for check in checks {
        let verdict = if check.passed() { "ok   " } else { "WRONG" };
        screen::say(format_args!("{verdict} {check}"));
    }
}

/// The decoder that `path` describes: the fields of a resolved config's `[model]` as JSON.
///
/// # Errors
/// If the file cannot be read or describes no decoder.
pub fn read_shape(path: &Path) -> Result<DecoderConfig, TrainerError> {
    let text = fs::read_to_string(path).map_err(TrainerError::io(path))?;
    let config: DecoderConfig =
        serde_json::from_str(&text).map_err(|error| TrainerError::bad_input(path, error))?;
    config.validate()?;
    Ok(config)
}
