"""Writes golden.json: values the tests of this crate compare with, made without this crate.

    python -m venv venv && venv/bin/pip install numpy mpmath
    venv/bin/python make_golden.py

From the published formulas: sums of cosines and not rotated vectors, root finding and not the crate's searches,
mpmath at 40 digits where a difference from 1 matters. Takes four minutes.
"""

import json
import platform
from pathlib import Path

import mpmath
import numpy as np

mpmath.mp.dps = 40


def frequencies(kind, d, theta, p=1.0):
    """Angular frequencies of the d/2 pairs, radians per token."""
    h, turning = d // 2, int(p * d // 2)
    g = np.zeros(h)
    if kind == "prope_reversed":
        g[h - turning :] = theta ** (-2.0 * np.arange(h - turning, h) / d)
    else:
        over = 2 * turning if kind == "rope_partial" else d
        g[:turning] = theta ** (-2.0 * np.arange(turning) / over)
    return g


def kernel(g, distances):
    """B_m / h: all-ones query and key, and Men et al."""
    return np.cos(np.outer(distances, g)).mean(axis=1)


def decay_row(kind, d, theta, p, distances):
    values = [float(mpmath.fsum(mpmath.cos(mpmath.mpf(float(x)) * r) for x in frequencies(kind, d, theta, p)) / (d // 2)) for r in distances]
    return {"kind": kind, "head_dim": d, "theta": theta, "fraction": p, "distances": distances, "values": values}


def wavelength_row(kind, d, theta, p):
    g = frequencies(kind, d, theta, p)
    turning = g[g > 0]
    quarter = np.pi / 2 / turning.min()
    return {
        "kind": kind, "head_dim": d, "theta": theta, "fraction": p,
        "longest": 2 * np.pi / turning.min(), "shortest": 2 * np.pi / turning.max(),
        "unrotated": int((g == 0).sum()), "first_negative": int(np.floor(quarter)) + 1,
    }


def least_row(kind, d, theta, p, context):
    values = kernel(frequencies(kind, d, theta, p), np.arange(context + 1))
    return {"kind": kind, "head_dim": d, "theta": theta, "fraction": p, "context": context,
            "distance": int(values.argmin()), "value": float(values.min())}


def never_negative(kind, d, theta, p, context):
    g = frequencies(kind, d, theta, p)
    for first in range(0, context + 1, 4096):
        if kernel(g, np.arange(first, min(first + 4096, context + 1))).min() < 0:
            return False
    return True


def base_row(kind, d, p, context):
    """On a grid of 0.5%: the first base that will do, and the one above the last that will not."""
    grid = 2.0 * 1.005 ** np.arange(0, 7000)
    grid = grid[grid < 30 * 0.0424 * context**1.628]
    first = next(theta for theta in grid if never_negative(kind, d, theta, p, context))
    failing = next((theta for theta in grid[::-1] if not never_negative(kind, d, theta, p, context)), 2.0)
    return {"kind": kind, "head_dim": d, "fraction": p, "context": context, "first": float(first), "all_from": float(failing * 1.005)}


def norm_row(name, g, context):
    """Squared norm at which the diagonal gets 0.99, by mpmath's root finder on the log of the norm."""
    distances = range(1, context)
    gaps = [mpmath.fsum(2 * mpmath.sin(mpmath.mpf(float(x)) * r / 2) ** 2 for x in g) / len(g) for r in distances]
    excess = lambda log_norm: mpmath.log(mpmath.fsum(mpmath.exp(-mpmath.exp(log_norm) * gap) for gap in gaps) * 99)
    mpmath.mp.dps = 20
    log_norm = mpmath.findroot(excess, (mpmath.log(1), mpmath.log(1e12)), solver="anderson", tol=1e-12)
    mpmath.mp.dps = 40
    return {"name": name, "frequencies": [float(x) for x in g], "context": context, "norm": float(mpmath.exp(log_norm))}


def wrapping_row(count):
    """Angles n * 1 rad, at 40 digits."""
    offs = [mpmath.mpf(n) - 2 * mpmath.pi * mpmath.nint(n / (2 * mpmath.pi)) for n in range(1, count + 1)]
    nearest, at = min((abs(off), n) for n, off in enumerate(offs, 1))
    angles = sorted([mpmath.mpf(0), 2 * mpmath.pi] + [off % (2 * mpmath.pi) for off in offs])
    gap = max(b - a for a, b in zip(angles, angles[1:]))
    return {"count": count, "nearest": float(nearest), "at": at, "gap": float(gap)}


def main():
    far = [0, 1, 10, 100, 1000, 5000]
    rope64 = frequencies("rope", 64, 1e4)
    sections = {
        "decay": [decay_row(*case, far) for case in [
            ("rope", 256, 1e4, 1.0), ("rope", 64, 5e5, 1.0), ("prope", 256, 1e4, 0.75), ("prope", 64, 1e4, 0.25),
            ("prope_reversed", 256, 1e4, 0.75), ("rope_partial", 256, 1e4, 0.75)]],
        "wavelengths": [wavelength_row(*case) for case in [
            ("rope", 256, 1e4, 1.0), ("prope", 256, 1e4, 0.75), ("prope", 256, 1e4, 0.5), ("prope", 256, 1e4, 0.25),
            ("prope_reversed", 256, 1e4, 0.75), ("rope_partial", 256, 1e4, 0.75), ("rope", 256, 5e5, 1.0), ("prope", 512, 1e6, 0.25)]],
        "least": [least_row(*case) for case in [
            ("rope", 64, 1e4, 1.0, 4096), ("prope", 64, 1e4, 0.75, 4096), ("prope", 64, 1e4, 0.5, 4096), ("prope", 64, 1e4, 0.25, 4096),
            ("rope", 256, 1e4, 1.0, 8192), ("prope_reversed", 256, 1e4, 0.75, 8192), ("rope_partial", 256, 1e4, 0.75, 8192)]],
        "bases": [base_row(*case) for case in [
            ("rope", 128, 1.0, 1024), ("rope", 128, 1.0, 4096), ("rope", 128, 1.0, 8192), ("rope", 128, 1.0, 32768),
            ("rope", 64, 1.0, 4096), ("rope", 256, 1.0, 8192), ("prope", 256, 0.75, 8192), ("prope", 64, 0.75, 4096), ("rope_partial", 64, 0.75, 4096), ("prope_reversed", 64, 0.75, 4096)]],
        "norms": [norm_row(*case, 1024) for case in [
            ("one frequency, 1 rad", rope64[:1]), ("fastest 8 of 32", rope64[:8]), ("all 32", rope64), ("slowest 8 of 32", rope64[24:])]],
        "wrapping": [wrapping_row(count) for count in (7, 63, 629, 1000, 6284)],
    }
    versions = {"python": platform.python_version(), "numpy": np.__version__, "mpmath": mpmath.__version__}
    parts = [f'"made_by": "make_golden.py, numpy and mpmath"', f'"versions": {json.dumps(versions)}']
    for name, rows in sections.items():  # one row a line keeps differences readable
        parts.append(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    Path(__file__).with_name("golden.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")


main()
