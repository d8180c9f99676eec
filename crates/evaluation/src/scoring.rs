//! Losses of tokens in windows, in memory linear in the length.

use burn::tensor::{Device, Int, Tensor, TensorData};
use corpus::TokenFile;
use decoder::{Decoder, Execution, Positions};
use fused::Workers;

/// Most attention scores alive at once where attention is written out, in elements (half a GiB of f32):
/// the chunk of queries shrinks as keys grow.
const SCORES: usize = 1 << 27;

/// A decoder made ready to read sequences of one length.
pub(crate) struct Reader<'a> {
    pub decoder: &'a Decoder,
    pub execution: Execution,
    pub length: usize,
    positions: Positions,
    device: Device,
}

impl<'a> Reader<'a> {
    /// Evaluation always runs in f32, with kernels that keep to it: a perplexity must not depend on how fast
    /// the model was trained.
    pub fn new(decoder: &'a Decoder, length: usize) -> Self {
        let device = decoder.device();
        let per_query = decoder.config().num_attention_heads * length;
        Self {
            positions: decoder.positions(length, &device),
            execution: Execution::exact(&device, (SCORES / per_query).clamp(1, length)),
            decoder,
            device,
            length,
        }
    }

    /// Final hidden states `[B*T, C]` of `batch` sequences, one after the other in `inputs`.
    pub fn hidden_states(&self, inputs: Vec<i32>, batch: usize) -> Tensor<2> {
        let inputs = TensorData::new(inputs, [batch, self.length]);
        let inputs: Tensor<2, Int> = Tensor::from_data(inputs, &self.device);
        self.decoder
            .hidden_states(inputs, &self.positions, self.execution)
    }

    /// `ids` on the decoder's device.
    pub fn list(&self, ids: Vec<i32>) -> Tensor<1, Int> {
        let count = ids.len();
        Tensor::from_data(TensorData::new(ids, [count]), &self.device)
    }
}

/// A decoder made ready to score windows of one length.
pub(crate) struct Scorer<'a> {
    reader: Reader<'a>,
    bos: u32,
    length: usize,
}

impl<'a> Scorer<'a> {
    pub fn new(decoder: &'a Decoder, bos: u32, length: usize) -> Self {
        Self {
            reader: Reader::new(decoder, length),
            bos,
            length,
        }
    }

    /// Windows that make up about `tokens` tokens of input.
    pub fn batch_for(&self, tokens: usize) -> usize {
        (tokens / self.length).max(1)
    }

    /// [`Self::score`] with the windows shared out over `workers`. A window's losses do not
    /// depend on who its neighbours are.
    pub fn score_in_parallel(
        &self,
        file: &TokenFile,
        ends: &[usize],
        scored: usize,
        workers: &Workers,
    ) -> Vec<Vec<f32>> {
        let share = ends.len().div_ceil(workers.count()).max(1);
        if share == ends.len() {
            return self.score(file, ends, scored);
        }
        let pieces: Vec<&[usize]> = ends.chunks(share).collect();
        let losses = workers.each(pieces, |ends| self.score(file, ends, scored));
        losses.into_iter().flatten().collect()
    }

    /// Negative log-likelihoods in nats of the last `scored` tokens of each window; a window is
    /// the `length` tokens that end at `end` (exclusive) in `file`.
    pub fn score(&self, file: &TokenFile, ends: &[usize], scored: usize) -> Vec<Vec<f32>> {
        let (batch, length) = (ends.len(), self.length);
        let windows: Vec<Vec<u32>> = ends
            .iter()
            .map(|end| file.tokens(end - length..*end))
            .collect();
        let inputs: Vec<i32> = windows
            .iter()
            .flat_map(|window| {
                std::iter::once(self.bos)
                    .chain(window[..length - 1].iter().copied())
                    .map(u32::cast_signed)
            })
            .collect();
        let hidden = self.reader.hidden_states(inputs, batch); // [B*T, C]
        let width = hidden.dims()[1];
        let hidden = hidden
            .reshape([batch, length, width])
            .narrow(1, length - scored, scored) // [B, scored, C]
            .reshape([batch * scored, width]);
        let targets: Vec<i32> = windows
            .iter()
            .flat_map(|window| window[length - scored..].iter().copied())
            .map(u32::cast_signed)
            .collect();
        let Reader {
            decoder, execution, ..
        } = self.reader;
        let losses = decoder.token_losses(hidden, self.reader.list(targets), execution);
        let losses: Vec<f32> = losses.into_data().iter::<f32>().collect();
        losses.chunks(scored).map(<[f32]>::to_vec).collect()
    }
}
