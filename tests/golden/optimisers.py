#!/usr/bin/env python3
"""Writes optimisers.json: five steps of PyTorch's optimisers, in f64.

[{
  "name":      the case,
  "optimiser": adam, adamw, rmsprop or sgd,
  "settings":  what it is made with; what is absent has PyTorch's default,
  "start":     {"salt": s, "shape": [...]}: the parameter is numbers(salt, *shape),
  "gradients": [salt of the gradient of each step; the shape is the parameter's],
  "after":     [the parameter after each step, flat]}]

Run with PyTorch 1.13 or later: python3 optimisers.py > optimisers.json
"""

import json

import torch
from torch import optim

torch.set_num_threads(1)
START, SHAPE, GRADIENTS = 1, (2, 5), [11, 12, 13, 14, 15]


def numbers(salt, *shape):
    """Numbers in [-1, 1) that both sides can make: no random generator."""
    count = torch.Size(shape).numel()
    values = [((k * 7919 + salt * 104729) % 2048) / 1024 - 1 for k in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


KINDS = {"adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop, "sgd": optim.SGD}


def record(name, kind, **settings):
    parameter = numbers(START, *SHAPE).requires_grad_()
    optimiser, after = KINDS[kind]([parameter], **settings), []
    for salt in GRADIENTS:
        parameter.grad = numbers(salt, *SHAPE)
        optimiser.step()
        after.append([float(f"{v:.14g}") for v in parameter.detach().flatten().tolist()])
    return {
        "name": name,
        "optimiser": kind,
        "settings": settings,
        "start": {"salt": START, "shape": SHAPE},
        "gradients": GRADIENTS,
        "after": after,
    }


cases = [
    record("adam", "adam", lr=0.01),
    record("adam, DCGAN's constants", "adam", lr=2e-4, betas=(0.5, 0.999)),
    record("adam, no first moment", "adam", lr=0.01, betas=(0.0, 0.9)),
    record("adam, eps", "adam", lr=0.01, eps=0.1),
    record("adam, weight decay", "adam", lr=0.01, weight_decay=0.1),
    record("adamw", "adamw", lr=0.01),
    record("adamw, weight decay", "adamw", lr=0.01, betas=(0.5, 0.99), weight_decay=0.1),
    record("rmsprop", "rmsprop", lr=0.01),
    record("rmsprop, alpha and eps", "rmsprop", lr=0.01, alpha=0.9, eps=0.1),
    record("rmsprop, centered", "rmsprop", lr=0.01, centered=True),
    record("rmsprop, momentum", "rmsprop", lr=0.01, momentum=0.9),
    record("rmsprop, everything", "rmsprop", lr=0.01, alpha=0.9, weight_decay=0.1, momentum=0.9, centered=True),
    record("sgd", "sgd", lr=0.1),
    record("sgd, momentum", "sgd", lr=0.1, momentum=0.9),
    record("sgd, dampening", "sgd", lr=0.1, momentum=0.9, dampening=0.5),
    record("sgd, nesterov", "sgd", lr=0.1, momentum=0.9, nesterov=True),
    record("sgd, weight decay", "sgd", lr=0.1, weight_decay=0.1),
    record("sgd, nesterov and weight decay", "sgd", lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
]
print("[" + ",\n".join(map(json.dumps, cases)) + "]")
