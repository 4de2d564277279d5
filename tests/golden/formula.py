"""Numbers that are a formula of a name and a place, for weights that are too large to keep: Rust's tests make the same."""

import numpy as np
import torch


def mixed(x):
    """lowbias32 of Chris Wellons: 32 bits to 32 bits."""
    x = x.astype(np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def salt(name):
    """FNV-1a of 32 bits."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return h


def uniform(name, count):
    """Numbers in [-1, 1), multiples of 2^-23."""
    start = mixed(np.array([salt(name)]))
    bits = mixed(start + np.arange(count, dtype=np.uint32))
    return (bits >> np.uint32(8)) / 2.0**23 - 1


def filled(name, shape, norms):
    """The tensor of this name, f64 of f32: weights by He et al. 2015, factors around 1, statistics around measured ones."""
    u = uniform(name, int(np.prod(shape)))
    layer, last = name.rsplit(".", 1)
    if last == "weight" and len(shape) > 1:
        values = u * np.sqrt(6.0 / np.prod(shape[1:]))
    elif last == "weight":
        values = 1 + u / 4
    elif last == "bias":
        values = u / 4
    elif last == "running_mean":
        values = norms[layer][0] + u * np.sqrt(norms[layer][1]) / 4
    else:
        values = norms[layer][1] * (1 + u / 4)
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)
