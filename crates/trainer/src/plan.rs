//! `--dry-run`: what a run would be, without running it.

use decoder::{Activations, Execution, Kernels, Precision, StepShape};
use experiment::Experiment;

/// The resolved config and what follows from it.
pub fn describe(experiment: &Experiment) -> String {
    let (model, train) = (&experiment.model, &experiment.train);
    let length = train.context_length;
    let flops = model.training_flops_per_token(length);
    let tokens = train.steps * train.tokens_per_step();
    let fastest = Execution {
        precision: Precision::F32,
        kernels: Kernels::Fused,
        fused_attention: true,
        query_chunk: length,
    };
    let memory = |activations| {
        gibibytes(model.training_bytes(&StepShape {
            batch: train.micro_batch_size,
            length,
            at_once: 1,
            execution: fastest,
            activations,
        }))
    };
    let mut text = experiment.to_toml();
    text += &format!(
        "\n# parameters              {}\n# training tokens         {tokens} ({} steps of {})\n\
         # FLOPs per token         {flops:.3e} (6N + causal attention at {length} tokens)\n\
         # FLOPs of the run        {:.3e}\n# training memory, about  {} with one pass at a time; {} with activation_checkpointing = \"block\"\n",
        model.num_parameters(),
        train.steps,
        train.tokens_per_step(),
        flops * tokens as f64,
        memory(Activations::Kept),
        memory(Activations::RecomputedPerBlock),
    );
    if let Some(task) = &experiment.task {
        text += &format!(
            "# learnt                  answers of the task `{}`, one sample of {length} tokens a window\n",
            task.kind()
        );
    }
    for task in &experiment.evaluation.tasks {
        text += &format!(
            "# measured                `{}`, {} samples at each of {} lengths\n",
            task.kind(),
            experiment.evaluation.samples_per_task(),
            experiment.evaluation.context_factors.len()
        );
    }
    for (name, kind) in &model.layers {
        text += &encoding_line(name, kind, model, length);
    }
    text
}

fn encoding_line(
    name: &str,
    kind: &decoder::LayerKind,
    model: &decoder::DecoderConfig,
    length: usize,
) -> String {
    let sees = kind
        .sliding_window
        .map_or_else(|| "all tokens".to_owned(), |w| format!("{w} tokens"));
    let Ok(encoding) = kind.encoding.build(model.attention_shape(kind)) else {
        return String::new();
    };
    let wavelength = encoding
        .spectrum()
        .and_then(positional::Spectrum::longest_wavelength)
        .map_or_else(
            || "nothing is rotated".to_owned(),
            |wavelength| {
                format!(
                    "longest rotated wavelength {wavelength:.0} tokens, {:.2} x the context",
                    wavelength / length as f64
                )
            },
        );
    format!(
        "# layers `{name}`: {}; sees {sees}; {wavelength}\n",
        encoding.label()
    )
}

/// `bytes` for the screen.
pub fn gibibytes(bytes: f64) -> String {
    format!("{:.2} GiB", bytes / f64::from(1u32 << 30))
}
