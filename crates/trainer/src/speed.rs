//! `trainer speed`: times training steps or forward passes on synthetic tokens.
//!
//! One side of the benchmark against `PyTorch`; `benchmarks/README.md` says what is timed, how the tokens
//! are made and what the line of JSON holds. The step is the one that training takes.

use std::fs;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use corpus::Batch;
use decoder::{Activations, Decoder, DecoderConfig, Execution, Kernels, load_parameters};
use experiment::TrainConfig;
use fused::Workers;
use serde::Serialize;

use crate::checkpoint;
use crate::cli::SpeedArguments;
use crate::device::{self, Selected};
use crate::error::TrainerError;
use crate::learner::{Computation, Learner};
use crate::optimizer::Optimizer;
use crate::{kernels, provenance, screen};

/// The line that is printed.
#[derive(Serialize)]
struct Report {
    side: &'static str,
    version: String,
    mode: &'static str,
    threads: usize,
    device: String,
    dtype: &'static str,
    kernels: String,
    fused_attention: bool,
    parameters: usize,
    tokens_per_step: usize,
    step_seconds: Vec<f64>,
    losses: Vec<f32>,
    peak_rss_bytes: Option<u64>,
    peak_device_bytes: Option<u64>,
    seconds_to_first_step: f64,
    flops_per_token: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
}

/// Where the time of the timed steps went.
#[derive(Serialize)]
struct Profile {
    /// Threads that each run operations of their own; the rest of the cores serve within an operation.
    at_once: usize,
    operations: Vec<Profiled>,
}

/// An operation in all timed steps.
#[derive(Serialize)]
struct Profiled {
    name: &'static str,
    /// Rows, inputs, outputs of a matrix product; else zeros.
    product: [usize; 3],
    calls: usize,
    /// Sum over threads.
    seconds: f64,
    flops: f64,
}

/// Measures what `arguments` say and prints the report.
///
/// # Errors
/// If a file cannot be read, does not fit, or the device is not there.
pub fn measure(arguments: &SpeedArguments) -> Result<(), TrainerError> {
    let began = Instant::now();
    let threads = set_threads(arguments.threads);
    let selected = device::select(&arguments.step.device)?;
    let config = kernels::read_shape(&arguments.step.shape)?;
    let execution = execution(arguments, &config, &selected);
    let mut tokens = SyntheticTokens::new(config.vocab_size);
    let mut step = prepare(arguments, &config, &selected, execution, threads)?;
    let mut report = Report {
        side: "ours",
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mode: if arguments.evaluate {
            "evaluate"
        } else {
            "train"
        },
        threads,
        device: selected.name.clone(),
        dtype: execution.precision.name(),
        kernels: format!("{:?}", execution.kernels),
        fused_attention: execution.fused_attention,
        parameters: config.num_parameters(),
        tokens_per_step: arguments.step.batch * arguments.step.length,
        step_seconds: Vec::new(),
        losses: Vec::new(),
        peak_rss_bytes: None,
        peak_device_bytes: None,
        seconds_to_first_step: 0.0,
        flops_per_token: flops_per_token(arguments, &config),
        profile: None,
    };
    for index in 0..arguments.warmup + arguments.steps {
        let batch = tokens.batch(arguments.step.batch, arguments.step.length);
        if arguments.profile && index == arguments.warmup {
            fused::profile::start();
        }
        let step_began = Instant::now();
        report.losses.push(step(batch));
        if index == 0 {
            report.seconds_to_first_step = began.elapsed().as_secs_f64();
        }
        if index >= arguments.warmup {
            report.step_seconds.push(step_began.elapsed().as_secs_f64());
        }
    }
    if arguments.profile {
        report.profile = Some(profile(if arguments.evaluate { 1 } else { threads }));
    }
    report.peak_rss_bytes = provenance::peak_memory_bytes();
    // What the pools hold: they grow to the peak and give nothing back.
    report.peak_device_bytes = selected
        .device()
        .memory_pool_usage()
        .map(|pools| pools.bytes_reserved);
    let line = serde_json::to_string(&report)
        .map_err(|error| TrainerError::bad_input(&arguments.step.shape, error))?;
    screen::say(format_args!("{line}"));
    Ok(())
}

/// What was counted since the profile began.
fn profile(at_once: usize) -> Profile {
    let operations = fused::profile::stop().into_iter();
    Profile {
        at_once,
        operations: operations
            .map(|(operation, entry)| Profiled {
                name: operation.name,
                product: operation.product,
                calls: entry.calls,
                seconds: entry.time.as_secs_f64(),
                flops: entry.flops,
            })
            .collect(),
    }
}

/// A step: from its batch on the host to its loss on the host.
type Step = Box<dyn FnMut(Batch) -> f32>;

fn prepare(
    arguments: &SpeedArguments,
    config: &DecoderConfig,
    selected: &Selected,
    execution: Execution,
    threads: usize,
) -> Result<Step, TrainerError> {
    let autodiff = selected.device().clone().autodiff();
    let mut decoder = Decoder::new(config.clone(), 0, &autodiff)?;
    if let Some(path) = &arguments.weights {
        let bytes = fs::read(path).map_err(TrainerError::io(path))?;
        decoder = load_parameters(decoder, checkpoint::from_safetensors(path, &bytes)?)?;
    }
    if arguments.evaluate {
        return Ok(evaluation_step(
            decoder.valid(),
            arguments.step.length,
            execution,
        ));
    }
    let (length, steps) = (arguments.step.length, arguments.warmup + arguments.steps);
    let train =
        TrainConfig::at_constant_rate(length, arguments.step.batch, steps, arguments.learning_rate);
    let optimizer = Optimizer::new(&train, execution.kernels);
    let workers = Workers::new(selected.workers().min(threads))?;
    let at_once = workers.count();
    let computation = Computation {
        execution,
        activations: if arguments.recompute {
            Activations::RecomputedPerBlock
        } else {
            Activations::Kept
        },
        workers,
    };
    let length = arguments.step.length;
    let learner = Learner::new(decoder, optimizer, length, &selected.devices, computation);
    Ok(training_step(learner, at_once, arguments.learning_rate))
}

fn training_step(mut learner: Learner, workers: usize, learning_rate: f64) -> Step {
    Box::new(move |batch| {
        // A micro-batch for each worker, where they come out even.
        let micro_batches = if batch.batch.is_multiple_of(workers) {
            workers
        } else {
            1
        };
        let gradients = learner.gradients(micro_batches, &|index| {
            part(&batch, index, micro_batches).into()
        });
        let loss = gradients.loss;
        learner.update(gradients, learning_rate);
        loss
    })
}

fn evaluation_step(decoder: Decoder, length: usize, execution: Execution) -> Step {
    let device = decoder.device();
    let positions = decoder.positions(length, &device);
    Box::new(move |batch| {
        let rows = batch.batch * batch.length;
        let inputs = TensorData::new(batch.inputs, [batch.batch, batch.length]);
        let inputs: Tensor<2, Int> = Tensor::from_data(inputs, &device);
        let targets = TensorData::new(batch.targets, [rows]);
        let targets: Tensor<1, Int> = Tensor::from_data(targets, &device);
        let hidden = decoder.hidden_states(inputs, &positions, execution);
        let losses = decoder.token_losses(hidden, targets, execution);
        losses.mean().into_scalar::<f32>()
    })
}

/// Micro-batch `index` of `count` equal ones.
fn part(batch: &Batch, index: usize, count: usize) -> Batch {
    let rows = batch.batch / count;
    let tokens = rows * batch.length;
    let cut = |values: &[i32]| values[index * tokens..][..tokens].to_vec();
    Batch {
        inputs: cut(&batch.inputs),
        targets: cut(&batch.targets),
        batch: rows,
        length: batch.length,
    }
}

fn flops_per_token(arguments: &SpeedArguments, config: &DecoderConfig) -> f64 {
    let training = config.training_flops_per_token(arguments.step.length);
    // A training step is one forward pass and a backward pass of twice its work.
    if arguments.evaluate {
        training / 3.0
    } else {
        training
    }
}

fn set_threads(threads: Option<usize>) -> usize {
    // An error says that the pool has begun, and then it has its threads already.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    if let Err(error) = pool.build_global() {
        tracing::warn!(%error, "threads");
    }
    rayon::current_num_threads()
}

fn execution(arguments: &SpeedArguments, config: &DecoderConfig, selected: &Selected) -> Execution {
    let workload = arguments.step.workload(config);
    let device = selected.device();
    // Scores of a chunk where attention is written out: a few hundred MiB.
    let chunk = 1024.min(workload.length);
    match (arguments.plain, arguments.evaluate) {
        (true, _) => Execution {
            precision: workload.precision,
            kernels: Kernels::Plain,
            fused_attention: false,
            query_chunk: chunk,
        },
        (false, true) => Execution::exact(device, chunk),
        (false, false) if arguments.unchecked => kernels::unchecked(device, &workload),
        (false, false) => kernels::fastest(selected, &workload),
    }
}

/// Knuth's MMIX generator: token n, from 1 on, is `(x_n >> 33) % V`.
struct SyntheticTokens {
    state: u64,
    vocab_size: u64,
}

impl SyntheticTokens {
    fn new(vocab_size: usize) -> Self {
        Self {
            state: 1,
            vocab_size: vocab_size as u64,
        }
    }

    fn next(&mut self) -> i32 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 33) % self.vocab_size) as i32
    }

    /// The next `batch` stretches of `length + 1` tokens in a row.
    fn batch(&mut self, batch: usize, length: usize) -> Batch {
        let mut inputs = Vec::with_capacity(batch * length);
        let mut targets = Vec::with_capacity(batch * length);
        for _ in 0..batch {
            let row: Vec<i32> = (0..=length).map(|_| self.next()).collect();
            inputs.extend_from_slice(&row[..length]);
            targets.extend_from_slice(&row[1..]);
        }
        Batch {
            inputs,
            targets,
            batch,
            length,
        }
    }
}
