//! What the training loop tells the screen: burn-train's metrics, drawn by one of its renderers.

use std::io::IsTerminal;
use std::sync::Arc;

use burn::data::dataloader::Progress;
use burn::tensor::{Device, Tensor, TensorReadError};
use burn_train::Interrupter;
use burn_train::metric::state::{FormatOptions, NumericMetricState};
use burn_train::metric::{
    LossInput, LossMetric, Metric, MetricAttributes, MetricDefinition, MetricEntry, MetricId,
    MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry, SerializedEntry,
};
#[cfg(feature = "dashboard")]
use burn_train::renderer::tui::TuiMetricsRendererWrapper;
use burn_train::renderer::{MetricState, MetricsRenderer};

use crate::progress::{BarRenderer, LineRenderer};

/// How training shows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// A progress bar on a terminal, lines elsewhere.
    Automatic,
    /// burn-train's full-screen dashboard.
    #[cfg(feature = "dashboard")]
    Dashboard,
}

/// One step's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Steps done, this one included.
    pub step: usize,
    /// Mean negative log-likelihood in nats per token.
    pub loss: f64,
    /// Tokens per second of wall time since the session started.
    pub tokens_per_second: f64,
}

/// Feeds metrics to a renderer.
pub struct Monitor {
    renderer: Box<dyn MetricsRenderer>,
    loss: LossMetric,
    perplexity: Gauge,
    speed: Gauge,
    validation: Gauge,
    steps: usize,
}

impl Monitor {
    /// A monitor of a run of `steps` steps of which `done` are done; `interrupter` hears of a wish to
    /// stop typed into the dashboard.
    pub fn new(
        view: View,
        label: &str,
        done: usize,
        steps: usize,
        #[cfg_attr(not(feature = "dashboard"), expect(unused_variables))] interrupter: Interrupter,
    ) -> Self {
        let mut renderer: Box<dyn MetricsRenderer> = match view {
            #[cfg(feature = "dashboard")]
            View::Dashboard => Box::new(TuiMetricsRendererWrapper::new(interrupter, None)),
            View::Automatic if std::io::stderr().is_terminal() => Box::new(BarRenderer::new()),
            View::Automatic => Box::new(LineRenderer::new()),
        };
        let monitor_metrics = (
            LossMetric::new(),
            Gauge::new("Perplexity", None, false),
            Gauge::new("Speed", Some("tok/s"), true),
            Gauge::new("Validation loss", None, false),
        );
        let (loss, perplexity, speed, validation) = monitor_metrics;
        renderer.register_metric(MetricDefinition::new(id(&loss), &loss));
        for gauge in [&perplexity, &speed, &validation] {
            renderer.register_metric(MetricDefinition::new(id(gauge), gauge));
        }
        renderer.start(0, 0, Some(steps), Some(label));
        renderer.start_split("train", &progress(done, steps));
        Self {
            renderer,
            loss,
            perplexity,
            speed,
            validation,
            steps,
        }
    }

    /// Shows a training step.
    pub fn step(&mut self, sample: Sample) {
        let metadata = metadata(sample.step, self.steps);
        // The metric wants a tensor; the number is on the host already, so a CPU one is free.
        let loss = LossInput::new(Tensor::from_floats([sample.loss as f32], &Device::flex()));
        for state in [
            update(&mut self.loss, &loss, &metadata),
            update(&mut self.perplexity, &sample.loss.exp(), &metadata),
            update(&mut self.speed, &sample.tokens_per_second, &metadata),
        ]
        .into_iter()
        .flatten()
        {
            self.renderer.update_train(state);
        }
        self.renderer
            .update_split(&progress(sample.step, self.steps));
    }

    /// Shows a validation loss in nats per token.
    pub fn validation(&mut self, step: usize, loss: f64) {
        let metadata = metadata(step, self.steps);
        if let Some(state) = update(&mut self.validation, &loss, &metadata) {
            self.renderer.update_valid(state);
        }
    }

    /// Takes the display off the screen.
    pub fn finish(mut self) {
        let progress = progress(self.steps, self.steps);
        self.renderer.end_split(&progress);
        self.renderer.end();
        if let Err(error) = self.renderer.on_train_end(None) {
            tracing::warn!(%error, "the display did not close cleanly");
        }
    }
}

fn progress(step: usize, steps: usize) -> Progress {
    Progress::new(step, steps, Some("steps".to_owned()))
}

fn metadata(step: usize, steps: usize) -> MetricMetadata {
    MetricMetadata {
        progress: progress(step, steps),
        iteration: Some(step),
        lr: None,
    }
}

fn id(metric: &impl Metric) -> MetricId {
    MetricId::new(metric.name())
}

fn update<M: Metric + Numeric>(
    metric: &mut M,
    input: &M::Input,
    metadata: &MetricMetadata,
) -> Option<MetricState> {
    let entry = metric.update(input, metadata).ok()?;
    Some(MetricState::Numeric(
        MetricEntry::new(id(metric), entry),
        metric.value(),
    ))
}

/// A number measured on the host, as a burn-train metric. burn-train's own perplexity metric wants the
/// whole logits on the device; ours follows from the loss.
#[derive(Clone)]
struct Gauge {
    name: MetricName,
    unit: Option<&'static str>,
    higher_is_better: bool,
    state: NumericMetricState,
}

impl Gauge {
    fn new(name: &str, unit: Option<&'static str>, higher_is_better: bool) -> Self {
        Self {
            name: Arc::new(name.to_owned()),
            unit,
            higher_is_better,
            state: NumericMetricState::new(),
        }
    }

    fn format(&self) -> FormatOptions {
        let options = FormatOptions::new(self.name.clone()).precision(2);
        match self.unit {
            Some(unit) => options.unit(unit),
            None => options,
        }
    }
}

impl Metric for Gauge {
    type Input = f64;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: self.unit.map(str::to_owned),
            higher_is_better: self.higher_is_better,
        }
        .into()
    }

    fn update(
        &mut self,
        value: &f64,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.state.update(*value, 1);
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl Numeric for Gauge {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}
