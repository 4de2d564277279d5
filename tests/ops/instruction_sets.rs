//! Products and convolutions have the same bits on every instruction set.

use candle_core::{DType, Result};
use retake::autograd::Value;
use retake::ops::{self, Conv, InstructionSet, Padding, with_instruction_set};

use super::{gradients, normal};

/// A convolution, a transposed one and a linear layer: the bits of the result and of all gradients. Maps
/// are wider than any vector, narrower, and no multiple of one.
fn step(side: usize, dtype: DType) -> Result<Vec<u64>> {
    let var = |name: &str, shape: &[usize]| Value::variable(normal(name, shape.to_vec(), dtype));
    let x = var("x", &[3, 5, side, side + 3]);
    let down = var("down", &[11, 5, 4, 4]);
    let up = var("up", &[11, 26, 3, 3]);
    let conv = Conv {
        stride: (2, 2),
        padding: Padding::symmetric(1, 1),
        groups: 1,
    };
    let h = ops::conv2d(&x, &down, None, &conv)?;
    let h = ops::conv_transpose2d(&h, &up, None, &conv, (0, 1))?.flatten_rows()?;
    let head = var("head", &[19, h.dims()[1]]);
    let y = ops::linear(&h, &head, None)?;
    let loss = y.mul(&y)?.mean_all()?;
    let mut tensors = vec![y.tensor().clone()];
    tensors.extend(gradients(loss, &[x, down, up, head]));
    let mut bits = Vec::new();
    for tensor in tensors {
        // Widening to f64 is exact.
        let elements = tensor.flatten_all()?.to_dtype(DType::F64)?;
        bits.extend(elements.to_vec1::<f64>()?.into_iter().map(f64::to_bits));
    }
    Ok(bits)
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    for dtype in [DType::F32, DType::F64] {
        for side in [6, 13, 32] {
            let bits = |set| with_instruction_set(set, || step(side, dtype)).unwrap();
            let portable = bits(InstructionSet::Portable);
            assert!(portable == bits(InstructionSet::Avx2), "{dtype:?} {side}");
            assert!(portable == bits(InstructionSet::Avx512), "{dtype:?} {side}");
        }
    }
}
