//! The command line.

// These comments are the help on the screen, where backticks are noise.
#![allow(clippy::doc_markdown, rustdoc::broken_intra_doc_links)]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand};
use decoder::{DecoderConfig, Precision, Workload};
use experiment::DeviceRequest;
use positional::{AttentionShape, EncodingConfig};

use crate::imported::ModelPath;
use crate::monitor::View;
use crate::run::Beginning;
use crate::sweep::EngineKind;
use crate::{anatomy, theory};

/// Trains decoders under different positional encodings and measures their perplexity.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do, if not to train.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Training.
    #[command(flatten)]
    pub train: TrainArguments,
}

/// Arguments of training.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub struct TrainArguments {
    /// Config file of the experiment, for example configs/prope_0.75.toml
    pub config: Option<PathBuf>,
    /// Override a key of the config, for example --set train.steps=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Device: auto, cpu, wgpu[:N], wgpu:cpu (software rasterizer), cuda[:N]
    #[arg(long)]
    pub device: Option<String>,
    /// Name of the run, and of its directory
    #[arg(long)]
    pub name: Option<String>,
    /// Print the resolved config, parameters, FLOPs, wavelengths and memory, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Continue an unfinished run from its last checkpoint
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
    /// Start, or continue an unfinished run: what a scheduler wants
    #[arg(long = "continue", conflicts_with_all = ["force", "resume"])]
    pub continue_: bool,
    /// Start anew in a directory beside an existing one
    #[arg(long)]
    pub force: bool,
    /// Show burn-train's full-screen dashboard instead of a progress bar
    #[cfg(feature = "dashboard")]
    #[arg(long)]
    pub dashboard: bool,
}

/// Commands other than training.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Evaluate the newest checkpoint of a run again, or a model from elsewhere
    Eval {
        /// The run directory, or hf:PATH for a Hugging Face folder or a GGUF file
        model: ModelPath,
        /// Override a key of the run's config, for example --set evaluation.windows_per_document=4;
        /// the result is then shown but not stored. Of a model from elsewhere: data.*, evaluation.*
        #[arg(long = "set", value_name = "KEY=VALUE")]
        overrides: Vec<String>,
        /// Device: auto, cpu, wgpu[:N], wgpu:cpu (software rasterizer), cuda[:N]
        #[arg(long)]
        device: Option<String>,
        /// Text for a model from elsewhere: files or folders (repeatable)
        #[arg(long, value_name = "PATH")]
        corpus: Vec<PathBuf>,
        /// Context lengths for a model from elsewhere, for example 512,1024; a quarter, half and all of its
        /// own longest, up to 2048, without it
        #[arg(long, value_name = "LENGTHS", value_delimiter = ',')]
        contexts: Vec<usize>,
        /// Write the result of a model from elsewhere as JSON
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write the logits of given tokens, to compare with other programs
    Logits {
        /// The run directory, or hf:PATH for a Hugging Face folder or a GGUF file
        model: ModelPath,
        /// Token ids in decimal, one sequence a line, the beginning-of-sequence token included
        #[arg(long, value_name = "FILE")]
        tokens: PathBuf,
        /// A safetensors file to write: logits.0, logits.1.. of shape [tokens, vocabulary]
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Device: auto, cpu, wgpu[:N], wgpu:cpu (software rasterizer), cuda[:N]
        #[arg(long, default_value = "auto")]
        device: DeviceRequest,
    },
    /// Write the newest checkpoint of a run as a Hugging Face folder
    Export {
        /// The run directory
        run: PathBuf,
        /// The folder to make
        out: PathBuf,
    },
    /// Time training steps, or forward passes, on synthetic tokens; prints one line of JSON
    Speed(SpeedArguments),
    /// Compare a device's kernels with the CPU's, in the shapes and the number format of a training step
    CheckKernels(StepArguments),
    /// Compare finished runs: which encoding is better at which context length, by how much, and how sure
    Compare {
        /// Folders of sweeps or of single runs
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// Variant that the others are compared with; the sweep file's without it
        #[arg(long)]
        baseline: Option<String>,
        /// Write a page with charts, one self-contained file
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Write every table as CSV, Markdown and LaTeX and every chart as CSV, SVG and PNG into a folder
        #[arg(long, value_name = "FOLDER")]
        files: Option<PathBuf>,
    },
    /// Run, or continue, all runs of a sweep file
    Sweep(SweepArguments),
    /// What an encoding does to attention, by arithmetic: wavelengths, decay, the paper's statements as checks
    Theory(TheoryArguments),
    /// Look into a trained model: what its heads do with each frequency
    Anatomy(AnatomyArguments),
}

/// Arguments of a look into a model.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct AnatomyArguments {
    /// What an encoding does by itself
    #[command(subcommand)]
    pub theory: Option<AnatomyCommand>,
    /// A run directory, or hf:PATH: a Hugging Face folder or a GGUF file
    #[arg(required = true)]
    pub model: Option<ModelPath>,
    /// A text file, instead of those that ship; may be given several times. Heads and losses are those of the first
    #[arg(long = "text", value_name = "FILE")]
    pub texts: Vec<PathBuf>,
    /// Write a page with charts, one self-contained file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write anatomy.json, every table as CSV and Markdown and every chart as CSV, SVG and PNG into a folder
    #[arg(long, value_name = "FOLDER")]
    pub files: Option<PathBuf>,
    /// Device: auto, cpu, wgpu[:N], wgpu:cpu (software rasterizer), cuda[:N]; the run's without it
    #[arg(long)]
    pub device: Option<DeviceRequest>,
    /// Tokens of a window; the model's context up to 256 without it
    #[arg(long, value_parser = clap::value_parser!(u32).range(32..))]
    pub length: Option<u32>,
    /// Windows of the first text for norms and heads
    #[arg(long)]
    pub windows: Option<NonZeroUsize>,
    /// Windows of the first text for ablations of all layers at once; by the model's size without it
    #[arg(long)]
    pub ablation_windows: Option<NonZeroUsize>,
    /// Of these, windows for ablations of single layers and heads; by the model's size without it
    #[arg(long)]
    pub layer_windows: Option<NonZeroUsize>,
    /// Layers to look at head by head, counted from 0, for example --layers 0,3; first, middle and last without it
    #[arg(long, value_delimiter = ',', value_name = "LAYERS")]
    pub layers: Vec<usize>,
}

/// What `trainer anatomy` is asked for.
pub enum Anatomy {
    /// A look into a model.
    OfModel(anatomy::Request),
    /// What an encoding does by itself.
    Theory(theory::Request),
}

/// What there is beside looking into a model.
#[derive(Debug, Subcommand)]
pub enum AnatomyCommand {
    /// The same as `trainer theory`
    Theory(TheoryArguments),
}

impl AnatomyArguments {
    /// What the command is asked for.
    pub fn request(self) -> Anatomy {
        match (self.theory, self.model) {
            (Some(AnatomyCommand::Theory(theory)), _) => Anatomy::Theory(theory.request()),
            (None, Some(model)) => Anatomy::OfModel(anatomy::Request {
                model,
                texts: self.texts,
                html: self.html,
                files: self.files,
                device: self.device,
                length: self.length.map(|length| length as usize),
                windows: self.windows.map(NonZeroUsize::get),
                ablation_windows: self.ablation_windows.map(NonZeroUsize::get),
                layer_windows: self.layer_windows.map(NonZeroUsize::get),
                layers: self.layers,
            }),
            (None, None) => unreachable!("clap asks for a model"),
        }
    }
}

/// Arguments of a sweep.
#[derive(Args, Debug)]
pub struct SweepArguments {
    /// The sweep file, for example experiments/base_wavelength.toml
    pub file: PathBuf,
    /// Override a key of every run's config, for example --set train.steps=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Device of the runs; with several GPUs (cuda:0..3) each run takes one of them
    #[arg(long)]
    pub device: Option<String>,
    /// Print the runs, their parameters and tokens, and an estimate of time, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Who starts the processes
    #[arg(long, value_enum, default_value_t = EngineKind::Local)]
    pub engine: EngineKind,
    /// Runs at the same time; one for each GPU or CPU core without it
    #[arg(long)]
    pub jobs: Option<NonZeroUsize>,
    /// Start runs that failed once more
    #[arg(long)]
    pub retry: bool,
}

impl SweepArguments {
    /// `--set` and `--device` as overrides of every run's config; the last one wins.
    pub fn all_overrides(&self) -> Vec<String> {
        let device = self.device.as_deref();
        let device = device.map(|device| set("run.device", device));
        self.overrides.iter().cloned().chain(device).collect()
    }
}

/// Which encoding to work out.
#[derive(Args, Debug)]
pub struct TheoryArguments {
    /// Config file or run directory, whose kinds of layers are all worked out
    pub config: Option<PathBuf>,
    /// Kind of encoding, as in a config, where no config is given
    #[arg(long, conflicts_with = "config", default_value = "prope")]
    pub kind: String,
    /// Share of the pairs that rotate
    #[arg(long, conflicts_with = "config", value_name = "P")]
    pub fraction: Option<f64>,
    /// Base of the frequencies
    #[arg(long, conflicts_with = "config")]
    pub theta: Option<f64>,
    /// Coordinates of a head
    #[arg(long, conflicts_with = "config", default_value_t = 256)]
    pub head_dim: usize,
    /// Heads, which matter to a bias
    #[arg(long, conflicts_with = "config", default_value_t = 8)]
    pub num_heads: usize,
    /// Tokens; the config's training length, or 8192, without it
    #[arg(long)]
    pub context: Option<usize>,
    /// Write a page with charts, one self-contained file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write every table as CSV, Markdown and LaTeX and every chart as CSV, SVG and PNG into a folder
    #[arg(long, value_name = "FOLDER")]
    pub files: Option<PathBuf>,
}

impl TheoryArguments {
    /// What the command is asked for.
    pub fn request(self) -> theory::Request {
        let parameters = [("fraction", self.fraction), ("theta", self.theta)].into_iter();
        let encoding = parameters.fold(
            EncodingConfig::new(&self.kind),
            |encoding, (name, value)| match value {
                Some(value) => encoding.with(name, value),
                None => encoding,
            },
        );
        let shape = AttentionShape {
            head_dim: self.head_dim,
            num_heads: self.num_heads,
            hidden_size: self.head_dim.saturating_mul(self.num_heads),
        };
        theory::Request {
            source: match self.config {
                Some(path) => theory::Source::Config(path),
                None => theory::Source::Encoding(encoding, shape),
            },
            context: self.context,
            html: self.html,
            files: self.files,
        }
    }
}

/// What to time, in the words of benchmarks/README.md.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches, each by itself")]
pub struct SpeedArguments {
    #[command(flatten)]
    pub step: StepArguments,
    /// A checkpoint's model.safetensors; random weights without it
    #[arg(long)]
    pub weights: Option<PathBuf>,
    /// Steps that are timed
    #[arg(long, default_value_t = 10)]
    pub steps: usize,
    /// Steps before them
    #[arg(long, default_value_t = 3)]
    pub warmup: usize,
    /// Learning rate of every step
    #[arg(long, default_value_t = 1e-3)]
    pub learning_rate: f64,
    /// Threads on the CPU; all cores without it
    #[arg(long)]
    pub threads: Option<usize>,
    /// Burn's plain operations instead of the fastest kernels
    #[arg(long)]
    pub plain: bool,
    /// Forward passes only
    #[arg(long)]
    pub evaluate: bool,
    /// Compute each block again for its gradients instead of keeping its activations
    #[arg(long)]
    pub recompute: bool,
    /// Time each operation of the CPU's kernels too
    #[arg(long)]
    pub profile: bool,
    /// Take the fastest kernels without the check that comes before training
    #[arg(long)]
    pub unchecked: bool,
}

/// A training step, or a forward pass, of one shape.
#[derive(Args, Debug)]
pub struct StepArguments {
    /// The fields of a resolved config's [model] as JSON
    #[arg(long)]
    pub shape: PathBuf,
    /// Sequences per step
    #[arg(long, default_value_t = 8)]
    pub batch: usize,
    /// Tokens per sequence
    #[arg(long, default_value_t = 512)]
    pub length: usize,
    /// Device: auto, cpu, wgpu[:N], wgpu:cpu (software rasterizer), cuda[:N]
    #[arg(long, default_value = "auto")]
    pub device: DeviceRequest,
    /// Format of the matrix products
    #[arg(long, default_value = "f32", value_parser = ["f32", "bf16"])]
    pub dtype: String,
}

impl StepArguments {
    /// The step of the decoder that `shape` describes.
    pub fn workload<'a>(&self, config: &'a DecoderConfig) -> Workload<'a> {
        Workload {
            config,
            batch: self.batch,
            length: self.length,
            precision: match self.dtype.as_str() {
                "bf16" => Precision::Bf16,
                _ => Precision::F32,
            },
        }
    }
}

impl TrainArguments {
    /// `--resume`, `--continue`, `--force`: at most one of them.
    pub fn beginning(&self) -> Beginning {
        match (self.resume, self.continue_, self.force) {
            (true, ..) => Beginning::Resume,
            (_, true, _) => Beginning::Continue,
            (.., true) => Beginning::Beside,
            _ => Beginning::Start,
        }
    }

    /// How the training shows itself.
    pub fn view(&self) -> View {
        #[cfg(feature = "dashboard")]
        if self.dashboard {
            return View::Dashboard;
        }
        View::Automatic
    }

    /// `--set`, `--device` and `--name` as overrides of the config; the last one wins.
    pub fn all_overrides(&self) -> Vec<String> {
        let device = self.device.as_deref();
        let name = self.name.as_deref();
        self.overrides
            .iter()
            .cloned()
            .chain(device.map(|device| set("run.device", device)))
            .chain(name.map(|name| set("name", name)))
            .collect()
    }
}

/// The argument of a `--set` that gives `key` the text `value`.
pub fn set(key: &str, value: &str) -> String {
    format!("{key}={}", toml::Value::from(value))
}

/// `path` as an argument that is taken neither for a flag nor for a command.
pub fn file_argument(path: &Path) -> String {
    let text = path.display().to_string();
    let is_command = text == "help" || Cli::command().find_subcommand(&text).is_some();
    if is_command || text.starts_with('-') {
        return format!("./{text}");
    }
    text
}
