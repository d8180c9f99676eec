//! Where weights come from.

use crate::error::InterchangeError;

/// Tensors under Hugging Face's names, such as `model.layers.0.self_attn.q_proj.weight`, with
/// Hugging Face's shapes (a projection is `[out, in]`) and its half-split order of rotary coordinates.
///
/// [`crate::import()`] reads one tensor at a time and checks every shape before it reads.
pub trait TensorSource {
    /// All names.
    fn names(&self) -> Vec<String>;

    /// Lengths of the dimensions of `name`, slowest first; `None`: there is no such tensor.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;

    /// The file that holds `name`, or would: for error messages.
    fn location(&self, name: &str) -> String;

    /// The values of `name` as f32, row-major.
    ///
    /// # Errors
    /// If there is no such tensor, or its number format is none of ours.
    fn read(&self, name: &str) -> Result<Vec<f32>, InterchangeError>;

    /// The values of the transpose of `name`, a tensor `[rows, columns]`: row-major `[columns, rows]`.
    ///
    /// # Errors
    /// As [`TensorSource::read`]; if it has not two dimensions.
    fn read_transposed(&self, name: &str) -> Result<Vec<f32>, InterchangeError> {
        let shape = self.shape(name).unwrap_or_default();
        let &[rows, columns] = shape.as_slice() else {
            return Err(self.error(name, "two dimensions are needed to transpose it"));
        };
        let values = self.read(name)?;
        let mut transposed = vec![0.0; values.len()];
        for (row, values) in values.chunks_exact(columns.max(1)).enumerate() {
            for (column, value) in values.iter().enumerate() {
                transposed[column * rows + row] = *value;
            }
        }
        Ok(transposed)
    }

    /// An error about `name`.
    fn error(&self, name: &str, reason: &str) -> InterchangeError {
        InterchangeError::Tensor {
            location: self.location(name),
            name: name.to_owned(),
            reason: reason.to_owned(),
        }
    }
}
