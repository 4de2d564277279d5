#!/usr/bin/env python3
"""Times `retake metrics` beside torch-fidelity and pytorch-fid on two folders of images, turn and turn about; prints a
table in Markdown.

    VENV/bin/python benches/fidelity.py [--images 500] [--size 64] [--rounds 3] [--threads 2] [--sides retake,torch-fidelity]

Needs torch, torch-fidelity==0.4.0, pytorch-fid==0.3.0 and pillow, and an idle machine (and of a PyTorch that
pytorch/setup.sh installed, its stand-ins: LD_LIBRARY_PATH=VENV/lib/cuda-stubs). Each measurement is a process of its
own that reads both folders (of half the images each), runs InceptionV3 on them and prints the Fréchet distance; nothing is
cached between them. Weights are the formula of tests/golden/formula.py, the same file for all. Seconds are those of the
whole process, images a second what is left of them without the time of two images, which loading and the distance itself
take. Peaks of memory are those of the process.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

BENCHES = Path(__file__).resolve().parent
GOLDEN = BENCHES.parent / "tests" / "golden"

TORCH_FIDELITY = """
import sys, torch, torch_fidelity
torch.set_num_threads(int(sys.argv[4]))
print(torch_fidelity.calculate_metrics(
    input1=sys.argv[1], input2=sys.argv[2], fid=True, cuda=False, cache=False, verbose=False, save_cpu_ram=False,
    batch_size=16, feature_extractor_weights_path=sys.argv[3])["frechet_inception_distance"])
"""
PYTORCH_FID = """
import sys, torch, pytorch_fid.inception, pytorch_fid.fid_score
torch.set_num_threads(int(sys.argv[4]))
weights = torch.load(sys.argv[3])
pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: weights
print(pytorch_fid.fid_score.calculate_fid_given_paths(sys.argv[1:3], 16, "cpu", 2048, num_workers=0))
"""


def write_weights(path):
    sys.path.insert(0, str(GOLDEN))
    import torch
    from formula import filled

    network = json.loads((GOLDEN / "extractors.json").read_text())["inception"]
    torch.save({name: filled(name, shape, network["norms"]) for name, shape in network["tensors"].items()}, path)


def write_images(folder, count, size, seed):
    import numpy as np
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(seed)
    for k in range(count):
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((size, size), Image.BILINEAR).save(folder / f"{k:06}.png")


class Sides:
    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=BENCHES.parent, check=True)
        target = os.environ.get("CARGO_TARGET_DIR", BENCHES.parent / "target")
        self.retake = str(Path(target) / "release" / "retake")
        self.weights = str(scratch / "weights.pth")
        write_weights(self.weights)

    def command(self, side, folders):
        threads = str(self.options.threads)
        if side == "retake":
            import hashlib

            digest = hashlib.sha256(Path(self.weights).read_bytes()).hexdigest()
            store = tempfile.mkdtemp(dir=self.scratch)
            args = ["--weights", self.weights, "--weights-sha256", digest, "--store", store, "--device", "cpu", "--quiet"]
            return [self.retake, "metrics", *folders, *args, "--format", "json"]
        program = {"torch-fidelity": TORCH_FIDELITY, "pytorch-fid": PYTORCH_FID}[side]
        return [sys.executable, "-c", program, *folders, self.weights, threads]

    def measure(self, side, folders):
        """Seconds, peak in MiB, and the distance."""
        threads = str(self.options.threads)
        names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, threads) | {"CUDA_VISIBLE_DEVICES": ""}
        command = ["/usr/bin/env", *self.command(side, folders)]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        if status:
            raise SystemExit(f"{side} failed: {' '.join(command)}")
        value = json.loads(out)[0]["value"] if side == "retake" else float(out.split()[-1])
        return seconds, usage.ru_maxrss / 1024, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=500, help="in both folders together")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sides", default="retake,torch-fidelity")
    options = parser.parse_args()
    names = options.sides.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        sides = Sides(options, scratch)
        folders, few = ([], [])
        for which in range(2):
            for count, list_ in ((options.images // 2, folders), (2, few)):
                folder = scratch / f"{which}-{count}"
                write_images(folder, count, options.size, which)
                list_.append(str(folder))
        rounds = {name: [] for name in names}
        start = {name: sides.measure(name, few)[0] for name in names}
        for _ in range(options.rounds):
            for name in names:
                rounds[name].append(sides.measure(name, folders))
                print(name, *rounds[name][-1], file=sys.stderr)
    print(f"{options.images} images of {options.size}×{options.size}, {options.threads} threads, {options.rounds} round(s)\n")
    print("| | seconds | images/s | speed of the whole, first = 1 | peak MiB | distance |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in names:
        seconds, peaks, values = zip(*rounds[name])
        ratio = median(first[0] / other for first, other in zip(rounds[names[0]], seconds))
        speed = median(options.images / (s - start[name]) for s in seconds)
        print(f"| {name} | {median(seconds):.1f} | {speed:.1f} | {ratio:.2f} | {max(peaks):.0f} | {values[0]:.6f} |")


if __name__ == "__main__":
    main()
