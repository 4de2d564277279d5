"""Intervals of means and paired tests by scipy, for `src/report/inference.rs`. Prints statistics.json.

Values are drawn with a fixed seed and rounded, so that both sides see the same numbers. Where scipy divides by a
spread of 0 it gives NaN or infinity; the file holds null there.
"""

import json
import math
import warnings

import numpy as np
from scipy import stats

warnings.simplefilter("ignore")
rng = np.random.default_rng(20)


def normal(mean, sd, n):
    return np.round(rng.normal(mean, sd, n), 4)


def number(value):
    value = float(value)
    return value if math.isfinite(value) else None


def interval(values):
    if len(values) < 2:
        return None
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    return [float(low), float(high)] if math.isfinite(low) else None


SAMPLES = {
    "one": [3.5],
    "two": [3.5, 4.25],
    "three seeds": [60.0, 61.0, 63.5],
    "five seeds": normal(12.35, 0.5, 5).tolist(),
    "constant": [2.5, 2.5, 2.5],
    "around zero": normal(0.0, 1.0, 8).tolist(),
    "large n": normal(50.0, 7.0, 500).tolist(),
    "huge": (normal(3.0, 0.25, 6) * 1e120).tolist(),
    "tiny": (normal(3.0, 0.25, 6) * 1e-120).tolist(),
    "far from zero": (1e9 + normal(0.0, 1.0, 7)).tolist(),
}


def pair(a, b):
    return {"a": list(map(float, a)), "b": list(map(float, b))}


base = normal(60.0, 3.0, 12)
PAIRS = {
    "one": pair([3.0], [1.0]),
    "two": pair([3.0, 5.0], [1.0, 4.5]),
    "three seeds": pair([60.0, 61.0, 63.5], [41.0, 42.5, 42.0]),
    "no difference": pair([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
    "constant difference": pair([1.5, 2.5, 3.5], [1.0, 2.0, 3.0]),
    "constant but for rounding": pair([1.3, 2.3, 3.3], [1.0, 2.0, 3.0]),
    "twelve seeds": pair(base + normal(0.5, 1.0, 12), base),
    "clear": pair(base + normal(40.0, 0.5, 12), base),
    "large n": pair(normal(0.1, 1.0, 400), normal(0.0, 1.0, 400)),
    "huge": pair(normal(3.0, 1.0, 5) * 1e120, normal(2.0, 1.0, 5) * 1e120),
    "tiny": pair(normal(3.0, 1.0, 5) * 1e-120, normal(2.0, 1.0, 5) * 1e-120),
}


def test(sides):
    a, b = np.array(sides["a"]), np.array(sides["b"])
    result = stats.ttest_rel(a, b)
    return {**sides, "difference": float(np.mean(a - b)), "interval": interval(a - b),
            "t": number(result.statistic), "p": number(result.pvalue)}


FREEDOM = [1, 2, 3, 4, 5, 7, 10, 30, 100, 1000, 9999]
TAILS = [0.0, 0.001, 0.1, 0.5, 1.0, 1.96, 2.5, 4.0, 10.0, 40.0, 1000.0]

cases = {
    "samples": {name: {"values": values, "mean": float(np.mean(values)), "interval": interval(values)}
                for name, values in SAMPLES.items()},
    "pairs": {name: test(sides) for name, sides in PAIRS.items()},
    "quantiles": [[nu, float(stats.t.ppf(0.975, nu))] for nu in FREEDOM],
    "tails": [[t, nu, float(2 * stats.t.sf(t, nu))] for nu in FREEDOM for t in TAILS],
}
print("{" + ",\n".join(f'"{name}": {json.dumps(case)}' for name, case in cases.items()) + "}")
