"""Writes weights.pth, a state_dict as training scripts leave it, weights-old.pth, the same as PyTorch before 1.6 wrote it,
views.pth and views-old.pth, tensors that are views into others, weights.onnx, the network's tensors as initialisers, and
weights.json: what the network makes of an input.

    pip install torch numpy onnx
    python3 tests/golden/weights.py
"""

import json
import pathlib

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
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
old = {"_use_new_zipfile_serialization": False}
torch.save(net.state_dict(), folder / "weights-old.pth", **old)

# Tensors that share one storage: the last of three, the transpose of the second, every other number of the first.
whole = numbers(60, (3, 4, 2))
views = {"last": whole[2], "turned": whole[1].t(), "strided": whole[0, ::2, 1], "parameter": nn.Parameter(whole[:, :, 0]),
         "half": whole[0].half(), "double": whole[0].double(), "brain": whole[0].bfloat16()}
torch.save(views, folder / "views.pth")
torch.save(views, folder / "views-old.pth", **old)


initialisers = [numpy_helper.from_array(np.array([2, -1]), "shape")]
for k, (name, tensor) in enumerate(net.state_dict().items()):
    if tensor.is_floating_point():
        # numbers in raw bytes and in a field of their own
        array = tensor.detach().numpy()
        made = helper.make_tensor(f"net/{name}:0", TensorProto.FLOAT, array.shape, array.flatten())
        initialisers.append(made if k % 2 else numpy_helper.from_array(array, f"net/{name}:0"))
graph = helper.make_graph([], "net", [], [], initialisers)
(folder / "weights.onnx").write_bytes(helper.make_model(graph).SerializeToString())
names = {name: list(tensor.shape) for name, tensor in net.state_dict().items()}
(folder / "weights.json").write_text(json.dumps({"names": names, "y": y.flatten().tolist(),
     "views": {name: [list(v.shape), v.detach().flatten().tolist()] for name, v in views.items()}}) + "\n")
