"""Writes fidelity.json: what torch-fidelity, pytorch-fid and clean-fid make of two folders of images, end to end.

    pip install torch torchvision numpy pillow torch-fidelity==0.4.0 pytorch-fid==0.3.0 clean-fid==0.1.35
    python3 tests/golden/fidelity.py

Inception's weights are those of extractors.json; images are a formula that tests/extract/fidelity.rs repeats. clean-fid's
own network is a file that no package holds: here its resize and its distance stand around torch-fidelity's.
"""

import json
import pathlib
import tempfile

import numpy as np
import pytorch_fid.fid_score
import pytorch_fid.inception
import torch
import torch_fidelity
import torch_fidelity.feature_extractor_inceptionv3 as inception
from cleanfid.fid import frechet_distance
from cleanfid.resize import build_resizer
from formula import filled, mixed
from PIL import Image

COUNT, HEIGHT, WIDTH = 20, 40, 48
folder = pathlib.Path(__file__).parent


def image(which, k):
    """(H, W, 3) of uint8: waves and noise."""
    y, x, c = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), np.arange(3), indexing="ij")
    wave = (x * (1 + k % 5) + y * (2 + k % 3) * (1 + which) + 37 * c + 11 * k) % 256
    noise = mixed(((which * 64 + k) * 3 + c) * 4096 + y * 64 + x) % 256
    return ((wave * 3 + noise) // 4).astype(np.uint8)


def main(scratch):
    network = json.loads((folder / "extractors.json").read_text())["inception"]
    weights = {name: filled(name, shape, network["norms"]) for name, shape in network["tensors"].items()}
    path = str(scratch / "weights.pth")
    torch.save(weights, path)
    folders = []
    for which, name in enumerate(["generated", "reference"]):
        (scratch / name).mkdir()
        folders.append(str(scratch / name))
        for k in range(COUNT):
            Image.fromarray(image(which, k)).save(scratch / name / f"{k:03}.png")

    common = dict(cuda=False, cache=False, verbose=False, feature_extractor="inception-v3-compat", feature_extractor_weights_path=path)
    fidelity = torch_fidelity.calculate_metrics(
        input1=folders[0], input2=folders[1], fid=True, kid=True, kid_subset_size=10, isc=True, **common
    )
    prc = torch_fidelity.calculate_metrics(input1=folders[0], input2=folders[1], prc=True, feature_layer_prc="2048", **common)

    pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: weights
    pytorch = pytorch_fid.fid_score.calculate_fid_given_paths(folders, 5, "cpu", 2048, num_workers=0)

    net = inception.FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=path)
    resize = build_resizer("clean")

    def clean(which):
        resized = np.stack([resize(image(which, k)) for k in range(COUNT)])
        planes = torch.from_numpy(resized.astype(np.float32)).permute(0, 3, 1, 2)
        inception.interpolate_bilinear_2d_like_tensorflow1x = lambda *_, **__: planes
        (features,) = net(torch.zeros(planes.shape, dtype=torch.uint8))
        features = features.numpy().astype(np.float64)
        return features.mean(axis=0), np.cov(features, rowvar=False)

    return {
        "torch-fidelity": {**fidelity, **prc},
        "pytorch-fid": {"fid": float(pytorch)},
        "clean-fid": {"fid": float(frechet_distance(*clean(0), *clean(1)))},
    }


with tempfile.TemporaryDirectory() as scratch, torch.no_grad():
    golden = main(pathlib.Path(scratch))
(folder / "fidelity.json").write_text(json.dumps(golden, indent=1) + "\n")
