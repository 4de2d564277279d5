"""Writes weights.pth, a state_dict as training scripts leave it, and weights.json: what its network makes of an input.

    python3 tests/golden/weights.py
"""

import json
import pathlib

import torch
from torch import nn

from diff_augment import numbers

folder = pathlib.Path(__file__).parent
net = nn.Sequential(
    nn.Conv2d(3, 4, 3, stride=2, padding=1),
    nn.BatchNorm2d(4),
    nn.LeakyReLU(0.2),
    nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1, bias=False),
    nn.Flatten(),
    nn.Linear(2 * 8 * 8, 5),
)
with torch.no_grad():
    for salt, tensor in enumerate(net.state_dict().values()):
        if tensor.is_floating_point():
            tensor.copy_(numbers(salt, tuple(tensor.shape)) * 0.5)
    net[1].running_var.abs_().add_(0.5)
    net.eval()
    y = net(numbers(50, (2, 3, 8, 8)))
torch.save({"epoch": 3, "state_dict": net.state_dict()}, folder / "weights.pth")
names = {name: list(tensor.shape) for name, tensor in net.state_dict().items()}
(folder / "weights.json").write_text(json.dumps({"names": names, "y": y.flatten().tolist()}) + "\n")
