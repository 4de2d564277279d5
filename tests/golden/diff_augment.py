"""Writes diff_augment.json: DiffAugment (Zhao et al. 2020) by the authors' definitions, with given random numbers.

The functions are those of the authors' DiffAugment_pytorch.py but for the random numbers, which are arguments: u in
[0, 1) takes the place of torch.rand, and floor(u * count) of torch.randint.

    python3 tests/golden/diff_augment.py
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F


def numbers(salt, shape):
    count = math.prod(shape)
    return torch.tensor([((k * 7919 + salt * 104729) % 2048) / 1024 - 1 for k in range(count)]).reshape(shape)


def column(draws, name):
    return torch.tensor([draw[name] for draw in draws]).reshape(-1, 1, 1, 1)


def whole(draws, name, axis, low, high):
    return torch.tensor([low + math.floor(draw[name][axis] * (high - low)) for draw in draws]).reshape(-1, 1, 1)


def rand_brightness(x, draws):
    return x + (column(draws, "brightness") - 0.5)


def rand_saturation(x, draws):
    x_mean = x.mean(dim=1, keepdim=True)
    return (x - x_mean) * (column(draws, "saturation") * 2) + x_mean


def rand_contrast(x, draws):
    x_mean = x.mean(dim=[1, 2, 3], keepdim=True)
    return (x - x_mean) * (column(draws, "contrast") + 0.5) + x_mean


def rand_translation(x, draws, ratio=0.125):
    shift_x, shift_y = int(x.size(2) * ratio + 0.5), int(x.size(3) * ratio + 0.5)
    translation_x = whole(draws, "translation", 0, -shift_x, shift_x + 1)
    translation_y = whole(draws, "translation", 1, -shift_y, shift_y + 1)
    grid_batch, grid_x, grid_y = torch.meshgrid(
        torch.arange(x.size(0)), torch.arange(x.size(2)), torch.arange(x.size(3)), indexing="ij"
    )
    grid_x = torch.clamp(grid_x + translation_x + 1, 0, x.size(2) + 1)
    grid_y = torch.clamp(grid_y + translation_y + 1, 0, x.size(3) + 1)
    x_pad = F.pad(x, [1, 1, 1, 1, 0, 0, 0, 0])
    return x_pad.permute(0, 2, 3, 1).contiguous()[grid_batch, grid_x, grid_y].permute(0, 3, 1, 2)


def rand_cutout(x, draws, ratio=0.5):
    cutout_size = int(x.size(2) * ratio + 0.5), int(x.size(3) * ratio + 0.5)
    offset_x = whole(draws, "cutout", 0, 0, x.size(2) + (1 - cutout_size[0] % 2))
    offset_y = whole(draws, "cutout", 1, 0, x.size(3) + (1 - cutout_size[1] % 2))
    grid_batch, grid_x, grid_y = torch.meshgrid(
        torch.arange(x.size(0)), torch.arange(cutout_size[0]), torch.arange(cutout_size[1]), indexing="ij"
    )
    grid_x = torch.clamp(grid_x + offset_x - cutout_size[0] // 2, min=0, max=x.size(2) - 1)
    grid_y = torch.clamp(grid_y + offset_y - cutout_size[1] // 2, min=0, max=x.size(3) - 1)
    mask = torch.ones(x.size(0), x.size(2), x.size(3))
    mask[grid_batch, grid_x, grid_y] = 0
    return x * mask.unsqueeze(1)


POLICIES = {
    "color": [rand_brightness, rand_saturation, rand_contrast],
    "translation": [rand_translation],
    "cutout": [rand_cutout],
}


def draw(k):
    u = [((k * 31 + at * 17 + 5) * 7919 % 997) / 997 for at in range(7)]
    return {"brightness": u[0], "saturation": u[1], "contrast": u[2], "translation": u[3:5], "cutout": u[5:7]}


def main():
    cases = []
    together = ["color", "translation", "cutout"]
    for shape, policies in [
        ((3, 3, 8, 16), [together]),
        ((3, 3, 9, 7), [["color"], ["translation"], ["cutout"], together]),
    ]:
        draws = [draw(k) for k in range(shape[0])]
        # the corners of both ranges
        draws[0].update(translation=[0.0, 0.0], cutout=[0.0, 0.0])
        draws[1].update(translation=[0.999, 0.999], cutout=[0.999, 0.999])
        for policy in policies:
            x = numbers(1, shape).requires_grad_()
            y = x
            for name in policy:
                for function in POLICIES[name]:
                    y = function(y, draws)
            (gradient,) = torch.autograd.grad((y * numbers(99, shape)).sum(), x)
            flat = lambda t: [float(f"{v:.6g}") for v in t.detach().flatten().tolist()]
            cases.append({"shape": shape, "policy": policy, "draws": draws, "y": flat(y), "gradient": flat(gradient)})
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
