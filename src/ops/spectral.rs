//! Spectral normalisation (Miyato et al. 2018).

use candle_core::{Result, Tensor};

use crate::autograd::Value;

/// Approximate singular vectors of a matrix (R, C) for its largest singular value, each of length 1.
#[derive(Debug, Clone)]
pub struct Singular {
    /// of the rows (R)
    pub u: Tensor,
    /// of the columns (C)
    pub v: Tensor,
}

impl Singular {
    /// The vectors after `iterations` rounds of the power method on `matrix` (R, C): v ← Wᵀu / |Wᵀu|, then
    /// u ← Wv / |Wv|, a length below `eps` counting as `eps`. In storage of their own.
    pub fn improved(&self, matrix: &Tensor, iterations: usize, eps: f64) -> Result<Self> {
        let matrix = Value::constant(matrix.clone());
        let transposed = matrix.transpose(0, 1)?;
        let column = |vector: &Tensor| vector.reshape((vector.elem_count(), 1));
        let mut found = Self {
            u: self.u.copy()?,
            v: self.v.copy()?,
        };
        for _ in 0..iterations {
            found.v = unit(&transposed.matmul(&column(&found.u)?.into())?, eps)?;
            found.u = unit(&matrix.matmul(&column(&found.v)?.into())?, eps)?;
        }
        Ok(found)
    }
}

/// A column (n, 1) as a vector (n) of length 1.
fn unit(column: &Value, eps: f64) -> Result<Tensor> {
    let length = column.sqr()?.sum_all()?.sqrt()?;
    let length = length.tensor().maximum(eps)?;
    column
        .div_by(&Value::constant(length))?
        .tensor()
        .flatten_all()
}

/// `weight` divided by σ = uᵀ · `matrix` · v, where `matrix` (R, C) holds the numbers of `weight` in any order. The
/// vectors are constants, σ is not.
pub fn spectral_norm(weight: &Value, matrix: &Value, vectors: &Singular) -> Result<Value> {
    let (rows, columns) = matrix.tensor().dims2()?;
    let u = Value::constant(vectors.u.reshape((1, rows))?);
    let v = Value::constant(vectors.v.reshape((columns, 1))?);
    let sigma = u.matmul(&matrix.matmul(&v)?)?.reshape(())?;
    weight.div_by(&sigma)
}
