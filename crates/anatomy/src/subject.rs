//! A decoder made ready to be looked at.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Int, Tensor, TensorData};
use decoder::{Decoder, Execution, Intervention, Observer, Positions, ResidualStream};

use crate::AnatomyError;

/// Queries whose attention is on the host at once. Memory for it is `heads * QUERIES * T`.
pub(crate) const QUERIES: usize = 128;

/// A decoder with tables for windows of up to some length, computing in f32.
pub struct Subject<'a> {
    decoder: &'a Decoder,
    positions: Positions,
    device: Device,
    execution: Execution,
}

impl<'a> Subject<'a> {
    /// `decoder`, to read up to `length` tokens at a time.
    pub fn new(decoder: &'a Decoder, length: usize) -> Self {
        let device = decoder.device();
        Self {
            positions: decoder.positions(length, &device),
            execution: Execution::exact(&device, QUERIES.min(length.max(1))),
            decoder,
            device,
        }
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        self.decoder
    }

    /// Longest sequence it reads, in tokens.
    pub fn length(&self) -> usize {
        self.positions.length()
    }

    /// Runs the decoder over windows of equal length, all but the last token of each, with `observer` in every
    /// layer. One window at a time: an observer sees a batch of one.
    pub(crate) fn observe(&self, windows: &[Vec<u32>], observer: &Arc<dyn Observer>) {
        let positions = self.decoder.observed(&self.positions, observer);
        for window in windows {
            let inputs = self.tensor(std::slice::from_ref(window), 0);
            self.decoder
                .hidden_states(inputs, &positions, self.execution);
        }
    }

    /// Tables with interventions in them.
    pub(crate) fn intervened(
        &self,
        interventions: &[Intervention],
    ) -> Result<Positions, AnatomyError> {
        Ok(self.decoder.intervened(&self.positions, interventions)?)
    }

    /// Windows of equal length before the first layer.
    pub(crate) fn read(&self, windows: &[Vec<u32>]) -> Reading {
        let length = windows.first().map_or(0, |window| window.len() - 1);
        let inputs = self.tensor(windows, 0);
        Reading {
            stream: self.decoder.begin(inputs, &self.positions, self.execution),
            targets: self.tensor(windows, 1).reshape([windows.len() * length]),
            length,
        }
    }

    /// `reading` before `layer`, with nothing changed on the way.
    pub(crate) fn advanced(&self, reading: Reading, layer: usize) -> Reading {
        let stream = reading.stream;
        let stream = self
            .decoder
            .advance(stream, layer, &self.positions, self.execution);
        Reading { stream, ..reading }
    }

    /// Losses in nats of all tokens but the first of each window, through the layers from where `reading` is.
    pub(crate) fn losses(&self, reading: &Reading, positions: &Positions) -> Vec<Vec<f32>> {
        let Reading {
            stream,
            targets,
            length,
        } = reading.clone();
        let hidden = self.decoder.finish(stream, positions, self.execution);
        let losses = self.decoder.token_losses(hidden, targets, self.execution);
        values(losses).chunks(length).map(<[f32]>::to_vec).collect()
    }

    /// `[B, T]`: the windows without their last token, from token `first` on.
    fn tensor(&self, windows: &[Vec<u32>], first: usize) -> Tensor<2, Int> {
        let length = windows.first().map_or(0, |window| window.len() - 1);
        let ids = windows
            .iter()
            .flat_map(|window| window[first..first + length].iter().copied())
            .map(u32::cast_signed)
            .collect::<Vec<i32>>();
        Tensor::from_data(TensorData::new(ids, [windows.len(), length]), &self.device)
    }
}

/// Windows on their way through the layers, and what should follow each token.
#[derive(Clone)]
pub(crate) struct Reading {
    stream: ResidualStream,
    /// `[N]`.
    targets: Tensor<1, Int>,
    /// Tokens of a window that are read.
    length: usize,
}

/// Values of a tensor on the host, row-major.
pub(crate) fn values<const R: usize>(x: Tensor<R>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// What an observer gathers: observers are shared, passes are one at a time.
pub(crate) struct Gathered<T>(Mutex<T>);

impl<T: Default> Gathered<T> {
    pub fn new(start: T) -> Self {
        Self(Mutex::new(start))
    }

    pub fn with(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What has been gathered, leaving nothing.
    pub fn take(&self) -> T {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
