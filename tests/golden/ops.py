#!/usr/bin/env python3
"""Writes ops.json: what PyTorch computes, to first order, for the cases of tests/ops/golden.rs.

{name: [result, gradient of the first argument, of the second, ...]}, each a flat list. The arguments are
numbers(1, shape), numbers(2, shape), ...; the gradients are those of sum(result * numbers(99)). Shapes and
settings of a case stand here, and in the test of the same name.

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
x = numbers(1, 2, 2, 6, 7)
record("max_pool2d_overlapping", F.max_pool2d(x, 3, 2, 1), x)
x = numbers(1, 2, 2, 6, 7)
x = numbers(1, 2, 2, 3, 5)
record("upsample_bilinear2d", F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), x)
x = numbers(1, 1, 2, 3, 2)
record("upsample_bilinear2d_by_3", F.interpolate(x, scale_factor=3, mode="bilinear", align_corners=False), x)
x = numbers(1, 2, 12, 3, 2)
record("pixel_shuffle", F.pixel_shuffle(x, 2), x)
x = numbers(1, 1, 18, 2, 3)
record("pixel_shuffle_by_3", F.pixel_shuffle(x, 3), x)
x, gamma, beta = numbers(1, 2, 3, 4, 5), numbers(2, 3), numbers(3, 3)
record("instance_norm", F.instance_norm(x, weight=gamma, bias=beta, eps=1e-5), x, gamma, beta)
x, gamma, beta = numbers(1, 3, 7), numbers(2, 7), numbers(3, 7)
record("layer_norm_vector", F.layer_norm(x, (7,), gamma, beta, eps=1e-5), x, gamma, beta)
x, gamma, beta = numbers(1, 2, 3, 4, 5), numbers(2, 3, 4, 5), numbers(3, 3, 4, 5)
record("layer_norm_image", F.layer_norm(x, (3, 4, 5), gamma, beta, eps=1e-5), x, gamma, beta)
x, gamma, beta = numbers(1, 2, 6, 3, 5), numbers(2, 6), numbers(3, 6)
record("group_norm", F.group_norm(x, 3, gamma, beta, eps=1e-5), x, gamma, beta)
x, w, b = numbers(1, 3, 5), numbers(2, 4, 5), numbers(3, 4)
record("linear", F.linear(x, w, b), x, w, b)
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
