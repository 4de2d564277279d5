"""Golden numbers of the three resamplings: resample.json.

    pip install torch torch-fidelity==0.4.0 clean-fid==0.1.35 pillow numpy
    python tests/golden/resample.py

Images are made by a formula that tests/extract/resample.rs repeats. Of TensorFlow's bilinear, which must agree to the
bit, the file holds the SHA-256 of all values (little-endian f32) and some of them; of the others some.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from cleanfid.resize import make_resizer
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

EVERY = 991  # a prime, so that the values taken are spread over rows, columns and channels


def image(height, width):
    """(H, W, 3) of uint8."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((x * 7 + y * 13 + c * 31 + (x * y) % 17 * 5) % 256).astype(np.uint8)


def main():
    bicubic = make_resizer("PIL", False, "bicubic", (299, 299))
    cases = []
    for height, width in [(64, 64), (32, 48), (400, 300), (299, 299), (512, 640), (1, 1), (2, 3)]:
        pixels = image(height, width)
        planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
        tensorflow = interpolate_bilinear_2d_like_tensorflow1x(planes, size=(299, 299), align_corners=False)
        pytorch = torch.nn.functional.interpolate(planes, size=(299, 299), mode="bilinear", align_corners=False)
        pillow = torch.from_numpy(bicubic(pixels).astype(np.float32)).permute(2, 0, 1)[None]
        bits = tensorflow.contiguous().numpy().astype("<f4").tobytes()
        cases.append(
            {
                "size": [height, width],
                "tensorflow_sha256": hashlib.sha256(bits).hexdigest(),
                **{
                    name: [float(value) for value in values.flatten()[::EVERY]]
                    for name, values in [("tensorflow", tensorflow), ("pytorch", pytorch), ("pillow", pillow)]
                },
            }
        )
    path = Path(__file__).with_name("resample.json")
    path.write_text(json.dumps({"every": EVERY, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
