//! A decoder's parameters by name, in a fixed order: for optimizers, checkpoints and tests.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use thiserror::Error;

use crate::init::leaf;
use crate::model::Decoder;

/// A parameter's value on the host.
#[derive(Clone, Debug)]
pub struct NamedTensor {
    /// Dotted path, for example `layers.0.self_attn.q_proj`.
    pub name: String,
    /// Lengths of its dimensions.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// Why values could not become a decoder's parameters.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A parameter of the decoder has no value.
    #[error("no tensor named `{0}`")]
    Missing(String),
    /// A value belongs to no parameter.
    #[error("tensor `{0}` belongs to no parameter of this decoder")]
    Unknown(String),
    /// A value has another shape than its parameter.
    #[error("tensor `{name}` has shape {found:?}, the decoder wants {expected:?}")]
    Shape {
        /// The parameter.
        name: String,
        /// Shape of the value.
        found: Vec<usize>,
        /// Shape of the parameter.
        expected: Vec<usize>,
    },
}

/// Something done to each parameter; `R` is its rank.
pub trait ParameterVisitor {
    /// Called once per parameter, in the order of the fields.
    fn visit<const R: usize>(&mut self, name: &str, param: &Param<Tensor<R>>);
}

/// Something that replaces each parameter's tensor; `R` is its rank.
pub trait ParameterMapper {
    /// Called once per parameter, in the order of the fields.
    fn map<const R: usize>(&mut self, name: &str, param: Param<Tensor<R>>) -> Param<Tensor<R>>;
}

struct Paths<'a, T> {
    path: Vec<String>,
    inner: &'a mut T,
}

impl<T: ParameterVisitor> ModuleVisitor for Paths<'_, T> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
    fn visit_float<const R: usize>(&mut self, param: &Param<Tensor<R>>) {
        self.inner.visit(&self.path.join("."), param);
    }
}

impl<T: ParameterMapper> ModuleMapper for Paths<'_, T> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
    fn map_float<const R: usize>(&mut self, param: Param<Tensor<R>>) -> Param<Tensor<R>> {
        self.inner.map(&self.path.join("."), param)
    }
}

/// Visits every parameter with its name.
pub fn for_each_parameter(decoder: &Decoder, visitor: &mut impl ParameterVisitor) {
    decoder.visit(&mut Paths {
        path: Vec::new(),
        inner: visitor,
    });
}

/// Replaces every parameter.
#[must_use]
pub fn map_parameters(decoder: Decoder, mapper: &mut impl ParameterMapper) -> Decoder {
    decoder.map(&mut Paths {
        path: Vec::new(),
        inner: mapper,
    })
}

/// Copies every parameter to the host.
pub fn named_tensors(decoder: &Decoder) -> Vec<NamedTensor> {
    struct Collect(Vec<NamedTensor>);
    impl ParameterVisitor for Collect {
        fn visit<const R: usize>(&mut self, name: &str, param: &Param<Tensor<R>>) {
            let data = param.val().into_data();
            self.0.push(NamedTensor {
                name: name.to_owned(),
                shape: data.shape().to_vec(),
                values: data.iter::<f32>().collect(),
            });
        }
    }
    let mut collect = Collect(Vec::new());
    for_each_parameter(decoder, &mut collect);
    collect.0
}

/// Replaces every parameter by the value of its name.
///
/// # Errors
/// If a value is missing, superfluous, or of another shape; the decoder is then unusable and dropped.
pub fn load_parameters(decoder: Decoder, values: Vec<NamedTensor>) -> Result<Decoder, LoadError> {
    struct Load {
        values: BTreeMap<String, NamedTensor>,
        error: Option<LoadError>,
    }
    impl ParameterMapper for Load {
        fn map<const R: usize>(&mut self, name: &str, param: Param<Tensor<R>>) -> Param<Tensor<R>> {
            let Some(value) = self.values.remove(name) else {
                self.error
                    .get_or_insert(LoadError::Missing(name.to_owned()));
                return param;
            };
            let expected = param.val().dims();
            if value.shape != expected {
                self.error.get_or_insert(LoadError::Shape {
                    name: name.to_owned(),
                    found: value.shape,
                    expected: expected.to_vec(),
                });
                return param;
            }
            param.map(|old| {
                let data = TensorData::new(value.values, expected);
                leaf(Tensor::from_data(data, &old.device()))
            })
        }
    }
    let mut load = Load {
        values: values.into_iter().map(|v| (v.name.clone(), v)).collect(),
        error: None,
    };
    let decoder = map_parameters(decoder, &mut load);
    match (load.error, load.values.into_keys().next()) {
        (Some(error), _) => Err(error),
        (None, Some(name)) => Err(LoadError::Unknown(name)),
        (None, None) => Ok(decoder),
    }
}
