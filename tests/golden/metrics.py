"""Makes tests/golden/metrics.json: metrics of published implementations on features that Rust draws as well.

Features come from a recurrence in integers, so that both sides have the same f32 values. Implementations that take
float64 are given it: in float32 torch-fidelity's own sums are off by about 1e-4 in KID (recorded as `single`).

Run with numpy, scipy, scikit-learn, torch, torch-fidelity 0.4.0, pytorch-fid 0.3.0 and prdc 0.2:
    python3 tests/golden/metrics.py > tests/golden/metrics.json
"""

import contextlib
import io
import json

import numpy as np
import torch
from prdc import compute_prdc
from pytorch_fid.fid_score import calculate_frechet_distance
from scipy import linalg
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric


def states(count, seed):
    state, values = seed, np.empty(count, dtype=np.uint64)
    for i in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        values[i] = state
    return values


def walk(rows, columns, seed):
    """Correlated columns: sums of uniform numbers."""
    x = (states(rows * columns, seed) >> np.uint64(8)).astype(np.float32) / np.float32(2**24)
    return np.cumsum(x.reshape(rows, columns).astype(np.float64), axis=1).astype(np.float32)


def uniform(rows, columns, seed):
    x = (states(rows * columns, seed) >> np.uint64(8)).astype(np.float32) / np.float32(2**24)
    return x.reshape(rows, columns)


def grid(rows, columns, seed, levels):
    """Small whole numbers: many equal rows and equal distances, and arithmetic without rounding."""
    return ((states(rows * columns, seed) >> np.uint64(16)) % np.uint64(levels)).astype(np.float32).reshape(rows, columns)


def by_factors(a, b):
    """The distance from singular values of factors: exact to rounding even without full rank."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    shift = a.mean(0) - b.mean(0)
    a = (a - a.mean(0)) / np.sqrt(len(a) - 1)
    b = (b - b.mean(0)) / np.sqrt(len(b) - 1)
    return shift @ shift + (a * a).sum() + (b * b).sum() - 2 * linalg.svdvals(a @ b.T).sum()


def frechet():
    for kind, rows, others, columns in [
        ("full", 50, 57, 3),
        ("full", 400, 407, 16),
        ("full", 300, 307, 64),
        ("full", 1500, 1200, 96),
        ("few", 20, 33, 64),
        ("few", 64, 65, 64),
        ("few-generated", 20, 300, 64),
        ("few-reference", 300, 20, 64),
        ("dead", 300, 300, 24),
        ("double", 300, 300, 24),
    ]:
        a, b = walk(rows, columns, 1), walk(others, columns, 2) * np.float32(1.25)
        if kind == "dead":  # features that never vary
            a[:, [3, 7]], b[:, [7, 11]] = 0, 0.5
        if kind == "double":  # features that are others' doubles
            a[:, 5], b[:, 5] = a[:, 2], b[:, 2]
        mu_a, mu_b = a.mean(0, dtype=np.float64), b.mean(0, dtype=np.float64)
        cov_a, cov_b = np.cov(a.astype(np.float64).T), np.cov(b.astype(np.float64).T)
        root = linalg.sqrtm(cov_a @ cov_b).real
        stat_a, stat_b = (fid_features_to_statistics(torch.from_numpy(x).double()) for x in (a, b))
        yield {
            "kind": kind,
            "rows": [rows, others],
            "columns": columns,
            "factors": by_factors(a, b),
            "scipy": float(((mu_a - mu_b) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)),
            "pytorch_fid": float(calculate_frechet_distance(mu_a, cov_a, mu_b, cov_b)),
            "torch_fidelity": fid_statistics_to_metric(stat_a, stat_b, False)["frechet_inception_distance"],
        }


def kid():
    for rows, others, columns, settings in [
        (1500, 1300, 48, {}),
        (300, 250, 64, {"kid_subset_size": 100, "kid_subsets": 10}),
        (900, 40, 16, {"kid_subset_size": 30, "kid_subsets": 3, "rng_seed": 7}),
    ]:
        a, b = uniform(rows, columns, 1), uniform(others, columns, 2) * np.float32(1.25)
        double = kid_features_to_metric(torch.from_numpy(a).double(), torch.from_numpy(b).double(), verbose=False, **settings)
        single = kid_features_to_metric(torch.from_numpy(a), torch.from_numpy(b), verbose=False, **settings)
        yield {
            "rows": [rows, others],
            "columns": columns,
            "subsets": settings.get("kid_subsets", 100),
            "size": settings.get("kid_subset_size", 1000),
            "seed": settings.get("rng_seed", 2020),
            "mean": double["kernel_inception_distance_mean"],
            "sd": double["kernel_inception_distance_std"],
            "single": single["kernel_inception_distance_mean"],
        }


def inception_score():
    for rows, columns, scale, splits, shuffle in [(500, 20, 8, 10, True), (103, 7, 1, 10, True), (64, 5, 3000, 4, False)]:
        logits = (uniform(rows, columns, 3) - np.float32(0.5)) * np.float32(scale)
        value = isc_features_to_metric(torch.from_numpy(logits), splits, shuffle, 2020)
        yield {
            "rows": rows,
            "columns": columns,
            "scale": scale,
            "splits": splits,
            "shuffle": shuffle,
            "mean": value["inception_score_mean"],
            "sd": value["inception_score_std"],
        }


def manifold():
    for kind, rows, others, columns in [
        ("walk", 300, 280, 16),
        ("walk", 120, 150, 70),
        ("grid", 200, 170, 4),
        ("grid", 300, 40, 3),
        ("copies", 90, 100, 8),
    ]:
        if kind == "grid":
            a, b = grid(rows, columns, 1, 4), grid(others, columns, 2, 4)
        else:
            a, b = walk(rows, columns, 1), walk(others, columns, 2)
        if kind == "copies":  # a generator that repeats some reference images, some of them often
            a = grid(rows, columns, 1, 64)
            b = grid(others, columns, 2, 64)
            a[:30], a[30:60] = b[:30], b[4]
        case = {"kind": kind, "rows": [rows, others], "columns": columns}
        for k in (3, 5):
            with contextlib.redirect_stdout(io.StringIO()):
                theirs = prc_features_to_metric(torch.from_numpy(a), torch.from_numpy(b), prc_neighborhood=k, verbose=False)
                prdc = compute_prdc(b, a, k)
            case[f"closed_{k}"] = [theirs["precision"], theirs["recall"], theirs["f_score"]]
            case[f"open_{k}"] = [float(prdc[name]) for name in ("precision", "recall", "density", "coverage")]
        yield case


def random_state():
    for seed, n, size in [(2020, 10, 4), (0, 257, 5), (4294967295, 1000, 6)]:
        rng = np.random.RandomState(seed)
        yield {
            "seed": seed,
            "n": n,
            "permutation": rng.permutation(n)[:20].tolist(),
            "choices": [rng.choice(n, size, replace=False).tolist() for _ in range(2)],
        }


print("{")
parts = (frechet, kid, inception_score, manifold, random_state)
for part in parts:
    lines = ",\n".join(json.dumps(case) for case in part())
    print(f'"{part.__name__}": [\n{lines}\n]' + ("" if part is parts[-1] else ","))
print("}")
