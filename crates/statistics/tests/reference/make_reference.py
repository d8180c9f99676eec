"""Writes example.json and values.json: an example, and what others compute from it.

    python -m venv venv && venv/bin/pip install numpy scipy statsmodels
    venv/bin/python make_reference.py

* example.json: three variants against one baseline, five seeds, twelve documents; made here, from a fixed
  seed, with effects of the size that the crate is for.
* values.json: effects and moments by numpy, tests and intervals by scipy, adjusted p-values and power by
  statsmodels, pigeonhole bootstrap by numpy, and for a single seed by scipy.stats.bootstrap. Where
  statsmodels has no power or does not solve for the effect (null), scipy's noncentral F has.
"""

import json
import platform
from pathlib import Path

import numpy as np
import scipy
import scipy.optimize
import scipy.stats
import statsmodels
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

SEEDS, DOCUMENTS = 5, 12
# name: true effect, and standard deviations of seeds, documents and pairs, in nats per token.
VARIANTS = {
    "better": (-0.006, 0.002, 0.006, 0.004),
    "same": (0.0, 0.003, 0.008, 0.006),
    "worse": (0.003, 0.0025, 0.004, 0.010),
}
# Each bootstrap is repeated this often, so that the error of its percentiles is known.
REPEATS, RESAMPLES = 40, 100_000


def make_example(rng):
    tokens = rng.integers(800, 40_000, DOCUMENTS)
    variants = {}
    for name, (effect, seeds, documents, pairs) in VARIANTS.items():
        rates = (
            effect
            + seeds * rng.standard_normal((SEEDS, 1))
            + documents * rng.standard_normal((1, DOCUMENTS))
            + pairs * rng.standard_normal((SEEDS, DOCUMENTS))
        )
        variants[name] = np.round(rates * tokens, 6).tolist()
    return {"tokens": tokens.tolist(), "variants": variants}


def effects(differences, tokens):
    return np.average(differences / tokens, axis=1, weights=tokens)


def t_interval(values):
    result = scipy.stats.ttest_1samp(values, 0.0)
    low, high = result.confidence_interval(0.95)
    return {
        "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values, ddof=1)),
        "low": float(low),
        "high": float(high),
        "t": float(result.statistic),
        "p": float(result.pvalue),
        "degrees_of_freedom": int(result.df),
    }


def summary(ends):
    """Percentiles over all repeats, and the standard deviation of those of one repeat."""
    low, high = np.mean(ends, axis=0)
    low_error, high_error = np.std(ends, axis=0, ddof=1)
    return {
        "low": float(low),
        "high": float(high),
        "low_error": float(low_error),
        "high_error": float(high_error),
        "resamples": RESAMPLES,
        "repeats": len(ends),
    }


def pigeonhole(differences, tokens, rng):
    """Owen (2007), literally: rows and columns are drawn by index and the submatrix is averaged."""
    seeds, documents = differences.shape
    ends = []
    for _ in range(REPEATS):
        rows = rng.integers(seeds, size=(RESAMPLES, seeds))
        columns = rng.integers(documents, size=(RESAMPLES, documents))
        drawn = differences[rows[:, :, None], columns[:, None, :]]
        samples = drawn.sum(axis=2).mean(axis=1) / tokens[columns].sum(axis=1)
        ends.append(np.percentile(samples, [2.5, 97.5]))
    return summary(ends)


def one_seed(differences, tokens, rng):
    def ratio(nats, counts, axis):
        return nats.sum(axis=axis) / counts.sum(axis=axis)

    ends = []
    for _ in range(REPEATS):
        result = scipy.stats.bootstrap(
            (differences, tokens),
            ratio,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            confidence_level=0.95,
            method="percentile",
            rng=rng,
        )
        ends.append(list(result.confidence_interval))
    return summary(ends)


def holm_row(p_values):
    adjusted = multipletests(p_values, method="holm")[1]
    return {"p": list(p_values), "adjusted": adjusted.tolist()}


def noncentral_power(ratio, n, alpha):
    """The square of a noncentral t is noncentral F, whose distribution scipy knows everywhere."""
    critical = scipy.stats.t.isf(alpha / 2, n - 1)
    return float(scipy.stats.ncf.sf(critical**2, 1, n - 1, n * ratio**2))


def power_rows():
    rows = []
    for n in [2, 3, 5, 8, 20, 100]:
        for alpha in [0.05, 0.01, 0.001]:
            for ratio in [0.1, 0.5, 1.0, 2.0, 4.0]:
                ours = noncentral_power(ratio, n, alpha)
                theirs = float(TTestPower().power(ratio, n, alpha, alternative="two-sided"))
                if np.isnan(theirs):  # scipy's noncentral t far in its tail
                    theirs = None
                else:
                    assert abs(ours - theirs) < 1e-10
                row = {"effect": 0.01 * ratio, "sd": 0.01, "n": n, "alpha": alpha}
                rows.append({**row, "power": ours, "statsmodels": theirs})
    return rows


def solved(n, alpha, power):
    """TTestPower.solve_power, or None where it stops before it has found the answer: its own power at
    that effect is then not the power asked for, often by far, and it gives no warning."""
    test = TTestPower()
    ratio = test.solve_power(None, nobs=n, alpha=alpha, power=power, alternative="two-sided")
    ratio = float(np.ravel(ratio)[0])
    reached = float(test.power(ratio, n, alpha, alternative="two-sided"))
    return ratio if abs(reached - power) < 1e-7 else None


def detectable_rows():
    rows = []
    for n in [2, 3, 4, 5, 8, 10, 20, 100]:
        for alpha in [0.05, 0.01, 0.005]:
            for power in [0.5, 0.8, 0.95]:
                ours = scipy.optimize.brentq(
                    lambda ratio: noncentral_power(ratio, n, alpha) - power, 1e-3, 1e3, xtol=1e-13, rtol=1e-13
                )
                theirs = solved(n, alpha, power)
                if theirs is not None:
                    assert abs(theirs / ours - 1) < 1e-6
                    theirs *= 0.01
                row = {"effect": 0.01 * ours, "sd": 0.01, "n": n, "alpha": alpha}
                rows.append({**row, "power": power, "statsmodels": theirs})
    return rows


def write(name, value):
    text = json.dumps(value, indent=1) + "\n"
    Path(__file__).with_name(name).write_text(text)


def main():
    rng = np.random.default_rng(20070701)
    example = make_example(rng)
    write("example.json", example)
    tokens = np.array(example["tokens"])
    variants = {}
    for name, rows in example["variants"].items():
        differences = np.array(rows)
        per_seed = effects(differences, tokens)
        variants[name] = {
            "per_seed": per_seed.tolist(),
            "t": t_interval(per_seed),
            "bootstrap": pigeonhole(differences, tokens, rng),
            "first_seed_bootstrap": one_seed(differences[0], tokens, rng),
        }
    write(
        "values.json",
        {
            "made_with": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "statsmodels": statsmodels.__version__,
            },
            "variants": variants,
            "holm": [
                holm_row([row["t"]["p"] for row in variants.values()]),
                holm_row([0.01, 0.04, 0.03, 0.005, 0.01, 0.9]),
                holm_row([0.5, 0.02, 0.6, 0.02]),
                holm_row([0.2]),
            ],
            "power": power_rows(),
            "smallest_detectable": detectable_rows(),
        },
    )


if __name__ == "__main__":
    main()
