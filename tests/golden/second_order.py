#!/usr/bin/env python3
"""Writes second_order.json: first and second derivatives as PyTorch computes them in f64.

{name: {
  "settings":  what the function is called with,
  "inputs":    {argument: {"salt": s, "shape": [...]}}, in order; values are numbers(salt, *shape),
  "value":     the result y = f(inputs), flat,
  "first":     {argument: gradient of sum(y * numbers(99)), flat},
  "penalty":   see below, a number,
  "second":    {argument: gradient of the penalty, flat}}}

The penalty is a gradient penalty on the first argument x (N, ...): with g the gradient of sum(y * numbers(99))
in x, it is the mean over the N samples of (|g| - 1)^2, where |g| is the Euclidean norm over everything but N.

The cases `wgan_gp_*` are whole critic steps instead (Gulrajani et al. 2017): "value" is the loss
    mean D(fake) - mean D(real) + 10 * mean (|grad of sum D(x) at x = eps real + (1 - eps) fake| - 1)^2
(three numbers: the loss, its first two terms together, the mean without the 10), and "second" the gradient
of the loss in every weight. "first" and "penalty" are absent. Inputs without a place in "second" are data.

Run with PyTorch 1.13 or later: python3 second_order.py > second_order.json
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
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def flat(t):
    return [float(f"{v:.14g}") for v in t.detach().flatten().tolist()]


def arguments(shapes):
    """Leaves numbers(1), numbers(2), ... of the shapes, and how the file describes them."""
    leaves, described = {}, {}
    for salt, (name, shape) in enumerate(shapes.items(), 1):
        leaves[name] = numbers(salt, *shape).requires_grad_()
        described[name] = {"salt": salt, "shape": list(shape)}
    return leaves, described


def distance_from_one(g):
    """Mean over samples of (|g| - 1)^2."""
    return ((g.flatten(1).pow(2).sum(1).sqrt() - 1) ** 2).mean()


def gradients(y, leaves):
    found = torch.autograd.grad(y, list(leaves.values()), create_graph=True, allow_unused=True)
    return {n: torch.zeros_like(v) if g is None else g for (n, v), g in zip(leaves.items(), found)}


def record(name, function, settings, **shapes):
    leaves, described = arguments(shapes)
    y = function(**leaves, **settings)
    first = gradients((y * numbers(99, *y.shape)).sum(), leaves)
    penalty = distance_from_one(next(iter(first.values())))
    # A function linear in x and without weights has a constant penalty.
    second = gradients(penalty, leaves) if penalty.requires_grad else {n: 0 * v for n, v in leaves.items()}
    golden[name] = {
        "settings": settings,
        "inputs": described,
        "value": flat(y),
        "first": {n: flat(g) for n, g in first.items()},
        "penalty": flat(penalty)[0],
        "second": {n: flat(g) for n, g in second.items()},
    }


def conv(x, weight, bias, **settings):
    return F.conv2d(x, weight, bias, **settings)


def conv_transpose(x, weight, bias, **settings):
    return F.conv_transpose2d(x, weight, bias, **settings)


record("conv2d", conv, {"stride": [2, 1], "padding": [1, 2], "groups": 2},
       x=(2, 4, 5, 7), weight=(6, 2, 3, 2), bias=(6,))
record("conv_transpose2d", conv_transpose,
       {"stride": [2, 3], "padding": [1, 0], "output_padding": [1, 2], "groups": 2},
       x=(2, 4, 3, 4), weight=(4, 3, 3, 2), bias=(6,))
record("linear", F.linear, {}, input=(3, 5), weight=(4, 5), bias=(4,))
for name, function, settings in [
    ("leaky_relu", F.leaky_relu, {"negative_slope": 0.2}),
    ("tanh", torch.tanh, {}),
    ("sigmoid", torch.sigmoid, {}),
    ("silu", F.silu, {}),
    ("softplus", F.softplus, {}),
    ("softmax", F.softmax, {"dim": -1}),
    ("log_softmax", F.log_softmax, {"dim": -1}),
]:
    record(name, function, settings, input=(3, 5))
record("max_pool2d", F.max_pool2d, {"kernel_size": [3, 2], "stride": [2, 3], "padding": [1, 1]}, input=(2, 2, 5, 7))
record("avg_pool2d", F.avg_pool2d, {"kernel_size": [3, 2], "stride": [2, 3], "padding": [1, 1]}, input=(2, 2, 5, 7))
record("upsample_nearest2d", F.interpolate, {"scale_factor": 2, "mode": "nearest"}, input=(2, 2, 3, 5))
record("upsample_bilinear2d", F.interpolate, {"scale_factor": 2, "mode": "bilinear", "align_corners": False},
       input=(2, 2, 3, 5))
record("pixel_shuffle", F.pixel_shuffle, {"upscale_factor": 2}, input=(2, 8, 3, 2))


# Each norm alone, and as it stands in a critic: conv(leaky_relu(norm(x), 0.2)).

def batch_norm(x, gamma, beta, eps):
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


def instance_norm(x, gamma, beta, eps):
    return F.instance_norm(x, weight=gamma, bias=beta, eps=eps)


def layer_norm(x, gamma, beta, eps):
    return F.layer_norm(x, x.shape[1:], gamma, beta, eps)


def group_norm(x, gamma, beta, groups, eps):
    return F.group_norm(x, groups, gamma, beta, eps)


eps = {"eps": 1e-5}
norms = [
    ("batch_norm", batch_norm, eps, (4,)),
    ("instance_norm", instance_norm, eps, (4,)),
    ("layer_norm", layer_norm, eps, (4, 3, 5)),
    ("group_norm", group_norm, {"groups": 2, **eps}, (4,)),
]
for name, norm, settings, affine in norms:
    record(name, norm, settings, x=(3, 4, 3, 5), gamma=affine, beta=affine)
    record(f"{name}_leaky_relu_conv2d",
           lambda x, gamma, beta, weight, f=norm, **s: F.conv2d(F.leaky_relu(f(x, gamma, beta, **s), 0.2), weight),
           settings, x=(3, 4, 3, 5), gamma=affine, beta=affine, weight=(2, 4, 2, 3))
record("layer_norm_vector", layer_norm, eps, x=(3, 7), gamma=(7,), beta=(7,))


def critic(name, norm, affine):
    """Images (3, 3, 8, 8); conv 3->4 and 4->6, 4x4, stride 2, padding 1, each with bias and leaky_relu 0.2;
    the norm, if any, before the second leaky_relu; conv 6->1, 2x2."""
    shapes = {
        "real": (3, 3, 8, 8), "fake": (3, 3, 8, 8), "eps": (3, 1, 1, 1),
        "conv1.weight": (4, 3, 4, 4), "conv1.bias": (4,),
        "conv2.weight": (6, 4, 4, 4), "conv2.bias": (6,),
        "conv3.weight": (1, 6, 2, 2), "conv3.bias": (1,),
    }
    if norm:
        shapes |= {"norm.gamma": affine, "norm.beta": affine}
    p, described = arguments(shapes)

    def judge(x):
        x = F.leaky_relu(F.conv2d(x, p["conv1.weight"], p["conv1.bias"], stride=2, padding=1), 0.2)
        x = F.conv2d(x, p["conv2.weight"], p["conv2.bias"], stride=2, padding=1)
        if norm:
            x = norm(x, p["norm.gamma"], p["norm.beta"], 1e-5)
        return F.conv2d(F.leaky_relu(x, 0.2), p["conv3.weight"], p["conv3.bias"]).flatten()

    real, fake = p.pop("real").detach(), p.pop("fake").detach()
    mix = p.pop("eps").detach() / 2 + 0.5
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    wasserstein = judge(fake).mean() - judge(real).mean()
    penalty = distance_from_one(torch.autograd.grad(judge(between).sum(), between, create_graph=True)[0])
    loss = wasserstein + 10 * penalty
    golden[name] = {
        "settings": {"weight": 10, "eps": "numbers / 2 + 0.5"},
        "inputs": described,
        "value": flat(torch.stack([loss, wasserstein, penalty])),
        "second": {n: flat(g) for n, g in gradients(loss, p).items()},
    }


critic("wgan_gp_critic", None, None)
critic("wgan_gp_critic_batch_norm", batch_norm, (6,))
critic("wgan_gp_critic_layer_norm", layer_norm, (6, 2, 2))
critic("wgan_gp_critic_instance_norm", instance_norm, (6,))

print("{" + ",\n".join(f"{json.dumps(name)}: {json.dumps(case)}" for name, case in golden.items()) + "}")
