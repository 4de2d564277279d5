#!/usr/bin/env python3
"""Writes ops.json: what PyTorch computes for the cases of tests/ops/golden.rs.

Run with PyTorch 1.13 or later: python3 ops.py > ops.json
"""

import json

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
golden = {}


def numbers(salt, *shape):
    """Numbers in [-1, 1) that both sides can make: no random generator."""
    count = torch.Size(shape).numel()
    values = [((k * 7919 + salt * 104729) % 2048) / 1024 - 1 for k in range(count)]
    return torch.tensor(values, dtype=torch.float32).reshape(shape).requires_grad_()


def record(name, y, *arguments):
    """Records y and the gradients of sum(y * numbers(99)) in the arguments."""
    (y * numbers(99, *y.shape).detach()).sum().backward()
    tensors = (y, *(argument.grad for argument in arguments))
    golden[name] = [[float(f"{v:.6g}") for v in t.detach().flatten().tolist()] for t in tensors]


x, w, b = numbers(1, 2, 4, 5, 7), numbers(2, 6, 2, 3, 2), numbers(3, 6)
record("conv2d", F.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), groups=2), x, w, b)
x, w, b = numbers(1, 2, 4, 3, 4), numbers(2, 4, 3, 3, 2), numbers(3, 6)
y = F.conv_transpose2d(x, w, b, stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2)
record("conv_transpose2d", y, x, w, b)
x, gamma, beta = numbers(1, 3, 2, 3, 4), numbers(2, 2), numbers(3, 2)
record("batch_norm", F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5), x, gamma, beta)
x = numbers(1, 2, 2, 5, 7)
record("max_pool2d", F.max_pool2d(x, (3, 2), (2, 3), (1, 1)), x)
x = numbers(1, 2, 2, 5, 7)
record("avg_pool2d", F.avg_pool2d(x, (3, 2), (2, 3), (1, 1)), x)
x = numbers(1, 1, 2, 3, 2)
record("upsample_nearest2d", F.interpolate(x, scale_factor=2, mode="nearest"), x)
for name, function in [
    ("relu", F.relu),
    ("leaky_relu", lambda x: F.leaky_relu(x, 0.2)),
    ("tanh", torch.tanh),
    ("sigmoid", torch.sigmoid),
    ("softmax", lambda x: F.softmax(x, -1)),
    ("log_softmax", lambda x: F.log_softmax(x, -1)),
]:
    x = numbers(1, 3, 5)
    record(name, function(x * 4), x)
x, y = numbers(1, 3, 4), numbers(2, 3, 4)
record("bce_with_logits", F.binary_cross_entropy_with_logits(x * 30, y.detach() / 2 + 0.5), x)
x = numbers(1, 3, 4)
record("cross_entropy", F.cross_entropy(x * 4, torch.tensor([0, 3, 1])), x)

print(json.dumps(golden).replace("], ", "],\n"))
