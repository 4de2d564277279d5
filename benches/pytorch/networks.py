"""Builds retake's networks, from the same YAML, as PyTorch modules."""

from pathlib import Path

import torch
import yaml
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
PRESETS = ROOT / "pipelines" / "models"


class Residual(nn.Module):
    """layers(x) + shortcut(x)"""

    def __init__(self, layers, shortcut):
        super().__init__()
        self.layers, self.shortcut = layers, shortcut

    def forward(self, x):
        return self.layers(x) + self.shortcut(x)


def convolution(kind, channels, kernel, stride=1, padding=0, bias=True, *, out):
    return kind(channels, out, kernel, stride, padding, bias=bias)


def sequence(layers, channels, dims):
    """The modules of a list of layers on `channels` channels (or features), and how many leave it."""
    modules = []
    for layer in layers:
        name, settings = (layer, {}) if isinstance(layer, str) else next(iter(layer.items()))
        if isinstance(settings, dict) and "out" in settings:
            settings = settings | {"out": dims.get(settings["out"], settings["out"])}
        match name:
            case "conv":
                modules.append(convolution(nn.Conv2d, channels, **settings))
            case "conv-transpose":
                modules.append(convolution(nn.ConvTranspose2d, channels, **settings))
            case "linear":
                modules.append(nn.Linear(channels, settings["out"]))
            case "batch-norm":
                modules.append(nn.BatchNorm2d(channels))
            case "relu":
                modules.append(nn.ReLU(inplace=True))
            case "leaky-relu":
                modules.append(nn.LeakyReLU(settings["slope"], inplace=True))
            case "tanh":
                modules.append(nn.Tanh())
            case "flatten":
                modules.append(nn.Flatten())
            case "global-avg-pool":
                modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
            case "reshape":
                modules.append(nn.Unflatten(1, (channels, 1, 1)))
            case "tap":
                pass
            case "residual":
                inner, after = sequence(settings["layers"], channels, dims)
                shortcut, _ = sequence(settings.get("shortcut", []), channels, dims)
                modules.append(Residual(inner, shortcut))
                channels = after
            case _:
                raise ValueError(f"no PyTorch module for the layer `{name}`")
        channels = settings.get("out", channels) if name in ("conv", "conv-transpose", "linear") else channels
    return nn.Sequential(*modules), channels


class Flops:
    """Floating-point operations of the convolutions and products of a forward pass: of all, and of the first."""

    def __init__(self, network, x):
        counted = []

        def count(module, inputs, output):
            # A transposed convolution uses each weight once a pixel of its input, a convolution of its output.
            pixels = (inputs[0] if isinstance(module, nn.ConvTranspose2d) else output)[0, 0].numel()
            counted.append(2 * module.weight.numel() * pixels)

        layers = (m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)))
        hooks = [layer.register_forward_hook(count) for layer in layers]
        training, device = network.training, next(network.parameters()).device
        with torch.no_grad():
            network.eval()(x.to(device))
        network.train(training)
        for hook in hooks:
            hook.remove()
        self.all, self.first = sum(counted), counted[0]


def dcgan_init(module):
    """PyTorch's DCGAN tutorial: convolutions N(0, 0.02), batch norm scale N(1, 0.02)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def networks(name, **dims):
    """The networks of a model by name; `dims` gives its symbols (channels, latent, classes) their values."""
    path = PRESETS / f"{name}.yaml"
    built = {}
    for name, spec in yaml.safe_load(path.read_text())["networks"].items():
        (shape,) = spec["inputs"].values()
        built[name], _ = sequence(spec["layers"], dims[shape[0]], dims)
    return built
