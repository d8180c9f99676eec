//! The table behind `docs/config.md`. Tests hold it to the keys that configs accept and to the
//! defaults they get.

use std::fmt::Write as _;

use decoder::PRESETS;
use positional::{Family, families};

/// One table of a config.
struct Section {
    /// Its header, empty for the keys above the first table.
    header: &'static str,
    summary: &'static str,
    keys: &'static [Key],
}

struct Key {
    /// Dotted, from the root; `NAME` stands for the name of a layer kind.
    path: &'static str,
    r#type: &'static str,
    default: Default,
    unit: &'static str,
    meaning: &'static str,
}

enum Default {
    /// TOML text.
    Is(&'static str),
    /// How it follows from other values.
    Follows(&'static str),
    Required,
}

use Default::{Follows, Is, Required};

const fn key(
    path: &'static str,
    r#type: &'static str,
    default: Default,
    unit: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        path,
        r#type,
        default,
        unit,
        meaning,
    }
}

/// Every dotted key.
pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
    SECTIONS
        .iter()
        .flat_map(|section| section.keys)
        .map(|key| key.path)
}

/// `docs/config.md`: every key with its type, default, unit and meaning, the presets and the encodings.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in SECTIONS {
        write_section(&mut page, section);
    }
    write_presets(&mut page);
    write_encodings(&mut page);
    page
}

fn write_section(page: &mut String, section: &Section) {
    let title = match section.header {
        "" => "Above the first table".to_owned(),
        header => format!("`[{header}]`"),
    };
    line(page, &format!("\n## {title}\n\n{}\n", section.summary));
    line(page, "| key | type | default | unit | meaning |");
    line(page, "|---|---|---|---|---|");
    for key in section.keys {
        let name = key.path.strip_prefix(section.header).unwrap_or(key.path);
        let default = match key.default {
            Is(toml) => format!("`{toml}`"),
            Follows(rule) => rule.to_owned(),
            Required => "required".to_owned(),
        };
        row(
            page,
            &[
                &format!("`{}`", name.trim_start_matches('.')),
                key.r#type,
                &default,
                key.unit,
                key.meaning,
            ],
        );
    }
}

fn write_presets(page: &mut String) {
    line(
        page,
        "\n## Presets\n\nShapes to start from; parameters are counted with the vocabulary shown.\n",
    );
    line(
        page,
        "| preset | layers | width | heads (KV) | head | vocabulary | parameters | what it is |",
    );
    line(page, "|---|---|---|---|---|---|---|---|");
    for preset in PRESETS {
        let shape = (preset.config)();
        row(
            page,
            &[
                &format!("`{}`", preset.name),
                &shape.num_hidden_layers.to_string(),
                &shape.hidden_size.to_string(),
                &format!(
                    "{} ({})",
                    shape.num_attention_heads, shape.num_key_value_heads
                ),
                &shape.head_dim.to_string(),
                &shape.vocab_size.to_string(),
                &in_millions(shape.num_parameters()),
                preset.summary,
            ],
        );
    }
}

fn in_millions(count: usize) -> String {
    let millions = count as f64 / 1e6;
    let decimals = if millions < 10.0 { 2 } else { 0 };
    format!("{millions:.decimals$} M")
}

fn write_encodings(page: &mut String) {
    line(
        page,
        "\n## Encodings\n\nKinds of `encoding` and their parameters; `docs/encodings.md` has the formulas.\n",
    );
    line(
        page,
        "| kind | parameter | default | range | unit | meaning |",
    );
    line(page, "|---|---|---|---|---|---|");
    for family in families() {
        row(
            page,
            &[
                &format!("**`{}`**", family.kind),
                "",
                "",
                "",
                "",
                &described(family),
            ],
        );
        for parameter in family.parameters {
            row(
                page,
                &[
                    "",
                    &format!("`{}`", parameter.name),
                    &format!("`{}`", parameter.default),
                    &parameter.range.to_string(),
                    parameter.unit,
                    parameter.summary,
                ],
            );
        }
    }
}

fn described(family: &Family) -> String {
    format!("{} ({})", family.summary, family.source)
}

fn row(page: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    line(page, &format!("| {} |", cells.join(" | ")));
}

fn line(page: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{text}");
}

const INTRODUCTION: &str = "\
# Configs

<!-- Made from crates/experiment/src/schema.rs: make docs -->

One TOML file describes one runnable experiment. The files in `configs/` are examples;
`configs/rope_10k.toml` is the commented base of the others.

Later wins: presets and defaults, then the file that `extends` names (and what that one extends), then
the file itself, then `--set table.key=value` arguments in their order. Tables merge key by key, arrays
are replaced, and a table with a `kind` (an encoding) replaces the inherited one whole; giving `steps`
replaces inherited `tokens` and the other way round, and a schedule without a decay of its own drops
inherited `decay_steps`. The right side of `--set` is a TOML value where it can be read as one, else a
string.

An integer may be written in any notation that denotes a whole number: `10000`, `10_000`, `1e4`, `10000.0`. Other
floats (`1.5`) are errors, as are floats above 2^53, where an f64 no longer represents every whole number.

A run directory holds the resolved config: every value written out, nothing extended.
";

const SECTIONS: &[Section] = &[
    Section {
        header: "",
        summary: "What the run is called and which file it starts from.",
        keys: &[
            key(
                "extends",
                "string",
                Follows("none"),
                "path",
                "a config to start from, relative to this file",
            ),
            key(
                "name",
                "string",
                Follows("the file's name without `.toml`"),
                "",
                "names the run directory: letters, digits, `.`, `_`, `-`; not inherited through `extends`",
            ),
            key(
                "seed",
                "integer",
                Is("1"),
                "",
                "decides the initial weights and the order of the data",
            ),
        ],
    },
    Section {
        header: "model",
        summary: "The decoder. Every key but `preset` overrides the preset's value; field names are those of Hugging Face's\nGemma configurations. A preset's optional value can be changed but not taken away.",
        keys: &[
            key(
                "model.preset",
                "string",
                Required,
                "",
                "the shape to start from, see Presets",
            ),
            key(
                "model.vocab_size",
                "integer",
                Follows("the tokenizer's"),
                "tokens",
                "rows of the embedding; larger than the tokenizer's pads, smaller is an error",
            ),
            key(
                "model.hidden_size",
                "integer",
                PRESET,
                "",
                "width of the residual stream",
            ),
            key(
                "model.num_hidden_layers",
                "integer",
                PRESET,
                "",
                "number of blocks",
            ),
            key(
                "model.num_attention_heads",
                "integer",
                PRESET,
                "",
                "query heads",
            ),
            key(
                "model.num_key_value_heads",
                "integer",
                PRESET,
                "",
                "key-value heads; divides `num_attention_heads`; 1 is multi-query attention",
            ),
            key(
                "model.head_dim",
                "integer",
                PRESET,
                "",
                "width of a head; even for a rotary encoding",
            ),
            key(
                "model.intermediate_size",
                "integer",
                PRESET,
                "",
                "width of the feed-forward layer",
            ),
            key(
                "model.norm_gain",
                "\"one_plus\", \"plain\"",
                PRESET,
                "",
                "`RMSNorm` multiplies by `1 + w` (Gemma 1 to 3) or by `w` (Gemma 4)",
            ),
            key(
                "model.rms_norm_eps",
                "number",
                PRESET,
                "",
                "added to the mean square in every `RMSNorm`",
            ),
            key(
                "model.qk_norm",
                "boolean",
                PRESET,
                "",
                "`RMSNorm` on queries and keys before the encoding (Gemma 3)",
            ),
            key(
                "model.v_norm",
                "boolean",
                PRESET,
                "",
                "`RMSNorm` without gain on values (Gemma 4)",
            ),
            key(
                "model.post_norms",
                "boolean",
                PRESET,
                "",
                "a second `RMSNorm` after attention and feed-forward (Gemma 2 and later)",
            ),
            key(
                "model.query_scale",
                "number",
                Follows("the preset's, else `head_dim^(-1/2)`"),
                "",
                "factor of the attention logits",
            ),
            key(
                "model.attn_logit_softcapping",
                "number",
                Follows("the preset's, else none"),
                "",
                "attention logits become `c * tanh(logit / c)`",
            ),
            key(
                "model.final_logit_softcapping",
                "number",
                Follows("the preset's, else none"),
                "",
                "output logits become `c * tanh(logit / c)`",
            ),
            key(
                "model.scale_embeddings",
                "boolean",
                PRESET,
                "",
                "multiply the embeddings by `sqrt(hidden_size)`",
            ),
            key(
                "model.hidden_activation",
                "\"gelu_tanh\", \"silu\"",
                Follows("the preset's, `\"gelu_tanh\"`"),
                "",
                "activation of the feed-forward layer's gate: `GeGLU` (Gemma) or `SwiGLU` (Llama)",
            ),
            key(
                "model.tie_word_embeddings",
                "boolean",
                Follows("the preset's, `true`"),
                "",
                "the output head is the embedding; `false`: it has weights of its own",
            ),
            key(
                "model.pattern",
                "list of strings",
                PRESET,
                "",
                "names of layer kinds, repeated from the first layer to the last",
            ),
        ],
    },
    Section {
        header: "model.layers.NAME",
        summary: "One kind of layer. The small presets have one, `global`; a new name defines a new kind, which needs an\n`encoding` and a place in `pattern`.",
        keys: &[
            key(
                "model.layers.NAME.sliding_window",
                "integer",
                Follows("the preset's, else all earlier tokens"),
                "tokens",
                "keys a query sees, itself included",
            ),
            key(
                "model.layers.NAME.head_dim",
                "integer",
                Follows("the preset's, else `model.head_dim`"),
                "",
                "width of a head in this kind",
            ),
            key(
                "model.layers.NAME.num_key_value_heads",
                "integer",
                Follows("the preset's, else the model's"),
                "",
                "key-value heads in this kind",
            ),
            key(
                "model.layers.NAME.keys_are_values",
                "boolean",
                Follows("the preset's, else `false`"),
                "",
                "values are the key projection before its norm and rotation (Gemma 4)",
            ),
            key(
                "model.layers.NAME.encoding.kind",
                "string",
                Follows("the preset's"),
                "",
                "the positional encoding, see Encodings for its further keys",
            ),
        ],
    },
    Section {
        header: "data",
        summary: "What is trained on: a text, or the samples of a task. `docs/tasks.md` has the tasks,\n`docs/data.md` the formats. Paths are relative to the working directory.",
        keys: &[
            key(
                "data.path",
                "string or list of strings",
                Follows("required; with a `task` none"),
                "path",
                "files and folders to read, in this order",
            ),
            key(
                "data.task",
                "string or table",
                Follows("none: train on the text"),
                "",
                "a task of `docs/tasks.md` to train on instead of text, by its name or with parameters: `{ kind = \"mqar\", pairs = 16 }`; it takes the place of an inherited text, and takes a `path` of its own only if its `filler` is `text`",
            ),
            key(
                "data.format",
                "\"auto\", \"manifest\", \"text\", \"jsonl\", \"parquet\"",
                Is("\"auto\""),
                "",
                "how they are read",
            ),
            key(
                "data.field",
                "string",
                Is("\"text\""),
                "",
                "field or column that holds the text (`jsonl`, `parquet`)",
            ),
            key(
                "data.tokenizer",
                "string",
                Required,
                "path",
                "\"bytes\", or a Hugging Face `tokenizer.json`",
            ),
            key(
                "data.bos_token",
                "string",
                Follows("looked for under its usual names"),
                "",
                "the beginning-of-sequence token",
            ),
            key(
                "data.splits",
                "\"names\", \"fractions\"",
                Follows("`\"names\"`"),
                "",
                "for data without a manifest: documents of files named train, validation or test belong to that split, or all documents are split by the fractions",
            ),
            key(
                "data.valid_fraction",
                "number",
                Is("0.05"),
                "share",
                "documents for validation, where neither a manifest nor a name says it",
            ),
            key(
                "data.test_fraction",
                "number",
                Is("0.05"),
                "share",
                "documents for test, where neither a manifest nor a name says it",
            ),
            key(
                "data.cache",
                "string",
                Is("\"datasets/.cache\""),
                "path",
                "folder of the token files; does not decide the result",
            ),
        ],
    },
    Section {
        header: "train",
        summary: "The optimizer is AdamW. Give `steps` or `tokens`, not both.",
        keys: &[
            key(
                "train.context_length",
                "integer",
                Is("256"),
                "tokens",
                "length of a training window",
            ),
            key(
                "train.batch_size",
                "integer",
                Is("8"),
                "windows",
                "windows per optimizer step",
            ),
            key(
                "train.micro_batch_size",
                "integer",
                Follows("`batch_size`"),
                "windows",
                "windows per forward pass; divides `batch_size`, gradients accumulate",
            ),
            key(
                "train.steps",
                "integer",
                Follows("from `tokens`"),
                "steps",
                "optimizer steps of the whole run",
            ),
            key(
                "train.tokens",
                "integer",
                Follows("from `steps`"),
                "tokens",
                "tokens to train on, rounded up to whole steps",
            ),
            key(
                "train.learning_rate",
                "number",
                Is("0.003"),
                "",
                "peak learning rate",
            ),
            key(
                "train.schedule",
                "\"cosine\", \"warmup_stable_decay\", \"constant\"",
                Is("\"cosine\""),
                "",
                "what the learning rate does after the warm-up",
            ),
            key(
                "train.warmup_steps",
                "integer",
                Follows("a twentieth of the steps"),
                "steps",
                "linear warm-up: step s (from 0) has `(s + 1) / warmup_steps` of the peak",
            ),
            key(
                "train.decay_steps",
                "integer",
                Follows("none"),
                "steps",
                "length of the final linear decay; `warmup_stable_decay` needs it, the others refuse it",
            ),
            key(
                "train.final_learning_rate_ratio",
                "number",
                Is("0.1"),
                "",
                "learning rate of the last step over the peak; `constant` does not use it",
            ),
            key(
                "train.beta1",
                "number",
                Is("0.9"),
                "",
                "decay of the mean gradient",
            ),
            key(
                "train.beta2",
                "number",
                Is("0.95"),
                "",
                "decay of the mean squared gradient",
            ),
            key(
                "train.epsilon",
                "number",
                Is("1e-8"),
                "",
                "added to the root of the mean squared gradient",
            ),
            key(
                "train.weight_decay",
                "number",
                Is("0.1"),
                "",
                "decoupled weight decay",
            ),
            key(
                "train.max_grad_norm",
                "number",
                Is("1.0"),
                "",
                "gradients of a larger global norm are scaled down to it; `inf`: never",
            ),
            key(
                "train.precision",
                "\"auto\", \"f32\", \"bf16\"",
                Is("\"auto\""),
                "",
                "number format of the matrix products' inputs; master weights stay f32",
            ),
            key(
                "train.kernels",
                "\"fused\", \"plain\"",
                Is("\"fused\""),
                "",
                "the fastest kernels for the device, or Burn's plain tensor operations",
            ),
            key(
                "train.activation_checkpointing",
                "\"auto\", \"none\", \"block\"",
                Is("\"auto\""),
                "",
                "compute each block's activations again for its backward pass instead of keeping them; auto: where they would not fit",
            ),
            key(
                "train.evaluate_every",
                "integer",
                Is("200"),
                "steps",
                "between validation losses; 0: only at the end",
            ),
            key(
                "train.evaluation_windows",
                "integer",
                Is("32"),
                "windows",
                "validation windows per validation loss",
            ),
            key(
                "train.checkpoint_every",
                "integer",
                Is("200"),
                "steps",
                "between checkpoints; 0: only at the end",
            ),
            key(
                "train.keep_checkpoints",
                "integer",
                Is("2"),
                "",
                "latest checkpoints that are kept",
            ),
        ],
    },
    Section {
        header: "evaluation",
        summary: "Perplexity after training, by context length, where the run trained on text; and tasks. In a run on a task\n`split` is where a `filler` text comes from, and the other keys of perplexity are not used.",
        keys: &[
            key(
                "evaluation.split",
                "\"test\", \"valid\"",
                Is("\"test\""),
                "",
                "the documents that are scored",
            ),
            key(
                "evaluation.context_factors",
                "list of numbers",
                Is("[0.5, 1, 2, 4, 8, 16]"),
                "`context_length`",
                "context lengths, strictly rising, each a whole number of tokens",
            ),
            key(
                "evaluation.scored_tokens",
                "integer",
                Follows("a quarter of `context_length`"),
                "tokens",
                "final tokens of a window that are scored, the same ones at every length; at most the shortest context",
            ),
            key(
                "evaluation.windows_per_document",
                "integer",
                Is("16"),
                "windows",
                "evenly spaced; 0: all",
            ),
            key(
                "evaluation.bootstrap_samples",
                "integer",
                Is("1000"),
                "",
                "resamplings of the documents behind an interval",
            ),
            key(
                "evaluation.tasks",
                "list of strings and tables",
                Follows("the task of `data.task`, else none"),
                "",
                "tasks of `docs/tasks.md` to measure, written as `data.task` is, at those context lengths that have room for them",
            ),
            key(
                "evaluation.task_samples",
                "integer",
                Follows("`110` where there are tasks"),
                "samples",
                "of each task at each length; the same ones whatever the run's seed; best a multiple of the depths of `passkey` and `needle`, of which there are 11",
            ),
        ],
    },
    Section {
        header: "run",
        summary: "Where, not what: nothing here changes what is computed beyond the device's own arithmetic.",
        keys: &[
            key(
                "run.directory",
                "string",
                Is("\"runs\""),
                "path",
                "folder that run directories are made in, relative to the working directory",
            ),
            key(
                "run.device",
                "string",
                Is("\"auto\""),
                "",
                "`auto`, `cpu`, `wgpu`, `wgpu:N`, `wgpu:cpu` (software adapter), `cuda`, `cuda:N`; N counts from 0",
            ),
            key(
                "run.tensorboard",
                "boolean",
                Is("true"),
                "",
                "write the metrics as a TensorBoard event file too: `tensorboard --logdir runs`",
            ),
        ],
    },
];

const PRESET: Default = Follows("the preset's");

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use toml::Table;

    use super::*;
    use crate::leaves::leaves;
    use crate::raw::{
        Paths, RawData, RawEncoding, RawEvaluation, RawExperiment, RawLayerKind, RawModel, RawRun,
        RawTask, RawTrain,
    };
    use crate::resolve::resolve;
    use crate::{defaults, evaluation::EvaluationSplit};

    /// A config that says everything. No `..`: a new key does not compile until it is here.
    fn everything() -> RawExperiment {
        let kind = RawLayerKind {
            sliding_window: Some(1),
            head_dim: Some(2),
            num_key_value_heads: Some(1),
            keys_are_values: Some(true),
            encoding: Some(RawEncoding {
                kind: Some("nope".to_owned()),
                parameters: BTreeMap::new(),
            }),
        };
        RawExperiment {
            extends: Some("x.toml".into()),
            name: Some("x".to_owned()),
            seed: Some(1),
            model: RawModel {
                preset: Some("micro".to_owned()),
                vocab_size: Some(1),
                hidden_size: Some(1),
                num_hidden_layers: Some(1),
                num_attention_heads: Some(1),
                num_key_value_heads: Some(1),
                head_dim: Some(1),
                intermediate_size: Some(1),
                norm_gain: Some(decoder::NormGain::Plain),
                rms_norm_eps: Some(1.0),
                qk_norm: Some(true),
                v_norm: Some(true),
                post_norms: Some(true),
                query_scale: Some(1.0),
                attn_logit_softcapping: Some(1.0),
                final_logit_softcapping: Some(1.0),
                scale_embeddings: Some(true),
                hidden_activation: Some(decoder::Activation::Silu),
                tie_word_embeddings: Some(false),
                pattern: Some(vec![]),
                layers: Some(BTreeMap::from([("NAME".to_owned(), kind)])),
            },
            data: RawData {
                task: Some(RawTask("x".into())),
                path: Some(Paths::One("x".into())),
                format: Some(defaults::FORMAT),
                field: Some("x".to_owned()),
                tokenizer: Some("x".to_owned()),
                bos_token: Some("x".to_owned()),
                splits: Some(defaults::SPLITS),
                valid_fraction: Some(0.0),
                test_fraction: Some(0.0),
                cache: Some("x".into()),
            },
            train: RawTrain {
                context_length: Some(1),
                batch_size: Some(1),
                micro_batch_size: Some(1),
                steps: Some(1),
                tokens: Some(1),
                learning_rate: Some(1.0),
                schedule: Some(defaults::SCHEDULE),
                warmup_steps: Some(1),
                decay_steps: Some(1),
                final_learning_rate_ratio: Some(1.0),
                beta1: Some(0.0),
                beta2: Some(0.0),
                epsilon: Some(1.0),
                weight_decay: Some(0.0),
                max_grad_norm: Some(1.0),
                precision: Some(defaults::PRECISION),
                kernels: Some(defaults::KERNELS),
                activation_checkpointing: Some(defaults::ACTIVATION_CHECKPOINTING),
                evaluate_every: Some(0),
                evaluation_windows: Some(1),
                checkpoint_every: Some(0),
                keep_checkpoints: Some(1),
            },
            evaluation: RawEvaluation {
                split: Some(EvaluationSplit::Valid),
                context_factors: Some(vec![1.0]),
                scored_tokens: Some(1),
                windows_per_document: Some(0),
                bootstrap_samples: Some(1),
                tasks: Some(vec![RawTask("x".into())]),
                task_samples: Some(1),
            },
            run: RawRun {
                directory: Some("x".into()),
                device: Some(defaults::DEVICE),
                tensorboard: Some(true),
            },
        }
    }

    #[test]
    fn lists_exactly_the_keys_that_configs_accept() {
        let accepted = leaves(&Table::try_from(everything()).expect("TOML"));
        let accepted: BTreeSet<&str> = accepted.keys().map(String::as_str).collect();
        let listed: BTreeSet<&str> = keys().collect();
        assert_eq!(listed, accepted);
        assert_eq!(keys().count(), listed.len(), "a key is listed twice");
    }

    #[test]
    fn every_integer_key_takes_a_whole_number_in_every_spelling() {
        let integers: Vec<&str> = SECTIONS
            .iter()
            .flat_map(|section| section.keys)
            .filter(|key| key.r#type == "integer")
            .map(|key| key.path)
            .collect();
        assert!(integers.len() > 20, "{integers:?}");
        for key in integers {
            let found = |value: &str| toml::from_str::<RawExperiment>(&format!("{key} = {value}"));
            let written = |raw: RawExperiment| leaves(&Table::try_from(raw).expect("TOML"));
            for spelling in ["2e1", "20.0", "2_0e0", "0x14"] {
                let raw = found(spelling).unwrap_or_else(|error| panic!("{key}: {error}"));
                let expected = toml::Value::Integer(20);
                assert_eq!(written(raw).get(key), Some(&expected), "{key} = {spelling}");
            }
            let error = found("2.5").expect_err(key);
            let words = "expected a whole number, 0 or more";
            assert!(error.message().ends_with(words), "{key}: {error}");
        }
    }

    #[test]
    fn lists_the_defaults_that_configs_get() {
        let least =
            "model.preset = 'micro'\ndata = {path = 'x', tokenizer = 'bytes'}\ntrain.steps = 1";
        let experiment = resolve(&least.parse().expect("TOML"), "x").expect("resolves");
        let found = leaves(&Table::try_from(&experiment).expect("TOML"));
        let mut checked = 0;
        for key in SECTIONS.iter().flat_map(|section| section.keys) {
            let Is(text) = key.default else { continue };
            let said = format!("x = {text}").parse::<Table>().expect(key.path);
            assert_eq!(
                numbers(&said["x"]),
                numbers(&found[key.path]),
                "{}",
                key.path
            );
            checked += 1;
        }
        assert!(checked > 20);
    }

    /// Integers as floats, so that `2` equals `2.0`.
    fn numbers(value: &toml::Value) -> toml::Value {
        match value {
            toml::Value::Integer(n) => toml::Value::Float(*n as f64),
            toml::Value::Array(items) => toml::Value::Array(items.iter().map(numbers).collect()),
            other => other.clone(),
        }
    }

    #[test]
    fn the_page_is_the_reference() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, reference()).expect(path);
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        let same = page == reference();
        assert!(same, "docs/config.md is out of date: make docs");
    }
}
