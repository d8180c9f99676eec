//! Sweep files: one TOML that says which experiments to compare, and the runs it expands to.
//!
//! Variants times axes times seeds. Every run is an ordinary experiment, the base config under overrides;
//! all variants share the seeds, so their differences are paired.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use crate::error::{ConfigError, NamedText};
use crate::experiment::Experiment;
use crate::leaves::join;
use crate::nearest::nearest;
use crate::problem::Problem;
use crate::source::{Source, did_you_mean, named, read};
use crate::sources::Sources;
use crate::whole;

/// Hexadecimal digits of a run's id: enough that no two of a million runs share one.
const ID_DIGITS: usize = 12;

/// A sweep, expanded.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Names the sweep's folder.
    pub name: String,
    /// The config that every run changes.
    pub config: PathBuf,
    /// Label of the variant that the others are compared with.
    pub baseline: String,
    /// Labels of the variants, in the order of the file.
    pub variants: Vec<String>,
    /// Seeds that every variant is run with.
    pub seeds: Vec<u64>,
    /// Arguments of `sbatch` beside ours, such as a partition, a time limit, GPUs.
    pub slurm_options: Vec<String>,
    /// What a `HyperQueue` task asks for beside cores, by the names there: `gpus/nvidia`.
    pub hyperqueue_resources: BTreeMap<String, f64>,
    /// All runs: seed by seed, so that a sweep stopped early has as many complete pairs as can be.
    pub runs: Vec<PlannedRun>,
}

/// One run of a sweep.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// Label of its variant, axis values included: `prope theta=1000`.
    pub variant: String,
    /// Its values on the axes, by the axes' names.
    pub settings: BTreeMap<String, Value>,
    /// Its seed.
    pub seed: u64,
    /// What it changes, as arguments of `--set`.
    pub overrides: Vec<String>,
    /// The experiment, resolved and checked.
    pub experiment: Experiment,
}

impl PlannedRun {
    /// The first digits of the experiment's digest: the same for the same experiment, whatever it is called,
    /// in this sweep or another.
    pub fn id(&self) -> String {
        self.experiment.digest()[..ID_DIGITS].to_owned()
    }

    /// Folder of the run within the sweep's: readable, and unique by its id.
    pub fn directory_name(&self) -> String {
        format!("{}-seed{}-{}", slug(&self.variant), self.seed, self.id())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSweep {
    config: PathBuf,
    name: Option<String>,
    #[serde(deserialize_with = "whole::list")]
    seeds: Vec<u64>,
    baseline: Option<String>,
    #[serde(default)]
    set: Table,
    #[serde(default)]
    variants: Vec<RawVariant>,
    #[serde(default)]
    axes: Vec<RawAxis>,
    #[serde(default)]
    skip: Vec<Table>,
    #[serde(default)]
    slurm: RawSlurm,
    #[serde(default)]
    hyperqueue: RawHyperQueue,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHyperQueue {
    #[serde(default)]
    resources: BTreeMap<String, f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSlurm {
    #[serde(default)]
    options: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVariant {
    name: String,
    #[serde(default)]
    set: Table,
    /// Names of the axes that it is varied along; all of them if not given.
    axes: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAxis {
    name: String,
    key: String,
    values: Option<Vec<Value>>,
    log: Option<LogRange>,
}

/// `count` values from `from` to `to`, each the same multiple of the one before.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogRange {
    from: f64,
    to: f64,
    #[serde(deserialize_with = "whole::number")]
    count: usize,
}

impl Sweep {
    /// Reads the sweep file at `path` and expands it; the `overrides` (arguments of `--set`) apply to every
    /// run and win over the file.
    ///
    /// # Errors
    /// The first mistake in the file, in the base config, or in a run that the two make together.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            error,
            text: None,
            span: None,
            help: None,
        })?;
        let text = named(path.display().to_string(), text);
        let raw: RawSweep = read(&text)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        expand(&raw, path, &stem, overrides).map_err(|mistake| match mistake {
            Mistake::Here(problem) => at(&text, problem),
            Mistake::Config(error) => *error,
        })
    }
}

/// Where a mistake was made.
enum Mistake {
    /// In the sweep file.
    Here(Problem),
    /// In a run's config, with a place of its own.
    Config(Box<ConfigError>),
}

impl From<Problem> for Mistake {
    fn from(problem: Problem) -> Self {
        Self::Here(problem)
    }
}

fn at(text: &NamedText, problem: Problem) -> ConfigError {
    let source = Source {
        text: text.clone(),
        path: None,
        table: Table::new(),
    };
    Sources::single(source).locate(problem)
}

fn expand(raw: &RawSweep, path: &Path, stem: &str, overrides: &[String]) -> Result<Sweep, Mistake> {
    check_names(raw)?;
    let config = path.parent().unwrap_or(Path::new("")).join(&raw.config);
    let points = points(raw)?;
    let mut runs = Vec::new();
    for seed in &raw.seeds {
        for point in &points {
            runs.push(planned(raw, &config, point, *seed, overrides)?);
        }
    }
    let variants: Vec<String> = points.iter().map(|point| point.label.clone()).collect();
    refuse_twins(&runs)?;
    Ok(Sweep {
        name: raw.name.clone().unwrap_or_else(|| stem.to_owned()),
        baseline: baseline(raw, &variants)?,
        config,
        variants,
        seeds: raw.seeds.clone(),
        slurm_options: raw.slurm.options.clone(),
        hyperqueue_resources: raw.hyperqueue.resources.clone(),
        runs,
    })
}

fn check_names(raw: &RawSweep) -> Result<(), Problem> {
    let twice = |names: Vec<&str>| -> Option<String> {
        (1..names.len())
            .find(|&i| names[..i].contains(&names[i]))
            .map(|i| names[i].to_owned())
    };
    if raw.seeds.is_empty() {
        return Err(Problem::new("seeds", "there are none").help("write `seeds = [1, 2, 3]`"));
    }
    if (1..raw.seeds.len()).any(|i| raw.seeds[..i].contains(&raw.seeds[i])) {
        return Err(Problem::new("seeds", "one is there twice"));
    }
    if let Some(name) = twice(raw.variants.iter().map(|v| v.name.as_str()).collect()) {
        return Err(Problem::new("variants", format!("`{name}` is there twice")));
    }
    if let Some(name) = twice(raw.axes.iter().map(|axis| axis.name.as_str()).collect()) {
        return Err(Problem::new("axes", format!("`{name}` is there twice")));
    }
    let axes: Vec<&str> = raw.axes.iter().map(|axis| axis.name.as_str()).collect();
    if axes.contains(&"variant") {
        return Err(Problem::new("axes", "an axis cannot be called `variant`"));
    }
    for variant in &raw.variants {
        for name in variant.axes.iter().flatten() {
            known(name, &axes, "variants", "axis")?;
        }
    }
    for condition in &raw.skip {
        for name in condition.keys().filter(|name| *name != "variant") {
            known(name, &axes, "skip", "axis")?;
        }
    }
    Ok(())
}

fn known(name: &str, names: &[&str], key: &str, what: &str) -> Result<(), Problem> {
    if names.contains(&name) {
        return Ok(());
    }
    let problem = Problem::new(key, format!("there is no {what} `{name}`"));
    Err(match nearest(name, names.iter().copied()) {
        Some(near) => problem.help(did_you_mean(near)),
        None => problem,
    })
}

/// One variant at one place on its axes.
struct Point<'r> {
    label: String,
    variant: Option<&'r RawVariant>,
    settings: Vec<(&'r RawAxis, Value)>,
}

/// All combinations that are not skipped, in the order of the file, the last axis fastest.
fn points(raw: &RawSweep) -> Result<Vec<Point<'_>>, Problem> {
    let mut found = Vec::new();
    let variants: Vec<Option<&RawVariant>> = if raw.variants.is_empty() {
        vec![None]
    } else {
        raw.variants.iter().map(Some).collect()
    };
    for variant in variants {
        let mut settings: Vec<Vec<(&RawAxis, Value)>> = vec![Vec::new()];
        for axis in raw.axes.iter().filter(|axis| applies(axis, variant)) {
            let values = values(axis)?;
            settings = settings
                .into_iter()
                .flat_map(|before| {
                    values.iter().map(move |value| {
                        let mut longer = before.clone();
                        longer.push((axis, value.clone()));
                        longer
                    })
                })
                .collect();
        }
        let points = settings.into_iter().map(|settings| Point {
            label: label(raw, variant, &settings),
            variant,
            settings,
        });
        found.extend(points.filter(|point| !raw.skip.iter().any(|when| is_met(when, point))));
    }
    if found.is_empty() {
        return Err(Problem::new("skip", "nothing is left to run"));
    }
    Ok(found)
}

fn applies(axis: &RawAxis, variant: Option<&RawVariant>) -> bool {
    let names = variant.and_then(|variant| variant.axes.as_ref());
    names.is_none_or(|names| names.contains(&axis.name))
}

fn values(axis: &RawAxis) -> Result<Vec<Value>, Problem> {
    let wrong = |what: &str| Problem::new("axes", format!("`{}`: {what}", axis.name));
    match (&axis.values, axis.log) {
        (Some(values), None) if values.is_empty() => Err(wrong("`values` is empty")),
        (Some(values), None) => Ok(values.clone()),
        (None, Some(range)) => range.values().ok_or_else(|| {
            wrong("a log range goes between two positive numbers in at least two steps")
        }),
        _ => Err(wrong("give one of `values` and `log`")),
    }
}

impl LogRange {
    fn values(self) -> Option<Vec<Value>> {
        let LogRange { from, to, count } = self;
        if !(from > 0.0 && to > 0.0 && from.is_finite() && to.is_finite() && count >= 2) {
            return None;
        }
        let step = (to / from).ln() / (count - 1) as f64;
        // Twelve digits: 1e3 is 1000, not 999.9999999999998.
        let rounded = |value: f64| format!("{value:.11e}").parse().unwrap_or(value);
        Some(
            (0..count)
                .map(|i| Value::Float(rounded(from * (step * i as f64).exp())))
                .collect(),
        )
    }
}

/// A sweep of seeds alone has neither a variant nor axes to be called by; its config's name stands for them.
fn label(raw: &RawSweep, variant: Option<&RawVariant>, settings: &[(&RawAxis, Value)]) -> String {
    let name = variant.map(|variant| variant.name.clone());
    let values = settings
        .iter()
        .map(|(axis, value)| format!("{}={}", axis.name, shown(value)));
    let words: Vec<String> = name.into_iter().chain(values).collect();
    if words.is_empty() {
        let stem = raw.config.file_stem().unwrap_or_default();
        return stem.to_string_lossy().into_owned();
    }
    words.join(" ")
}

/// Short: `1000` for 1000.0, `1e6` for a million.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) if number.abs() >= 1e6 || number.abs() < 1e-4 && *number != 0.0 => {
            format!("{number:e}")
        }
        Value::Float(number) => number.to_string(),
        other => other.to_string(),
    }
}

/// Whether every key of the condition names the point's value, or a list that holds it.
fn is_met(condition: &Table, point: &Point<'_>) -> bool {
    condition.iter().all(|(name, wanted)| {
        let value = if name == "variant" {
            point
                .variant
                .map(|variant| Value::String(variant.name.clone()))
        } else {
            let at = point.settings.iter().find(|(axis, _)| axis.name == *name);
            at.map(|(_, value)| value.clone())
        };
        value.is_some_and(|value| match wanted {
            Value::Array(list) => list.iter().any(|wanted| is_same(wanted, &value)),
            wanted => is_same(wanted, &value),
        })
    })
}

/// Equal, where 1 is 1.0.
fn is_same(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Integer(whole) => Some(*whole as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    };
    match (number(a), number(b)) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => a == b,
    }
}

fn planned(
    raw: &RawSweep,
    config: &Path,
    point: &Point<'_>,
    seed: u64,
    overrides: &[String],
) -> Result<PlannedRun, Mistake> {
    let mut all = arguments(&raw.set);
    if let Some(variant) = point.variant {
        all.extend(arguments(&variant.set));
    }
    let axes = point.settings.iter();
    all.extend(axes.map(|(axis, value)| format!("{}={value}", axis.key)));
    all.push(format!("seed={seed}"));
    all.extend(overrides.iter().cloned());
    let loaded =
        Experiment::load(config, &all).map_err(|error| Mistake::Config(Box::new(error)))?;
    let settings = point.settings.iter();
    Ok(PlannedRun {
        variant: point.label.clone(),
        settings: settings
            .map(|(axis, value)| (axis.name.clone(), value.clone()))
            .collect(),
        seed,
        overrides: all,
        experiment: loaded.experiment,
    })
}

/// A table as arguments of `--set`. One with a `kind` stays whole: it replaces what it lies over.
fn arguments(table: &Table) -> Vec<String> {
    fn collect(prefix: &str, table: &Table, found: &mut Vec<String>) {
        for (key, value) in table {
            let path = join(prefix, key);
            match value {
                Value::Table(inner) if !inner.get("kind").is_some_and(Value::is_str) => {
                    collect(&path, inner, found);
                }
                value => found.push(format!("{path}={value}")),
            }
        }
    }
    let mut found = Vec::new();
    collect("", table, &mut found);
    found
}

/// Two runs of one experiment would be counted as two observations.
fn refuse_twins(runs: &[PlannedRun]) -> Result<(), Problem> {
    let mut labels: BTreeMap<String, &str> = BTreeMap::new();
    for run in runs {
        if let Some(other) = labels.insert(run.experiment.digest(), &run.variant) {
            let message = format!("`{other}` and `{}` are the same experiment", run.variant);
            return Err(Problem::new("variants", message)
                .help("leave one out, or `skip` it where axes make them equal"));
        }
    }
    Ok(())
}

fn baseline(raw: &RawSweep, variants: &[String]) -> Result<String, Problem> {
    let Some(name) = &raw.baseline else {
        return Ok(variants[0].clone());
    };
    let labels: Vec<&str> = variants.iter().map(String::as_str).collect();
    known(name, &labels, "baseline", "variant").map_err(|problem| {
        let help = format!("the variants are {}", variants.join(", "));
        match problem.help {
            Some(_) => problem,
            None => problem.help(help),
        }
    })?;
    Ok(name.clone())
}

/// Letters, digits, `.`, `-` and `_`, of which it does not begin with `.` or `-`: what can name a run.
fn slug(label: &str) -> String {
    let kept = |at: usize, c: char| {
        c.is_ascii_alphanumeric() || c == '_' || (at > 0 && matches!(c, '.' | '-'))
    };
    label
        .chars()
        .enumerate()
        .map(|(at, c)| if kept(at, c) { c } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawSweep {
        toml::from_str(text).expect("a sweep")
    }

    fn labels(text: &str) -> Vec<String> {
        let raw = raw(text);
        let points = points(&raw).map_err(|problem| problem.message);
        points
            .expect("points")
            .into_iter()
            .map(|p| p.label)
            .collect()
    }

    #[test]
    fn variants_times_their_axes_less_what_is_skipped() {
        let text = "
            config = 'x.toml'
            seeds = [1]
            variants = [{ name = 'nope', axes = [] }, { name = 'rope' }, { name = 'prope' }]
            skip = [{ variant = 'prope', theta = [10, 1000.0] }, { theta = 100, variant = 'rope' }]
            [[axes]]
            name = 'theta'
            key = 'model.theta'
            log = { from = 10, to = 1e6, count = 6 }
        ";
        assert_eq!(
            labels(text),
            [
                "nope",
                "rope theta=10",
                "rope theta=1000",
                "rope theta=10000",
                "rope theta=100000",
                "rope theta=1e6",
                "prope theta=100",
                "prope theta=10000",
                "prope theta=100000",
                "prope theta=1e6",
            ]
        );
    }

    #[test]
    fn whole_numbers_of_a_sweep_in_every_spelling() {
        let text = "
            config = 'x.toml'
            seeds = [1e0, 2.0, 3]
            [[axes]]
            name = 'theta'
            key = 'model.theta'
            log = { from = 1, to = 1e2, count = 3.0 }
        ";
        assert_eq!(raw(text).seeds, [1, 2, 3]);
        assert_eq!(labels(text), ["theta=1", "theta=10", "theta=100"]);
    }

    #[test]
    fn two_axes_vary_the_last_one_fastest() {
        let text = "
            config = 'x.toml'
            seeds = [1]
            axes = [{ name = 'p', key = 'a.p', values = [0, 0.5] }, { name = 'q', key = 'a.q', values = ['x', 'y'] }]
        ";
        assert_eq!(
            labels(text),
            ["p=0 q=x", "p=0 q=y", "p=0.5 q=x", "p=0.5 q=y"]
        );
    }

    #[test]
    fn a_sweep_of_seeds_alone_is_called_by_its_config() {
        assert_eq!(
            labels("config = '../configs/x.toml'\nseeds = [1, 2]"),
            ["x"]
        );
    }

    #[test]
    fn a_table_of_a_kind_is_set_whole() {
        let table: Table = "
            train.steps = 5
            'data.tokenizer' = 'bytes'
            model.layers.global.encoding = { kind = 'nope' }
        "
        .parse()
        .expect("TOML");
        let mut found = arguments(&table);
        found.sort();
        assert_eq!(
            found,
            [
                "data.tokenizer=\"bytes\"",
                "model.layers.global.encoding={ kind = \"nope\" }",
                "train.steps=5",
            ]
        );
    }

    #[test]
    fn names_become_folders() {
        assert_eq!(slug("prope θ=1e6 / x"), "prope___1e6___x");
        assert_eq!(slug("a-b.c"), "a-b.c");
        assert_eq!(slug("-p"), "_p");
        assert_eq!(slug(".p"), "_p");
    }
}
