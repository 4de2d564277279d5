"""Makes the numbers in tests/metric.rs (`frechet_distance_agrees_with_scipy`).

Features come from a recurrence in integers, so that Rust and Python draw the same f32 values.
Run with numpy and scipy: python3 tests/golden/frechet.py
"""

import numpy as np
from scipy import linalg


def features(rows, columns, seed):
    state, values = seed, []
    for _ in range(rows * columns):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append(np.float32(state >> 8) / np.float32(2**24))
    x = np.array(values, dtype=np.float32).reshape(rows, columns)
    return np.cumsum(x.astype(np.float64), axis=1).astype(np.float32)  # correlated columns


def frechet(a, b):
    mu_a, mu_b = a.mean(0, dtype=np.float64), b.mean(0, dtype=np.float64)
    cov_a, cov_b = np.cov(a.astype(np.float64).T), np.cov(b.astype(np.float64).T)
    root = linalg.sqrtm(cov_a @ cov_b).real
    return ((mu_a - mu_b) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)


for rows, columns in [(50, 3), (400, 16), (300, 64)]:
    value = frechet(features(rows, columns, 1), features(rows + 7, columns, 2) * np.float32(1.25))
    print(f"({rows}, {columns}, {value:.12e}),")
