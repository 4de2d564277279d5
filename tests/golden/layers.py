#!/usr/bin/env python3
"""Writes layers.json: networks of every layer as PyTorch computes them in f64.

{"cases": {name: {
  "network":   a network as in a model file, as JSON,
  "train":     whether it is a forward pass in training,
  "inputs":    {input: [shape, salt]}; values are numbers(salt, *shape),
  "tensors":   {tensor: [shape, salt, kind]} of all parameters and buffers, see `filled`,
  "value":     the output y, flat,
  "heads":     {head: result h, flat},
  "gradients": {input or parameter: gradient of S = sum(y * numbers(99)) + sum(h * numbers(98)), flat},
  "buffers":   {buffer: its numbers after the pass, flat},
  "second":    {input or parameter: gradient of sum(g * g), where g is the gradient of S in the first input}}},
 "steps": see `spectral_steps`}

Numbers that a function does not depend on have gradients of 0. Keras's conventions are written out: batch norm keeps
momentum * old + (1 - momentum) * new of the biased variance; `same` pads so that there are ceil(n / stride) windows, and
transposed it is the gradient of that convolution in its image of n * stride. Adaptive normalisation is
torch's instance norm, then a factor and an offset; modulated convolution is StyleGAN2's own, a grouped convolution with
weights made for each sample.

Run with PyTorch 1.13 or later: python3 layers.py > layers.json
"""

import json
import math

import torch
import torch.nn.functional as F
from torch.nn.utils import spectral_norm

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
cases = {}


def numbers(salt, *shape):
    """Numbers in [-1, 1) that both sides can make: no random generator."""
    count = torch.Size(shape).numel()
    values = [((k * 7919 + salt * 104729) % 2048) / 1024 - 1 for k in range(count)]
    return torch.tensor(values).reshape(shape)


def filled(salt, shape, kind):
    """A weight, a weight of large numbers, a factor around 1 (also a variance), or a vector of length 1."""
    n = numbers(salt, *shape)
    return {"weight": n / 2, "large": n * 8, "factor": 1 + n / 2, "unit": n / n.norm()}[kind]


def flat(t):
    return [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]


def case(name, layers, inputs, tensors, forward, train=True, start=None):
    """Records forward(inputs, tensors), which gives y or (y, heads), and changes the buffers among the tensors."""
    start = start or next(iter(inputs))
    i = {n: numbers(s, *shape).requires_grad_() for s, (n, shape) in enumerate(inputs.items(), 1)}
    described, t = {}, {}
    for salt, (n, (kind, *shape)) in enumerate(tensors.items(), 11):
        described[n] = [shape, salt, kind]
        t[n] = filled(salt, shape, kind)
    buffers = [n for n in t if n.rsplit(".", 1)[1] in ("running_mean", "running_var") or n.endswith(("_u", "_v"))]
    leaves = dict(i)
    for n in t:
        if n not in buffers:
            leaves[n] = t[n].requires_grad_()
    y = forward(i, t)
    y, heads = y if isinstance(y, tuple) else (y, {})
    loss = (y * numbers(99, *y.shape)).sum()
    for h in heads.values():
        loss = loss + (h * numbers(98, *h.shape)).sum()

    def gradients(of, **options):
        found = torch.autograd.grad(of, list(leaves.values()), allow_unused=True, **options)
        return {n: torch.zeros_like(v) if g is None else g for (n, v), g in zip(leaves.items(), found)}

    first = gradients(loss, create_graph=True)
    slope = (first[start] ** 2).sum()
    second = gradients(slope) if slope.requires_grad else {n: torch.zeros_like(v) for n, v in leaves.items()}
    cases[name] = {
        "network": {"start": start, "inputs": {n: list(v[1:]) for n, v in inputs.items()}, "layers": layers},
        "train": train,
        "inputs": {n: [list(v), s] for s, (n, v) in enumerate(inputs.items(), 1)},
        "tensors": described,
        "value": flat(y),
        "heads": {n: flat(h) for n, h in heads.items()},
        "gradients": {n: flat(g) for n, g in first.items()},
        "buffers": {n: flat(t[n]) for n in buffers},
        "second": {n: flat(g) for n, g in second.items()},
    }


def w(*shape):
    return ("weight", *shape)


def factor(*shape):
    return ("factor", *shape)


def unit(*shape):
    return ("unit", *shape)


def wb(layer, *shape, out=None):
    """A weight and a bias of a layer."""
    return {f"{layer}.weight": w(*shape), f"{layer}.bias": w(shape[0] if out is None else out)}


# Linear layers and convolutions.

case("linear", [{"linear": {"out": 3}}], {"x": [2, 4]}, wb("layers.0", 3, 4),
     lambda i, t: F.linear(i["x"], t["layers.0.weight"], t["layers.0.bias"]))
case("linear_without_bias", [{"linear": {"out": 3, "bias": False}}, "relu"], {"x": [2, 4]}, {"layers.0.weight": w(3, 4)},
     lambda i, t: F.linear(i["x"], t["layers.0.weight"]).relu())
case("conv", [{"conv": {"out": 4, "kernel": [3, 2], "stride": [2, 1], "padding": [1, 0], "groups": 2}}],
     {"x": [2, 2, 5, 4]}, wb("layers.0", 4, 1, 3, 2),
     lambda i, t: F.conv2d(i["x"], t["layers.0.weight"], t["layers.0.bias"], (2, 1), (1, 0), 1, 2))
case("conv_padded_unevenly", [{"conv": {"out": 2, "kernel": 3, "padding": [0, 2, 1, 0]}}],
     {"x": [1, 2, 4, 3]}, wb("layers.0", 2, 2, 3, 3),
     lambda i, t: F.conv2d(F.pad(i["x"], (1, 0, 0, 2)), t["layers.0.weight"], t["layers.0.bias"]))


def same(x, kernel, stride):
    """Zeros around x for ceil(n / stride) windows, the greater half below and to the right."""
    pads = []
    for side, k, s in reversed(list(zip(x.shape[2:], kernel, stride))):
        missing = max((math.ceil(side / s) - 1) * s + k - side, 0)
        pads += [missing // 2, missing - missing // 2]
    return F.pad(x, pads)


for kernel, stride in [((4, 4), (1, 1)), ((4, 3), (2, 2)), ((2, 2), (3, 3))]:
    case(f"conv_same_k{kernel[0]}{kernel[1]}_s{stride[0]}",
         [{"conv": {"out": 2, "kernel": list(kernel), "stride": list(stride), "padding": "same"}}],
         {"x": [1, 2, 5, 4]}, wb("layers.0", 2, 2, *kernel),
         lambda i, t: F.conv2d(same(i["x"], kernel, stride), t["layers.0.weight"], t["layers.0.bias"], stride))
case("conv_valid", [{"conv": {"out": 2, "kernel": 4, "padding": "valid"}}], {"x": [1, 2, 5, 4]}, wb("layers.0", 2, 2, 4, 4),
     lambda i, t: F.conv2d(i["x"], t["layers.0.weight"], t["layers.0.bias"]))
case("conv_transpose",
     [{"conv-transpose": {"out": 4, "kernel": [3, 2], "stride": [2, 3], "padding": [1, 0], "output_padding": [1, 2], "groups": 2}}],
     {"x": [2, 2, 2, 3]}, wb("layers.0", 2, 2, 3, 2, out=4),
     lambda i, t: F.conv_transpose2d(i["x"], t["layers.0.weight"], t["layers.0.bias"], (2, 3), (1, 0), (1, 2), 2))
case("conv_transpose_k5", [{"conv-transpose": {"out": 2, "kernel": 5, "stride": 2, "padding": 2, "output_padding": 1, "bias": False}}],
     {"x": [1, 3, 3, 2]}, {"layers.0.weight": w(3, 2, 5, 5)},
     lambda i, t: F.conv_transpose2d(i["x"], t["layers.0.weight"], None, 2, 2, 1))
for kernel, stride in [((4, 4), (2, 2)), ((3, 5), (2, 2)), ((2, 2), (3, 3))]:
    def forward(i, t):
        x, weight = i["x"], t["layers.0.weight"]
        image = torch.zeros(x.shape[0], 2, x.shape[2] * stride[0], x.shape[3] * stride[1], requires_grad=True)
        map = F.conv2d(same(image, kernel, stride), weight, None, stride)
        y, = torch.autograd.grad(map, image, x, create_graph=True)
        return y + t["layers.0.bias"].reshape(1, 2, 1, 1)
    case(f"conv_transpose_same_k{kernel[0]}{kernel[1]}_s{stride[0]}",
         [{"conv-transpose": {"out": 2, "kernel": list(kernel), "stride": list(stride), "padding": "same"}}],
         {"x": [1, 3, 2, 3]}, wb("layers.0", 3, 2, *kernel, out=2), forward)

# Forms of a weight.


def normed(module, t, layer, dim=None, name="weight", **settings):
    """A module with torch's spectral norm whose tensors are those of t; a pass changes the vectors in place."""
    module = spectral_norm(module, dim=dim, **settings)
    del module._parameters["weight_orig"]
    module.weight_orig = t[f"{layer}.{name}"]
    module.weight_u, module.weight_v = t[f"{layer}.{name}_u"], t[f"{layer}.{name}_v"]
    if f"{layer}.bias" in t:
        del module._parameters["bias"]
        module.bias = t[f"{layer}.bias"]
    return module


def sn(layer, *shape, rows=None, name="weight"):
    """A weight and its singular vectors, declared together."""
    rows = shape[0] if rows is None else rows
    columns = torch.Size(shape).numel() // rows
    return {f"{layer}.{name}": w(*shape)}, {f"{layer}.{name}_u": unit(rows), f"{layer}.{name}_v": unit(columns)}


def tensors(*parts):
    """All parameters, then all buffers."""
    parameters, buffers = {}, {}
    for part in parts:
        first, second = part if isinstance(part, tuple) else (part, {})
        parameters.update(first)
        buffers.update(second)
    return {**parameters, **buffers}


for train in (True, False):
    when = "in_training" if train else "afterwards"
    weight, vectors = sn("layers.0", 3, 2, 3, 3)
    case(f"spectral_conv_{when}", [{"conv": {"out": 3, "kernel": 3, "padding": 1, "spectral_norm": True}}], {"x": [2, 2, 4, 4]},
         tensors((weight, vectors), {"layers.0.bias": w(3)}),
         lambda i, t: normed(torch.nn.Conv2d(2, 3, 3, 1, 1), t, "layers.0").train(train)(i["x"]), train=train)
weight, vectors = sn("layers.0", 2, 3, 4, 4, rows=3)
case("spectral_conv_transpose",
     [{"conv-transpose": {"out": 3, "kernel": 4, "stride": 2, "padding": 1, "spectral_norm": {"iterations": 2, "eps": 1e-10}}}],
     {"x": [1, 2, 3, 3]}, tensors((weight, vectors), {"layers.0.bias": w(3)}),
     lambda i, t: normed(torch.nn.ConvTranspose2d(2, 3, 4, 2, 1), t, "layers.0", n_power_iterations=2, eps=1e-10)(i["x"]))
case("spectral_linear", [{"linear": {"out": 4, "bias": False, "spectral_norm": True}}], {"x": [3, 5]}, tensors(sn("layers.0", 4, 5)),
     lambda i, t: normed(torch.nn.Linear(5, 4, bias=False), t, "layers.0")(i["x"]))

case("equalised", [{"conv": {"out": 3, "kernel": 3, "equalised": True}},
                   {"conv-transpose": {"out": 2, "kernel": 2, "equalised": {"gain": 1.5}}}, "flatten",
                   {"linear": {"out": 2, "equalised": True}}],
     {"x": [1, 2, 4, 4]},
     tensors(wb("layers.0", 3, 2, 3, 3), wb("layers.1", 3, 2, 2, 2, out=2), wb("layers.3", 2, 18)),
     lambda i, t: F.linear(
         F.conv_transpose2d(F.conv2d(i["x"], t["layers.0.weight"] / math.sqrt(18), t["layers.0.bias"]),
                            t["layers.1.weight"] * 1.5 / math.sqrt(12), t["layers.1.bias"]).flatten(1),
         t["layers.3.weight"] / math.sqrt(18), t["layers.3.bias"]))

# Normalisations.


def bn(layer, c):
    """A batch norm's tensors."""
    return ({f"{layer}.weight": factor(c), f"{layer}.bias": w(c)}, {f"{layer}.running_mean": w(c), f"{layer}.running_var": factor(c)})


def batch_norm(x, t, layer, train, momentum=0.1, eps=1e-5):
    return F.batch_norm(x, t[f"{layer}.running_mean"], t[f"{layer}.running_var"], t[f"{layer}.weight"], t[f"{layer}.bias"], train, momentum, eps)


case("batch_norm_2d", [{"batch-norm": {"momentum": 0.3, "eps": 1e-3}}], {"x": [2, 2, 3, 2]}, tensors(bn("layers.0", 2)),
     lambda i, t: batch_norm(i["x"], t, "layers.0", True, 0.3, 1e-3))
case("batch_norm_1d", ["batch-norm", {"leaky-relu": {"slope": 0.2}}], {"x": [5, 3]}, tensors(bn("layers.0", 3)),
     lambda i, t: F.leaky_relu(batch_norm(i["x"], t, "layers.0", True), 0.2))
case("batch_norm_afterwards", ["batch-norm", "relu"], {"x": [2, 2, 3, 2]}, tensors(bn("layers.0", 2)),
     lambda i, t: batch_norm(i["x"], t, "layers.0", False).relu(), train=False)


def keras_batch_norm(x, t, momentum, eps):
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    y = (x - mean.reshape(1, -1, 1, 1)) / (var.reshape(1, -1, 1, 1) + eps).sqrt()
    for name, new in (("mean", mean), ("var", var)):
        old = t[f"layers.0.running_{name}"]
        t[f"layers.0.running_{name}"] = momentum * old + (1 - momentum) * new.detach()
    return y * t["layers.0.weight"].reshape(1, -1, 1, 1) + t["layers.0.bias"].reshape(1, -1, 1, 1)


case("batch_norm_keras", [{"batch-norm": {"keras": True}}], {"x": [2, 2, 3, 2]}, tensors(bn("layers.0", 2)),
     lambda i, t: keras_batch_norm(i["x"], t, 0.99, 1e-3))
case("batch_norm_keras_half", [{"batch-norm": {"keras": True, "momentum": 0.5}}], {"x": [2, 2, 3, 2]}, tensors(bn("layers.0", 2)),
     lambda i, t: keras_batch_norm(i["x"], t, 0.5, 1e-3))
affine = {"layers.0.weight": factor(4), "layers.0.bias": w(4)}
case("instance_norm", [{"instance-norm": {"affine": True}}], {"x": [2, 4, 2, 3]}, affine,
     lambda i, t: F.instance_norm(i["x"], weight=t["layers.0.weight"], bias=t["layers.0.bias"]))
case("group_norm", [{"group-norm": {"groups": 2}}], {"x": [2, 4, 2, 3]}, affine,
     lambda i, t: F.group_norm(i["x"], 2, t["layers.0.weight"], t["layers.0.bias"]))
case("layer_norm", ["layer-norm"], {"x": [2, 2, 2, 3]}, {"layers.0.weight": factor(2, 2, 3), "layers.0.bias": w(2, 2, 3)},
     lambda i, t: F.layer_norm(i["x"], (2, 2, 3), t["layers.0.weight"], t["layers.0.bias"]))
case("pixel_norm", ["pixel-norm"], {"x": [2, 3, 2, 2]}, {},
     lambda i, t: i["x"] / (i["x"].pow(2).mean(1, keepdim=True) + 1e-8).sqrt())
case("pixel_norm_of_vectors", ["pixel-norm"], {"x": [2, 5]}, {},
     lambda i, t: i["x"] / (i["x"].pow(2).mean(1, keepdim=True) + 1e-8).sqrt())

# Functions of each number, pools, other sizes.

for name, settings, f in [
    ("relu", None, F.relu), ("relu6", None, lambda x: F.relu6(x)), ("leaky-relu", {"slope": 0.2}, lambda x: F.leaky_relu(x, 0.2)), ("tanh", None, torch.tanh),
    ("sigmoid", None, torch.sigmoid), ("elu", {"alpha": 0.7}, lambda x: F.elu(x, 0.7)), ("gelu", None, F.gelu), ("silu", None, F.silu),
    ("softplus", None, F.softplus),
]:
    case(name, [name if settings is None else {name: settings}], {"x": [2, 6]}, {}, lambda i, t: f(i["x"] * 1))
for name, settings, f in [
    ("max-pool", {"kernel": [3, 2], "stride": [2, 1], "padding": [1, 0]}, lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0))),
    ("avg-pool", {"kernel": 3, "stride": 2, "padding": 1}, lambda x: F.avg_pool2d(x, 3, 2, 1)),
    ("avg-pool_inside", {"kernel": [3, 2], "stride": [2, 1], "padding": 1, "count_padding": False},
     lambda x: F.avg_pool2d(x, (3, 2), (2, 1), 1, count_include_pad=False)),
    ("global-avg-pool", None, lambda x: x.mean((2, 3))),
    ("adaptive-avg-pool", [3, 2], lambda x: F.adaptive_avg_pool2d(x, (3, 2))),
    ("adaptive-max-pool", [3, 2], lambda x: F.adaptive_max_pool2d(x, (3, 2))),
    ("upsample", {"scale": 2}, lambda x: F.interpolate(x, scale_factor=2, mode="nearest")),
    ("flatten", None, lambda x: x.flatten(1)),
    ("reshape", [5, "auto", 2], lambda x: x.reshape(2, 5, 4, 2)),
    ("dropout", None, lambda x: x * 1),
    ("tap", "features", lambda x: x * 1),
]:
    layer = name.split("_")[0]
    case(name, [layer if settings is None else {layer: settings}], {"x": [2, 2, 5, 4]}, {}, lambda i, t: f(i["x"]), train=False)
case("adaptive-avg-pool_even", [{"adaptive-avg-pool": 2}], {"x": [2, 2, 6, 4]}, {}, lambda i, t: F.adaptive_avg_pool2d(i["x"], 2))
case("adaptive-avg-pool_to_more", [{"adaptive-avg-pool": [3, 5]}], {"x": [1, 2, 2, 3]}, {}, lambda i, t: F.adaptive_avg_pool2d(i["x"], (3, 5)))
case("adaptive-max-pool_even", [{"adaptive-max-pool": 2}], {"x": [2, 2, 6, 4]}, {}, lambda i, t: F.adaptive_max_pool2d(i["x"], 2))
case("upsample_bilinear", [{"upsample": {"mode": "bilinear"}}], {"x": [1, 2, 3, 2]}, {},
     lambda i, t: F.interpolate(i["x"], scale_factor=2, mode="bilinear", align_corners=False))
case("pixel-shuffle", ["pixel-shuffle"], {"x": [1, 8, 2, 3]}, {}, lambda i, t: F.pixel_shuffle(i["x"], 2))

case("relu6_of_large_numbers", [{"conv": {"out": 2, "kernel": 1}}, "relu6"], {"x": [1, 3, 2, 3]}, {"layers.0.weight": ("large", 2, 3, 1, 1), "layers.0.bias": w(2)},
     lambda i, t: F.relu6(F.conv2d(i["x"], t["layers.0.weight"], t["layers.0.bias"])))
case("bias", ["bias", "relu"], {"x": [2, 3, 2, 2]}, {"layers.0.bias": w(3)},
     lambda i, t: (i["x"] + t["layers.0.bias"].reshape(1, 3, 1, 1)).relu())
case("bias_of_vectors", [{"name": "fc", "linear": {"out": 2, "bias": False}}, {"name": "fc", "bias": {}}], {"x": [3, 4]}, wb("fc", 2, 4),
     lambda i, t: F.linear(i["x"], t["fc.weight"], t["fc.bias"]))

# Several ways through.

case("branches",
     [{"name": "mixed", "branches": [
         [{"name": "a", "block": [{"name": "conv", "conv": {"out": 2, "kernel": 1, "bias": False}}, "relu"]}],
         [],
         [{"avg-pool": {"kernel": 3, "stride": 1, "padding": 1, "count_padding": False}}, {"conv": {"out": 3, "kernel": 1}}]]}, "tanh"],
     {"x": [2, 2, 3, 3]},
     {"mixed.a.conv.weight": w(2, 2, 1, 1), **wb("mixed.branches.2.1", 3, 2, 1, 1)},
     lambda i, t: torch.cat([F.conv2d(i["x"], t["mixed.a.conv.weight"]).relu(), i["x"],
                             F.conv2d(F.avg_pool2d(i["x"], 3, 1, 1, count_include_pad=False),
                                      t["mixed.branches.2.1.weight"], t["mixed.branches.2.1.bias"])], 1).tanh())

case("residual", [{"residual": {"layers": [{"conv": {"out": 3, "kernel": 3, "padding": 1}}, "tanh"], "shortcut": [{"conv": {"out": 3, "kernel": 1}}]}}, "relu"],
     {"x": [1, 2, 3, 3]},
     tensors(wb("layers.0.residual.layers.0", 3, 2, 3, 3), wb("layers.0.residual.shortcut.0", 3, 2, 1, 1)),
     lambda i, t: (F.conv2d(i["x"], t["layers.0.residual.layers.0.weight"], t["layers.0.residual.layers.0.bias"], 1, 1).tanh()
                   + F.conv2d(i["x"], t["layers.0.residual.shortcut.0.weight"], t["layers.0.residual.shortcut.0.bias"])).relu())
case("expand", [{"concat": {"input": "y", "layers": [{"expand": [3, 2]}]}}, {"conv": {"out": 2, "kernel": 2}}],
     {"x": [2, 2, 3, 2], "y": [2, 3]}, wb("layers.1", 2, 5, 2, 2),
     lambda i, t: F.conv2d(torch.cat([i["x"], i["y"].reshape(2, 3, 1, 1).expand(2, 3, 3, 2)], 1), t["layers.1.weight"], t["layers.1.bias"]))
case("head", [{"linear": {"out": 3}}, {"head": {"name": "auxiliary", "layers": ["tanh", {"linear": {"out": 2}}]}}, "sigmoid"],
     {"x": [2, 4]}, tensors(wb("layers.0", 3, 4), wb("layers.1.head.layers.1", 2, 3)),
     lambda i, t: (lambda h: (h.sigmoid(), {"auxiliary": F.linear(h.tanh(), t["layers.1.head.layers.1.weight"], t["layers.1.head.layers.1.bias"])}))(
         F.linear(i["x"], t["layers.0.weight"], t["layers.0.bias"])))
case("projection", ["tanh", {"projection": {"input": "y", "layers": [{"linear": {"out": 1}}]}}],
     {"x": [3, 4], "y": [3, 2]}, tensors({"layers.1.weight": w(4, 2)}, wb("layers.1.projection.layers.0", 1, 4)),
     lambda i, t: F.linear(i["x"].tanh(), t["layers.1.projection.layers.0.weight"], t["layers.1.projection.layers.0.bias"])
     + (F.linear(i["y"], t["layers.1.weight"]) * i["x"].tanh()).sum(1, keepdim=True))

# A whole discriminator as in report R0: spectral norm everywhere, convolutions, projection.
conv, conv_vectors = sn("layers.0", 3, 2, 4, 4)
psi, psi_vectors = sn("layers.3.projection.layers.0", 1, 12)
case("projection_discriminator",
     [{"conv": {"out": 3, "kernel": 4, "stride": 2, "padding": 1, "spectral_norm": True}}, {"leaky-relu": {"slope": 0.2}}, "flatten",
      {"projection": {"input": "y", "spectral_norm": True, "layers": [{"linear": {"out": 1, "spectral_norm": True}}]}}],
     {"x": [2, 2, 4, 4], "y": [2, 3]},
     tensors((conv, conv_vectors), {"layers.0.bias": w(3)}, sn("layers.3", 12, 3), (psi, psi_vectors), {"layers.3.projection.layers.0.bias": w(1)}),
     lambda i, t: (lambda h: normed(torch.nn.Linear(12, 1), t, "layers.3.projection.layers.0")(h)
                   + (normed(torch.nn.Linear(3, 12, bias=False), t, "layers.3")(i["y"]) * h).sum(1, keepdim=True))(
         F.leaky_relu(normed(torch.nn.Conv2d(2, 3, 4, 2, 1), t, "layers.0")(i["x"]), 0.2).flatten(1)))

# Attention.


def attention(x, f, g, h, v, gamma):
    """Zhang et al. 2019, section 3: f, g, h and v are functions."""
    n, c, height, width = x.shape
    flat = lambda a: a.reshape(n, -1, height * width)
    s = torch.einsum("nci,ncj->nij", flat(f(x)), flat(g(x)))
    beta = s.softmax(1)  # over i
    o = torch.einsum("nij,nci->ncj", beta, flat(h(x)))
    return gamma * v(o.reshape(n, -1, height, width)) + x


case("self_attention", [{"self-attention": {"reduction": 2}}], {"x": [2, 4, 2, 3]},
     {"layers.0.f.weight": w(2, 4, 1, 1), "layers.0.g.weight": w(2, 4, 1, 1), "layers.0.h.weight": w(2, 4, 1, 1), "layers.0.v.weight": w(4, 2, 1, 1), "layers.0.gamma": factor(1)},
     lambda i, t: attention(i["x"], *[lambda x, name=name: F.conv2d(x, t[f"layers.0.{name}.weight"]) for name in "fghv"], t["layers.0.gamma"]))
case("self_attention_spectral", [{"self-attention": {"reduction": 2, "spectral_norm": True}}], {"x": [2, 4, 2, 2]},
     tensors(*[sn("layers.0", *((4, 2) if name == "v" else (2, 4)), 1, 1, name=f"{name}.weight") for name in "fghv"], {"layers.0.gamma": factor(1)}),
     lambda i, t: attention(
         i["x"], *[normed(torch.nn.Conv2d(*((2, 4) if name == "v" else (4, 2)), 1, bias=False), t, "layers.0", name=f"{name}.weight") for name in "fghv"],
         t["layers.0.gamma"]))

# Style.


def style(t, i, name):
    return F.linear(i["w"], t[f"layers.0.{name}.weight"], t[f"layers.0.{name}.bias"])


case("adain", [{"adain": {"input": "w"}}, "tanh"], {"x": [2, 2, 3, 2], "w": [2, 3]},
     {"layers.0.scale.weight": w(2, 3), "layers.0.scale.bias": factor(2), "layers.0.shift.weight": w(2, 3), "layers.0.shift.bias": w(2)},
     lambda i, t: (F.instance_norm(i["x"]) * style(t, i, "scale").reshape(2, 2, 1, 1) + style(t, i, "shift").reshape(2, 2, 1, 1)).tanh())


def modulated(x, weight, s, demodulate, up=1, padding=0, equalise=1):
    """StyleGAN2's grouped convolution; weight (out, in, kh, kw)."""
    n, c, height, width = x.shape
    out, _, kh, kw = weight.shape
    made = weight[None] * equalise * s.reshape(n, 1, c, 1, 1)
    if demodulate:
        made = made * (made.pow(2).sum((2, 3, 4)) + 1e-8).rsqrt().reshape(n, out, 1, 1, 1)
    x = x.reshape(1, n * c, height, width)
    if up > 1:
        y = F.conv_transpose2d(x, made.transpose(1, 2).reshape(n * c, out, kh, kw), None, up, padding, groups=n)
    else:
        y = F.conv2d(x, made.reshape(n * out, c, kh, kw), None, 1, padding, groups=n)
    return y.reshape(n, out, *y.shape[2:])


shape = {"layers.0.affine.weight": w(2, 3), "layers.0.affine.bias": factor(2)}
case("modulated_conv", [{"modulated-conv": {"input": "w", "out": 3, "kernel": 3, "padding": 1}}, {"leaky-relu": {"slope": 0.2}}],
     {"x": [2, 2, 3, 2], "w": [2, 3]}, tensors(shape, wb("layers.0", 3, 2, 3, 3)),
     lambda i, t: F.leaky_relu(modulated(i["x"], t["layers.0.weight"], style(t, i, "affine"), True, padding=1) + t["layers.0.bias"].reshape(1, 3, 1, 1), 0.2))
case("modulated_conv_plain", [{"modulated-conv": {"input": "w", "out": 3, "kernel": [2, 1], "demodulate": False, "bias": False}}],
     {"x": [2, 2, 3, 2], "w": [2, 3]}, tensors(shape, {"layers.0.weight": w(3, 2, 2, 1)}),
     lambda i, t: modulated(i["x"], t["layers.0.weight"], style(t, i, "affine"), False))
case("modulated_conv_up", [{"modulated-conv": {"input": "w", "out": 3, "kernel": 4, "padding": 1, "up": 2}}],
     {"x": [2, 2, 2, 2], "w": [2, 3]}, tensors(shape, wb("layers.0", 2, 3, 4, 4, out=3)),
     lambda i, t: modulated(i["x"], t["layers.0.weight"].transpose(0, 1), style(t, i, "affine"), True, 2, 1) + t["layers.0.bias"].reshape(1, 3, 1, 1))
case("modulated_conv_equalised", [{"modulated-conv": {"input": "w", "out": 3, "kernel": 1, "demodulate": False, "bias": False, "equalised": True}}],
     {"x": [2, 2, 3, 2], "w": [2, 3]}, tensors(shape, {"layers.0.weight": w(3, 2, 1, 1)}),
     lambda i, t: modulated(i["x"], t["layers.0.weight"],
                            F.linear(i["w"], t["layers.0.affine.weight"] / math.sqrt(3), t["layers.0.affine.bias"]), False, equalise=1 / math.sqrt(2)))


def minibatch_stddev(x, group, features):
    """StyleGAN2's MinibatchStdLayer."""
    n, c, h, width = x.shape
    y = x.reshape(group, -1, features, c // features, h, width)
    y = y - y.mean(dim=0)
    y = (y.square().mean(dim=0) + 1e-8).sqrt().mean(dim=[2, 3, 4])
    y = y.reshape(-1, features, 1, 1).repeat(group, 1, h, width)
    return torch.cat([x, y], dim=1)


case("minibatch_stddev", [{"minibatch-stddev": {"group": 3, "features": 2}}], {"x": [6, 4, 2, 1]}, {}, lambda i, t: minibatch_stddev(i["x"], 3, 2))
case("minibatch_stddev_of_six", ["minibatch-stddev"], {"x": [6, 2, 1, 2]}, {}, lambda i, t: minibatch_stddev(i["x"], 3, 1))


def spectral_steps():
    """Five steps of gradient descent (0.1) through a convolution that two batches pass in each, as a discriminator's do.

    Both passes take the same weight, but vectors of their own. Recorded after each step: "weight", "u", "v" as they are then, and
    "sigma", u . W v of the second pass.
    """
    t = {"layers.0.weight": filled(11, (3, 2, 3, 3), "weight").requires_grad_(),
         "layers.0.weight_u": filled(12, (3,), "unit"), "layers.0.weight_v": filled(13, (18,), "unit")}
    conv = normed(torch.nn.Conv2d(2, 3, 3, bias=False), t, "layers.0")
    steps = []
    for step in range(5):
        real, fake = conv(numbers(2 * step, 2, 2, 4, 4)).tanh(), conv(numbers(2 * step + 1, 2, 2, 4, 4)).tanh()
        loss = (real * numbers(99, *real.shape)).sum() + (fake * numbers(98, *fake.shape)).sum()
        g, = torch.autograd.grad(loss, t["layers.0.weight"])
        u, v = conv.weight_u.clone(), conv.weight_v.clone()
        sigma = u @ (t["layers.0.weight"].detach().reshape(3, 18) @ v)
        with torch.no_grad():
            t["layers.0.weight"] -= 0.1 * g
        steps.append({"weight": flat(t["layers.0.weight"]), "u": flat(u), "v": flat(v), "sigma": float(sigma)})
    return steps


print(json.dumps({"cases": cases, "steps": spectral_steps()}, separators=(",", ":")))
