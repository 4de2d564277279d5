#!/usr/bin/env python3
"""Writes schedules.json: twenty steps of PyTorch's optimisers under its schedules, its gradient clipping, and a
moving average, in f64.

[{
  "optimiser": adam, rmsprop or sgd (momentum 0.9), at a learning rate of 0.05,
  "schedule":  one of SCHEDULES below, with the settings that stand there and in the test,
  "unit":      "step", or "epoch" of four steps,
  "clip":      null, {"norm": limit} or {"value": limit},
  "average":   null, or {"decay": d, "start": s},
  "rates":     [the learning rate of each step],
  "after":     [the parameters after the last step: weight (3, 4) and bias (3), flat],
  "averaged":  [likewise their averages, if there are any]}]

The parameters start as numbers(1) and numbers(2); in step t (from 0) their gradients are numbers(10 + t) and
numbers(50 + t), times (t + 1) / 10.

Run with PyTorch 1.13 or later: python3 schedules.py > schedules.json
"""

import json

import torch
from torch import optim
from torch.optim import lr_scheduler

torch.set_num_threads(1)
LR, STEPS, STEPS_AN_EPOCH, SHAPES = 0.05, 20, 4, [(3, 4), (3,)]


def numbers(salt, *shape):
    """Numbers in [-1, 1) that both sides can make: no random generator."""
    count = torch.Size(shape).numel()
    values = [((k * 7919 + salt * 104729) % 2048) / 1024 - 1 for k in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


OPTIMISERS = {
    "adam": lambda parameters: optim.Adam(parameters, lr=LR, betas=(0.5, 0.999)),
    "rmsprop": lambda parameters: optim.RMSprop(parameters, lr=LR),
    "sgd": lambda parameters: optim.SGD(parameters, lr=LR, momentum=0.9),
}
FLOORS = {"step": 0.01}


def warm_up(optimiser, units):
    return lr_scheduler.LinearLR(optimiser, start_factor=1 / (units + 1), end_factor=1.0, total_iters=units)


# By name, of an optimiser and the number of units in the run.
SCHEDULES = {
    "constant": lambda o, units: lr_scheduler.LambdaLR(o, lambda t: 1.0),
    # every 2 units times 0.5, but not below 0.01: see FLOORS
    "step": lambda o, units: lr_scheduler.StepLR(o, 2, gamma=0.5),
    "exponential": lambda o, units: lr_scheduler.ExponentialLR(o, gamma=0.8),
    "cosine": lambda o, units: lr_scheduler.CosineAnnealingLR(o, T_max=units, eta_min=0.002),
    # 1 for 2 units, then down to 0 in the run's units
    "linear": lambda o, units: lr_scheduler.LambdaLR(o, lambda t: 1 - max(0, t - 2) / (units - 2)),
    "warm-up": lambda o, units: warm_up(o, 3),
    "warm-up, exponential": lambda o, units: lr_scheduler.ChainedScheduler(
        [warm_up(o, 3), lr_scheduler.ExponentialLR(o, gamma=0.8)]),
}


def record(kind, schedule, unit, clip=None, average=None):
    parameters = [numbers(salt, *shape).requires_grad_() for salt, shape in enumerate(SHAPES, 1)]
    averages = [p.detach().clone() for p in parameters]
    optimiser = OPTIMISERS[kind](parameters)
    a_unit = STEPS_AN_EPOCH if unit == "epoch" else 1
    course, rates = SCHEDULES[schedule](optimiser, STEPS // a_unit), []
    for t in range(STEPS):
        for parameter, salt in zip(parameters, (10, 50)):
            parameter.grad = numbers(salt + t, *parameter.shape) * (t + 1) / 10
        if clip and "norm" in clip:
            torch.nn.utils.clip_grad_norm_(parameters, clip["norm"])
        if clip and "value" in clip:
            torch.nn.utils.clip_grad_value_(parameters, clip["value"])
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if average:
            follows = t + 1 <= average["start"]
            for mean, parameter in zip(averages, parameters):
                new = parameter.detach()
                mean.copy_(new if follows else average["decay"] * mean + (1 - average["decay"]) * new)
        if (t + 1) % a_unit == 0:
            course.step()
            group = optimiser.param_groups[0]
            group["lr"] = max(group["lr"], FLOORS.get(schedule, 0.0))

    def flat(tensors):
        return [float(f"{v:.12g}") for t in tensors for v in t.detach().flatten().tolist()]

    return {
        "optimiser": kind,
        "schedule": schedule,
        "unit": unit,
        "clip": clip,
        "average": average,
        "rates": [float(f"{rate:.12g}") for rate in rates],
        "after": flat(parameters),
        "averaged": flat(averages) if average else None,
    }


cases = [record(kind, schedule, unit) for schedule in SCHEDULES for unit in ("step", "epoch") for kind in OPTIMISERS]
for kind in OPTIMISERS:
    cases.append(record(kind, "constant", "step", clip={"norm": 2.0}))
    cases.append(record(kind, "exponential", "step", clip={"value": 0.5}))
    cases.append(record(kind, "cosine", "step", average={"decay": 0.9, "start": 0}))
    cases.append(record(kind, "constant", "step", clip={"norm": 2.0}, average={"decay": 0.99, "start": 7}))
print("[" + ",\n".join(map(json.dumps, cases)) + "]")
